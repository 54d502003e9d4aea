//! The live state of a gateway: its upstreams' policies, its routes, its counters and its memory of calls.

mod callers;
mod chosen;
mod ground;
mod health;
mod keys;
mod routes;
mod upstream;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use http::{HeaderValue, Method};
use seawall::breaker::Breaker;
use seawall::bulkhead::Bulkhead;
use seawall::{Class, Code, Effects, Invalid};
use seawall_core::Instant;
use seawall_core::clock::wall_now;
use seawall_core::event::{Channel, Event, Sink};
use seawall_signals::history::Counts;
use seawall_signals::metrics::{Family, Gauge, Observer, Registry, names};
use seawall_signals::otlp::Exporter;
use seawall_signals::view::BreakerState;

use crate::cache::Answers;
use crate::decision::Decision;
use crate::plan::Plan;
use crate::story::Names;

pub(crate) use callers::LiveCallers;
pub(crate) use chosen::Chosen;
pub(crate) use ground::Ground;
pub(crate) use health::Health;
pub(crate) use keys::{Came, LiveKeys};
use routes::Building;
pub(crate) use routes::LiveRoute;
pub(crate) use upstream::LiveUpstream;

/// Events kept for whoever prints them.
const EVENTS: usize = 4096;

/// Everything a call needs to know under one configuration. Shared by all workers and the admin port.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) plan: Plan,
    pub(crate) ground: Ground,
    pub(crate) upstreams: Vec<LiveUpstream>,
    pub(crate) routes: Vec<LiveRoute>,
    /// Who may call; none where everybody may.
    pub(crate) callers: Option<LiveCallers>,
    /// What was answered and may be answered again, where a route keeps anything.
    pub(crate) answers: Option<Arc<Answers>>,
    /// How everything stands.
    pub(crate) health: Health,
    /// Where traces and metrics are sent.
    pub(crate) otlp: Option<Exporter>,
    by_name: HashMap<Arc<str>, usize>,
    /// Index of the first route that stands for an upstream without one.
    plain: usize,
    names: Vec<String>,
}

/// Sends traces and metrics: the one there is, where nothing about it has changed.
fn exporter(plan: &Plan, ground: &Ground, old: Option<&House>) -> Result<Option<Exporter>, Invalid> {
    let Some(options) = &plan.otlp else { return Ok(None) };
    let before = old.and_then(|old| old.otlp.as_ref());
    if let Some(same) = before.filter(|before| before.options().is(options)) {
        return Ok(Some(same.clone()));
    }
    let sink: Arc<dyn Sink> = Arc::new(ground.events.clone());
    let told = Some((sink, ground.clock.clone()));
    let started = Exporter::start(options.clone(), &ground.registry, told);
    started.map(Some).map_err(|error| Invalid::new("otlp", error.to_string()))
}

/// What a new configuration changes in a policy that goes on: done when all of it is known to be sound.
pub(crate) type Update = Box<dyn FnOnce() + Send>;

impl House {
    /// Builds the policies of a plan. What an `old` house has of the same name goes on: its counts, its states, its
    /// waiting lines. Nothing of it is changed before the updates are done.
    pub(crate) fn new(
        plan: Plan,
        names: Vec<String>,
        ground: Ground,
        old: Option<&House>,
    ) -> Result<(Self, Vec<Update>), Invalid> {
        let mut updates: Vec<Update> = Vec::new();
        plan.anomaly.check()?;
        let (habits, watched) = (ground.habits.clone(), plan.anomaly.clone());
        match old {
            Some(_) => updates.push(Box::new(move || habits.update(&watched))),
            None => habits.update(&watched),
        }
        let upstreams: Vec<LiveUpstream> = plan
            .upstreams
            .iter()
            .map(|upstream| {
                let before = old.and_then(|old| old.upstream(&upstream.name));
                LiveUpstream::new(upstream, before, &ground, &mut updates)
            })
            .collect::<Result<_, _>>()?;
        let mut building = Building { upstreams: &upstreams, ground: &ground, old, updates: &mut updates };
        let mut routes = Vec::with_capacity(plan.routes.len() + upstreams.len());
        for route in &plan.routes {
            routes.push(LiveRoute::of(route, &mut building)?);
        }
        // The most specific first, so that the first match is the best.
        routes.sort_by_key(|route| {
            std::cmp::Reverse(route.path.as_ref().map(|path| path.specificity(route.method.as_ref())))
        });
        let plain = routes.len();
        for place in 0..upstreams.len() {
            routes.push(LiveRoute::plain(place, &mut building)?);
        }
        let callers = match &plan.callers {
            Some(callers) => {
                let before = old.and_then(|old| old.callers.as_ref());
                Some(LiveCallers::new(callers, before, (&routes, &upstreams), &ground, &mut updates)?)
            }
            None => None,
        };
        let by_name = plan.upstreams.iter().enumerate().map(|(place, up)| (up.name.clone(), place)).collect();
        let answers = match old.and_then(|old| old.answers.clone()) {
            Some(answers) => Some(answers),
            None => Answers::new(&plan.routes, &ground.clock)?,
        };
        let health = Health::new(&ground.health, &upstreams);
        let otlp = exporter(&plan, &ground, old)?;
        Ok((
            Self { plan, ground, upstreams, routes, callers, answers, health, otlp, by_name, plain, names },
            updates,
        ))
    }

