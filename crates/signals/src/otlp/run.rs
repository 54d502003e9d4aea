//! The thread that sends: spans as they come, metrics at their interval.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use seawall_core::Clock;
use seawall_core::clock::wall_now;
use seawall_core::event::{Event, Fact, Sink};
use seawall_core::secret::Secret;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::metric::{self, When};
use super::{Options, Traced, span};
use crate::alerts::Failure;
use crate::alerts::channel::Address;
use crate::alerts::channel::http::{Client, Patience};
use crate::metrics::{Counter, Registry, names};

/// Calls whose spans are sent at once.
const BATCH: usize = 512;
/// How long the first of them waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// Attempts at one batch, with twice the pause between them each time.
const ATTEMPTS: u32 = 4;
/// The first pause.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest, also where a collector asks for more.
const LONGEST: Duration = Duration::from_secs(30);
/// For what is under way and what is left at the end.
const LAST: Duration = Duration::from_secs(2);

/// One of the two things that are sent.
struct Signal {
    client: Client,
    sent: Counter,
    failed: Counter,
}

pub(super) struct Runner {
    options: Arc<Options<Secret>>,
    headers: HeaderMap,
    registry: Registry,
    traces: Signal,
    metrics: Signal,
    dropped: Counter,
    began: u64,
    told: Option<(Arc<dyn Sink>, Arc<dyn Clock>)>,
    /// Said once, until it works again.
    failing: AtomicBool,
}

fn nanos() -> u64 {
    let since = wall_now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// One that waits as long for a collector as a thread of its own can.
pub(super) fn client(endpoint: Address, authorities: Option<&[u8]>) -> Result<Client, String> {
    let mut client = Client::new(endpoint, authorities)?;
    client.patience = Patience { connect: Duration::from_secs(5), answer: Duration::from_secs(10) };
    Ok(client)
}

impl Runner {
    pub(super) fn new(
        options: &Arc<Options<Secret>>,
        registry: &Registry,
        told: Option<(Arc<dyn Sink>, Arc<dyn Clock>)>,
    ) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        for (name, value) in &options.headers {
            // What is wrong with a secret is said without it.
            let mut value = HeaderValue::from_str(value.expose())
                .map_err(|_| format!("the value of the header {name} cannot stand in a header"))?;
            value.set_sensitive(true);
            let name = HeaderName::try_from(name.as_str()).map_err(|error| error.to_string())?;
            headers.insert(name, value);
        }
        let authorities = options.authorities().map_err(|invalid| invalid.to_string())?;
        let signal = |word: &'static str| {
            let client = client(options.endpoint.at(&format!("/v1/{word}"))?, authorities.as_deref())?;
            let count = |result| names::OTLP_EXPORTS.with(registry, [word, result]);
            Ok::<_, String>(Signal { client, sent: count("sent"), failed: count("failed") })
        };
        Ok(Self {
            options: options.clone(),
            headers,
            traces: signal("traces")?,
            metrics: signal("metrics")?,
            dropped: names::OTLP_SPANS_DROPPED.with(registry, []),
            registry: registry.clone(),
            began: nanos(),
            told,
            failing: AtomicBool::new(false),
        })
    }

    /// Until it is stopped, and a little longer for what is left. What is under way then is waited for, and never sent a second time.
    pub(super) async fn run(
        self,
        mut waiting: mpsc::Receiver<Box<dyn Traced>>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let held = AtomicU64::new(0);
        {
            let traces = self.send_traces(&mut waiting, &held, stopped.clone());
            let metrics = self.send_metrics(stopped.clone());
            let late = async {
                stop(&mut stopped).await;
                sleep(LAST).await;
            };
            tokio::select! {
                ((), ()) = async { tokio::join!(traces, metrics) } => {}
                () = late => {}
            }
        }
        let queued = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
        self.dropped.add(held.into_inner().saturating_add(queued));
    }

    async fn send_traces(
        &self,
        waiting: &mut mpsc::Receiver<Box<dyn Traced>>,
        held: &AtomicU64,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                taken = waiting.recv_many(&mut batch, BATCH) => if taken == 0 { return },
                () = stop(&mut stopped) => {}
            }
            if batch.len() < BATCH {
                let _ = timeout(GATHER, stop(&mut stopped)).await;
                while batch.len() < BATCH
                    && let Ok(traced) = waiting.try_recv()
                {
                    batch.push(traced);
                }
            }
            if batch.is_empty() {
                return;
            }
            held.store(batch.len() as u64, Ordering::Relaxed);
            let body = self.body(&spans(&batch));
            if !self.deliver(body, &mut stopped).await {
                self.dropped.add(batch.len() as u64);
            }
            held.store(0, Ordering::Relaxed);
            batch.clear();
        }
    }

    fn body(&self, spans: &[super::Span]) -> Bytes {
        span::request(&self.options.service, spans).into()
    }

    /// Tries for a while; false where it was given up.
    async fn deliver(&self, body: Bytes, stopped: &mut watch::Receiver<bool>) -> bool {
        let mut pause = PAUSE;
        for attempt in 1..=ATTEMPTS {
            match self.post(&self.traces, body.clone()).await {
                Ok(()) => return true,
                Err(failure) if failure.refused || attempt == ATTEMPTS => return false,
                Err(_) if *stopped.borrow() => return false,
                Err(failure) => {
                    let pause = failure.after.unwrap_or_default().max(pause).min(LONGEST);
                    // Whoever is stopped does not wait longer, and tries a last time.
                    let _ = timeout(pause, stop(stopped)).await;
                }
            }
            pause *= 2;
        }
        false
    }

    async fn send_metrics(&self, mut stopped: watch::Receiver<bool>) {
        if !self.options.metrics {
            return;
        }
        let mut tick = interval(self.options.interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                _ = tick.tick() => false,
                () = stop(&mut stopped) => true,
            };
            // Whoever collects hears the sums again with the next.
            let _ = self.metrics_once().await;
            if last {
                return;
            }
        }
    }

    async fn metrics_once(&self) -> Result<(), Failure> {
        let when = When { began: self.began, now: nanos() };
        let body = metric::request(&self.options.service, &self.registry.gather(), when);
        self.post(&self.metrics, body.into()).await
    }

    async fn post(&self, signal: &Signal, body: Bytes) -> Result<(), Failure> {
        match signal.client.send(&self.headers, body).await {
            Ok(_) => {
                signal.sent.inc();
                self.failing.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(failure) => {
                signal.failed.inc();
                if let (false, Some((sink, clock))) = (self.failing.swap(true, Ordering::Relaxed), &self.told)
                {
                    let what =
                        format!("{} does not take what it is sent: {}", self.options.endpoint, failure.why);
                    let fact = Fact::SignalTrouble { what: what.into() };
                    sink.offer(Event { at: clock.now(), name: "otlp".into(), fact });
                }
                Err(failure)
            }
        }
    }
}

/// Until it is stopped.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    // Nobody who could say so is as good as said.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

fn spans(batch: &[Box<dyn Traced>]) -> Vec<super::Span> {
    let mut spans = Vec::with_capacity(batch.len() * 2);
    batch.iter().for_each(|traced| traced.spans(&mut spans));
    spans
}
