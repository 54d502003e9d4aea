//! A provider asked to be left alone: everybody who shares its credential waits.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lru::LruCache;
use seawall_core::random::Random;
use seawall_core::{Clock, Code, Instant, Rejection};
use seawall_policy::limiter::Pause;

use crate::lock;

/// How many credentials' pauses are remembered. The one that ends first matters least and is not always the one
/// forgotten; forgetting one costs its owner another 429.
const CREDENTIALS: usize = 4096;

/// The pauses of one upstream, one for each credential. Clones share them.
#[derive(Debug, Clone)]
pub struct Pauses(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    random: Random,
    pauses: Mutex<LruCache<u64, Pause>>,
}

impl Pauses {
    /// Nobody is paused.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let credentials = NonZeroUsize::new(CREDENTIALS).unwrap_or(NonZeroUsize::MIN);
        Self(Arc::new(Inner {
            clock,
            random: Random::from_os(),
            pauses: Mutex::new(LruCache::new(credentials)),
        }))
    }

    /// The provider asks `credential` to wait.
    pub fn extend(&self, credential: u64, wait: Duration) {
        let now = self.0.clock.now();
        lock(&self.0.pauses).get_or_insert_mut(credential, Pause::default).extend(wait, now);
    }

    /// How much of a pause is left.
    pub fn left(&self, credential: u64) -> Duration {
        let mut pauses = lock(&self.0.pauses);
        if pauses.is_empty() {
            return Duration::ZERO;
        }
        let left = pauses.peek(&credential).map_or(Duration::ZERO, |pause| pause.left(self.0.clock.now()));
        if left.is_zero() {
            pauses.pop(&credential);
        }
        left
    }

    /// The longest pause left of anybody.
    pub fn longest(&self) -> Duration {
        let now = self.0.clock.now();
        lock(&self.0.pauses).iter().map(|(_, pause)| pause.left(now)).max().unwrap_or_default()
    }

    /// Waits a pause out, if it ends within `patience` and before `deadline`; else refuses with
    /// [`Code::UpstreamPaused`] at once.
    pub async fn wait_out(
        &self,
        credential: u64,
        patience: Duration,
        deadline: Instant,
    ) -> Result<(), Rejection> {
        loop {
            let left = self.left(credential);
            if left.is_zero() {
                return Ok(());
            }
            let Some(room) = patience.min(self.0.clock.now().until(deadline)).checked_sub(left) else {
                return Err(Rejection::new(Code::UpstreamPaused).after(left));
            };
            // Those who waited together do not come back together.
            let spread = (left / 10).min(Duration::from_secs(1)).mul_f64(self.0.random.unit()).min(room);
            tokio::time::sleep(left + spread).await;
        }
    }

    /// An operator lifts every pause.
    pub fn lift(&self) {
        lock(&self.0.pauses).clear();
    }
}
