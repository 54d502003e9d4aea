//! Says of everything a program depends on whether it is well, since when, and how long it will last.
//!
#![doc = include_str!("../../../../docs/health.md")]

mod check;
mod entry;
mod feed;
pub mod http;
#[cfg(feature = "probe")]
pub mod net;
#[cfg(feature = "system")]
pub mod system;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use seawall_core::Clock;
use seawall_core::event::Sink;
use seawall_core::random::Random;
use seawall_policy::Invalid;
use seawall_policy::health::overall;
pub use seawall_policy::health::trend::{self, Backtest, Doubt, Forecast, Limit, Side};
pub use seawall_policy::health::{By, Level, Options, State, Weight, What, calls};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use crate::lock;
use crate::time::default_clock;

pub use check::{Check, Finding, Measured, Probe, Probing};
pub use feed::Feed;
pub use view::{Doubted, Foretold, Last, Snapshot, Standing};

use entry::Entry;

/// More checks than anybody reads.
const MOST: usize = 1024;

/// Checks by name. Clones share them.
///
/// A check remembers its standing, its last finding and its trends, about 12 KB; nothing is kept on disk. Asking how
/// things stand takes a short lock for each check and awaits nothing.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    options: Arc<Options>,
    clock: Arc<dyn Clock>,
    sink: Option<Arc<dyn Sink>>,
    random: Random,
    checks: Mutex<BTreeMap<Arc<str>, Arc<Entry>>>,
    changed: Notify,
}

impl Registry {
    /// No checks yet; on tokio's clock, telling nobody.
    pub fn new(options: Options) -> Result<Self, Invalid> {
        Self::with(options, default_clock(), None, Random::default())
    }

    /// The same on a clock of your own, offering its moves to a sink, with dice of your own for the spread.
    pub fn with(
        options: Options,
        clock: Arc<dyn Clock>,
        sink: Option<Arc<dyn Sink>>,
        random: Random,
    ) -> Result<Self, Invalid> {
        options.check()?;
        let (options, checks, changed) = (Arc::new(options), Mutex::default(), Notify::new());
        Ok(Self(Arc::new(Inner { options, clock, sink, random, checks, changed })))
    }

    /// Takes a check in. Refuses a name that is taken, more than 1024 checks, and a check that contradicts itself.
    pub fn register(&self, check: Check) -> Result<(), Invalid> {
        check.validate()?;
        let name = check.name.clone();
        let entry = Entry::new(check, &self.0.options, self.0.clock.now());
        {
            let mut checks = lock(&self.0.checks);
            if checks.len() >= MOST {
                return Err(Invalid::new(
                    "name",
                    format!("{MOST} checks are there already: remove one first"),
                ));
            }
            if checks.contains_key(&name) {
                return Err(Invalid::new("name", format!("{name:?} is there already: write another name")));
            }
            checks.insert(name, Arc::new(entry));
        }
        self.0.changed.notify_one();
        Ok(())
    }

    /// From now on these are the checks, and no others. What is known of one goes on under its name, where it looks in the
    /// same way as before; those of which `same` says that nothing has changed are not even disturbed.
    ///
    /// Refuses what [`Registry::register`] refuses, and changes nothing then.
    pub fn replace(&self, checks: Vec<Check>, same: impl Fn(&str) -> bool) -> Result<(), Invalid> {
        if checks.len() > MOST {
            let message = format!("{} are too many: write at most {MOST}", checks.len());
            return Err(Invalid::new("name", message));
        }
        let mut fresh: BTreeMap<Arc<str>, Check> = BTreeMap::new();
        for check in checks {
            check.validate()?;
            if let Some(twice) = fresh.insert(check.name.clone(), check) {
                let message = format!("{:?} is there twice: write another name", twice.name);
                return Err(Invalid::new("name", message));
            }
        }
        let now = self.0.clock.now();
        let mut kept = lock(&self.0.checks);
        let entries = fresh.into_iter().map(|(name, check)| {
            let entry = match kept.get(&name) {
                Some(before) if same(&name) => before.clone(),
                Some(before) => Arc::new(Entry::new(check, &self.0.options, now).after(before)),
                None => Arc::new(Entry::new(check, &self.0.options, now)),
            };
            (name, entry)
        });
        let entries = entries.collect();
        *kept = entries;
        drop(kept);
        self.0.changed.notify_one();
        Ok(())
    }

