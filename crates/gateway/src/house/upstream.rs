//! An upstream and its policies.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderName;
use seawall::breaker::Breaker;
use seawall::bulkhead::{self, Bulkhead};
use seawall::fleet::Fleet;
use seawall::health::Feed;
use seawall::limiter::{self, Limiter, Pauses};
use seawall::{Invalid, Pipeline, hedge, pipeline, retry};
use seawall_core::Instant;
use seawall_core::event::{Channel, Event, Fact, Sink};
use seawall_core::provider::RateLimit;
use seawall_signals::metrics::CounterBy;
use seawall_signals::view::BreakerState;

use super::{Ground, LiveKeys, Update};
use crate::meters::{UpstreamMeters, transitions};
use crate::plan::{Calling, Credential, Limit, Upstream};

/// An upstream and its policies.
#[derive(Debug)]
pub(crate) struct LiveUpstream {
    pub(crate) plan: Upstream,
    /// The path of its URL without a slash at the end.
    pub(crate) base: String,
    /// A number that stands for its name in this process.
    pub(crate) id: u64,
    pub(crate) breaker: Breaker,
    pub(crate) limits: Vec<Limiter>,
    pub(crate) keyed_by: Vec<HeaderName>,
    pub(crate) bulkhead: Option<Bulkhead>,
    pub(crate) pauses: Pauses,
    /// Its keys, where it has several.
    pub(crate) keys: Option<LiveKeys>,
    sole: Arc<Sole>,
    pub(crate) budget: retry::Budget,
    pub(crate) meters: Arc<UpstreamMeters>,
    /// What its health hears of calls.
    pub(crate) feed: Feed,
    /// Its limits and bulkhead are those it had under the configuration before.
    pub(super) same_parts: bool,
}

/// The credential that all callers of an upstream have come with until now, if it is one.
#[derive(Debug, Default)]
struct Sole {
    first: OnceLock<u64>,
    others: AtomicBool,
}

impl Sole {
    fn is(&self, credential: u64) -> bool {
        if *self.first.get_or_init(|| credential) != credential {
            self.others.store(true, Ordering::Relaxed);
        }
        !self.others.load(Ordering::Relaxed)
    }
}

/// Stands for the one credential of ours that calls bear.
const OURS: u64 = 0;

/// Counts a breaker's transitions and passes its events on.
struct BreakerSink {
    transitions: CounterBy<BreakerState>,
    events: Channel,
}

impl Sink for BreakerSink {
    fn offer(&self, event: Event) {
        if let Fact::BreakerMoved { to, .. } = &event.fact
            && let Some(state) = BreakerState::parse(to)
        {
            self.transitions.of(state).inc();
        }
        self.events.offer(event);
    }
}

/// The fleet, where a policy is to be shared.
fn shared(wanted: bool, ground: &Ground) -> Result<Option<&Fleet>, Invalid> {
    match (wanted, &ground.fleet) {
        (false, _) => Ok(None),
        (true, Some(fleet)) => Ok(Some(fleet)),
        (true, None) => {
            Err(Invalid::new("share", "there is nothing to share in: give the gateways a memory they share"))
        }
    }
}

/// What a limit is called in its fleet: whose it is, whom it counts, and its turn among those.
fn limit_name(plan: &Upstream, place: usize, per: Option<&HeaderName>) -> String {
    let same = |limit: &&Limit| matches!(limit, Limit::Requests { per: other, .. } if other.as_ref() == per);
    let turn = plan.limits[..place].iter().filter(same).count();
    format!("{} {} {turn}", plan.name, per.map_or("all", HeaderName::as_str))
}

