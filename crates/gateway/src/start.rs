//! From a plan to a running gateway, and to its end.

use std::fs::{self, File, TryLockError};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use seawall::Invalid;
use seawall::fleet::Fleet;
use seawall_core::Code;
use seawall_core::event::{Channel, Event};
use seawall_signals::alerts::{Engine, Setup};
use seawall_signals::audit::{self, Trail};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::admin;
use crate::body::Sending;
use crate::house::{Ground, House};
use crate::listen::{self, Phase};
use crate::once;
use crate::plan::{self, Plan, Upstream};
use crate::proxy::Worker;
use crate::scene::{Asked, Scene, Slot};
use crate::upstream::{Http2, Options, Origin, Pool, Tls};

/// Where in a state directory the audit trail is.
pub const AUDIT: &str = "audit";

/// What the gateways of one memory are called together.
const GATEWAYS: &str = "gateways";

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
    /// Held for as long as this instance lives.
    _locks: Vec<Lock>,
}

/// Starts a gateway: locks its state, takes its ports, starts its threads, and returns when it serves.
///
/// Refuses with [`Code::AddressInUse`] or [`Code::StateInUse`] when another instance is there,
/// [`Code::ConfigurationInvalid`] when a policy's options contradict themselves, and [`Code::FileUnreadable`] when a
/// file or directory cannot be used, that of the audit trail included.
pub fn start(plan: Plan) -> Result<Gateway, StartError> {
    let mut locks = Vec::new();
    if let Some(state) = &plan.state {
        locks.push(own_directory(state)?);
    }
    locks.extend(own_address(plan.listen)?);
    let count = match plan.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let listeners = bind(plan.listen, count)?;
    let admin_listener = bind(plan.admin, 1)?.remove(0);
    let listen = local(&listeners[0])?;
    let admin = local(&admin_listener)?;
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
    let ground = Ground::new(&plan.journal, fleet, count, channel, audit).map_err(invalid)?;
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
    let scene = Arc::new(Scene { house: ArcSwap::new(house), slots, bound, observers, alerts });
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
    Ok(Gateway { scene, phase, threads, journal, events: Some(events), asked: Some(asked), _locks: locks })
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

    /// Goes on under another plan: see [`Scene::go_on`].
    ///
    /// Refuses a plan that contradicts itself, and one with other addresses or another state, and goes on under the old
    /// one then. Gives the number of the new configuration.
    pub fn reload(&self, plan: Plan) -> Result<u64, StartError> {
        self.scene.go_on(plan)
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

fn bind(address: SocketAddr, sockets: usize) -> Result<Vec<TcpListener>, StartError> {
    listen::bind(address, sockets).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => in_use(address),
        _ => refuse(Code::AddressInUse, format!("cannot listen on {address}: {error}")),
    })
}

fn in_use(address: SocketAddr) -> StartError {
    let message = format!("{address} is taken by another process: stop it, or choose another address");
    refuse(Code::AddressInUse, message)
}

fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| refuse(Code::AddressInUse, error.to_string()))
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
                let same = (&old.url, &old.ca, old.http2_prior_knowledge)
                    == (&upstream.url, &upstream.ca, upstream.http2_prior_knowledge);
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
            Ok(Pool::new(origin, Options { http2, ..Options::default() }, &tls))
        })
        .collect()
}

/// What may stand in a Host header: the bound addresses, `localhost` for loopback ones, and what the plan adds.
pub(crate) fn names(bound: &[SocketAddr], hosts: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    for address in bound {
        names.push(address.to_string());
        if address.ip().is_loopback() {
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

/// Something only one process can have; given back when it is dropped, or when the process dies.
#[derive(Debug)]
enum Lock {
    Directory(#[allow(dead_code, reason = "holding it is its whole use")] File),
    #[cfg(target_os = "linux")]
    Address(#[allow(dead_code, reason = "holding it is its whole use")] std::os::unix::net::UnixListener),
}

fn own_directory(state: &Path) -> Result<Lock, StartError> {
    let unreadable = |error: std::io::Error| {
        refuse(
            Code::FileUnreadable,
            format!("the state directory {} cannot be used: {error}", state.display()),
        )
    };
    fs::create_dir_all(state).map_err(unreadable)?;
    let lock = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(state.join("lock"))
        .map_err(unreadable)?;
    match lock.try_lock() {
        Ok(()) => Ok(Lock::Directory(lock)),
        Err(TryLockError::WouldBlock) => {
            let state = state.display();
            let message =
                format!("another seawall owns {state}: stop it, or give this one a state of its own");
            Err(refuse(Code::StateInUse, message))
        }
        Err(TryLockError::Error(error)) => Err(unreadable(error)),
    }
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

/// Sockets that share a port let a second instance share it too, so the port gets a lock of its own.
fn own_address(address: SocketAddr) -> Result<Vec<Lock>, StartError> {
    if address.port() == 0 {
        return Ok(Vec::new());
    }
    // Somebody else altogether may be there, without our lock.
    TcpListener::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => in_use(address),
        _ => refuse(Code::AddressInUse, format!("cannot listen on {address}: {error}")),
    })?;
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::{SocketAddr, UnixListener};
        let name = SocketAddr::from_abstract_name(format!("seawall {address}"))
            .map_err(|error| refuse(Code::AddressInUse, error.to_string()))?;
        let lock = UnixListener::bind_addr(&name).map_err(|_| in_use(address))?;
        Ok(vec![Lock::Address(lock)])
    }
    #[cfg(not(target_os = "linux"))]
    Ok(Vec::new())
}
