//! Lines for people, on stderr. Once a gateway serves, nothing waits for whoever reads them.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError, TrySendError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Lines that wait for a reader. What comes then is lost, and counted.
const WAITING: usize = 1024;
/// How long an end waits for one.
const PATIENCE: Duration = Duration::from_millis(500);

static BEHIND: OnceLock<Behind> = OnceLock::new();

/// The thread that writes.
struct Behind {
    lines: SyncSender<Said>,
    lost: Arc<AtomicU64>,
}

enum Said {
    Line(String),
    /// Dropped when everything before it is written.
    Mark(SyncSender<()>),
}

/// Writes a line for people.
pub(crate) fn note(line: impl fmt::Display) {
    let Some(behind) = BEHIND.get() else { return write(line) };
    if behind.lines.try_send(Said::Line(line.to_string())).is_err() {
        behind.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// From now on a thread of its own writes lines: a pipe that nobody empties holds up neither a reload nor a stop.
pub(crate) fn wait_for_nobody() -> io::Result<()> {
    let (lines, said) = mpsc::sync_channel(WAITING);
    let lost = Arc::new(AtomicU64::new(0));
    let counted = lost.clone();
    std::thread::Builder::new().name("seawall-stderr".to_owned()).spawn(move || follow(&said, &counted))?;
    // One that was there before goes on.
    let _ = BEHIND.set(Behind { lines, lost });
    Ok(())
}

/// Waits a little until what was said is written.
pub(crate) fn settle() {
    let Some(behind) = BEHIND.get() else { return };
    let (mark, written) = mpsc::sync_channel(0);
    let mut mark = Some(mark);
    for _ in 0..PATIENCE.as_millis() {
        let Some(next) = mark.take() else { break };
        match behind.lines.try_send(Said::Mark(next)) {
            // There is no room yet.
            Err(TrySendError::Full(Said::Mark(next))) => mark = Some(next),
            _ => break,
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    // One that was not taken is dropped here.
    if mark.is_none() {
        let _ = written.recv_timeout(PATIENCE);
    }
}

fn follow(said: &Receiver<Said>, lost: &AtomicU64) {
    loop {
        let next = match said.try_recv() {
            Err(TryRecvError::Empty) => {
                // Those that were lost came after all that waited.
                tell(lost);
                said.recv().ok()
            }
            next => next.ok(),
        };
        match next {
            Some(Said::Line(line)) => write(line),
            Some(Said::Mark(mark)) => {
                tell(lost);
                drop(mark);
            }
            None => return,
        }
    }
}

fn tell(lost: &AtomicU64) {
    let lost = lost.swap(0, Ordering::Relaxed);
    if lost > 0 {
        write(format_args!("seawall: {lost} more lines are lost: nobody read stderr in time"));
    }
}

fn write(line: impl fmt::Display) {
    // Nobody is left to tell when stderr is gone.
    let _ = writeln!(io::stderr().lock(), "{line}");
}
