//! The processes of one story, ended with it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use seawall_chaos::driver::doer::{Hand, hand};
use seawall_chaos::driver::{Ledger, Server, directory, redis_server};
use seawall_chaos::effects::STORY;
use seawall_chaos::ledger::Verdict;
use seawall_chaos::words::{How, Job, Kind, Order, Said, What, line};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A ledger, and a store.
pub(crate) struct World {
    pub(crate) server: Option<Server>,
    pub(crate) ledger: Ledger,
    directory: TempDir,
    wishes: u64,
}

/// A worker, until it is dropped.
pub(crate) struct Worker {
    hand: Hand,
    heard: VecDeque<Said>,
}

impl World {
    /// With a server of its own; none where there is no program for it, which is said aloud, and a failure in CI.
    pub(crate) async fn redis() -> Option<Self> {
        if redis_server().is_none() {
            let ci = std::env::var_os("CI")
                .is_some_and(|value| !matches!(value.to_str(), Some("" | "0" | "false")));
            assert!(!ci, "redis-server is not here: apt-get install -y redis-server");
            eprintln!("skipped: redis-server is not here: apt-get install -y redis-server");
            return None;
        }
        let mut world = Self::sqlite().await;
        world.server = Some(Server::start(world.directory.path()).await.expect("redis-server starts"));
        Some(world)
    }

    /// With a file.
    pub(crate) async fn sqlite() -> Self {
        let directory = directory("seawall-story-").expect("a directory");
        let day = Duration::from_secs(86_400);
        let ledger = Ledger::start(&program(), directory.path(), day).await.expect("the ledger starts");
        Self { server: None, ledger, directory, wishes: 0 }
    }

    /// A worker that is ready.
    pub(crate) async fn worker(&self) -> Worker {
        self.worker_with(&[], &[]).await
    }

    /// Workers that are ready.
    pub(crate) async fn workers(&self, count: usize) -> Vec<Worker> {
        let mut workers = Vec::new();
        for _ in 0..count {
            workers.push(self.worker().await);
        }
        workers
    }

    /// A worker of its own kind that is ready.
    pub(crate) async fn worker_with(&self, args: &[String], env: &[(&str, &str)]) -> Worker {
        let mut command = Command::new(program());
        command.arg("worker").args(["--ledger", &self.ledger.address().to_string()]);
        command.args(["--times", line(&STORY).trim()]);
        match &self.server {
            Some(server) => {
                command.args(["--redis", &format!("redis://{}/0?namespace=story", server.address())]);
                command.arg("--known").arg(self.directory.path().join("known"));
            }
            None => drop(command.arg("--sqlite").arg(self.directory.path().join("store"))),
        }
        // The last word of a kind counts.
        command.args(args).envs(env.iter().copied());
        let hand = hand(command).expect("a worker starts");
        let mut worker = Worker { hand, heard: VecDeque::new() };
        worker.hears("that it is up", |said| matches!(said, Said::Up).then_some(())).await;
        worker
    }

    /// The arguments of a worker that remembers by itself, apart from all others.
    pub(crate) fn apart(&self, place: &str) -> Vec<String> {
        let path = self.directory.path().join(place).display().to_string();
        match &self.server {
            // The note of which memory is trusted is of one namespace.
            Some(server) => {
                let url = format!("redis://{}/0?namespace={place}", server.address());
                vec!["--redis".to_owned(), url, "--known".to_owned(), path]
            }
            None => vec!["--sqlite".to_owned(), path],
        }
    }

    pub(crate) fn server(&mut self) -> &mut Server {
        self.server.as_mut().expect("this story has a server")
    }

    /// A wish for an effect that goes well.
    pub(crate) fn wish(&mut self, what: What) -> Job {
        self.wishes += 1;
        Job::plain(self.wishes - 1, what)
    }

    /// The number under which the ledger has it.
    pub(crate) fn numbered(&self, what: What) -> u64 {
        let book = self.ledger.read().expect("the ledger can be read");
        book.iter().find(|entry| entry.what == what).expect("the ledger has it").number
    }

