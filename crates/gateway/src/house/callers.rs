//! Who is calling, how much they may, and what has come of it.

use std::hash::BuildHasher;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use seawall::bulkhead::{self, Bulkhead, Permit};
use seawall::limiter::{self, Limiter};
use seawall::{Class, Code, Invalid, Priority, Rejection};
use seawall_core::Instant;
use seawall_core::event::Sink;
use seawall_signals::metrics::{CounterBy, names};

use super::{Ground, LiveRoute, LiveUpstream, Update};
use crate::headers::{API_KEY, KEY};
use crate::plan::Limit;
use crate::plan::callers::{Caller, Callers};

/// Everybody who may call.
#[derive(Debug)]
pub(crate) struct LiveCallers {
    keys: Arc<Callers>,
    all: Vec<LiveCaller>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct LiveCaller {
    pub(crate) name: Arc<str>,
    /// A number that stands for its name in this process.
    pub(crate) id: u64,
    pub(crate) priority: Priority,
    tenant: Option<Arc<str>>,
    limits: Vec<Limiter>,
    bulkhead: Option<Bulkhead>,
    /// For every route, written or not: may it be taken?
    reach: Vec<bool>,
    pub(crate) calls: CounterBy<Class>,
}

impl LiveCallers {
    /// Those of a plan. What a caller of the same name had of limits goes on.
    pub(super) fn new(
        keys: &Arc<Callers>,
        old: Option<&LiveCallers>,
        (routes, upstreams): (&[LiveRoute], &[LiveUpstream]),
        ground: &Ground,
        updates: &mut Vec<Update>,
    ) -> Result<Self, Invalid> {
        let all = keys.all().iter().map(|caller| {
            let before = old.and_then(|old| old.all.iter().find(|other| other.name == caller.name));
            let mut live = LiveCaller::new(caller, before, ground, updates)?;
            let names = |route: &LiveRoute| route.to.iter().map(|to| &*upstreams[*to].plan.name).collect();
            let may = |route: &LiveRoute| {
                let names: Vec<&str> = names(route);
                caller.reach.covers(&route.name, names.into_iter())
            };
            live.reach = routes.iter().map(may).collect();
            Ok(live)
        });
        Ok(Self { keys: keys.clone(), all: all.collect::<Result<_, _>>()? })
    }

    /// The names, in their order.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.all.iter().map(|caller| caller.name.clone()).collect()
    }

    /// One by its place.
    pub(crate) fn of(&self, place: usize) -> &LiveCaller {
        &self.all[place]
    }

    /// Who comes with these headers, or with a certificate of these names. Refuses whom nobody knows.
    pub(crate) fn identify(&self, headers: &HeaderMap, names: &[Box<str>]) -> Result<usize, Rejection> {
        let unknown = |why: &'static str| Rejection::new(Code::CallerUnknown).because(why);
        let mut own = headers.get_all(&KEY).iter();
        let whose = match (own.next(), own.next()) {
            // Who says which key is meant for us means no other.
            (Some(key), None) => self.keys.whose(key.as_bytes()),
            (Some(_), Some(_)) => return Err(unknown("seawall-key is there twice: send one key")),
            (None, _) => self
                .borrowed(headers, &AUTHORIZATION)
                .or_else(|| self.borrowed(headers, &API_KEY))
                .or_else(|| names.iter().find_map(|name| self.keys.named(name))),
        };
        whose.ok_or_else(|| {
            let brought = [&KEY, &AUTHORIZATION, &API_KEY].iter().any(|name| headers.contains_key(*name));
            unknown(match brought {
                true => "the key is nobody's who may call here",
                false => {
                    "no key came with it: send it as seawall-key, as x-api-key, or as authorization: Bearer"
                }
            })
        })
    }

    /// Whose key stands where a provider's usually does.
    fn borrowed(&self, headers: &HeaderMap, name: &HeaderName) -> Option<usize> {
        let mut values = headers.get_all(name).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        self.keys.whose(bare(name, value))
    }

    /// Takes out what was meant for us alone: a key of ours must not reach an upstream.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        headers.remove(&KEY);
        for name in [&AUTHORIZATION, &API_KEY] {
            let ours = |value: &HeaderValue| self.keys.whose(bare(name, value)).is_some();
            if headers.get_all(name).iter().any(ours) {
                headers.remove(name);
            }
        }
    }
}

