//! A limit that a fleet shares: asked of its store, and of this process's share while the store is away.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use seawall_core::Instant;
use seawall_core::effect::Key;
use seawall_core::fleet::{Moment, limit};
use seawall_policy::Invalid;
use seawall_policy::fleet::limit::share;
use seawall_policy::limiter::{Decision, Options};

use super::keys::{Meant, Standing};
use super::{By, Counted, Limiter, Scope};
use crate::fleet::{Away, Fleet};
use crate::lock;
use crate::queue::Line;

pub(super) struct Shared {
    fleet: Fleet,
    name: Arc<str>,
    /// This process's share. It counts what passes here at all times, so that the share is not had again when the store
    /// is lost; and its lines are those of whoever waits.
    own: Limiter,
    /// Of how many members it is the share.
    members: AtomicU32,
    /// What passed here by key while the store was away, and the store has not been told.
    owed: Mutex<HashMap<u64, u64>>,
    passed: AtomicU64,
}

/// How it is counted here.
type Count = fn(&Limiter, &str, u32, Instant) -> Option<(Meant, Decision)>;

/// A line of those who wait, for as long as this lives.
pub(super) enum Waiting<'a> {
    Everybody(&'a Line),
    Key(Standing<'a>),
}

impl Waiting<'_> {
    pub(super) fn line(&self) -> &Line {
        match self {
            Waiting::Everybody(line) => line,
            Waiting::Key(standing) => standing.line(),
        }
    }
}

impl Shared {
    pub(super) fn new(
        fleet: &Fleet,
        name: Arc<str>,
        per: Option<Arc<str>>,
        options: &Options,
    ) -> Result<Self, Invalid> {
        let members = fleet.size();
        let own = Limiter::with(share(options, members), per, fleet.clock().clone())?;
        Ok(Self {
            fleet: fleet.clone(),
            name,
            own,
            members: members.into(),
            owed: Mutex::default(),
            passed: AtomicU64::new(0),
        })
    }

    pub(super) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    pub(super) fn own(&self) -> &Limiter {
        &self.own
    }

    pub(super) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    pub(super) fn refit(&self, options: &Options) -> Result<(), Invalid> {
        let members = self.fleet.size();
        self.members.store(members, Ordering::Relaxed);
        self.own.update(share(options, members))
    }

