//! A provider asked to be left alone: everybody who shares its credential waits.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
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
    /// When the last pause of anybody ends, in nanoseconds: while that has passed nobody is paused, and no lock is taken.
    /// It is raised after the pause is written down, under the same lock, and only a lift lowers it; whoever reads it a
    /// moment too early left a moment before the provider asked.
    last: AtomicU64,
    paused: Mutex<Paused>,
}

#[derive(Debug)]
struct Paused {
    everybody: Pause,
    each: LruCache<u64, Pause>,
}

impl Pauses {
    /// Nobody is paused.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let credentials = NonZeroUsize::new(CREDENTIALS).unwrap_or(NonZeroUsize::MIN);
        let paused = Paused { everybody: Pause::default(), each: LruCache::new(credentials) };
        Self(Arc::new(Inner {
            clock,
            random: Random::from_os(),
            last: AtomicU64::new(0),
            paused: Mutex::new(paused),
        }))
    }

    /// The provider asks `credential` to wait.
    pub fn extend(&self, credential: u64, wait: Duration) {
        self.change(wait, |paused| paused.each.get_or_insert_mut(credential, Pause::default));
    }

    /// The provider asks whoever comes from here to wait, whatever the credential: it has banned an address.
    pub fn extend_everybody(&self, wait: Duration) {
        self.change(wait, |paused| &mut paused.everybody);
    }

    fn change(&self, wait: Duration, pause: impl FnOnce(&mut Paused) -> &mut Pause) {
        let now = self.0.clock.now();
        let mut paused = lock(&self.0.paused);
        pause(&mut paused).extend(wait, now);
        self.0.last.fetch_max((now + wait).as_nanos(), Ordering::Relaxed);
    }

    /// How much of a pause is left.
    pub fn left(&self, credential: u64) -> Duration {
        if self.0.last.load(Ordering::Relaxed) == 0 {
            return Duration::ZERO;
        }
        self.left_at(credential, self.0.clock.now())
    }

    /// The same at a moment somebody has just read.
    #[inline]
    pub(crate) fn left_at(&self, credential: u64, now: Instant) -> Duration {
        if self.0.last.load(Ordering::Relaxed) <= now.as_nanos() {
            return Duration::ZERO;
        }
        let mut paused = lock(&self.0.paused);
        let own = paused.each.peek(&credential).map_or(Duration::ZERO, |pause| pause.left(now));
        if own.is_zero() {
            paused.each.pop(&credential);
        }
        own.max(paused.everybody.left(now))
    }

    /// The longest pause left of anybody.
    pub fn longest(&self) -> Duration {
        let now = self.0.clock.now();
        let paused = lock(&self.0.paused);
        let each = paused.each.iter().map(|(_, pause)| pause.left(now)).max().unwrap_or_default();
        each.max(paused.everybody.left(now))
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

    /// The pause of `credential` is over: something else stands for it now.
    pub fn lift_of(&self, credential: u64) {
        lock(&self.0.paused).each.pop(&credential);
    }

    /// An operator lifts every pause.
    pub fn lift(&self) {
        let mut paused = lock(&self.0.paused);
        paused.each.clear();
        paused.everybody.lift();
        self.0.last.store(0, Ordering::Relaxed);
    }
}