/// A key without the word before it.
fn bare<'v>(name: &HeaderName, value: &'v HeaderValue) -> &'v [u8] {
    let value = value.as_bytes();
    match value.split_at_checked(7) {
        Some((word, key)) if name == AUTHORIZATION && word.eq_ignore_ascii_case(b"Bearer ") => {
            key.trim_ascii()
        }
        _ if name == AUTHORIZATION => b"",
        _ => value.trim_ascii(),
    }
}

impl LiveCaller {
    fn new(
        plan: &Caller,
        old: Option<&LiveCaller>,
        ground: &Ground,
        updates: &mut Vec<Update>,
    ) -> Result<Self, Invalid> {
        let (mut limits, mut bulkhead) = (Vec::new(), None);
        let mut before = old.map_or(Vec::new(), |old| old.limits.clone()).into_iter();
        for limit in &plan.limits {
            match limit {
                Limit::Requests { quota, .. } => {
                    let (rate, burst, queue) = (quota.rate, quota.burst, plan.queue.clone());
                    let options = limiter::Options { rate, burst, queue, ..limiter::Options::default() };
                    // Made anew where an old one goes on too: then its options are sound.
                    let mut made = Limiter::with(options.clone(), None, ground.clock.clone())?;
                    if let Some(old) = before.next() {
                        made = old.clone();
                        updates.push(Box::new(move || _ = old.update(options)));
                    }
                    limits.push(made);
                }
                Limit::Concurrent(concurrent, _) => {
                    let options = bulkhead::Options {
                        concurrent: *concurrent,
                        adaptive: None,
                        queue: plan.queue.clone(),
                    };
                    let sink: Arc<dyn Sink> = Arc::new(ground.events.clone());
                    let (name, clock) = (plan.name.clone(), ground.clock.clone());
                    let mut made = Bulkhead::with(name, options.clone(), clock, Some(sink))?;
                    if let Some(old) = old.and_then(|old| old.bulkhead.clone()) {
                        made = old.clone();
                        updates.push(Box::new(move || _ = old.update(options)));
                    }
                    bulkhead = Some(made);
                }
            }
        }
        let calls = names::caller_calls(&ground.registry, &plan.name);
        // Visible at zero from the start.
        let _ = calls.of(Class::Ok);
        Ok(Self {
            name: plan.name.clone(),
            id: ground.hasher.hash_one(("caller", &*plan.name)),
            priority: plan.priority,
            tenant: plan.tenant.clone(),
            limits,
            bulkhead,
            reach: Vec::new(),
            calls,
        })
    }

    /// In whose name its idempotency keys are: what kind of name, and which.
    pub(crate) fn owner(&self) -> (&'static str, &str) {
        match &self.tenant {
            Some(tenant) => ("tenant", tenant),
            None => ("caller", &self.name),
        }
    }

    /// May it take the route in this place?
    pub(crate) fn may_take(&self, route: usize) -> Result<(), Rejection> {
        match self.reach.get(route) {
            Some(true) => Ok(()),
            _ => Err(Rejection::new(Code::CallerNotAllowed)
                .because(format!("{} may not call by this way", self.name))),
        }
    }

    /// Counts a call, after a wait if need be, and gives it its place. Refuses what is over a limit and cannot wait.
    pub(crate) async fn admit(
        &self,
        priority: Priority,
        deadline: Instant,
    ) -> Result<Option<Permit>, Rejection> {
        let refused = |rejection: Rejection| {
            let reason = format!("the caller {} is at its limit", self.name);
            rejection.because(reason)
        };
        let mut taken = Vec::with_capacity(self.limits.len());
        for limit in &self.limits {
            match limit.acquire_as("", 1, priority, deadline).await {
                Ok(counted) => taken.push(counted),
                Err(rejection) => {
                    // Who is refused has used nothing.
                    taken.into_iter().for_each(limiter::Taken::give_back);
                    return Err(refused(rejection));
                }
            }
        }
        let Some(bulkhead) = &self.bulkhead else { return Ok(None) };
        match bulkhead.acquire_as(priority, deadline).await {
            Ok(place) => Ok(Some(place)),
            Err(rejection) => {
                taken.into_iter().for_each(limiter::Taken::give_back);
                Err(refused(rejection))
            }
        }
    }
}
