//! From a plan to a running gateway, and to its end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use seawall::Invalid;
use seawall::fleet::Fleet;
use seawall_core::Code;
use seawall_core::audit::{Audit as _, Class, Entry};
use seawall_core::event::{Channel, Event};
use seawall_signals::alerts::{Engine, Setup};
use seawall_signals::audit::{self, Trail};
use seawall_signals::history::Counts;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::admin;
use crate::body::Sending;
use crate::handover::{Shelf, Way};
use crate::house::{Ground, House};
use crate::listen::{self, Phase};
use crate::once;
use crate::owned::{self, Lock, Sockets};
use crate::plan::{self, Plan, Upstream};
use crate::proxy::Worker;
use crate::recall::Recall;
use crate::scene::{Asked, Past, Scene, Slot};
use crate::upstream::{Http2, Options, Origin, Pool, Proxy, Tls};

/// Where in a state directory the audit trail is.
pub const AUDIT: &str = "audit";

/// What the gateways of one memory are called together.
pub const GATEWAYS: &str = "gateways";

/// Why a gateway did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError {
    /// The stable code.
    pub code: Code,
    /// What is wrong and what to do.
    pub message: String,
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.message)
    }
}

impl std::error::Error for StartError {}

/// How a gateway ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Calls that were still in flight when the patience of the shutdown ended.
    pub unfinished: usize,
}

/// A running gateway. Dropping it without [`Gateway::stop`] cuts what is in flight.
#[derive(Debug)]
pub struct Gateway {
    scene: Arc<Scene>,
    phase: watch::Sender<Phase>,
    threads: Vec<JoinHandle<()>>,
    /// The last to end: whatever is cut, it still writes down.
    journal: Option<(watch::Sender<bool>, JoinHandle<()>)>,
    events: Option<mpsc::Receiver<Event>>,
    asked: Option<mpsc::Receiver<Asked>>,
    way: Option<Way>,
    shelf: Option<Arc<Shelf>>,
    /// Held for as long as this instance lives.
    _locks: Vec<Lock>,
}

/// Starts a gateway: locks its state, takes its ports, starts its threads, and returns when it serves.
///
/// Refuses with [`Code::AddressInUse`] or [`Code::StateInUse`] when another instance is there,
/// [`Code::ConfigurationInvalid`] when a policy's options contradict themselves, and [`Code::FileUnreadable`] when a
/// file or directory cannot be used, that of the audit trail included.
pub fn start(plan: Plan) -> Result<Gateway, StartError> {
    start_on(plan, Sockets::default())
}

