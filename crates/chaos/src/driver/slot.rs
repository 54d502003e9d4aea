//! A place for a process: when the one in it dies, the next is started.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::doer::{Doer, Hand};
use crate::history::{Fault, Hit};
use crate::words::{At, Order, Said, nanos, now};

/// What happened in a slot.
#[derive(Debug)]
pub enum Event {
    /// A process was started.
    Started {
        /// Where.
        slot: usize,
        /// Its number: never used twice in a run.
        process: u32,
        /// What it is told.
        orders: mpsc::UnboundedSender<Order>,
    },
    /// It said something.
    Said {
        /// Who.
        process: u32,
        /// What.
        said: Said,
        /// When it was heard.
        at: At,
    },
    /// It is dead, and all it said was heard.
    Gone {
        /// Where.
        slot: usize,
        /// Who.
        process: u32,
    },
    /// Something was done to somebody on purpose.
    Fault(Fault),
    /// The run cannot go on.
    Failed(String),
}

/// What is done to the process in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, and SIGCONT after so long.
    Freeze(Duration),
    /// Nothing is started any more once it has ended.
    Last,
}

/// Kills that a process survives which is not ready yet.
const SPARED: u32 = 3;
/// How often one that is supervised may end before it was up, one time after the other.
const STARTS: u32 = 200;

/// A slot and the task that keeps it filled.
#[derive(Debug)]
pub struct Slot {
    blows: mpsc::UnboundedSender<Blow>,
    /// The number of the process in it now.
    process: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Slot {
    /// Keeps a slot filled; `numbers` gives each process its number.
    pub fn keep(
        slot: usize,
        doer: Arc<dyn Doer>,
        events: mpsc::UnboundedSender<Event>,
        numbers: Arc<AtomicU32>,
    ) -> Self {
        let (blows, blown) = mpsc::unbounded_channel();
        let process = Arc::new(AtomicU32::new(0));
        let place = Place { slot, doer, events, numbers, process: process.clone() };
        Self { blows, process, task: tokio::spawn(place.keep(blown)) }
    }

    /// Does that to whoever is in it.
    pub fn blow(&self, blow: Blow) {
        let _ = self.blows.send(blow);
    }

    /// The number of whoever is in it.
    pub fn process(&self) -> u32 {
        self.process.load(Ordering::Relaxed)
    }

    /// Waits until the last one in it has ended.
    pub async fn empty(mut self) {
        let _ = (&mut self.task).await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Place {
    slot: usize,
    doer: Arc<dyn Doer>,
    events: mpsc::UnboundedSender<Event>,
    numbers: Arc<AtomicU32>,
    process: Arc<AtomicU32>,
}

impl Place {
    async fn keep(self, mut blown: mpsc::UnboundedReceiver<Blow>) {
        let (mut last, mut stillborn) = (false, 0);
        while !last {
            let process = self.numbers.fetch_add(1, Ordering::Relaxed);
            let mut hand = match self.doer.start(self.slot) {
                Ok(hand) => hand,
                Err(error) => {
                    let _ = self
                        .events
                        .send(Event::Failed(format!("no process for slot {}: {error}", self.slot)));
                    return;
                }
            };
            self.process.store(process, Ordering::Relaxed);
            let started = Event::Started { slot: self.slot, process, orders: hand.orders.clone() };
            if self.events.send(started).is_err() {
                return;
            }
            let (ended, up) = self.listen(&mut hand, process, &mut blown).await;
            last = ended;
            stillborn = if up { 0 } else { stillborn + 1 };
            // Killed is killed; one that ends by itself says why on its standard error.
            if let Ok(status) = hand.child.wait().await
                && let Some(code @ 1..) = status.code()
                && (up || !hand.supervised || stillborn > STARTS)
            {
                let why = format!("a process in slot {} ended with code {code}", self.slot);
                let _ = self.events.send(Event::Failed(why));
            }
            let _ = self.events.send(Event::Gone { slot: self.slot, process });
        }
    }

    /// Until it has said its last word. Was it to be the last process here, and was it ever up?
    async fn listen(
        &self,
        hand: &mut Hand,
        process: u32,
        blown: &mut mpsc::UnboundedReceiver<Blow>,
    ) -> (bool, bool) {
        let mut last = false;
        let mut frozen: Option<Instant> = None;
        let (mut up, mut spared) = (false, 0);
        loop {
            tokio::select! {
                said = hand.said.recv() => match said {
                    Some(said) => {
                        up |= said == Said::Up;
                        let _ = self.events.send(Event::Said { process, said, at: now() });
                    }
                    None => return (last, up),
                },
                Some(blow) = blown.recv() => match blow {
                    Blow::Last => last = true,
                    // Where starting takes long, nobody would ever get to work otherwise.
                    Blow::Kill if !up && spared < SPARED => spared += 1,
                    Blow::Kill => {
                        self.noted(process, Hit::Kill);
                        let _ = hand.child.start_kill();
                    }
                    Blow::Freeze(span) => {
                        self.noted(process, Hit::Freeze { until: now() + nanos(span) });
                        signal(&hand.child, Signal::STOP);
                        frozen = Some(Instant::now() + span);
                    }
                },
                () = sleep_until(frozen.unwrap_or_else(Instant::now)), if frozen.is_some() => {
                    signal(&hand.child, Signal::CONT);
                    frozen = None;
                }
            }
        }
    }

    fn noted(&self, process: u32, hit: Hit) {
        let _ = self.events.send(Event::Fault(Fault { at: now(), hit, process: Some(process) }));
    }
}

/// Only to a child that has not been waited for: its number is still its own.
fn signal(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}