    /// From now on its checks are those that are looked at: the last thing that may be refused.
    pub(crate) fn look(&self, old: Option<&House>) -> Result<(), Invalid> {
        let checks = health::checks(&self.plan, &self.upstreams)?;
        self.health.apply(checks, &self.plan, old.map(|old| &old.plan))
    }

    /// Shows what is read at the moment somebody asks, for as long as these live.
    pub(crate) fn observe(&self) -> Vec<Observer> {
        let mut observers = observe(&self.ground.registry, &self.upstreams, self.plan.generation);
        let written = |route: &&crate::plan::Route| route.effects == Some(Effects::Once);
        let always = self.plan.routes.iter().filter(written).map(|route| route.name.clone()).collect();
        observers.extend(self.plan.logs.as_ref().map(|logs| logs.observe(&self.ground.registry)));
        observers.extend(self.health.observe(&self.ground.registry));
        let ports = [("listen", &self.plan.tls), ("admin", &self.plan.admin_tls)];
        let ends = ports.into_iter().filter_map(|(port, tls)| Some((port, tls.as_ref()?.ends()?))).collect();
        observers.extend(keys::observe(&self.ground.registry, &self.upstreams, self.ground.clock.clone()));
        observers.push(left(&self.ground.registry, &names::CERTIFICATE_EXPIRES, ends));
        let due = ports.into_iter().filter_map(|(port, tls)| Some((port, tls.as_ref()?.due()?))).collect();
        observers.push(left(&self.ground.registry, &names::REVOCATION_LIST_EXPIRES, due));
        observers.extend(self.ground.journal.observe(&self.ground.registry, always));
        observers
    }

    /// What routes, upstreams and callers are called, for stories.
    pub(crate) fn named(&self) -> Names {
        Names {
            routes: self.routes.iter().map(|route| route.name.clone()).collect(),
            upstreams: self.upstreams.iter().map(|up| up.plan.name.clone()).collect(),
            callers: self.callers.as_ref().map_or(Vec::new(), LiveCallers::names),
        }
    }

    /// The route of that name and its place in the plan's order, of those that are written.
    fn written(&self, name: &str) -> Option<&LiveRoute> {
        self.routes[..self.plain].iter().find(|route| &*route.name == name)
    }

    /// The channel its events go through, and its end.
    pub(crate) fn channel() -> (Channel, std::sync::mpsc::Receiver<Event>) {
        Channel::bounded(EVENTS)
    }

    /// The route of an upstream's calls that have none of their own.
    pub(crate) const fn plain_route(&self, upstream: usize) -> usize {
        self.plain + upstream
    }

    /// The best route for a request whose path begins with the segment `first`.
    pub(crate) fn route(&self, method: &Method, path: &str, first: &str) -> Option<usize> {
        let named = self.routes[..self.plain].iter().position(|route| {
            route.method.as_ref().is_none_or(|own| own == method)
                && route.path.as_ref().is_some_and(|pattern| pattern.matches(path))
        });
        named.or_else(|| self.by_name.get(first).map(|upstream| self.plain + upstream))
    }