/// Starts a gateway on sockets that are there already, as far as there are any; see [`start`].
///
/// Refuses with [`Code::ConfigurationInvalid`], too, where they are bound elsewhere than the plan says.
pub fn start_on(plan: Plan, sockets: Sockets) -> Result<Gateway, StartError> {
    guarded(&plan)?;
    let mut locks = Vec::new();
    if let Some(state) = &plan.state {
        locks.push(owned::own_directory(state)?);
    }
    if sockets.listen.is_empty() {
        owned::probe(plan.listen)?;
    }
    let address = owned::own_address(plan.listen)?;
    let count = match plan.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let listeners = match sockets.listen.is_empty() {
        true => owned::bind(plan.listen, count)?,
        false => owned::spread(sockets.listen, plan.listen, count)?,
    };
    let count = listeners.len();
    let passed =
        sockets.admin.filter(|admin| admin.local_addr().is_ok_and(|bound| owned::fits(bound, plan.admin)));
    let admin_listener = match passed {
        Some(admin) => owned::spread(vec![admin], plan.admin, 1)?.remove(0),
        None => owned::bind(plan.admin, 1)?.remove(0),
    };
    let listen = owned::local(&listeners[0])?;
    let admin = owned::local(&admin_listener)?;
    let way = match &address {
        Some(lock) => Some(owned::way(lock, &listeners, &admin_listener)?),
        None => None,
    };
    locks.extend(address.map(Lock::Address));
    // The last are for questions about doubts.
    let pools: Vec<Vec<Pool<Sending>>> =
        (0..=count).map(|_| pools(&plan.upstreams, None)).collect::<Result<_, _>>()?;
    let names = names(&[listen, admin], &plan.hosts);
    let (channel, events) = House::channel();
    let audit = Arc::new(trail(plan.state.as_deref(), &channel)?);
    let invalid = |invalid: Invalid| refuse(Code::ConfigurationInvalid, invalid.to_string());
    let journal_runtime = runtime()?;
    let fleet =
        plan.fleet.as_ref().map(|fleet| join(fleet, &journal_runtime)).transpose().map_err(invalid)?;
    let recall = Recall::open(plan.state.as_deref(), channel.clone());
    let ground = Ground::new((&plan.journal, recall), fleet, count, channel, audit).map_err(invalid)?;
    let (house, _) = House::new(plan, names, ground, None).map_err(invalid)?;
    house.look(None).map_err(invalid)?;
    let (house, bound) = (Arc::new(house), [listen, admin]);
    let slots: Arc<[Slot]> = pools
        .into_iter()
        .enumerate()
        .map(|(number, pools)| Arc::new(ArcSwap::new(Worker::new(&house, number, pools))))
        .collect();
    let observers = Mutex::new(house.observe());
    let alerts = alerts(&house)?;
    let scene = Arc::new(Scene {
        house: ArcSwap::new(house),
        slots,
        bound,
        observers,
        alerts,
        past: ArcSwap::default(),
    });
    once::register(&scene.slots[count].load_full());
    let (phase, watching) = watch::channel(Phase::Open);
    let mut threads = Vec::with_capacity(count + 1);
    for (number, listener) in listeners.into_iter().enumerate() {
        let (runtime, watching) = (runtime()?, watching.clone());
        let slot = scene.slots[number].clone();
        let task = move || {
            runtime.block_on(listen::serve(listener, slot, watching));
            runtime.shutdown_timeout(Duration::ZERO);
        };
        threads.push(thread(format!("seawall-{number}"), task)?);
    }
    let (journal_over, over) = watch::channel(false);
    let asking = scene.slots[count].clone();
    let journal = thread("seawall-journal".into(), move || {
        journal_runtime.block_on(once::keep_looking(asking, over));
        journal_runtime.shutdown_timeout(Duration::ZERO);
    })?;
    let (asks, asked) = mpsc::channel();
    let (runtime, board) = (runtime()?, admin::Board::new(scene.clone(), asks));
    threads.push(thread("seawall-admin".into(), move || {
        runtime.block_on(admin::serve(admin_listener, board, watching));
        runtime.shutdown_timeout(Duration::ZERO);
    })?);
    scene.house.load().ground.ready.store(true, Ordering::Release);
    let journal = Some((journal_over, journal));
    Ok(Gateway {
        scene,
        phase,
        threads,
        journal,
        events: Some(events),
        asked: Some(asked),
        shelf: way.as_ref().map(|way| way.shelf.clone()),
        way,
        _locks: locks,
    })
}

impl Gateway {
    /// Where callers connect.
    pub fn listen(&self) -> SocketAddr {
        self.scene.bound[0]
    }

    /// Where operators connect.
    pub fn admin(&self) -> SocketAddr {
        self.scene.bound[1]
    }

    /// The events of its policies, for whoever prints them. Can be taken once; what nobody takes is dropped and counted.
    pub fn take_events(&mut self) -> Option<mpsc::Receiver<Event>> {
        self.events.take()
    }

    /// Configurations that operators ask for. Can be taken once; without a taker every such wish is refused.
    pub fn take_asked(&mut self) -> Option<mpsc::Receiver<Asked>> {
        self.asked.take()
    }

    /// The way a successor comes. Can be taken once; none where port 0 was asked for, which no successor can name.
    pub fn take_way(&mut self) -> Option<Way> {
        self.way.take()
    }

    /// Accepts nobody any more, whoever connects waits in the sockets' queues; and lets callers go: each connection ends
    /// after its next answer, which says so. To be followed by [`Gateway::stop`] a moment later, or by
    /// [`Gateway::carry_on`].
    pub fn part(&self) {
        let _ = self.phase.send(Phase::Parting);
    }

