//! The thread that speaks to the server: it connects, looks the server over, carries questions to it side by side, and
//! connects again. It has a runtime of its own, so that nobody else's has to run for a lease to be renewed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;
use seawall_core::effect::{Key, Operation, Outcome, Token};
use seawall_core::store::StoreError;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::live::{Live, unread};
use super::shared::Shared;
use super::{examine, wire};

/// Questions under way at once; more wait their turn.
pub(super) const SIDE_BY_SIDE: u32 = 4096;
/// Questions that wait their turn; more wait where they are asked.
const QUEUE: usize = 1024;
/// Grants that wait for replicas together.
const TOGETHER: usize = 256;
/// When the server is looked over where somebody saw something: not at once, because many see it.
const SOON: Duration = Duration::from_millis(50);
/// The first and the longest pause before connecting again; doubled each time.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something to be carried to the server.
#[derive(Debug)]
pub(super) enum Job {
    /// One step.
    Step(Step),
    /// Several commands at once.
    Batch(Vec<Cmd>, Reply<Vec<redis::Value>>),
    /// A person trusts the server again.
    Rearm(Reply<()>),
    /// The server is looked over now.
    Look(Reply<()>),
    /// Nobody is to trust it, until a person does. Whether a loss that is known already is dated from now.
    Lose(bool, Reply<()>),
}

/// One step, under its number.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) number: u32,
    pub(super) key: Key,
    pub(super) command: Cmd,
    pub(super) reply: Reply<Vec<u8>>,
}

/// How the line to the server is.
#[derive(Debug, Clone)]
enum Line {
    Connecting,
    Up(Arc<Live>),
    /// Why: those who ask meanwhile are not kept waiting.
    Down(StoreError),
}

/// The ways to the thread.
#[derive(Debug)]
pub(super) struct Ways {
    pub(super) jobs: mpsc::Sender<Job>,
    /// For wishes that wait for replicas.
    pub(super) grants: Option<mpsc::Sender<Step>>,
}

/// Starts the thread. The first word about the server comes once; without it, or after a bad one, the thread ends.
pub(super) fn start(shared: Arc<Shared>) -> io::Result<(Ways, oneshot::Receiver<Result<(), StoreError>>)> {
    let (send, jobs) = mpsc::channel(QUEUE);
    let (send_grants, grants) = shared.options.wait.map(|_| mpsc::channel(QUEUE)).unzip();
    let (first, opened) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = move || runtime.block_on(run(shared, jobs, grants, first));
    std::thread::Builder::new().name("seawall-redis".into()).spawn(body)?;
    Ok((Ways { jobs: send, grants: send_grants }, opened))
}

async fn run(
    shared: Arc<Shared>,
    jobs: mpsc::Receiver<Job>,
    grants: Option<mpsc::Receiver<Step>>,
    first: Reply<()>,
) {
    let (up, line) = watch::channel(Line::Connecting);
    let mut work = JoinSet::new();
    work.spawn(carry_all(shared.clone(), jobs, line.clone()));
    if let Some(grants) = grants {
        work.spawn(grant_all(shared.clone(), grants, line));
    }
    tokio::select! {
        // Until nobody can ask any more, and what was asked is answered.
        () = async { while work.join_next().await.is_some() {} } => {}
        () = keep(&shared, &up, first) => {}
    }
    examine::part(&shared).await;
}

/// Keeps the line up.
async fn keep(shared: &Arc<Shared>, line: &watch::Sender<Line>, first: Reply<()>) {
    let mut first = Some(first);
    let mut failures = 0;
    loop {
        let (live, mut drivers) = match Live::connect(shared).await {
            Ok(connected) => connected,
            Err(error) => {
                line.send_replace(Line::Down(error.clone()));
                if let Some(first) = first.take() {
                    drop(first.send(Err(error)));
                    return;
                }
                let pause = PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
                failures += 1;
                sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                continue;
            }
        };
        failures = 0;
        line.send_replace(Line::Up(live.clone()));
        if let Some(first) = first.take() {
            drop(first.send(Ok(())));
        }
        loop {
            tokio::select! {
                _ = drivers.join_next() => break,
                () = live.given_up() => break,
                () = sleep(shared.options.check_every) => {}
                () = async { shared.look.notified().await; sleep(SOON).await } => {}
            }
            if examine::look(shared, &live).await.is_err() {
                break;
            }
        }
        // One that worked until now most likely works again at once: whoever asks waits for that.
        line.send_replace(Line::Connecting);
    }
}

/// The server, once it is there.
async fn up(line: &mut watch::Receiver<Line>, deadline: Instant) -> Result<Arc<Live>, StoreError> {
    let there = line.wait_for(|line| !matches!(line, Line::Connecting));
    match timeout_at(deadline, there).await {
        Ok(Ok(line)) => match &*line {
            Line::Up(live) => Ok(live.clone()),
            Line::Down(error) => Err(error.clone()),
            Line::Connecting => Err(gone()),
        },
        Ok(Err(_)) => Err(gone()),
        Err(_) => Err(StoreError::Unavailable("the server cannot be reached".into())),
    }
}