    pub(super) fn line(&self, key: &str) -> Waiting<'_> {
        match &self.own.0.scope {
            Scope::EachKey { keys, .. } => {
                let id = keys.id(key);
                Waiting::Key(keys.line(id, Meant::own(id)))
            }
            Scope::Everybody(common) => Waiting::Everybody(&common.line),
            // Its own share is of this process.
            Scope::Fleet(shared) => shared.line(key),
        }
    }

    /// Counts `n` if they may pass now. Nobody overtakes those who wait.
    pub(super) async fn count(&self, key: &str, n: u32, options: &Options) -> (Counted, Decision) {
        if self.own.waiting() > 0 && self.line(key).line().len() > 0 {
            let nothing = Counted::here(Meant::CROWD, n, Instant::ORIGIN);
            return (nothing, Decision::Wait(options.rate.per / options.rate.count.get()));
        }
        self.ask(key, n, options, Limiter::count).await
    }

    /// The same for whoever is first in the line.
    pub(super) async fn count_in_turn(&self, key: &str, n: u32, options: &Options) -> (Counted, Decision) {
        self.ask(key, n, options, Limiter::count_in_turn).await
    }

    async fn ask(&self, key: &str, n: u32, options: &Options, here: Count) -> (Counted, Decision) {
        let of = self.of(self.key(key), options);
        let owed = lock(&self.owed).remove(&of.key).unwrap_or(0);
        let said = self.fleet.take(&of, n, owed).await;
        let now = self.fleet.clock().now();
        let counted = |meant, by, at| Counted { meant, n, by, at, key: of.key };
        match said {
            Ok(limit::Said::Go(Moment(at))) => {
                self.passed.fetch_add(n.into(), Ordering::Relaxed);
                self.own.note(key, n, now);
                let at = Instant::from_nanos(at.saturating_mul(1000));
                (counted(Meant::CROWD, By::Store, at), Decision::Go)
            }
            Ok(limit::Said::Wait(wait)) => (counted(Meant::CROWD, By::Store, now), Decision::Wait(wait)),
            Ok(limit::Said::Never | limit::Said::Done) => {
                (counted(Meant::CROWD, By::Store, now), Decision::Never)
            }
            Err(Away) => {
                if self.members.load(Ordering::Relaxed) != self.fleet.size() {
                    // Of options that were good for the whole.
                    let _ = self.refit(options);
                }
                let (meant, decision) =
                    here(&self.own, key, n, now).unwrap_or((Meant::CROWD, Decision::Never));
                let went = if decision == Decision::Go { n } else { 0 };
                self.passed.fetch_add(went.into(), Ordering::Relaxed);
                self.owe(of.key, owed + u64::from(went), options);
                (counted(meant, By::Here, now), decision)
            }
        }
    }

    /// Notes what the store is to be told. Of more keys than are remembered, the others are forgotten.
    fn owe(&self, key: u64, n: u64, options: &Options) {
        let mut owed = lock(&self.owed);
        if n > 0 && (owed.len() < options.max_keys || owed.contains_key(&key)) {
            let sum = owed.entry(key).or_default();
            *sum = sum.saturating_add(n);
        }
    }

    pub(super) fn settle(&self, counted: Counted, actual: u64, options: &Options) {
        let estimate = u64::from(counted.n);
        let of = self.of(counted.key, options);
        match counted.by {
            By::Store if actual > estimate => {
                self.fleet.say(&of, limit::Ask::Take { n: 0, owed: actual - estimate });
            }
            By::Store if actual < estimate => {
                let taken = Moment(counted.at.as_nanos() / 1000);
                self.fleet.say(&of, limit::Ask::GiveBack { n: estimate - actual, taken });
            }
            By::Store => {}
            By::Here => {
                self.own.settle(counted, actual);
                match lock(&self.owed).get_mut(&counted.key) {
                    Some(owed) if actual < estimate => *owed = owed.saturating_sub(estimate - actual),
                    Some(owed) => *owed = owed.saturating_add(actual - estimate),
                    // It has been told what was estimated.
                    None => {}
                }
            }
        }
    }

    pub(super) fn reset(&self, key: &str, options: &Options) {
        self.own.reset(key);
        let of = self.of(self.key(key), options);
        lock(&self.owed).remove(&of.key);
        self.fleet.say(&of, limit::Ask::Reset);
    }

    /// What a key is known by to the whole fleet; zero where the limit is for everybody. That any two of 100 000 keys
    /// share one has a chance of one in four billion; then they share a limit.
    fn key(&self, key: &str) -> u64 {
        if self.own.per().is_none() {
            return 0;
        }
        let hash = Key::of("limit key", &self.name, key.as_bytes(), 0);
        let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1)
    }

    fn of(&self, key: u64, options: &Options) -> limit::Of {
        limit::Of { name: self.name.clone(), key, rate: options.rate, burst: options.burst }
    }
}

impl Limiter {
    /// As [`Limiter::count`], for whoever is first in the line.
    fn count_in_turn(&self, key: &str, n: u32, now: Instant) -> Option<(Meant, Decision)> {
        match &self.0.scope {
            Scope::Everybody(common) => Some((Meant::CROWD, common.take_in_turn(n, now))),
            Scope::EachKey { keys, .. } => Some(keys.take_in_turn(keys.id(key), n, now)),
            Scope::Fleet(_) => None,
        }
    }

    /// Counts what somebody else has let through, as far as there is room: more is not owed.
    fn note(&self, key: &str, n: u32, now: Instant) {
        let n = u64::from(n.min(self.remaining(key)));
        match &self.0.scope {
            Scope::Everybody(common) => common.charge(n, now),
            Scope::EachKey { keys, .. } => keys.charge(Meant::own(keys.id(key)), n, now),
            Scope::Fleet(_) => {}
        }
    }
}