    /// Accepts again after all.
    pub fn carry_on(&self) {
        let _ = self.phase.send(Phase::Open);
    }

    /// Goes on under another plan: see [`Scene::go_on`].
    ///
    /// Refuses a plan that contradicts itself, and one with other addresses or another state, and goes on under the old
    /// one then. Gives the number of the new configuration.
    pub fn reload(&self, plan: Plan) -> Result<u64, StartError> {
        self.scene.go_on(plan)
    }

    /// What every upstream has counted since the start, by name; under the empty name all of them with the calls that named
    /// none, which count as failed.
    pub fn counts(&self) -> Vec<(Arc<str>, Counts)> {
        let house = self.scene.house.load();
        let mut counts = house.counts();
        let strays = house.strays();
        let all = counts.iter().fold(Counts::default(), |all, (_, one)| all + *one);
        let all = Counts { calls: all.calls.saturating_add(strays), failures: strays, ..all };
        counts.push(("".into(), all));
        counts
    }

    /// Tells that its configuration went back by itself, and counts it.
    pub fn went_back(&self, by: Arc<str>, reason: Arc<str>) {
        self.scene.went_back("itself");
        self.tell("rollback", by, reason);
    }

    /// Shows what was in force before to whoever looks at the admin port.
    pub fn know(&self, past: Past) {
        self.scene.past.store(Arc::new(past));
    }

    /// Writes down what became of its configuration. What cannot be written is counted: it has happened.
    pub fn note(&self, entry: Entry) {
        let _ = self.scene.house.load().ground.audit.note(Entry { class: Class::Open, ..entry });
    }

    /// Tells those who follow its events that its configuration was moved.
    pub fn tell(&self, action: &'static str, by: Arc<str>, reason: Arc<str>) {
        self.scene.tell(action, by, reason);
    }

    /// Calls in flight.
    pub fn in_flight(&self) -> usize {
        self.scene.house.load().in_flight()
    }

    /// Do all of its threads still run? One that has gone is one that panicked.
    pub fn is_serving(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }

    /// Stops: takes no new connections, lets calls in flight end within the plan's patience, then cuts what is left.
    /// Blocks until it is over.
    #[allow(
        clippy::disallowed_methods,
        reason = "a shutdown blocks the thread that asked for it, which has nothing else to do"
    )]
    pub fn stop(mut self) -> Stopped {
        let house = self.scene.house.load_full();
        house.ground.draining.store(true, Ordering::Release);
        if let Some(shelf) = &self.shelf {
            shelf.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        let _ = self.phase.send(Phase::Draining);
        let deadline = house.now() + house.plan.drain;
        while self.threads.iter().take(self.threads.len() - 1).any(|thread| !thread.is_finished())
            && house.now() < deadline
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        let unfinished = self.in_flight();
        self.scene.alerts.stop();
        let _ = self.phase.send(Phase::Over);
        for thread in self.threads.drain(..) {
            // A worker that panicked has already said so.
            let _ = thread.join();
        }
        if let Some((over, thread)) = self.journal.take() {
            let _ = over.send(true);
            let _ = thread.join();
        }
        // The last, for whoever counted has ended.
        if let Some(otlp) = &house.otlp {
            otlp.stop();
        }
        house.ground.recall.end(&house.ground.registry);
        Stopped { unfinished }
    }
}

/// Joins the other gateways, on a runtime that runs from soon on to the end. Done by a thread of its own: whoever starts a
/// gateway may be within a runtime already.
fn join(fleet: &plan::Fleet, runtime: &Runtime) -> Result<Fleet, Invalid> {
    let joined = Fleet::join(fleet.store.clone(), GATEWAYS, fleet.options.clone());
    std::thread::scope(|scope| {
        let joining = scope.spawn(|| runtime.block_on(joined)).join();
        joining.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
    })
}

pub(crate) fn refuse(code: Code, message: impl Into<String>) -> StartError {
    StartError { code, message: message.into() }
}

fn runtime() -> Result<Runtime, StartError> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| refuse(Code::FileUnreadable, format!("no runtime could be made: {error}")))
}