    /// Lets a check go, and what is known of it. A run that is under way ends unheard. `false` if there is none.
    pub fn remove(&self, name: &str) -> bool {
        let removed = lock(&self.0.checks).remove(name).is_some();
        self.0.changed.notify_one();
        removed
    }

    /// Where real calls to what a check looks at are counted; nothing if no check has this name. While calls flow, the
    /// check's own probe is not sent.
    pub fn feed(&self, name: &str) -> Option<Feed> {
        self.entry(name).map(|entry| entry.feed())
    }

    /// Looks now, by the check's probe, and says how it stands. Whoever asks while a look is under way is told what that
    /// one finds. Dropping the future drops the look, and nothing is remembered of it. Nothing if no check has this name.
    pub async fn run(&self, name: &str) -> Option<Standing> {
        let entry = self.entry(name)?;
        self.0.look(&entry).await;
        Some(entry.standing(self.0.clock.now()))
    }

    /// Looks at everything now, all at once, and says how things stand. It takes no longer than the longest deadline.
    pub async fn run_all(&self) -> Snapshot {
        let mut looks = JoinSet::new();
        for entry in self.entries() {
            let inner = self.0.clone();
            looks.spawn(async move { inner.look(&entry).await });
        }
        while looks.join_next().await.is_some() {}
        self.snapshot()
    }

    /// Runs every check at once and then each at its own pace, until it is dropped; checks that come and go meanwhile are
    /// taken in and let go. Run it in one place: two would look twice.
    pub async fn watch(&self) {
        let mut tending = JoinSet::new();
        let mut known: BTreeMap<Arc<str>, (Arc<Entry>, AbortHandle)> = BTreeMap::new();
        loop {
            let entries = lock(&self.0.checks).clone();
            known.retain(|name, (entry, tended)| {
                let stays = entries.get(name).is_some_and(|now| Arc::ptr_eq(now, entry));
                if !stays {
                    tended.abort();
                }
                stays
            });
            for (name, entry) in entries {
                known.entry(name).or_insert_with(|| {
                    let (inner, own) = (self.0.clone(), entry.clone());
                    (entry, tending.spawn(async move { inner.tend(&own).await }))
                });
            }
            while tending.try_join_next().is_some() {}
            self.0.changed.notified().await;
        }
    }

    /// How things stand, as last found.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.0.clock.now();
        let checks: Vec<Standing> = self.entries().iter().map(|entry| entry.standing(now)).collect();
        Snapshot { status: overall(checks.iter().map(|check| (check.state, check.weight))), checks }
    }

    /// The whole in one word, as last found.
    pub fn status(&self) -> Level {
        overall(self.entries().iter().map(|entry| entry.state()))
    }

    /// How one check stands; nothing if none has this name.
    pub fn standing(&self, name: &str) -> Option<Standing> {
        self.entry(name).map(|entry| entry.standing(self.0.clock.now()))
    }

    /// The checks that are degraded or unhealthy.
    pub fn failed(&self) -> Vec<Standing> {
        let mut checks = self.snapshot().checks;
        checks.retain(|check| matches!(check.state, State::Degraded | State::Unhealthy));
        checks
    }

    /// How often forecasts of this would have been right over what is remembered of it; nothing if no check has this name,
    /// or what is asked for has no limit.
    pub fn backtest(&self, name: &str, what: What) -> Option<Backtest> {
        self.entry(name)?.backtest(what)
    }

    fn entry(&self, name: &str) -> Option<Arc<Entry>> {
        lock(&self.0.checks).get(name).cloned()
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        lock(&self.0.checks).values().cloned().collect()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(lock(&self.0.checks).keys()).finish()
    }
}

impl Inner {
    async fn look(&self, entry: &Entry) {
        entry.look(&*self.clock, self.sink.as_deref()).await;
    }

    /// Looks at one check, again and again.
    async fn tend(&self, entry: &Entry) {
        loop {
            if !entry.listen(self.clock.now(), self.sink.as_deref()) {
                self.look(entry).await;
            }
            let now = self.clock.now();
            tokio::time::sleep(entry.next(now, self.random.unit()).since(now)).await;
        }
    }
}