pub(super) fn gone() -> StoreError {
    StoreError::Broken("its thread has ended".into())
}

async fn carry_all(shared: Arc<Shared>, mut jobs: mpsc::Receiver<Job>, line: watch::Receiver<Line>) {
    let places = Arc::new(Semaphore::new(SIDE_BY_SIDE as usize));
    while let Some(job) = jobs.recv().await {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (shared, line) = (shared.clone(), line.clone());
        tokio::spawn(async move {
            carry(&shared, job, line).await;
            drop(place);
        });
    }
    // What is under way still arrives.
    drop(places.acquire_many(SIDE_BY_SIDE).await);
}

async fn carry(shared: &Arc<Shared>, job: Job, mut line: watch::Receiver<Line>) {
    let deadline = Instant::now() + shared.options.timeout;
    let live = up(&mut line, deadline).await;
    drop(line);
    // Where nobody waits for an answer any more, the question has still been carried.
    match job {
        Job::Step(step) => {
            let said = match live {
                Ok(live) => live.step(shared, step.number, &step.command, deadline).await,
                Err(error) => Err(error),
            };
            drop(step.reply.send(said));
        }
        Job::Batch(commands, reply) => {
            let said = match live {
                Ok(live) => live.batch(shared, &commands, deadline).await,
                Err(error) => Err(error),
            };
            drop(reply.send(said));
        }
        Job::Look(reply) => {
            let done = match live {
                Ok(live) => examine::look(shared, &live).await,
                Err(error) => Err(error),
            };
            drop(reply.send(done));
        }
        Job::Lose(anew, reply) => {
            let done = match live {
                Ok(live) => examine::lose(shared, &live, anew).await,
                Err(error) => Err(error),
            };
            drop(reply.send(done));
        }
        Job::Rearm(reply) => {
            let done = match live {
                Ok(live) => examine::rearm(shared, &live).await,
                Err(error) => Err(error),
            };
            drop(reply.send(done));
        }
    }
}

/// Carries wishes on a connection of their own, each crowd of them followed by a wait for the replicas.
async fn grant_all(shared: Arc<Shared>, mut grants: mpsc::Receiver<Step>, mut line: watch::Receiver<Line>) {
    let mut crowd = Vec::with_capacity(TOGETHER);
    while grants.recv_many(&mut crowd, TOGETHER).await > 0 {
        let deadline = Instant::now() + shared.options.timeout;
        match up(&mut line, deadline).await {
            Ok(live) => grant(&shared, &live, &mut crowd, deadline).await,
            Err(error) => {
                for step in crowd.drain(..) {
                    drop(step.reply.send(Err(error.clone())));
                }
            }
        }
    }
}

async fn grant(shared: &Arc<Shared>, live: &Arc<Live>, crowd: &mut Vec<Step>, deadline: Instant) {
    let commands: Vec<_> = crowd.iter().map(|step| step.command.clone()).collect();
    let (said, acknowledged) = match live.acknowledged(shared, &commands, deadline).await {
        Ok(said) => said,
        Err(error) => {
            for step in crowd.drain(..) {
                drop(step.reply.send(Err(error.clone())));
            }
            return;
        }
    };
    let wanted = shared.options.wait.map_or(0, |wait| wait.replicas);
    for (step, value) in crowd.drain(..).zip(said) {
        let said = value.and_then(|value| unread(step.number, value, live));
        match said {
            Ok(reply)
                if acknowledged < wanted
                    && let Some(token) = wire::granted(&reply) =>
            {
                tokio::spawn(give_back(shared.clone(), live.clone(), step, token, acknowledged));
            }
            said => drop(step.reply.send(said)),
        }
    }
}

/// A grant that too few replicas have received does not count: nobody has begun, so it is given back at once.
async fn give_back(shared: Arc<Shared>, live: Arc<Live>, step: Step, token: Token, acknowledged: u32) {
    let outcome = Outcome::NotApplied { cooldown: Duration::ZERO };
    let (number, command) = shared.question(&Operation::Complete { key: step.key, token, outcome });
    let deadline = Instant::now() + shared.options.timeout;
    // If this is lost too, the run that never began ends in doubt when its lease does.
    let given = live.step(&shared, number, &command, deadline).await;
    let wanted = shared.options.wait.map_or(0, |wait| wait.replicas);
    let what =
        if given.is_ok() { "the grant was given back" } else { "and the grant could not be given back" };
    let why = format!("{acknowledged} of {wanted} replicas have the grant: {what}");
    drop(step.reply.send(Err(StoreError::Unavailable(why))));
}
