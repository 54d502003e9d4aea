//! Drives the board: a look at the metrics every second on one thread, deliveries and the disk on another.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use seawall_core::clock::wall_now;
use seawall_core::event::{Event, Fact, Sink};
use seawall_core::random::Random;
use seawall_core::{Clock, Instant};
use seawall_policy::alert::Rule;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::board::Board;
use super::calendar::Calendar;
use super::meters::Meters;
use super::{Failure, Notice, Outlet, Unsilenced};
use crate::metrics::Registry;
use crate::view;
use crate::whole::{self, Found};

/// The file in a state directory.
pub const FILE: &str = "alerts.state";

/// Between two looks at the metrics.
const TICK: Duration = Duration::from_secs(1);

/// For one delivery, whatever the channel does.
const PATIENCE: Duration = Duration::from_secs(60);

/// After the disk refused, before it is tried again.
const PAUSE: Duration = Duration::from_secs(10);

/// What an engine is made of.
pub struct Setup {
    /// When somebody is told: see [`rules`](super::rules).
    pub rules: Vec<Rule>,
    /// Who, and how.
    pub outlets: Vec<Outlet>,
    /// The metrics that are looked at, and to which its own are added.
    pub registry: Registry,
    /// The directory in which it remembers; none, and a restart knows of nothing.
    pub state: Option<PathBuf>,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Who hears of alerts that move and of channels in trouble.
    pub sink: Option<Arc<dyn Sink>>,
}

/// Alerts, watched and told until it is stopped. Clones share it; when the last is dropped it stops by itself.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    _end: Arc<End>,
}

struct Shared {
    board: Mutex<Board>,
    meters: Mutex<Meters>,
    outlets: Mutex<Vec<Outlet>>,
    /// Why the state could not be written the last time.
    failing: Mutex<Option<String>>,
    calendar: Calendar,
    clock: Arc<dyn Clock>,
    registry: Registry,
    path: Option<PathBuf>,
    sink: Option<Arc<dyn Sink>>,
    random: Random,
    /// There is something to write down.
    dirty: Notify,
    /// There may be something to deliver.
    ready: Notify,
}