impl LiveUpstream {
    pub(super) fn new(
        plan: &Upstream,
        old: Option<&LiveUpstream>,
        ground: &Ground,
        updates: &mut Vec<Update>,
    ) -> Result<Self, Invalid> {
        let Ground { registry, events, clock, .. } = ground;
        // A policy that goes on is made anew too, and thrown away: then its options are sound.
        let transitions = transitions(registry, &plan.name);
        let sink = Arc::new(BreakerSink { transitions, events: events.clone() });
        let (name, options) = (plan.name.clone(), plan.breaker.clone());
        let mut breaker = match shared(plan.share.breaker, ground)? {
            Some(fleet) => Breaker::shared(fleet, name, options, Some(sink))?,
            None => Breaker::with(name, options, clock.clone(), Some(sink))?,
        };
        if let Some(old) = old.filter(|old| old.plan.share.breaker == plan.share.breaker) {
            breaker = old.breaker.clone();
            let (going_on, options) = (breaker.clone(), plan.breaker.clone());
            updates.push(Box::new(move || _ = going_on.update(options)));
        }
        let (mut keyed, mut common, mut keyed_by, mut bulkhead) = (Vec::new(), Vec::new(), Vec::new(), None);
        let mut before: Vec<Limiter> = old.map_or(Vec::new(), |old| old.limits.clone());
        // What was one gateway's own and is now everybody's, or the other way round, begins anew.
        let mut same_parts = old.is_some_and(|old| old.plan.share == plan.share);
        if old.is_some_and(|old| old.plan.share.limits != plan.share.limits) {
            before.clear();
        }
        let fleet = shared(plan.share.limits, ground)?;
        for (place, limit) in plan.limits.iter().enumerate() {
            match limit {
                Limit::Requests { quota, per } => {
                    let options = limiter::Options {
                        rate: quota.rate,
                        burst: quota.burst,
                        queue: plan.queue.clone(),
                        ..limiter::Options::default()
                    };
                    let label: Option<Arc<str>> = per.as_ref().map(|per| Arc::from(per.as_str()));
                    let told = (plan.name.clone(), Arc::new(events.clone()) as Arc<dyn Sink>);
                    let mut limiter = match fleet {
                        Some(fleet) => {
                            let name = limit_name(plan, place, per.as_ref());
                            Limiter::shared(fleet, name, label.clone(), options.clone())?
                        }
                        None => Limiter::telling(options.clone(), label.clone(), clock.clone(), Some(told))?,
                    };
                    // What identifies one among several is whom it counts, and its turn among those.
                    match before.iter().position(|old| old.per() == label.as_ref()) {
                        Some(place) => {
                            limiter = before.remove(place);
                            let going_on = limiter.clone();
                            updates.push(Box::new(move || _ = going_on.update(options)));
                        }
                        None => same_parts = false,
                    }
                    // A caller over its own limit must not hold the line for everybody: its own comes first.
                    if let Some(per) = per {
                        keyed_by.push(per.clone());
                        keyed.push(limiter);
                    } else {
                        common.push(limiter);
                    }
                }
                Limit::Concurrent(concurrent, adaptive) => {
                    let options = bulkhead::Options {
                        concurrent: *concurrent,
                        adaptive: adaptive.clone(),
                        queue: plan.queue.clone(),
                    };
                    let sink = Arc::new(events.clone());
                    let mut made =
                        Bulkhead::with(plan.name.clone(), options.clone(), clock.clone(), Some(sink))?;
                    if let Some(old) = old.and_then(|old| old.bulkhead.clone()) {
                        made = old.clone();
                        updates.push(Box::new(move || _ = old.update(options)));
                    }
                    bulkhead = Some(made);
                }
            }
        }
        keyed.append(&mut common);
        same_parts &=
            before.is_empty() && old.is_some_and(|old| old.bulkhead.is_some() == bulkhead.is_some());
        let budget = match old {
            Some(old) => {
                let (budget, options) = (old.budget.clone(), plan.defaults.retry.clone());
                updates.push(Box::new(move || budget.update(&options)));
                old.budget.clone()
            }
            None => retry::Budget::new(&plan.defaults.retry),
        };
        let before = old.and_then(|old| old.keys.as_ref());
        let keys = plan.keys.as_ref().map(|keys| LiveKeys::new(keys, before, plan, ground)).transpose()?;
        let pauses = old.map_or_else(|| Pauses::new(clock.clone()), |old| old.pauses.clone());
        if let Some(keys) = &keys {
            keys.begin(&pauses, clock.now());
        }
        Ok(Self {
            id: ground.hasher.hash_one(&*plan.name),
            base: plan.url.path().trim_end_matches('/').to_owned(),
            breaker,
            limits: keyed,
            keyed_by,
            bulkhead,
            pauses,
            keys,
            sole: old.map_or_else(Arc::default, |old| old.sole.clone()),
            budget,
            meters: old.map_or_else(
                || Arc::new(UpstreamMeters::new(registry, &plan.name)),
                |old| old.meters.clone(),
            ),
            feed: old.map_or_else(Feed::default, |old| old.feed.clone()),
            plan: plan.clone(),
            same_parts,
        })
    }

