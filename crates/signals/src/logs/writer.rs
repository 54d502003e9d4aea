//! The thread that writes: hides what is secret, groups errors, fills files, and says what was lost.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::clock::{SystemClock, wall_now};
use seawall_core::{Clock, Instant};

use super::errors::Groups;
use super::file::{Rotating, Rules};
use super::lock;
use super::options::{Options, Stream};
use super::queue::{Batch, Item, Queue};
use super::secrets::Secrets;
use super::{personal, shapes};
use crate::place::private_directory;

/// How often it is looked whether somebody has moved a file away.
const LOOK: Duration = Duration::from_secs(1);
/// How often old files are looked for.
const PRUNE: Duration = Duration::from_secs(3600);

/// Lines that no file would take.
#[derive(Debug, Default)]
pub(super) struct Lost(AtomicU64);

impl Lost {
    pub(super) fn failed(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where lines go.
pub(super) enum Outlets {
    /// A file for each stream.
    Files(Vec<(Stream, Rotating)>),
    /// One for all.
    Writer(Box<dyn Write + Send>),
}

impl Outlets {
    pub(super) fn in_files(directory: &Path, options: &Options) -> io::Result<Self> {
        private_directory(directory)?;
        let rules = Rules {
            rotate: options.rotate.0,
            every: options.every,
            files: options.files.max(1),
            keep: options.keep,
        };
        let mut files: Vec<(Stream, Rotating)> = Stream::ALL
            .iter()
            .map(|stream| (*stream, Rotating::new(directory.join(format!("{stream}.jsonl")), rules.clone())))
            .collect();
        // That nothing can be written is found out now, not with the first line.
        for (stream, file) in &mut files {
            if *stream == Stream::App {
                file.append(b"", wall_now())?;
            }
        }
        Ok(Self::Files(files))
    }

    pub(super) fn into_writer(writer: Box<dyn Write + Send>) -> Self {
        Self::Writer(writer)
    }

    /// Writes whole lines of one stream.
    fn write(&mut self, stream: Stream, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Files(files) => {
                let found = files.iter_mut().find(|(of, _)| *of == stream);
                found.map_or(Ok(()), |(_, file)| file.append(lines, wall_now()))
            }
            Self::Writer(writer) => writer.write_all(lines).and_then(|()| writer.flush()),
        }
    }

    fn each(&mut self, act: impl Fn(&mut Rotating)) {
        if let Self::Files(files) = self {
            files.iter_mut().for_each(|(_, file)| act(file));
        }
    }
}

pub(super) struct Writer {
    pub(super) queue: Arc<Queue>,
    pub(super) secrets: Secrets,
    pub(super) personal: bool,
    pub(super) streams: Vec<Stream>,
    pub(super) outlets: Outlets,
    pub(super) groups: Arc<Mutex<Groups>>,
    pub(super) lost: Arc<Lost>,
}

/// Says that the writer has gone, also when it panicked: nobody may wait for it then.
struct Gone(Arc<Queue>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.gone();
    }
}

impl Writer {
    pub(super) fn run(mut self) {
        let _gone = Gone(self.queue.clone());
        let clock = SystemClock::new();
        let (mut looked, mut pruned): (Instant, Option<Instant>) = (clock.now(), None);
        let mut emptied = Vec::new();
        let mut lines: Vec<(Stream, Vec<u8>, u64)> =
            Stream::ALL.iter().map(|stream| (*stream, Vec::new(), 0)).collect();
        // Not told yet.
        let mut missing = 0;
        loop {
            let Batch { mut items, refused, reopen, over } = self.queue.take(std::mem::take(&mut emptied));
            let now = clock.now();
            if reopen {
                self.outlets.each(Rotating::close);
            } else if now.since(looked) >= LOOK {
                self.outlets.each(Rotating::look);
                looked = now;
            }
            if pruned.is_none_or(|at| now.since(at) >= PRUNE) {
                self.outlets.each(|file| file.prune(wall_now()));
                pruned = Some(now);
            }
            missing += refused;
            for item in items.drain(..) {
                self.line(item, &mut lines);
            }
            emptied = items;
            missing += self.write(&mut lines);
            if missing > 0 && self.tell(missing) {
                missing = 0;
            }
            if over {
                return;
            }
        }
    }

    /// Makes a line fit to be read, and puts it where it belongs.
    fn line(&self, item: Item, lines: &mut [(Stream, Vec<u8>, u64)]) {
        let Item { stream, text, cause } = item;
        let shown = self.hide(&text);
        let mut put = |stream: Stream, text: &str| {
            let wanted = self.streams.contains(&stream);
            if let Some((_, bytes, count)) = lines.iter_mut().find(|(of, ..)| wanted && *of == stream) {
                bytes.extend_from_slice(text.as_bytes());
                *count += 1;
            }
        };
        put(stream, &shown);
        let Some(cause) = cause else { return };
        if let Some(count) = lock(&self.groups).count(cause, &shown) {
            let body = shown.trim_end().trim_end_matches('}');
            let told = format!("{body},\"group\":\"{cause:016x}\",\"count\":{count}}}\n");
            put(
                Stream::Errors,
                &told.replacen(&format!("\"stream\":\"{stream}\""), "\"stream\":\"errors\"", 1),
            );
        }
    }

    fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let shown = self.secrets.hide(text);
        let shown = then(shown, shapes::hide);
        if self.personal { then(shown, personal::hide) } else { shown }
    }

    /// Hands lines to the operating system. How many it would not take.
    fn write(&mut self, lines: &mut [(Stream, Vec<u8>, u64)]) -> u64 {
        let mut failed = 0;
        for (stream, bytes, count) in lines {
            if !bytes.is_empty() && self.outlets.write(*stream, bytes).is_err() {
                failed += *count;
            }
            bytes.clear();
            bytes.shrink_to(1 << 20);
            *count = 0;
        }
        self.lost.0.fetch_add(failed, Ordering::Relaxed);
        failed
    }

    /// Writes into the log that lines are missing from it.
    fn tell(&mut self, missing: u64) -> bool {
        let moment = jiff::Timestamp::try_from(wall_now()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let line = format!(
            "{{\"ts\":\"{moment:.6}\",\"level\":\"warn\",\"stream\":\"app\",\"target\":\"seawall\",\
             \"msg\":\"lines of this log were lost\",\"lost\":{missing}}}\n"
        );
        self.outlets.write(Stream::App, line.as_bytes()).is_ok()
    }
}

/// Hides more in what something was hidden from already.
fn then<'t>(text: Cow<'t, str>, hide: impl Fn(&str) -> Cow<'_, str>) -> Cow<'t, str> {
    match text {
        Cow::Borrowed(text) => hide(text),
        Cow::Owned(text) => match hide(&text) {
            Cow::Owned(other) => Cow::Owned(other),
            Cow::Borrowed(_) => Cow::Owned(text),
        },
    }
}
