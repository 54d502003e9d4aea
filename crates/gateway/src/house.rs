//! The live state of a gateway: its upstreams' policies, its routes, its counters and its memory of calls.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, Method};
use seawall::breaker::Breaker;
use seawall::bulkhead::{self, Bulkhead};
use seawall::effect::Guard;
use seawall::fallback::{Chain, Target};
use seawall::limiter::{self, Limiter, Pauses};
use seawall::{Effects, Invalid, Pipeline, hedge, pipeline, retry, time, timeout};
use seawall_core::event::{Channel, Event, Fact, Sink};
use seawall_core::provider::RateLimit;
use seawall_core::{Clock, Code, Instant};
use seawall_signals::audit::Trail;
use seawall_signals::metrics::{CounterBy, Observer, Registry, names};
use seawall_signals::view::BreakerState;

use crate::cache::Answers;
use crate::compress::{Live, Traffic};
use crate::decision::Decision;
use crate::meters::{CallMeters, UpstreamMeters, transitions};
use crate::once::{self, Journal, Once};
use crate::plan::{Allow, Cache, Limit, Plan, Upstream};
use crate::route::Pattern;
use crate::story::Ring;

/// Events kept for whoever prints them.
const EVENTS: usize = 4096;

/// Everything a call needs to know. Shared by all workers and the admin port.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) plan: Plan,
    pub(crate) upstreams: Vec<LiveUpstream>,
    pub(crate) routes: Vec<LiveRoute>,
    pub(crate) registry: Registry,
    /// Refusals at the door, before any upstream is known.
    pub(crate) rejections: CounterBy<Code>,
    /// The stories of every worker.
    pub(crate) rings: Vec<Arc<Ring>>,
    pub(crate) events: Channel,
    /// What must not happen twice.
    pub(crate) journal: Journal,
    /// Who pulled which lever, and why.
    pub(crate) audit: Arc<Trail>,
    pub(crate) started: Instant,
    pub(crate) started_wall: SystemTime,
    /// Calls in flight at every worker.
    pub(crate) in_flight: Vec<Arc<AtomicUsize>>,
    /// What was answered and may be answered again, where a route keeps anything.
    pub(crate) answers: Option<Arc<Answers>>,
    pub(crate) draining: AtomicBool,
    pub(crate) ready: AtomicBool,
    pub(crate) hasher: RandomState,
    pub(crate) clock: Arc<dyn Clock>,
    by_name: HashMap<Arc<str>, usize>,
    /// Index of the first route that stands for an upstream without one.
    plain: usize,
    names: Vec<String>,
    _observers: Vec<Observer>,
}

