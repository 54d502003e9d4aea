//! Deals the blows: kills, freezes and cuts, at moments drawn from a seed, until it is told to stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::plan::{Pace, Pauses};
use super::proxy::{Cut, Proxy};
use super::server::Server;
use super::slot::{Blow, Event, Slot};
use crate::history::{Fault, Hit};
use crate::words::now;

/// How much more seldom the first slot is hit: what goes wrong there has few excuses.
const SPARED: usize = 40;
/// How long it may take until a worker has heard of a cut.
const NOTICED: Duration = Duration::from_millis(100);
/// How long after the server answers everybody is surely connected to it again.
const RECONNECTED: Duration = Duration::from_millis(500);

/// What can be hit.
pub(super) struct Targets {
    pub(super) slots: Vec<Slot>,
    /// The cables of each slot: to the store, if it is a server, and to the ledger.
    pub(super) cables: Vec<(Option<Proxy>, Proxy)>,
    pub(super) server: Option<Arc<Mutex<Server>>>,
    pub(super) events: mpsc::UnboundedSender<Event>,
}

/// How often it is looked whether the machine goes on.
const LOOK: Duration = Duration::from_millis(50);
/// As long as a lease: whoever was to renew one may not have been able to.
const STANDSTILL: Duration = Duration::from_secs(1);

/// Tells of every moment in which the machine did something else, for ever.
pub(super) async fn standstills(events: mpsc::UnboundedSender<Event>) {
    loop {
        let (at, began) = (now(), Instant::now());
        sleep(LOOK).await;
        if began.elapsed() > STANDSTILL {
            let hit = Hit::Standstill { until: now() };
            let _ = events.send(Event::Fault(Fault { at, hit, process: None }));
        }
    }
}

/// Blows that fall until this is stopped.
pub(super) struct Storm {
    stop: watch::Sender<bool>,
    tasks: JoinSet<io::Result<()>>,
}

impl Storm {
    pub(super) fn begin(seed: u64, pace: &Pace, targets: &Arc<Targets>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let pauses = |number: u64, mean| Pauses::new(seed.wrapping_mul(31).wrapping_add(number), mean);
        if let Some(mean) = pace.kill {
            tasks.spawn(kills(pauses(1, mean), targets.clone(), stopped.clone()));
        }
        if let (Some(mean), Some(server)) = (pace.store, targets.server.clone()) {
            tasks.spawn(store_kills(pauses(2, mean), server, targets.clone(), stopped.clone()));
        }
        if let Some(mean) = pace.freeze {
            let spans = pace.frozen.clone();
            tasks.spawn(freezes(pauses(3, mean), spans, targets.clone(), stopped.clone()));
        }
        if let Some(mean) = pace.cut {
            tasks.spawn(cuts(pauses(4, mean), targets.clone(), stopped));
        }
        Self { stop, tasks }
    }

    /// No blow falls any more, and the server is there.
    pub(super) async fn end(mut self) -> io::Result<()> {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        Ok(())
    }
}

/// Is it still on, after that pause?
async fn paused(pause: Duration, stopped: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = sleep(pause) => true,
        _ = stopped.wait_for(|stopped| *stopped) => false,
    }
}

/// A slot: the first one seldom, where there are others.
fn victim(pauses: &mut Pauses, slots: usize) -> usize {
    let slot = pauses.dice().usize(..slots);
    match slot {
        0 if slots > 1 && pauses.dice().usize(..SPARED) > 0 => 1 + pauses.dice().usize(..slots - 1),
        slot => slot,
    }
}

async fn kills(
    mut pauses: Pauses,
    targets: Arc<Targets>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    loop {
        let pause = pauses.draw();
        if !paused(pause, &mut stopped).await {
            return Ok(());
        }
        let slot = victim(&mut pauses, targets.slots.len());
        targets.slots[slot].blow(Blow::Kill);
    }
}

async fn freezes(
    mut pauses: Pauses,
    spans: std::ops::RangeInclusive<u64>,
    targets: Arc<Targets>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    loop {
        let pause = pauses.draw();
        if !paused(pause, &mut stopped).await {
            return Ok(());
        }
        let slots = targets.slots.len();
        let slot = if slots > 1 { pauses.dice().usize(1..slots) } else { 0 };
        let span = Duration::from_millis(pauses.dice().u64(spans.clone()));
        targets.slots[slot].blow(Blow::Freeze(span));
    }
}

async fn cuts(
    mut pauses: Pauses,
    targets: Arc<Targets>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    loop {
        let pause = pauses.draw();
        if !paused(pause, &mut stopped).await {
            return Ok(());
        }
        let slots = targets.slots.len();
        let slot = if slots > 1 { pauses.dice().usize(1..slots) } else { 0 };
        let cut = match pauses.dice().u8(..4) {
            0 => Cut::Both,
            1 | 2 => Cut::Answers,
            _ => Cut::Stall(Duration::from_millis(pauses.dice().u64(50..1500))),
        };
        let (store, ledger) = &targets.cables[slot];
        let until = now() + crate::words::nanos(cut.lasts() + NOTICED);
        let (cable, hit) = match store {
            Some(store) if pauses.dice().bool() => (store, Hit::CutStore { until }),
            _ => (ledger, Hit::CutLedger { until }),
        };
        let process = Some(targets.slots[slot].process());
        let _ = targets.events.send(Event::Fault(Fault { at: now(), hit, process }));
        cable.cut(cut);
    }
}

async fn store_kills(
    mut pauses: Pauses,
    server: Arc<Mutex<Server>>,
    targets: Arc<Targets>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    loop {
        // Never much sooner than that: it has to come up, and be of use for a while.
        let pause = pauses.draw() / 2 + pauses.draw() / 2;
        if !paused(pause, &mut stopped).await {
            return Ok(());
        }
        let at = now();
        let mut server = server.lock().await;
        server.kill().await?;
        server.again().await?;
        let until = now() + crate::words::nanos(RECONNECTED);
        let hit = Hit::StoreKill { until };
        let _ = targets.events.send(Event::Fault(Fault { at, hit, process: None }));
    }
}
