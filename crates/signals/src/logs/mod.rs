//! Writes down what happens as lines of JSON, without secrets, without blocking, and without filling the disk.
//!
#![doc = include_str!("../../../../docs/logs.md")]

mod errors;
mod facts;
mod file;
mod layer;
mod line;
mod names;
mod options;
mod personal;
mod queue;
mod secrets;
mod shapes;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::CallId;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::metrics::{Observer, Registry, names as metrics};

pub use errors::Group;
pub use line::Line;
pub use options::{Level, Options, Stream};
pub use secrets::Secrets;

use names::Names;
use queue::Queue;
use writer::{Lost, Outlets, Writer};

/// The target of `tracing` events that belong to the stream of performance.
pub const PERFORMANCE: &str = "seawall::performance";
/// The target of `tracing` events that belong to the stream of the audit. The trail that can be believed is
/// [`audit`](crate::audit); this is its copy for people.
pub const AUDIT: &str = "seawall::audit";
/// The target of `tracing` events that belong to the stream of carbon accounting.
pub const CARBON: &str = "seawall::carbon";
/// The target of `tracing` events that belong to the stream of who asked the admin port for what.
pub const ACCESS: &str = "seawall::access";

/// The logs of a process. Clones share them; the last to be dropped brings what is left to the disk, within a second.
///
/// Writing a line formats it and puts it into a bounded queue, on the calling thread; everything else is done by a thread of
/// its own.
#[derive(Clone)]
pub struct Logs(Arc<Shared>);

struct Shared {
    queue: Arc<Queue>,
    names: Arc<Names>,
    options: Options,
    groups: Arc<Mutex<errors::Groups>>,
    lost: Arc<Lost>,
    run: Arc<str>,
}

impl Logs {
    /// Logs into the directory of the options, one file for each stream; it is made if it is not there, for its owner alone.
    /// Refuses options without a directory, and one that cannot be written.
    pub fn in_files(options: Options, secrets: &Secrets) -> io::Result<Self> {
        let Some(directory) = options.directory.clone() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no directory: write where the logs should be",
            ));
        };
        let outlets = Outlets::in_files(&directory, &options)?;
        Self::begin(options, secrets, outlets)
    }

    /// Logs into one writer, such as the standard error, every stream together.
    pub fn into_writer(
        options: Options,
        secrets: &Secrets,
        writer: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        Self::begin(options, secrets, Outlets::into_writer(Box::new(writer)))
    }

    fn begin(options: Options, secrets: &Secrets, outlets: Outlets) -> io::Result<Self> {
        options
            .check()
            .map_err(|invalid| io::Error::new(io::ErrorKind::InvalidInput, invalid.to_string()))?;
        let bytes = usize::try_from(options.queue.0).unwrap_or(usize::MAX);
        let queue = Arc::new(Queue::of(bytes));
        let (groups, lost) = (Arc::<Mutex<errors::Groups>>::default(), Arc::<Lost>::default());
        let writer = Writer {
            queue: queue.clone(),
            secrets: secrets.clone(),
            personal: options.personal,
            streams: options.streams.clone(),
            outlets,
            groups: groups.clone(),
            lost: lost.clone(),
        };
        std::thread::Builder::new().name("seawall-logs".to_owned()).spawn(move || writer.run())?;
        let names = Arc::new(Names::with(&options.redact));
        let run = CallId::new().to_string().into();
        Ok(Self(Arc::new(Shared { queue, names, options, groups, lost, run })))
    }

    /// A layer for `tracing_subscriber::registry()`. It hears what its levels let through; what other layers hear is not its
    /// affair, and an event that nobody hears costs about a nanosecond. A span with a field `call` gives its call to every
    /// line inside.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + 'static
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        layer::layer(self)
    }

    /// A line that is begun here and written by [`Line::write`]; nothing is formatted where its level is not heard.
    pub fn line(&self, stream: Stream, level: Level, message: &str) -> Line<'_> {
        let options = &self.0.options;
        let heard = options.hears(stream) && level <= options.level_of(stream.target());
        Line::new(heard.then_some(&*self.0), stream, level, stream.target(), message)
    }

    /// Errors grouped by their cause, the most frequent first.
    pub fn errors(&self) -> Vec<Group> {
        lock(&self.0.groups).list()
    }

    /// Lines that were not written since the start: those that found the queue full, and those that no file would take.
    pub fn lost(&self) -> (u64, u64) {
        (self.0.queue.refused(), self.0.lost.failed())
    }

    /// Waits until everything that was logged before has been handed to the operating system, at most so long. `false` if
    /// that was not enough. It blocks the calling thread.
    pub fn flush(&self, patience: Duration) -> bool {
        self.0.queue.flush(patience)
    }

    /// Opens every file anew, as after somebody else has moved them away. That is noticed by itself too, within a second.
    pub fn reopen(&self) {
        self.0.queue.reopen();
    }

    /// Shows the lost lines in a registry for as long as what it returns is kept.
    pub fn observe(&self, registry: &Registry) -> Observer {
        let logs = self.clone();
        metrics::LOG_LINES_LOST.observe(registry, move |out| {
            let (full, failed) = logs.lost();
            out.add(&["full"], full as f64);
            out.add(&["failed"], failed as f64);
        })
    }

    /// The name of this run of the process, which every line bears.
    pub fn run(&self) -> &str {
        &self.0.run
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").field("directory", &self.0.options.directory).finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close(Duration::from_secs(1));
    }
}

/// A lock around a few assignments is never left half-way.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