    /// How long the provider wants to be left alone by those who come as anybody does. What waits for the first of several
    /// keys alone is not meant: the others go on.
    pub(crate) fn paused(&self) -> Duration {
        self.keys.as_ref().map_or_else(|| self.pauses.longest(), |keys| self.pauses.left(keys.payer(false)))
    }

    /// Stands for the credential that a caller's requests reach the provider with. What bears the first of several keys has
    /// a number of its own: it waits for that one alone.
    pub(crate) fn paid_by(&self, callers: u64, pinned: bool) -> u64 {
        match (self.plan.has_own_credential(), &self.keys) {
            (false, _) => callers,
            (true, Some(keys)) => keys.payer(pinned),
            (true, None) => OURS,
        }
    }

    /// What takes the place of a caller's credential; `key` is the place of one of several.
    pub(crate) fn credential(&self, key: Option<usize>) -> Option<&Credential> {
        match &self.plan.keys {
            Some(keys) => keys.keys.get(key.unwrap_or_default()).map(|key| &key.credential),
            None => self.plan.auth.as_ref(),
        }
    }

    /// What the provider says is left, to whoever bears `credential`. With nothing left that one waits. A pace is kept by
    /// everybody under the limits without keys, so it is learnt only while all come with the same credential.
    /// Of several keys, the `key` rests that has nothing left.
    pub(crate) fn learn(
        &self,
        said: &RateLimit,
        (credential, key): (u64, Option<usize>),
        now: Instant,
        events: &Channel,
    ) {
        let sole = self.sole.is(key.map_or(credential, |key| key as u64));
        if let Some((keys, key)) = self.keys.as_ref().zip(key)
            && said.remaining == 0
            && !said.reset.is_zero()
        {
            keys.spent(key, said.reset, self, now, events);
            return;
        }
        if said.remaining == 0 && !said.reset.is_zero() {
            if self.pauses.left(credential).is_zero() {
                let fact = Fact::Paused { wait: said.reset };
                events.offer(Event { at: now, name: self.plan.name.clone(), fact });
            }
            self.pauses.extend(credential, said.reset);
        } else if sole {
            self.limits.iter().for_each(|limit| limit.learn(said));
        }
    }

    pub(super) fn options(&self, calling: &Calling, hedge: Option<&hedge::Options>) -> pipeline::Options {
        pipeline::Options {
            deadline: calling.deadline,
            retry: calling.retry.clone(),
            hedge: hedge.cloned(),
            shadow: self.plan.shadow,
            ..pipeline::Options::default()
        }
    }

    pub(super) fn pipeline(&self, options: pipeline::Options) -> Result<Pipeline, Invalid> {
        let mut builder = Pipeline::builder(self.plan.name.clone())
            .options(options)
            .shared_breaker(self.breaker.clone())
            .shared_limits(self.limits.clone())
            .shared_pauses(self.pauses.clone(), self.plan.queue.wait)
            .shared_budget(self.budget.clone());
        if let Some(bulkhead) = &self.bulkhead {
            builder = builder.shared_bulkhead(bulkhead.clone());
        }
        builder.build()
    }
}