    /// How often the ledger has it.
    pub(crate) fn times(&self, what: What) -> usize {
        let book = self.ledger.read().expect("the ledger can be read");
        book.iter().filter(|entry| entry.what == what && entry.verdict == Verdict::Done).count()
    }
}

impl Worker {
    pub(crate) fn tell(&self, order: Order) {
        self.hand.orders.send(order).expect("the worker is there");
    }

    /// Waits for a word, wherever it was said.
    pub(crate) async fn hears<T>(&mut self, what: &str, mut pick: impl FnMut(&Said) -> Option<T>) -> T {
        if let Some((place, picked)) =
            self.heard.iter().enumerate().find_map(|(place, said)| Some((place, pick(said)?)))
        {
            self.heard.remove(place);
            return picked;
        }
        loop {
            let said = timeout(PATIENCE, self.hand.said.recv()).await;
            let said = said.unwrap_or_else(|_| panic!("it never said {what}: {:?}", self.heard));
            let said = said.unwrap_or_else(|| panic!("it died before it said {what}: {:?}", self.heard));
            match pick(&said) {
                Some(picked) => return picked,
                None => self.heard.push_back(said),
            }
        }
    }

    /// How a wish was answered.
    pub(crate) async fn answer(&mut self, n: u64) -> How {
        let pick = |said: &Said| match said {
            Said::Ended { n: of, how, .. } if *of == n => Some(how.clone()),
            _ => None,
        };
        self.hears("how it ended", pick).await
    }

    /// Gives it a wish, and waits for the answer.
    pub(crate) async fn does(&mut self, job: Job) -> How {
        self.tell(Order::Do(job));
        self.answer(job.n).await
    }

    /// Waits until the operation of a wish has begun.
    pub(crate) async fn runs(&mut self, n: u64) {
        let ran = |said: &Said| matches!(said, Said::Ran { n: of, .. } if *of == n).then_some(());
        self.hears("that it runs", ran).await;
    }

    /// Looks into the doubts once; how many ended by it.
    pub(crate) async fn reconciles(&mut self) -> usize {
        self.tell(Order::Reconcile);
        let pick = |said: &Said| match said {
            Said::Reconciled { settled, .. } => Some(*settled),
            _ => None,
        };
        self.hears("that it reconciled", pick).await
    }

    /// Waits until the store has heard everything.
    pub(crate) async fn says_all(&mut self) {
        loop {
            self.tell(Order::Audit);
            let pick = |said: &Said| match said {
                Said::Audited { unsaid, failed } => Some((*unsaid, failed.is_some())),
                _ => None,
            };
            if self.hears("that it looked", pick).await == (0, false) {
                return;
            }
        }
    }

    /// Waits until it has died by itself.
    pub(crate) async fn dies(mut self) -> ExitStatus {
        timeout(PATIENCE, self.hand.child.wait()).await.expect("it dies").expect("it can be waited for")
    }

    /// Kills it, and waits until it is dead.
    pub(crate) async fn kill(mut self) {
        self.hand.child.kill().await.expect("it can be killed");
    }
}

/// The program under test.
fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_seawall-chaos"))
}

pub(crate) const fn letter(id: u64) -> What {
    What { kind: Kind::Letter, id }
}

pub(crate) const fn order(id: u64) -> What {
    What { kind: Kind::Order, id }
}

/// The number in the ledger, of an answer that it is done.
pub(crate) fn entry(how: &How) -> u64 {
    match how {
        How::Ok { entry, .. } => *entry,
        other => panic!("it is not done: {other:?}"),
    }
}

/// Asks until the answer is another than that nothing was done, or that somebody is at it.
pub(crate) async fn at_last(world: &mut World, worker: &mut Worker, what: What) -> How {
    for _ in 0..400 {
        let job = world.wish(what);
        match worker.does(job).await {
            How::Unavailable | How::InFlight | How::NotApplied { .. } => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            how => return how,
        }
    }
    panic!("{what} never came to an end")
}
