//! One round: a few wishes, one contestant, one fault, and what became of each wish.

use super::ledger::{Ledger, Play};
use super::store::Shelf;
use super::verdict::{Tally, judge};
use super::worker::{Answer, Said, Worker};
use super::{DEADLINE, Peer, Tools};
use crate::process::interrupted;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long all wishes of a round may take to come to the ledger.
const COMING: Duration = Duration::from_secs(60);
/// The pause before a caller asks again.
const PAUSE: Duration = Duration::from_millis(250);
/// Failures after which a caller asks no more.
const TRIES: u32 = 3;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    KilledBefore,
    KilledAfter,
    ReplyLost,
    Slow,
    Raced,
    StoreLost,
    StoreOlder,
    Hidden,
    Late,
    TooLate,
}

impl Fault {
    /// What goes wrong for everybody.
    pub(super) const ALL: [Fault; 7] = [
        Fault::KilledBefore,
        Fault::KilledAfter,
        Fault::ReplyLost,
        Fault::Slow,
        Fault::Raced,
        Fault::StoreLost,
        Fault::StoreOlder,
    ];

    /// What goes wrong for whoever asks too.
    pub(super) const ASKED: [Fault; 3] = [Fault::Hidden, Fault::Late, Fault::TooLate];

    pub(super) fn name(self) -> &'static str {
        match self {
            Fault::KilledBefore => "killed before the call",
            Fault::KilledAfter => "killed after the call",
            Fault::ReplyLost => "reply lost",
            Fault::Slow => "slower than its deadline, a second worker asks",
            Fault::Raced => "two workers race",
            Fault::StoreLost => "store comes back empty",
            Fault::StoreOlder => "store and workers come back, the store as it was earlier",
            Fault::Hidden => "reply lost, and what was done shows 1.5 s later",
            Fault::Late => "killed, and the call arrives 2.8 s later",
            Fault::TooLate => "killed, and the call arrives 12 s later",
        }
    }

    fn play(self) -> Play {
        match self {
            Fault::KilledBefore => Play::HoldBefore,
            Fault::KilledAfter => Play::HoldReply,
            Fault::ReplyLost => Play::LoseReply,
            Fault::Slow => Play::SlowReply(DEADLINE * 2),
            Fault::Raced | Fault::StoreLost | Fault::StoreOlder => Play::Plain,
            Fault::Hidden => Play::Hidden(Duration::from_millis(1500)),
            Fault::Late => Play::Late(Duration::from_millis(2800)),
            Fault::TooLate => Play::Late(Duration::from_secs(12)),
        }
    }
}

/// What a round needs to know.
pub(super) struct Round<'a> {
    pub(super) peer: Peer,
    pub(super) fault: Fault,
    pub(super) tools: &'a Tools,
    pub(super) folder: PathBuf,
    pub(super) wishes: u32,
    /// How long callers go on asking.
    pub(super) patience: Duration,
    /// Between the moment all wishes are where they are to be and the kill.
    pub(super) breath: Duration,
}

/// Somebody who wants a wish done: asks until there is a result, or until told for the third time that it failed.
struct Caller {
    wish: usize,
    worker: usize,
    /// When it asks next; none while it waits for an answer, or has its last word.
    next: Option<Instant>,
    failures: u32,
    last: Option<Said>,
    /// When it was first told so; what somebody else is at says nothing.
    since: Option<Instant>,
    settled: bool,
}