struct End {
    stop: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// Reads what is remembered, and begins. A file that is not whole is set aside and told to the sink: alerts that are
    /// active are then told anew. Fails only where no thread can be started.
    pub fn start(setup: Setup) -> io::Result<Self> {
        let (shared, troubles) = Shared::new(setup);
        let shared = Arc::new(shared);
        troubles.into_iter().for_each(|what| shared.trouble(what));
        let (stop, stopped) = watch::channel(false);
        let mut threads = Vec::new();
        for (name, task) in [("seawall-alerts", true), ("seawall-notices", false)] {
            let (runtime, shared, stopped) = (runtime()?, shared.clone(), stopped.clone());
            threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                match task {
                    true => runtime.block_on(shared.look(stopped)),
                    false => runtime.block_on(shared.serve(stopped)),
                }
                // A channel that blocks is not waited for.
                runtime.shutdown_timeout(Duration::ZERO);
            })?);
        }
        Ok(Self { shared, _end: Arc::new(End { stop, threads: Mutex::new(threads) }) })
    }

    /// Everything as it is now.
    pub fn view(&self) -> view::Alerts {
        let failing = lock(&self.shared.failing).clone();
        view::Alerts { failing, ..lock(&self.shared.board).view() }
    }

    /// Does an alert or a rule have that name?
    pub fn knows(&self, id: &str) -> bool {
        lock(&self.shared.board).knows(id)
    }

    /// The names of the rules, in order.
    pub fn rules(&self) -> Vec<String> {
        lock(&self.shared.board).rules.iter().map(|ruled| ruled.name.to_string()).collect()
    }

    /// Silences an alert, or all of a rule, for so long; with no time at all ends its silence. What it hides is told when
    /// it ends, if it is still so.
    pub fn silence(&self, id: &str, span: Duration, by: &str, reason: &str) -> Result<(), Unsilenced> {
        let now = self.shared.calendar.now();
        lock(&self.shared.board).silence(id, span, (by, reason), now)?;
        self.shared.dirty.notify_one();
        Ok(())
    }

    /// Sends a notice that says nothing; false where no channel has that name.
    pub fn test(&self, channel: &str, by: &str) -> bool {
        let now = self.shared.calendar.now();
        let found = lock(&self.shared.board).test(channel, by, now);
        self.shared.dirty.notify_one();
        found
    }

    /// Goes on with other rules and channels. A rule of the same name is the same rule: what is active stays so until the
    /// new condition says otherwise, and a longer `for` makes nothing pending again. What was told of a rule that is gone is
    /// told to be over; what waits for a channel that is gone is dropped.
    pub fn update(&self, rules: Vec<Rule>, outlets: Vec<Outlet>) {
        let shared = &self.shared;
        let now = shared.calendar.now();
        let mut board = lock(&shared.board);
        let saved = board.save(now);
        let Ok(mut next) = Board::restored(rules, &outlets, &saved, now) else { return };
        next.inherit(std::mem::replace(&mut *board, Board::new(Vec::new(), &[], now)));
        *lock(&shared.meters) = Meters::new(&next, &shared.registry);
        *board = next;
        *lock(&shared.outlets) = outlets;
        drop(board);
        shared.dirty.notify_one();
        shared.ready.notify_waiters();
    }

    /// Stops looking and delivering, and writes down how things stand. What waits is delivered after the next start.
    pub fn stop(&self) {
        self._end.stop.send_replace(true);
        for thread in lock(&self._end.threads).drain(..) {
            // One that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn new(setup: Setup) -> (Self, Vec<String>) {
        let Setup { rules, outlets, registry, state, clock, sink } = setup;
        let calendar = Calendar::new(clock.clone(), wall_now());
        let now = calendar.now();
        let path = state.map(|directory| directory.join(FILE));
        let mut troubles = Vec::new();
        let board = path.as_deref().and_then(|path| remembered(path, &rules, &outlets, now, &mut troubles));
        let board = board.unwrap_or_else(|| Board::new(rules, &outlets, now));
        let meters = Meters::new(&board, &registry);
        let shared = Self {
            board: Mutex::new(board),
            meters: Mutex::new(meters),
            outlets: Mutex::new(outlets),
            failing: Mutex::new(None),
            calendar,
            clock,
            registry,
            path,
            sink,
            random: Random::from_os(),
            dirty: Notify::new(),
            ready: Notify::new(),
        };
        (shared, troubles)
    }

    fn tell(&self, events: Vec<Event>) {
        if let Some(sink) = &self.sink {
            events.into_iter().for_each(|event| sink.offer(Event { at: self.clock.now(), ..event }));
        }
    }

    fn trouble(&self, what: String) {
        let fact = Fact::AlertTrouble { what: what.into() };
        self.tell(vec![Event { at: self.clock.now(), name: "alerts".into(), fact }]);
    }

    /// The thread that looks. Nothing it does waits for anything but the lock, which nobody holds for long.
    async fn look(&self, mut stopped: watch::Receiver<bool>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => self.step(),
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
        }
    }

    fn step(&self) {
        let families = lock(&self.board).watch().families();
        let gathered = self.registry.gather_some(&|name| families.contains(name));
        let mut board = lock(&self.board);
        let events = board.step(&gathered, self.calendar.now());
        let dirty = board.changed > board.written;
        if self.path.is_none() {
            board.written = board.changed;
        }
        lock(&self.meters).show(&board);
        drop(board);
        self.tell(events);
        match (dirty, &self.path) {
            (true, Some(_)) => self.dirty.notify_one(),
            (true, None) => self.ready.notify_waiters(),
            (false, _) => {}
        }
    }

    /// The thread that delivers, and writes down.
    async fn serve(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        let count = lock(&self.outlets).len();
        let mut lanes: Vec<_> = (0..count).map(|place| tasks.spawn(self.clone().lane(place))).collect();
        loop {
            tokio::select! {
                () = self.written() => {}
                _ = stopped.wait_for(|stopped| *stopped) => break,
            }
            // Channels that came with another configuration.
            for place in lanes.len()..lock(&self.outlets).len() {
                lanes.push(tasks.spawn(self.clone().lane(place)));
            }
        }
        tasks.shutdown().await;
        lock(&self.board).changed += 1;
        self.write().await;
    }

    /// Waits until there is something to write down, and does so.
    async fn written(&self) {
        self.dirty.notified().await;
        if !self.write().await {
            sleep(PAUSE).await;
            lock(&self.board).changed += 1;
            self.dirty.notify_one();
        }
    }

    /// Writes down how things stand, if that has changed. Whatever comes of it, what waited for it may leave: a disk that is
    /// full is a reason to tell people, not to be silent.
    async fn write(&self) -> bool {
        let Some(path) = self.path.clone() else {
            self.ready.notify_waiters();
            return true;
        };
        let (bytes, generation) = {
            let board = lock(&self.board);
            if board.changed <= board.written {
                return true;
            }
            (board.save(self.calendar.now()), board.changed)
        };
        let ended = tokio::task::spawn_blocking(move || whole::write(&path, &bytes)).await;
        let ended = ended.unwrap_or_else(|_| Err(io::Error::other("the write was given up")));
        lock(&self.board).written = generation;
        self.ready.notify_waiters();
        let failing =
            ended.err().map(|error| format!("what is known of alerts cannot be written down: {error}"));
        let before = std::mem::replace(&mut *lock(&self.failing), failing.clone());
        if let (None, Some(what)) = (before, &failing) {
            self.trouble(what.clone());
        }
        failing.is_none()
    }

    fn next(&self, place: usize) -> Option<Notice> {
        let mut board = lock(&self.board);
        let mut next = board.next(place, self.calendar.now());
        if next.is_none() && self.path.is_none() {
            board.written = board.changed;
            next = board.next(place, self.calendar.now());
        }
        if board.changed > board.written {
            self.dirty.notify_one();
        }
        next
    }

    /// Delivers what one channel is to be told, one notice after the other.
    async fn lane(self: Arc<Self>, place: usize) {
        loop {
            let ready = self.ready.notified();
            let next = self.next(place);
            let outlet = lock(&self.outlets).get(place).cloned();
            let (Some(notice), Some(outlet)) = (next, outlet) else {
                // A retry may be due before anything changes.
                let _ = timeout(TICK, ready).await;
                continue;
            };
            let (id, began) = (notice.id.clone(), self.clock.now());
            // In a task of its own, so that a channel that panics takes nobody along.
            let mut delivery = tokio::spawn(async move { outlet.channel.deliver(&notice).await });
            let ended = match timeout(PATIENCE, &mut delivery).await {
                Ok(Ok(ended)) => ended,
                Ok(Err(_)) => Err(Failure::unknown("the channel panicked")),
                Err(_) => {
                    delivery.abort();
                    Err(Failure::unknown("no end within a minute"))
                }
            };
            let took = self.clock.now().since(began);
            let dice = self.random.unit();
            let mut board = lock(&self.board);
            board.ended(place, &id, &ended, (dice, took), self.calendar.now());
            lock(&self.meters).show(&board);
            drop(board);
            self.dirty.notify_one();
        }
    }
}

/// The board of an earlier run, as far as its file can be read.
fn remembered(
    path: &Path,
    rules: &[Rule],
    outlets: &[Outlet],
    now: Instant,
    troubles: &mut Vec<String>,
) -> Option<Board> {
    let bytes = match whole::read(path) {
        Found::Nothing => return None,
        Found::Whole(bytes) => bytes,
        Found::Before(bytes, why) => {
            troubles.push(format!("{why}: going on from the one before"));
            bytes
        }
        Found::Broken(why) => {
            let _ = std::fs::rename(path, path.with_extension("broken"));
            troubles.push(format!("{why}: what is active will be told anew"));
            return None;
        }
    };
    match Board::restored(rules.to_vec(), outlets, &bytes, now) {
        Ok(board) => Some(board),
        Err(why) => {
            let _ = std::fs::rename(path, path.with_extension("broken"));
            troubles.push(format!("{}: {why}: what is active will be told anew", path.display()));
            None
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("path", &self.shared.path).finish_non_exhaustive()
    }
}
