//! Lets through only so many in so much time, per key or for all; the others wait in order, or are told when to come
//! back.
//!
#![doc = include_str!("../../../../docs/policies/limiter.md")]

mod keys;
mod line;
mod pauses;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex};

use seawall_core::{Clock, Code, Instant, Rejection};
use seawall_policy::Invalid;
use seawall_policy::limiter::Quota;
pub use seawall_policy::limiter::{Options, Queue};

use crate::lock;
use crate::time::default_clock;
use keys::Keys;
use line::Line;
pub use pauses::Pauses;

/// A rate limiter, for everybody together or for each key apart. Clones share it.
///
/// Without keys an uncontended [`Limiter::try_acquire`] takes one short lock and allocates nothing; with keys it takes
/// two.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    options: Mutex<Options>,
    scope: Scope,
}

enum Scope {
    Everybody(Line),
    EachKey { per: Arc<str>, keys: Mutex<Keys> },
}

impl Limiter {
    /// One limit for everybody, on tokio's clock.
    pub fn new(options: Options) -> Result<Self, Invalid> {
        Self::with(options, None, default_clock())
    }

    /// One limit for each key. `per` says what the key is, such as `header:x-user`.
    pub fn per_key(per: impl Into<Arc<str>>, options: Options) -> Result<Self, Invalid> {
        Self::with(options, Some(per.into()), default_clock())
    }

    /// The same on a clock of your own.
    pub fn with(options: Options, per: Option<Arc<str>>, clock: Arc<dyn Clock>) -> Result<Self, Invalid> {
        options.check()?;
        let scope = match per {
            None => Scope::Everybody(Line::new(&options.quota())),
            Some(per) => Scope::EachKey { per, keys: Mutex::new(Keys::new(&options)) },
        };
        Ok(Self(Arc::new(Inner { clock, options: Mutex::new(options), scope })))
    }

    /// What the key is, where there is one.
    pub fn per(&self) -> Option<&Arc<str>> {
        match &self.0.scope {
            Scope::Everybody(_) => None,
            Scope::EachKey { per, .. } => Some(per),
        }
    }

    /// Counts one call, or refuses with [`Code::RateLimited`] and when to come back. Where the limit is per key, all
    /// callers of this share the key of those who have none.
    pub fn try_acquire(&self) -> Result<Taken<'_>, Rejection> {
        self.try_acquire_for("", 1)
    }

    /// Counts `n` calls of one key, or refuses with [`Code::RateLimited`] and when to come back. A limit for everybody
    /// ignores the key.
    pub fn try_acquire_for(&self, key: &str, n: u32) -> Result<Taken<'_>, Rejection> {
        self.try_acquire_at(key, n, self.0.clock.now())
    }

    pub(crate) fn try_acquire_at(&self, key: &str, n: u32, now: Instant) -> Result<Taken<'_>, Rejection> {
        let quota = lock(&self.0.options).quota();
        let line = self.line(key, &quota, now);
        line.try_take(&quota, n, now)?;
        Ok(Taken { limiter: self, line, quota, n, at: now })
    }

    /// Counts `n` calls as soon as there is room, in order of arrival, within the queue's patience and before
    /// `deadline`. A waiter that is dropped leaves the queue and has taken nothing.
    pub async fn acquire_for(&self, key: &str, n: u32, deadline: Instant) -> Result<Taken<'_>, Rejection> {
        let (quota, queue) = self.settings();
        let line = self.line(key, &quota, self.0.clock.now());
        let at = line.take(&quota, &queue, n, deadline, self.0.clock.as_ref()).await?;
        Ok(Taken { limiter: self, line, quota, n, at })
    }

    /// How many calls could pass at once now.
    pub fn remaining(&self, key: &str) -> u32 {
        let (quota, _) = self.settings();
        let now = self.0.clock.now();
        self.line(key, &quota, now).remaining(&quota, now)
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        match &self.0.scope {
            Scope::Everybody(line) => line.waiting(),
            Scope::EachKey { keys, .. } => lock(keys).waiting(),
        }
    }

    /// How many keys are remembered; none where the limit is for everybody.
    pub fn keys(&self) -> Option<usize> {
        match &self.0.scope {
            Scope::Everybody(_) => None,
            Scope::EachKey { keys, .. } => Some(lock(keys).len()),
        }
    }

    /// The options it runs by.
    pub fn options(&self) -> Options {
        lock(&self.0.options).clone()
    }

    /// Other options, same counts.
    pub fn update(&self, options: Options) -> Result<(), Invalid> {
        options.check()?;
        *lock(&self.0.options) = options;
        Ok(())
    }

    /// Forgets what one key has used.
    pub fn reset(&self, key: &str) {
        let (quota, _) = self.settings();
        self.line(key, &quota, self.0.clock.now()).reset(&quota);
    }

    /// Forgets what everybody has used.
    pub fn reset_all(&self) {
        let (quota, _) = self.settings();
        match &self.0.scope {
            Scope::Everybody(line) => line.reset(&quota),
            Scope::EachKey { keys, .. } => lock(keys).reset(&quota),
        }
    }

    fn settings(&self) -> (Quota, Queue) {
        let options = lock(&self.0.options);
        (options.quota(), options.queue.clone())
    }

    fn line(&self, key: &str, quota: &Quota, now: Instant) -> Standing<'_> {
        match &self.0.scope {
            Scope::Everybody(line) => Standing::Common(line),
            Scope::EachKey { keys, .. } => Standing::Own(lock(keys).line(key, quota, now)),
        }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("options", &self.options()).finish_non_exhaustive()
    }
}

/// Proof that calls were counted. Dropping it keeps them counted; [`Taken::give_back`] takes them back, for a call that
/// never left.
#[derive(Debug)]
pub struct Taken<'a> {
    limiter: &'a Limiter,
    line: Standing<'a>,
    quota: Quota,
    n: u32,
    at: Instant,
}

/// The line a call stands in: the one of everybody, or its key's own, which others may forget meanwhile.
#[derive(Debug)]
enum Standing<'a> {
    Common(&'a Line),
    Own(Arc<Line>),
}

impl std::ops::Deref for Standing<'_> {
    type Target = Line;
    fn deref(&self) -> &Line {
        match self {
            Standing::Common(line) => line,
            Standing::Own(line) => line,
        }
    }
}

impl Taken<'_> {
    /// The call did not go: somebody else may.
    pub fn give_back(self) {
        self.line.give_back(&self.quota, self.n, self.at, self.limiter.0.clock.now());
    }
}

fn refused(wait: Option<std::time::Duration>) -> Rejection {
    let rejection = Rejection::new(Code::RateLimited);
    match wait {
        Some(wait) => rejection.after(wait),
        None => rejection.because("more is asked for at once than the limit ever holds"),
    }
}
