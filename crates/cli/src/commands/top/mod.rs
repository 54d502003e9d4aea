//! `seawall top`: the first screen of the dashboard, in a terminal, once a second.

mod draw;
mod ill;
mod screen;

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use seawall_signals::view::Board;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::Running;
use crate::client::{Admin, typed};
use crate::output::{Failure, data, json};
use draw::Line;
use screen::Screen;

/// Watch it live: upstreams, breakers, limits, what is in doubt, and calls worth a look.
///
/// Refreshes every second; q quits. Where stdout is no terminal it writes the present state once.
#[derive(Debug, Args)]
pub(super) struct Top {
    #[command(flatten)]
    running: Running,
}

const BOARD: &str = "/api/v1/board";
const EVERY: Duration = Duration::from_secs(1);

/// What a shell says of a process that was interrupted, or told to end.
const INTERRUPTED: u8 = 130;
const TOLD: u8 = 143;

impl Top {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let port = self.running.port()?;
        let first = port.get(BOARD)?;
        if self.running.json {
            json(&first)?;
            return Ok(ExitCode::SUCCESS);
        }
        let first: Board = typed(first)?;
        if !io::stdout().is_terminal() {
            // As wide as it takes and as long as it gets: whoever reads it cuts it.
            let text: String =
                draw::draw(&first, 160, usize::MAX).iter().map(|line| line.shown(160) + "\n").collect();
            data(&text)?;
            return Ok(ExitCode::SUCCESS);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| Failure::failed(format_args!("cannot start: {why}")))?;
        runtime.block_on(watch(&port, first))
    }
}

/// Draws until somebody has seen enough. Whatever ends it, the terminal is as it was before.
async fn watch(port: &Admin, first: Board) -> Result<ExitCode, Failure> {
    let listen =
        |kind| signal(kind).map_err(|why| Failure::failed(format_args!("cannot listen for signals: {why}")));
    let (mut interrupt, mut end, mut hangup, mut resized) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
        listen(SignalKind::hangup())?,
        listen(SignalKind::window_change())?,
    );
    let screen = Screen::take()?;
    let mut keys = keys();
    let mut seen = first;
    let mut trouble: Option<String> = None;
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first look was before the first draw.
    every.tick().await;
    loop {
        screen.show(|width, height| lines(&seen, trouble.as_deref(), width, height))?;
        tokio::select! {
            _ = every.tick() => match look(port, &mut interrupt).await {
                Looked::Seen(board) => (seen, trouble) = (*board, None),
                Looked::Failed(why) => trouble = Some(why),
                Looked::Interrupted => return Ok(ExitCode::from(INTERRUPTED)),
            },
            Some(key) = keys.recv() => match key {
                b'q' | b'Q' => return Ok(ExitCode::SUCCESS),
                // Ctrl-C and Ctrl-\, which the terminal gives as keys while we have it.
                0x03 | 0x1c => return Ok(ExitCode::from(INTERRUPTED)),
                _ => {}
            },
            _ = resized.recv() => {}
            _ = interrupt.recv() => return Ok(ExitCode::from(INTERRUPTED)),
            _ = end.recv() => return Ok(ExitCode::from(TOLD)),
            _ = hangup.recv() => return Ok(ExitCode::from(TOLD)),
        }
    }
}

enum Looked {
    Seen(Box<Board>),
    Failed(String),
    Interrupted,
}

async fn look(port: &Admin, interrupt: &mut Signal) -> Looked {
    tokio::select! {
        answer = port.look(BOARD) => match answer.and_then(typed) {
            Ok(board) => Looked::Seen(Box::new(board)),
            Err(failure) => Looked::Failed(failure.to_string()),
        },
        _ = interrupt.recv() => Looked::Interrupted,
    }
}

fn lines(seen: &Board, trouble: Option<&str>, width: usize, height: usize) -> Vec<Line> {
    let mut lines = match trouble {
        Some(why) => vec![Line::bad(format!("what you see is old: {why}")), Line::default()],
        None => Vec::new(),
    };
    let left = height.saturating_sub(lines.len() + 1);
    lines.extend(draw::draw(seen, width, left));
    lines.truncate(height.saturating_sub(1));
    lines.push(Line::soft("q quits"));
    lines
}

/// Keys as they are pressed. The thread that waits for them ends with the process.
fn keys() -> mpsc::Receiver<u8> {
    let (send, keys) = mpsc::channel(16);
    if io::stdin().is_terminal() {
        std::thread::spawn(move || {
            let mut key = [0];
            while matches!(io::stdin().lock().read(&mut key), Ok(1)) && send.blocking_send(key[0]).is_ok() {}
        });
    }
    keys
}
