//! The several keys of an upstream: which one the next attempt bears, and which of them rest.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use seawall::classify::Credential;
use seawall::limiter::Pauses;
use seawall::{Certainty, Class, Invalid, Verdict};
use seawall_core::event::{Channel, Event, Fact, Sink};
use seawall_core::units::format_duration;
use seawall_core::verdict::Seen;
use seawall_core::{Clock, Instant};
use seawall_policy::keyring::{Keyring, Moved, Soonest, Why};
use seawall_signals::metrics::{CounterBy, Observer, Registry, names};
use seawall_signals::view;

use super::chosen::Chosen;
use super::{Ground, LiveUpstream};
use crate::plan::{Keys, Upstream};
use crate::record::Record;

/// The keys of one upstream under one configuration. How they rest is known for longer.
#[derive(Debug)]
pub(crate) struct LiveKeys {
    plan: Keys,
    /// Shared with the configuration before where that had the same keys, so that nothing said meanwhile is lost.
    ring: Arc<Ring>,
    /// Stands for the first of them, for what waits for that one alone.
    first: u64,
    calls: Vec<CounterBy<Class>>,
}

/// Keys, and what stands for them where a call waits for any of them. Other keys are another number: what calls of an older
/// configuration still hear does not hold them up.
#[derive(Debug)]
struct Ring {
    keys: Mutex<Keyring>,
    any: u64,
}

/// 0 stands for a credential that is the only one.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

fn number() -> u64 {
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

/// Why an attempt bears the key it bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// It was its turn.
    Turn,
    /// It is the first: what the call means to the provider, another account would not know.
    First,
    /// An earlier attempt bore it and may have done something: another account would do it again.
    Doubt,
}

/// How a key was used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) key: usize,
    by: By,
    began: Instant,
}

/// What came of an attempt.
pub(crate) struct Came {
    pub(crate) verdict: Verdict,
    /// Of the answer, where there was one.
    pub(crate) status: Option<StatusCode>,
    /// Whether it may have done something.
    pub(crate) certainty: Certainty,
}

impl LiveKeys {
    pub(super) fn new(
        plan: &Keys,
        old: Option<&LiveKeys>,
        upstream: &Upstream,
        ground: &Ground,
    ) -> Result<Self, Invalid> {
        plan.rest.check()?;
        if plan.keys.is_empty() {
            return Err(Invalid::new("keys", "there is none: write one, or auth"));
        }
        let ring = match old {
            Some(old) if old.plan.keys == plan.keys => old.ring.clone(),
            _ => Arc::new(Ring { keys: Mutex::new(ring(plan, old)), any: number() }),
        };
        let same = old.filter(|old| old.plan.keys[0].name == plan.keys[0].name);
        let first = same.map_or_else(number, |old| old.first);
        let calls = plan.keys.iter().map(|key| names::key_calls(&ground.registry, &upstream.name, &key.name));
        let calls: Vec<_> = calls.collect();
        // Visible at zero from the start.
        calls.iter().for_each(|calls| _ = calls.of(Class::Ok));
        Ok(Self { plan: plan.clone(), ring, first, calls })
    }

    /// What stands for the keys that a call may bear.
    pub(crate) fn payer(&self, pinned: bool) -> u64 {
        if pinned { self.first } else { self.ring.any }
    }

    /// How their provider asked new keys to be left alone, when they had other neighbours.
    pub(super) fn begin(&self, pauses: &Pauses, now: Instant) {
        let (soonest, first) = {
            let ring = self.ring();
            (ring.soonest(now), ring.rest(0, now))
        };
        self.hold_all(pauses, soonest);
        if let Some(rest) = first.filter(|rest| rest.asked) {
            pauses.extend(self.first, now.until(rest.until));
        }
    }