fn thread(name: String, task: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new()
        .name(name)
        .spawn(task)
        .map_err(|error| refuse(Code::FileUnreadable, format!("no thread could be started: {error}")))
}

/// Connections to every upstream: those of `before`, where it is the same one.
pub(crate) fn pools(
    upstreams: &[Upstream],
    before: Option<&Worker>,
) -> Result<Vec<Pool<Sending>>, StartError> {
    upstreams
        .iter()
        .map(|upstream| {
            let kept = before.and_then(|worker| {
                let place = worker.house.place(&upstream.name)?;
                let old = &worker.house.upstreams[place].plan;
                let same = (&old.url, &old.ca, old.http2_prior_knowledge, &old.proxy)
                    == (&upstream.url, &upstream.ca, upstream.http2_prior_knowledge, &upstream.proxy);
                same.then(|| worker.pools[place].clone())
            });
            if let Some(kept) = kept {
                return Ok(kept);
            }
            let bad = |error: String| {
                refuse(Code::ConfigurationInvalid, format!("upstream {}: {error}", upstream.name))
            };
            let origin = Origin::from_url(&upstream.url).map_err(|error| bad(error.to_string()))?;
            let tls = Tls::new(upstream.ca.as_deref()).map_err(|error| bad(error.to_string()))?;
            let http2 = if upstream.http2_prior_knowledge { Http2::PriorKnowledge } else { Http2::Auto };
            let proxy = upstream.proxy.as_ref().map(|proxy| Proxy::new(&proxy.url, proxy.credential.clone()));
            let proxy = proxy.transpose().map_err(|error| bad(format!("proxy: {error}")))?;
            Ok(Pool::through(proxy, origin, Options { http2, ..Options::default() }, &tls))
        })
        .collect()
}

/// Outside loopback the admin port is served to those with a token, and to nobody else.
pub(crate) fn guarded(plan: &Plan) -> Result<(), StartError> {
    if plan.admin.ip().is_loopback() || !plan.operators.is_empty() {
        return Ok(());
    }
    let message =
        format!("admin: {} can be reached from outside, and nobody is asked for a token", plan.admin);
    Err(refuse(Code::NotLoopback, message))
}

/// What may stand in a Host header: the bound addresses, `localhost` for loopback ones and for those that are bound to every address, and what the plan adds.
pub(crate) fn names(bound: &[SocketAddr], hosts: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    for address in bound {
        names.push(address.to_string());
        // Whatever else it is bound to, this machine asks it by the names of loopback.
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            names
                .extend(["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{}", address.port())));
        }
        if address.port() == 80 {
            names.push(address.ip().to_string());
        }
    }
    for host in hosts {
        names.push(host.clone());
        if !host.contains(':') {
            names.extend(bound.iter().map(|address| format!("{host}:{}", address.port())));
        }
    }
    names.dedup();
    names
}

/// The audit trail of a state directory; without one it is kept in memory, and says so.
fn trail(state: Option<&Path>, events: &Channel) -> Result<Trail, StartError> {
    let (options, clock) = (audit::Options::default(), seawall::time::default_clock());
    let Some(state) = state else { return Ok(Trail::in_memory(options, clock)) };
    Trail::open(&state.join(AUDIT), options, clock, Some(Arc::new(events.clone()))).map_err(|error| {
        let code = match error {
            audit::OpenError::InUse(_) => Code::StateInUse,
            audit::OpenError::Unusable(..) => Code::FileUnreadable,
        };
        refuse(code, error.to_string())
    })
}

/// Alerts over the metrics of a house; what they know outlives it in its state directory.
fn alerts(house: &House) -> Result<Engine, StartError> {
    let ground = &house.ground;
    let setup = Setup {
        rules: house.plan.alerts.rules.clone(),
        outlets: house.plan.alerts.outlets.clone(),
        registry: ground.registry.clone(),
        state: house.plan.state.clone(),
        clock: ground.clock.clone(),
        sink: Some(Arc::new(ground.events.clone())),
    };
    Engine::start(setup)
        .map_err(|error| refuse(Code::FileUnreadable, format!("no thread could be started: {error}")))
}