/// An upstream and its policies.
#[derive(Debug)]
pub(crate) struct LiveUpstream {
    pub(crate) plan: Upstream,
    /// The path of its URL without a slash at the end.
    pub(crate) base: String,
    pub(crate) breaker: Breaker,
    pub(crate) limits: Vec<Limiter>,
    pub(crate) keyed_by: Vec<HeaderName>,
    pub(crate) bulkhead: Option<Bulkhead>,
    pub(crate) pauses: Pauses,
    sole: Sole,
    pub(crate) budget: retry::Budget,
    pub(crate) meters: UpstreamMeters,
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

/// A route and the chain of its targets.
#[derive(Debug)]
pub(crate) struct LiveRoute {
    /// Empty for an upstream's defaults.
    pub(crate) name: Arc<str>,
    method: Option<Method>,
    path: Option<Pattern>,
    pub(crate) chain: Chain,
    pub(crate) to: Vec<usize>,
    pub(crate) effects: Option<Effects>,
    pub(crate) deadline: Duration,
    pub(crate) attempt: timeout::Options,
    /// None where bodies pass as they are.
    pub(crate) compress: Option<Live>,
    pub(crate) terminal: Option<Arc<str>>,
    pub(crate) allow: Allow,
    pub(crate) cache: Option<Cache>,
    /// Calls that are slow may get a second copy.
    pub(crate) hedges: bool,
    pub(crate) once: Once,
    pub(crate) meters: Vec<CallMeters>,
}

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

impl House {
    /// Builds the policies of a plan for `workers` workers.
    pub(crate) fn new(
        plan: Plan,
        names: Vec<String>,
        workers: usize,
        events: Channel,
        audit: Arc<Trail>,
    ) -> Result<Arc<Self>, Invalid> {
        let clock = time::default_clock();
        let registry = Registry::new();
        let upstreams: Vec<LiveUpstream> = plan
            .upstreams
            .iter()
            .map(|upstream| LiveUpstream::new(upstream, &registry, &events, &clock))
            .collect::<Result<_, _>>()?;
        let sink: Arc<dyn Sink> = Arc::new(events.clone());
        let journal = Journal::open(&plan.journal, &clock, &sink)?;
        let mut routes = Vec::with_capacity(plan.routes.len() + upstreams.len());
        for route in &plan.routes {
            routes.push(LiveRoute::of(route, &upstreams, &registry, &journal.guard)?);
        }
        // The most specific first, so that the first match is the best.
        routes.sort_by_key(|route| {
            std::cmp::Reverse(route.path.as_ref().map(|path| path.specificity(route.method.as_ref())))
        });
        let plain = routes.len();
        for place in 0..upstreams.len() {
            routes.push(LiveRoute::plain(place, &upstreams, &registry, &journal.guard)?);
        }
        let by_name = plan.upstreams.iter().enumerate().map(|(place, up)| (up.name.clone(), place)).collect();
        let mut observers = observe(&registry, &upstreams, &events, plan.generation);
        observers.extend(audit.observe(&registry));
        let written = |route: &&crate::plan::Route| route.effects == Some(Effects::Once);
        let always = plan.routes.iter().filter(written).map(|route| route.name.clone()).collect();
        observers.extend(journal.observe(&registry, always));
        let answers = Answers::new(&plan.routes, &clock)?;
        Ok(Arc::new(Self {
            plan,
            upstreams,
            routes,
            rejections: names::rejections(&registry, ""),
            registry,
            // One more than there are workers: questions about doubts have stories too.
            rings: (0..=workers).map(|_| Arc::default()).collect(),
            events,
            journal,
            audit,
            started: clock.now(),
            started_wall: seawall_core::clock::wall_now(),
            in_flight: (0..=workers).map(|_| Arc::default()).collect(),
            answers,
            draining: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            hasher: RandomState::new(),
            clock,
            by_name,
            plain,
            names,
            _observers: observers,
        }))
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
        self.in_flight.iter().map(|calls| calls.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

fn own_port(url: &http::Uri) -> u16 {
    url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 })
}

impl LiveUpstream {
    fn new(
        plan: &Upstream,
        registry: &Registry,
        events: &Channel,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Invalid> {
        let transitions = transitions(registry, &plan.name);
        let sink = Arc::new(BreakerSink { transitions, events: events.clone() });
        let breaker = Breaker::with(plan.name.clone(), plan.breaker.clone(), clock.clone(), Some(sink))?;
        let (mut keyed, mut common, mut keyed_by, mut bulkhead) = (Vec::new(), Vec::new(), Vec::new(), None);
        for limit in &plan.limits {
            match limit {
                Limit::Requests { quota, per } => {
                    let options = limiter::Options {
                        rate: quota.rate,
                        burst: quota.burst,
                        queue: plan.queue.clone(),
                        ..limiter::Options::default()
                    };
                    let label = per.as_ref().map(|per| Arc::from(per.as_str()));
                    let told = (plan.name.clone(), Arc::new(events.clone()) as Arc<dyn Sink>);
                    let limiter = Limiter::telling(options, label, clock.clone(), Some(told))?;
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
                    bulkhead = Some(Bulkhead::with(plan.name.clone(), options, clock.clone(), Some(sink))?);
                }
            }
        }
        keyed.append(&mut common);
        Ok(Self {
            base: plan.url.path().trim_end_matches('/').to_owned(),
            breaker,
            limits: keyed,
            keyed_by,
            bulkhead,
            pauses: Pauses::new(clock.clone()),
            sole: Sole::default(),
            budget: retry::Budget::new(&plan.defaults.retry),
            meters: UpstreamMeters::new(registry, &plan.name),
            plan: plan.clone(),
        })
    }

    /// Stands for the credential that a caller's requests reach the provider with.
    pub(crate) fn paid_by(&self, callers: u64) -> u64 {
        if self.plan.auth.is_some() { 0 } else { callers }
    }

    /// What the provider says is left, to whoever bears `credential`. With nothing left that one waits. A pace is kept by
    /// everybody under the limits without keys, so it is learnt only while all come with the same credential.
    pub(crate) fn learn(&self, said: &RateLimit, credential: u64, now: Instant, events: &Channel) {
        let sole = self.sole.is(credential);
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

    fn pipeline(
        &self,
        calling: &crate::plan::Calling,
        hedge: Option<&hedge::Options>,
    ) -> Result<Pipeline, Invalid> {
        let options = pipeline::Options {
            deadline: calling.deadline,
            retry: calling.retry.clone(),
            hedge: hedge.cloned(),
            shadow: self.plan.shadow,
            ..pipeline::Options::default()
        };
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

impl LiveRoute {
    fn of(
        plan: &crate::plan::Route,
        upstreams: &[LiveUpstream],
        registry: &Registry,
        guard: &Guard,
    ) -> Result<Self, Invalid> {
        let first = &upstreams[plan.to[0]].plan;
        if plan.cache.is_some() {
            upstreams[plan.to[0]].meters.show_cache();
        }
        Ok(Self {
            name: plan.name.clone(),
            method: plan.method.clone(),
            path: Some(plan.path.clone()),
            chain: chain(&plan.to, &plan.calling, plan.hedge.as_ref(), upstreams)?,
            meters: meters(&plan.to, &plan.name, upstreams, registry),
            to: plan.to.clone(),
            effects: plan.effects,
            deadline: plan.calling.deadline,
            attempt: plan.calling.attempt.clone(),
            compress: compress(&plan.to, &plan.calling, upstreams, registry)?,
            terminal: plan.terminal.clone(),
            allow: plan.allow,
            cache: plan.cache,
            hedges: plan.hedge.is_some(),
            once: Once::new(guard, &plan.name, &plan.once, first, plan.calling.deadline)?,
        })
    }

    /// The one method it is for, if it is for one.
    pub(crate) fn method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    fn plain(
        place: usize,
        upstreams: &[LiveUpstream],
        registry: &Registry,
        guard: &Guard,
    ) -> Result<Self, Invalid> {
        let upstream = &upstreams[place].plan;
        let defaults = &upstream.defaults;
        let (kind, once) = (once::plain_type(&upstream.name), crate::plan::Once::default());
        Ok(Self {
            name: "".into(),
            method: None,
            path: None,
            chain: chain(&[place], defaults, None, upstreams)?,
            meters: meters(&[place], "", upstreams, registry),
            to: vec![place],
            effects: None,
            deadline: defaults.deadline,
            attempt: defaults.attempt.clone(),
            compress: compress(&[place], defaults, upstreams, registry)?,
            terminal: None,
            allow: Allow::default(),
            cache: None,
            hedges: false,
            once: Once::new(guard, &kind, &once, upstream, defaults.deadline)?,
        })
    }
}

fn compress(
    to: &[usize],
    calling: &crate::plan::Calling,
    upstreams: &[LiveUpstream],
    registry: &Registry,
) -> Result<Option<Live>, Invalid> {
    let options = calling.compress.clone();
    options.check()?;
    if options.is_off() {
        return Ok(None);
    }
    let traffic = to.iter().map(|place| Traffic::of(registry, &upstreams[*place].plan.name)).collect();
    Ok(Some(Live { options, traffic }))
}

fn chain(
    to: &[usize],
    calling: &crate::plan::Calling,
    hedge: Option<&hedge::Options>,
    upstreams: &[LiveUpstream],
) -> Result<Chain, Invalid> {
    let targets: Vec<Target> = to
        .iter()
        .map(|place| Ok(Target { pipeline: upstreams[*place].pipeline(calling, hedge)?, confidence: 1.0 }))
        .collect::<Result<_, Invalid>>()?;
    Chain::new(targets)
}

fn meters(to: &[usize], route: &str, upstreams: &[LiveUpstream], registry: &Registry) -> Vec<CallMeters> {
    to.iter().map(|place| CallMeters::new(registry, &upstreams[*place].plan.name, route)).collect()
}

/// What is read at the moment somebody asks.
fn observe(
    registry: &Registry,
    upstreams: &[LiveUpstream],
    events: &Channel,
    generation: u64,
) -> Vec<Observer> {
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
    let events = events.clone();
    observers.push(names::EVENTS_DROPPED.observe(registry, move |out| out.add(&[], events.dropped() as f64)));
    names::CONFIG_GENERATION.with(registry, []).set(generation as f64);
    registry.build_info(env!("CARGO_PKG_VERSION"));
    observers
}