impl Round<'_> {
    pub(super) fn run(&self) -> Result<Tally, String> {
        fs::create_dir_all(&self.folder).map_err(|error| error.to_string())?;
        let ledger = Ledger::open(&self.folder.join("ledger"), self.fault.play())?;
        let mut shelf = Shelf::new(&self.folder, self.peer.redis)?;
        let wishes: Vec<String> = (0..self.wishes).map(|n| format!("wish-{n}")).collect();
        let mut tally = Tally::default();
        let callers = self.play(&ledger, &mut shelf, &wishes, &mut tally)?;
        ledger.wait_until_quiet(COMING)?;
        for (at, wish) in wishes.iter().enumerate() {
            let told: Vec<_> =
                callers.iter().filter(|caller| caller.wish == at).map(|caller| caller.last).collect();
            let fate = judge(ledger.count(wish), &told);
            tally.add(fate);
        }
        Ok(tally)
    }

    /// Lets the fault happen, and everybody ask until they know.
    fn play(
        &self,
        ledger: &Ledger,
        shelf: &mut Shelf,
        wishes: &[String],
        tally: &mut Tally,
    ) -> Result<Vec<Caller>, String> {
        let shared = !self.peer.redis && self.peer.one_process;
        match self.fault {
            Fault::KilledBefore | Fault::KilledAfter | Fault::Late | Fault::TooLate => {
                let mut first = self.worker(ledger, shelf, "a")?;
                for (n, wish) in wishes.iter().enumerate() {
                    first.ask(n as u64, wish)?;
                }
                ledger.wait_until_met(wishes.len(), COMING)?;
                sleep(self.breath);
                first.kill();
                let second = self.worker(ledger, shelf, "a")?;
                self.ask(&mut [second], wishes, &[Duration::ZERO], tally)
            }
            Fault::ReplyLost | Fault::Hidden => {
                let worker = self.worker(ledger, shelf, "a")?;
                self.ask(&mut [worker], wishes, &[Duration::ZERO], tally)
            }
            Fault::Slow | Fault::Raced => {
                let mut workers = vec![self.worker(ledger, shelf, "a")?];
                if !shared {
                    workers.push(self.worker(ledger, shelf, "b")?);
                }
                let second = if self.fault == Fault::Slow { DEADLINE.mul_f64(1.25) } else { Duration::ZERO };
                self.ask(&mut workers, wishes, &[Duration::ZERO, second], tally)
            }
            Fault::StoreLost => {
                let mut workers = [self.worker(ledger, shelf, "a")?];
                self.prepare(&mut workers, wishes)?;
                if shelf.is_redis() {
                    shelf.lose()?;
                    return self.ask(&mut workers, wishes, &[Duration::ZERO], tally);
                }
                workers.into_iter().try_for_each(Worker::end)?;
                shelf.lose()?;
                let second = self.worker(ledger, shelf, "a")?;
                self.ask(&mut [second], wishes, &[Duration::ZERO], tally)
            }
            Fault::StoreOlder => {
                let copy = shelf.copied().join("effects.db");
                let mut command = self.command(ledger, shelf, "a");
                // Either it makes a copy itself, and lays it back, or its files are copied while nobody has them open.
                if self.peer.restores {
                    fs::create_dir_all(shelf.copied()).map_err(|error| error.to_string())?;
                    command.arg("--backup").arg(&copy);
                }
                Worker::start(&mut command, &self.folder)?.end()?;
                if !self.peer.restores {
                    shelf.copy()?;
                }
                let mut workers = [self.worker(ledger, shelf, "a")?];
                self.prepare(&mut workers, wishes)?;
                workers.into_iter().for_each(Worker::kill);
                let mut command = self.command(ledger, shelf, "a");
                if self.peer.restores {
                    shelf.lose()?;
                    command.arg("--restore").arg(&copy);
                } else {
                    shelf.put_back()?;
                }
                let second = Worker::start(&mut command, &self.folder)?;
                self.ask(&mut [second], wishes, &[Duration::ZERO], tally)
            }
        }
    }

    /// Everything goes well at first.
    fn prepare(&self, workers: &mut [Worker], wishes: &[String]) -> Result<(), String> {
        let mut tally = Tally::default();
        let callers = self.ask(workers, wishes, &[Duration::ZERO], &mut tally)?;
        match callers.iter().all(|caller| caller.last == Some(Said::Done)) {
            true => Ok(()),
            false => Err(format!("not all went well before anything went wrong: {:?}", tally.words)),
        }
    }

    fn worker(&self, ledger: &Ledger, shelf: &Shelf, executor: &str) -> Result<Worker, String> {
        Worker::start(&mut self.command(ledger, shelf, executor), &self.folder)
    }

    fn command(&self, ledger: &Ledger, shelf: &Shelf, executor: &str) -> Command {
        let mut command = self.tools.command(self.peer.kind);
        command.args(["--ledger", &ledger.address().to_string(), "--store", &shelf.word()]);
        command.args(["--executor", executor, "--deadline", &DEADLINE.as_secs_f64().to_string()]);
        command.args(self.peer.asks.then_some("--asks"));
        if !self.peer.variant.is_empty() {
            command.args(["--variant", self.peer.variant]);
        }
        command.env("AWS_LAMBDA_FUNCTION_NAME", "peers");
        command
    }

    /// For each entry of `after` and each wish a caller, who begins so much later; in turn at the workers there are.
    fn ask(
        &self,
        workers: &mut [Worker],
        wishes: &[String],
        after: &[Duration],
        tally: &mut Tally,
    ) -> Result<Vec<Caller>, String> {
        let began = Instant::now();
        let begin = |(place, after): (usize, &Duration)| {
            let (next, worker) = (Some(began + *after), place % workers.len());
            (0..wishes.len())
                .map(|wish| Caller {
                    wish,
                    worker,
                    next,
                    failures: 0,
                    last: None,
                    since: None,
                    settled: false,
                })
                .collect::<Vec<_>>()
        };
        let mut callers: Vec<Caller> = after.iter().enumerate().flat_map(begin).collect();
        // Numbers below are those of a worker's life before.
        let (mut n, mut asked) = (1 << 32, HashMap::new());
        while callers.iter().any(|caller| !caller.settled) && began.elapsed() < self.patience {
            if interrupted() {
                return Err("interrupted".into());
            }
            let now = Instant::now();
            for (place, caller) in callers.iter_mut().enumerate() {
                if caller.next.is_some_and(|next| next <= now) {
                    caller.next = None;
                    workers[caller.worker].ask(n, &wishes[caller.wish])?;
                    asked.insert(n, place);
                    n += 1;
                }
            }
            for worker in workers.iter() {
                for answer in worker.heard() {
                    if let Some(place) = asked.remove(&answer.n) {
                        callers[place].hear(answer, tally);
                    }
                }
            }
            sleep(Duration::from_millis(2));
        }
        let end = Instant::now();
        tally.took.extend(callers.iter().map(|caller| (caller.since.unwrap_or(end) - began).as_secs_f64()));
        Ok(callers)
    }
}

impl Caller {
    fn hear(&mut self, answer: Answer, tally: &mut Tally) {
        let now = Instant::now();
        if self.last != Some(answer.said) {
            self.since = (answer.said != Said::InFlight).then_some(now);
        }
        self.last = Some(answer.said);
        self.failures += u32::from(answer.said == Said::Failed);
        if answer.said != Said::Done {
            tally.quote(answer.said, answer.why);
        }
        if answer.said == Said::Done || self.failures >= TRIES {
            self.settled = true;
        } else {
            self.next = Some(now + PAUSE);
        }
    }
}