    /// The upstream at an origin whose base path begins `path`, and how long that base path is.
    pub(crate) fn origin(&self, scheme: &str, host: &str, port: u16, path: &str) -> Option<(&str, usize)> {
        self.upstreams
            .iter()
            .filter(|up| {
                let url = &up.plan.url;
                url.scheme_str().is_some_and(|own| own.eq_ignore_ascii_case(scheme))
                    && url.host().is_some_and(|own| own.eq_ignore_ascii_case(host))
                    && own_port(url) == port
                    && path
                        .strip_prefix(&up.base)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .max_by_key(|up| up.base.len())
            .map(|up| (&*up.plan.name, up.base.len()))
    }

    /// The names of the upstreams.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.upstreams.iter().map(|up| &*up.plan.name).collect()
    }

    /// Is this `host:port` a name of this gateway?
    pub(crate) fn is_us(&self, host: &str) -> bool {
        self.names.iter().any(|own| own.eq_ignore_ascii_case(host))
    }

    /// An upstream by its name.
    pub(crate) fn upstream(&self, name: &str) -> Option<&LiveUpstream> {
        self.by_name.get(name).map(|place| &self.upstreams[*place])
    }

    /// Which upstream a pipeline of that name belongs to.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// What most answers say was decided, for each upstream. Every worker has its own, so that no core counts another's
    /// references.
    pub(crate) fn ordinary_decisions(&self) -> Vec<HeaderValue> {
        let line = |up: &LiveUpstream| Decision::ordinary(&up.plan.name, self.plan.generation).header();
        self.upstreams.iter().map(line).collect()
    }

    /// Calls in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.ground.in_flight.iter().map(|calls| calls.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn now(&self) -> Instant {
        self.ground.clock.now()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.ground.draining.load(Ordering::Relaxed)
    }
}

fn own_port(url: &http::Uri) -> u16 {
    url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 })
}

impl House {
    /// What every upstream has counted since the start.
    pub(crate) fn counts(&self) -> Vec<(Arc<str>, Counts)> {
        let mut counts: Vec<(Arc<str>, Counts)> = self
            .upstreams
            .iter()
            .map(|up| {
                let counts = Counts { retries: up.meters.retries.total(), ..Counts::default() };
                (up.plan.name.clone(), counts)
            })
            .collect();
        for route in &self.routes {
            for (to, meters) in route.to.iter().zip(&route.meters) {
                let (all, well) = (meters.calls.total(), meters.calls.of(Class::Ok).get());
                let one = Counts { calls: all, failures: all.saturating_sub(well), retries: 0 };
                counts[*to].1 = counts[*to].1 + one;
            }
        }
        counts
    }

    /// Calls that named no upstream.
    pub(crate) fn strays(&self) -> u64 {
        self.ground.rejections.of(Code::NoSuchUpstream).get()
    }
}

/// How long what ports lean on is good for; less than nothing once it is not.
fn left(registry: &Registry, metric: &Family<Gauge, 1>, ends: Vec<(&'static str, SystemTime)>) -> Observer {
    metric.observe(registry, move |out| {
        for (port, ends) in &ends {
            let left = match ends.duration_since(wall_now()) {
                Ok(left) => left.as_secs_f64(),
                Err(past) => -past.duration().as_secs_f64(),
            };
            out.add(&[port], left);
        }
    })
}

/// What is read at the moment somebody asks.
fn observe(registry: &Registry, upstreams: &[LiveUpstream], generation: u64) -> Vec<Observer> {
    let breakers: Vec<Breaker> = upstreams.iter().map(|up| up.breaker.clone()).collect();
    let mut observers: Vec<Observer> = names::observe_breakers(registry, move |show| {
        for breaker in &breakers {
            if let Some(state) = BreakerState::parse(breaker.state().as_str()) {
                show(breaker.name(), breaker.name(), state);
            }
        }
    })
    .into();
    let bulkheads: Vec<(Arc<str>, Bulkhead)> =
        upstreams.iter().filter_map(|up| Some((up.plan.name.clone(), up.bulkhead.clone()?))).collect();
    observers.push(names::BULKHEAD_IN_FLIGHT.observe(registry, move |out| {
        for (name, bulkhead) in &bulkheads {
            out.add(&[name], bulkhead.load().in_flight as f64);
        }
    }));
    names::CONFIG_GENERATION.with(registry, []).set(generation as f64);
    // Visible at zero from the start: the first one is news.
    let _ = ["person", "itself"].map(|by| names::CONFIG_ROLLBACKS.with(registry, [by]));
    observers
}
