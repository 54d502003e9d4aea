//! Traces and metrics for whoever collects them from many programs: OTLP over HTTP, in protocol buffers.
//!
//! ```text
//! calls ─► queue (bounded, lossy, counted) ─► spans, up to 512 at once ─► POST /v1/traces
//! Registry ───────────────────────────────── every interval ──────────► POST /v1/metrics
//! ```
//! A thread of its own does all of it. A collector that is away, stalls, redirects or talks nonsense holds up nobody: what finds
//! the queue full is dropped and counted, and spans that were given up are too. Metrics are sums since the start: what one
//! export loses the next makes good.

mod metric;
mod options;
mod run;
mod span;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use seawall_core::Clock;
use seawall_core::event::Sink;
use seawall_core::secret::Secret;
use tokio::sync::{mpsc, watch};

pub use options::Options;
pub use span::{Kind, Span, Value};

use crate::metrics::{Counter, Registry, names};

/// Calls that wait to be sent: some megabytes at the most.
const QUEUE: usize = 2048;

/// Something that can tell its spans: they are made on the exporter's thread, and not on that of a call.
pub trait Traced: Send {
    /// Adds its spans.
    fn spans(&self, into: &mut Vec<Span>);
}

/// Sends traces and metrics until it is stopped. Clones share it; when the last is dropped it stops by itself.
#[derive(Clone)]
pub struct Exporter {
    options: Arc<Options<Secret>>,
    queue: mpsc::Sender<Box<dyn Traced>>,
    dropped: Counter,
    end: Arc<End>,
}

struct End {
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl Exporter {
    /// Begins. `told`, where there is somebody, hears when a collector does not take what it is sent. Fails where no thread can be started, where an
    /// option is refused, and where a header's value is none.
    pub fn start(
        options: Options<Secret>,
        registry: &Registry,
        told: Option<(Arc<dyn Sink>, Arc<dyn Clock>)>,
    ) -> io::Result<Self> {
        options.check().map_err(|invalid| io::Error::other(invalid.to_string()))?;
        let options = Arc::new(options);
        let runner = run::Runner::new(&options, registry, told).map_err(io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new().name("seawall-otlp".to_owned()).spawn(move || {
            runtime.block_on(runner.run(waiting, stopped));
            runtime.shutdown_timeout(Duration::ZERO);
        })?;
        let dropped = names::OTLP_SPANS_DROPPED.with(registry, []);
        Ok(Self { options, queue, dropped, end: Arc::new(End { stop, thread: Mutex::new(Some(thread)) }) })
    }

    /// What it was made of.
    pub fn options(&self) -> &Options<Secret> {
        &self.options
    }

    /// Offers what a call was: taken if there is room, else dropped and counted. Never waits.
    pub fn offer(&self, traced: Box<dyn Traced>) {
        if self.queue.try_send(traced).is_err() {
            self.dropped.inc();
        }
    }

    /// Sends what waits, as far as a collector takes it within two seconds, and ends.
    pub fn stop(&self) {
        self.end.stop.send_replace(true);
        let thread = self.end.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // One that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("endpoint", &self.options.endpoint).finish_non_exhaustive()
    }
}