    /// The key the next attempt of a call bears at the target in `place`: the first where it is no choice.
    pub(crate) fn choose(&self, chosen: &Chosen, place: usize, now: Instant) -> Option<Used> {
        let (key, by) = match (chosen.pinned, chosen.kept(place)) {
            (true, _) => (0, By::First),
            (false, Some(key)) => (key, By::Doubt),
            (false, None) => (self.ring().choose_but(&chosen.refused(place), now)?, By::Turn),
        };
        chosen.begins(place, key);
        Some(Used { key, by, began: now })
    }

    /// What came of an attempt, and whom it concerns. A provider that asks for a pause means the key: where all rest, whoever
    /// comes waits for the first of them and not for this one.
    pub(crate) fn heard(
        &self,
        (chosen, place, Used { key, by, began }): (&Chosen, usize, Used),
        Came { verdict, status, certainty }: Came,
        upstream: &LiveUpstream,
        record: &Record,
    ) -> (Verdict, Credential) {
        if let Some(calls) = self.calls.get(key) {
            calls.of(verdict.class()).inc();
        }
        if certainty == Certainty::NotDone {
            chosen.did_nothing(place);
        }
        let now = record.worker.house.now();
        let of_the_key = Why::of(verdict.seen).is_some();
        // What is forbidden may be what was asked for, by one caller: nobody else goes without the key for that.
        let of_the_call = verdict.seen == Seen::Denied && status == Some(StatusCode::FORBIDDEN);
        if of_the_key {
            chosen.refuses(place, key);
        }
        let (moved, another, soonest) = {
            let mut ring = self.ring();
            let options = &self.plan.rest;
            let moved = if of_the_call { None } else { ring.seen(key, verdict, began, now, options) };
            if !of_the_key && moved.is_none() {
                return (verdict, Credential::Shared);
            }
            (moved, ring.another(&chosen.refused(place), now), ring.soonest(now))
        };
        if let Some(fact) = self.fact(key, moved) {
            record.offer(Event { at: now, name: upstream.plan.name.clone(), fact });
        }
        if moved == Some(Moved::Woke) {
            upstream.pauses.lift_of(self.ring.any);
        }
        if !of_the_key {
            return (verdict, Credential::Shared);
        }
        self.hold_all(&upstream.pauses, soonest);
        if by == By::First {
            return (verdict, Credential::Shared);
        }
        if verdict.seen == Seen::RateLimited && key == 0 {
            self.hold_first(&upstream.pauses, verdict.retry_after);
        }
        // In doubt it waits for its own key, whoever else is awake.
        match (chosen.kept(place), by) {
            (None, By::Turn) if another => (verdict, Credential::Exchanged),
            (None, By::Turn) => {
                let soonest = soonest.map(|soonest| soonest.wait);
                let wait =
                    verdict.retry_after.map(|asked| soonest.map_or(asked, |soonest| soonest.min(asked)));
                (verdict.after(wait), Credential::Own)
            }
            _ => (verdict, Credential::Own),
        }
    }

    /// Where all rest, and the one that would be used was asked to: whoever comes waits for the first that wakes.
    fn hold_all(&self, pauses: &Pauses, soonest: Option<Soonest>) {
        if let Some(soonest) = soonest.filter(|soonest| soonest.asked) {
            pauses.extend(self.ring.any, soonest.wait);
        }
    }

    /// What may only be sent with the first key waits where that one was asked to.
    fn hold_first(&self, pauses: &Pauses, asked: Option<Duration>) {
        if let Some(asked) = asked.filter(|asked| !asked.is_zero()) {
            pauses.extend(self.first, asked);
        }
    }

    /// The provider said that nothing is left for a key.
    pub(super) fn spent(
        &self,
        key: usize,
        span: Duration,
        upstream: &LiveUpstream,
        now: Instant,
        events: &Channel,
    ) {
        let (moved, soonest) = {
            let mut ring = self.ring();
            let moved = ring.spent(key, span, now, &self.plan.rest);
            (moved, ring.soonest(now))
        };
        if let Some(fact) = self.fact(key, moved) {
            events.offer(Event { at: now, name: upstream.plan.name.clone(), fact });
        }
        if key == 0 {
            self.hold_first(&upstream.pauses, Some(span));
        }
        self.hold_all(&upstream.pauses, soonest);
    }

    fn fact(&self, key: usize, moved: Option<Moved>) -> Option<Fact> {
        let key = self.plan.keys.get(key)?.name.clone();
        Some(match moved? {
            Moved::Rests(why, wait) => Fact::KeyMoved { key, why: Some(why.as_str()), wait },
            Moved::Woke => Fact::KeyMoved { key, why: None, wait: Duration::ZERO },
        })
    }

    /// Every key, as people see it.
    pub(crate) fn view(&self, now: Instant) -> Vec<view::UpstreamKey> {
        let ring = self.ring();
        let keys = self.plan.keys.iter().zip(&self.calls).enumerate();
        let view = keys.map(|(place, (key, calls))| {
            let rest = ring.rest(place, now);
            let millis =
                |until: Instant| u64::try_from(now.until(until).as_millis()).unwrap_or(u64::MAX).max(1);
            view::UpstreamKey {
                name: key.name.to_string(),
                state: if rest.is_some() { "resting" } else { "ok" }.to_owned(),
                weight: key.weight.get(),
                calls: calls.total(),
                why: rest.map(|rest| rest.why.as_str().to_owned()),
                rests_ms: rest.map(|rest| millis(rest.until)),
            }
        });
        view.collect()
    }

    /// What a person has to mend, a sentence each.
    pub(crate) fn reasons(&self, upstream: &str, now: Instant) -> Vec<String> {
        let ring = self.ring();
        let rests = self.plan.keys.iter().enumerate().filter_map(|(place, key)| {
            let rest = ring.rest(place, now)?;
            let what = match rest.why {
                Why::Limited => return None,
                Why::Quota => "has nothing left to spend",
                Why::Denied => "was refused",
            };
            let left = format_duration(Duration::from_secs(now.until(rest.until).as_secs().max(1)));
            Some(format!("the key {} of {upstream} {what}, and rests for another {left}", key.name))
        });
        rests.collect()
    }

    fn ring(&self) -> MutexGuard<'_, Keyring> {
        lock(&self.ring)
    }
}

fn lock(ring: &Ring) -> MutexGuard<'_, Keyring> {
    ring.keys.lock().unwrap_or_else(PoisonError::into_inner)
}

/// New keys, which rest as those of their names did.
fn ring(plan: &Keys, old: Option<&LiveKeys>) -> Keyring {
    let weights: Vec<_> = plan.keys.iter().map(|key| key.weight).collect();
    let mut ring = Keyring::new(&weights);
    let Some(old) = old else { return ring };
    let before = old.ring();
    for (place, key) in plan.keys.iter().enumerate() {
        if let Some(same) = old.plan.keys.iter().position(|old| old.name == key.name) {
            let renewed = old.plan.keys[same].credential != key.credential;
            ring.inherit(place, &before, same, renewed);
        }
    }
    ring
}

/// Shows which keys rest when somebody asks.
pub(super) fn observe(
    registry: &Registry,
    upstreams: &[LiveUpstream],
    clock: Arc<dyn Clock>,
) -> Option<Observer> {
    let all: Vec<_> = (upstreams.iter())
        .filter_map(|up| {
            let keys = up.keys.as_ref()?;
            let names: Vec<Arc<str>> = keys.plan.keys.iter().map(|key| key.name.clone()).collect();
            Some((up.plan.name.clone(), names, keys.ring.clone()))
        })
        .collect();
    if all.is_empty() {
        return None;
    }
    Some(names::UPSTREAM_KEY_RESTING.observe(registry, move |out| {
        let now = clock.now();
        for (upstream, names, ring) in &all {
            let ring = lock(ring);
            for (place, name) in names.iter().enumerate() {
                out.add(&[upstream, name], f64::from(u8::from(ring.rest(place, now).is_some())));
            }
        }
    }))
}
