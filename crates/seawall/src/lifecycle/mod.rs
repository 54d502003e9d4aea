//! Ends a program in order: nobody is sent here any more, work ends, services stop, state is kept, logs are brought out.
//!
#![doc = include_str!("../../../../docs/lifecycle.md")]

#[cfg(feature = "signal")]
mod signals;
#[cfg(unix)]
pub mod systemd;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use seawall_core::units::format_duration;
use seawall_core::{Clock, Instant};
use seawall_policy::Invalid;
pub use seawall_policy::lifecycle::{Ending, Options, Stage};
use seawall_policy::lifecycle::{allowance, check_deadline, next};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinSet;

use crate::lock;
use crate::time::default_clock;
use crate::timeout::within;

#[cfg(feature = "signal")]
pub use signals::Heard;

type Running = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Hears of each step: its stage, its name and how long it may take.
type Teller = dyn Fn(&Stage, &str, Duration) + Send + Sync;

/// The longest reason that is remembered, in characters.
const REASON: usize = 200;

/// What has to be done before a program may end. Clones share it.
#[derive(Clone)]
pub struct Lifecycle(Arc<Inner>);

struct Inner {
    options: Options,
    clock: Arc<dyn Clock>,
    told: Box<Teller>,
    registered: Mutex<Registered>,
    ready: AtomicBool,
    state: watch::Sender<Ahead>,
    report: OnceCell<Report>,
}

#[derive(Default)]
struct Registered {
    steps: Vec<Step>,
    tasks: JoinSet<()>,
}

struct Step {
    stage: Stage,
    name: Arc<str>,
    deadline: Duration,
    begin: Box<dyn FnOnce() -> Running + Send>,
}

/// How far an end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ahead {
    stage: Option<Stage>,
    hurried: bool,
}

/// How an end went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Why it ended.
    pub why: Arc<str>,
    /// Every step, in the order in which they were taken.
    pub steps: Vec<Taken>,
    /// Tasks that had not ended and were cut.
    pub cut: usize,
    /// How long it took.
    pub took: Duration,
}

/// A step that was taken, or skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its name.
    pub name: Arc<str>,
    /// Its stage.
    pub stage: Stage,
    /// How it ended.
    pub ending: Ending,
    /// Why it failed, if it did.
    pub why: Option<Arc<str>>,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Was every step done, and nothing cut? A program that can say so exits with 0.
    pub fn is_clean(&self) -> bool {
        self.cut == 0 && self.steps.iter().all(|step| step.ending == Ending::Done)
    }
}

impl Lifecycle {
    /// Nothing to do yet, on tokio's clock.
    pub fn new(options: Options) -> Result<Self, Invalid> {
        Self::with(options, default_clock(), |_, _, _| {})
    }

    /// The same on a clock of your own, telling of each step before it is taken: its stage, its name and how long it may
    /// take.
    pub fn with(
        options: Options,
        clock: Arc<dyn Clock>,
        told: impl Fn(&Stage, &str, Duration) + Send + Sync + 'static,
    ) -> Result<Self, Invalid> {
        options.check()?;
        Ok(Self(Arc::new(Inner {
            options,
            clock,
            told: Box::new(told),
            registered: Mutex::default(),
            ready: AtomicBool::new(false),
            state: watch::Sender::new(Ahead { stage: None, hurried: false }),
            report: OnceCell::new(),
        })))
    }

    /// Registers a step: what to do in a stage, and how long that may take. Steps of one stage are taken one by one, the
    /// last registered first. A step that panics has failed; a task of its own keeps it from the others. Refuses a deadline
    /// under 1 ms or over 1 h, and a step for an end that has begun.
    pub fn on<E, Fut>(
        &self,
        stage: Stage,
        name: impl Into<Arc<str>>,
        deadline: Duration,
        act: impl FnOnce() -> Fut + Send + 'static,
    ) -> Result<(), Invalid>
    where
        E: fmt::Display,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        check_deadline(deadline)?;
        let name = name.into();
        let begin = Box::new(move || {
            let acting = act();
            Box::pin(async move { acting.await.map_err(|error| error.to_string()) }) as Running
        });
        let mut registered = lock(&self.0.registered);
        if self.is_stopping() {
            return Err(Invalid::new("stage", format!("the end has begun: register {name:?} before that")));
        }
        registered.steps.push(Step { stage, name, deadline, begin });
        Ok(())
    }

    /// The same for a function that blocks its thread, such as a flush. One that is late is left alone: nothing can stop it.
    pub fn on_blocking<E: fmt::Display>(
        &self,
        stage: Stage,
        name: impl Into<Arc<str>>,
        deadline: Duration,
        act: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> Result<(), Invalid> {
        self.on(stage, name, deadline, move || async move {
            let acting = tokio::task::spawn_blocking(move || act().map_err(|error| error.to_string()));
            acting.await.unwrap_or_else(|_| Err("it panicked".to_owned()))
        })
    }

    /// Spawns a task that belongs to the program. It is told of the end by [`Lifecycle::stopping`], waited for when work is
    /// drained, and cut after that. A task for an end that has begun is cut with the others.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut registered = lock(&self.0.registered);
        // Those that have ended make room.
        while registered.tasks.try_join_next().is_some() {}
        registered.tasks.spawn(task);
    }

    /// The program serves.
    pub fn ready(&self) {
        self.0.ready.store(true, Ordering::Release);
    }

    /// Does it serve, and has no end begun? This is what a load balancer wants to know.
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Acquire) && !self.is_stopping()
    }

    /// Has an end begun?
    pub fn is_stopping(&self) -> bool {
        self.0.state.borrow().stage.is_some()
    }

    /// Something to wait by, for tasks and streams that should end when the program does.
    pub fn stopping(&self) -> Stopping {
        Stopping(self.0.state.subscribe())
    }

    /// Somebody is in a hurry: what is under way before the stage of cutting is dropped, and the rest of it skipped. What is
    /// cut, kept and told is not.
    pub fn hurry(&self) {
        self.0.state.send_modify(|ahead| ahead.hurried = true);
    }

    /// Ends the program in order, and says how that went. Whoever asks while an end is under way is told how that one went.
    /// Dropping the future drops the step under way; whoever asks again goes on with the next.
    pub async fn shutdown(&self, why: impl Into<Arc<str>>) -> Report {
        let why = why.into();
        self.0.report.get_or_init(|| self.end(why)).await.clone()
    }

    async fn end(&self, why: Arc<str>) -> Report {
        let inner = &*self.0;
        let began = inner.clock.now();
        let mut steps = Vec::new();
        let mut cut = 0;
        for stage in Stage::ALL.iter().copied() {
            inner.state.send_modify(|ahead| ahead.stage = Some(stage));
            while let Some(step) = self.take(stage) {
                steps.push(self.step(step, began).await);
            }
            match stage {
                Stage::Unready => self.pause(inner.options.delay).await,
                Stage::Drain => self.wait(began).await,
                Stage::Cancel => cut = self.cut().await,
                Stage::Refuse | Stage::Stop | Stage::Persist | Stage::Flush => {}
            }
        }
        Report { why, steps, cut, took: inner.clock.now().since(began) }
    }

    /// The next step of a stage.
    fn take(&self, stage: Stage) -> Option<Step> {
        let mut registered = lock(&self.0.registered);
        let stages: Vec<Stage> = registered.steps.iter().map(|step| step.stage).collect();
        let place = next(&stages).filter(|place| stages[*place] <= stage)?;
        Some(registered.steps.remove(place))
    }

    async fn step(&self, step: Step, began: Instant) -> Taken {
        let Step { stage, name, deadline, begin } = step;
        let hurried = self.0.state.borrow().hurried;
        let Some(patience) = allowance(stage, deadline, self.left(began), hurried) else {
            return Taken { name, stage, ending: Ending::Skipped, why: None, took: Duration::ZERO };
        };
        (self.0.told)(&stage, &name, patience);
        let at = self.0.clock.now();
        let mut task = JoinSet::new();
        task.spawn(begin());
        let acting = within(task.join_next(), patience);
        let acted = if stage.is_kept() { Some(acting.await) } else { self.unless_hurried(acting).await };
        let (ending, why) = match acted {
            Some(Ok(Some(Ok(Ok(()))))) => (Ending::Done, None),
            Some(Ok(Some(Ok(Err(why))))) => {
                (Ending::Failed, Some(why.chars().take(REASON).collect::<String>()))
            }
            Some(Ok(_)) => (Ending::Failed, Some("it panicked".to_owned())),
            Some(Err(_)) => (Ending::Late, Some(format!("not done in {}", format_duration(patience)))),
            None => (Ending::Late, Some("somebody was in a hurry".to_owned())),
        };
        Taken { name, stage, ending, why: why.map(Into::into), took: self.0.clock.now().since(at) }
    }

    /// What is left of the patience.
    fn left(&self, began: Instant) -> Duration {
        self.0.options.patience.saturating_sub(self.0.clock.now().since(began))
    }

    async fn pause(&self, span: Duration) {
        if !span.is_zero() {
            self.unless_hurried(tokio::time::sleep(span)).await;
        }
    }

    /// Waits for the tasks, as long as there is patience.
    async fn wait(&self, began: Instant) {
        let ended = std::future::poll_fn(|context| {
            // Locked for each look, not while it waits: whoever spawns meanwhile is waited for too.
            let mut registered = lock(&self.0.registered);
            loop {
                match registered.tasks.poll_join_next(context) {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        let _ = self.unless_hurried(within(ended, self.left(began))).await;
    }

    /// Cuts what still runs. How much that was.
    async fn cut(&self) -> usize {
        let mut tasks = std::mem::take(&mut lock(&self.0.registered).tasks);
        while tasks.try_join_next().is_some() {}
        let left = tasks.len();
        tasks.shutdown().await;
        left
    }

    /// The future's output, or nothing as soon as somebody is in a hurry.
    async fn unless_hurried<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut state = self.0.state.subscribe();
        let mut future = std::pin::pin!(future);
        let mut hurried = std::pin::pin!(state.wait_for(|ahead| ahead.hurried));
        std::future::poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            hurried.as_mut().poll(context).map(|_| None)
        })
        .await
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle").field("stage", &self.0.state.borrow().stage).finish_non_exhaustive()
    }
}

/// Tells of the end. Clones hear the same.
#[derive(Debug, Clone)]
pub struct Stopping(watch::Receiver<Ahead>);

impl Stopping {
    /// Ready when an end has begun: an endless stream should say so to its reader now.
    pub async fn begun(&mut self) {
        self.reached(Stage::Unready).await;
    }

    /// Ready when an end has come to this stage.
    pub async fn reached(&mut self, stage: Stage) {
        // A lifecycle that is gone will not tell any more, and nothing is left to be waited for.
        let _ = self.0.wait_for(|ahead| ahead.stage >= Some(stage)).await;
    }

    /// Has an end begun?
    pub fn has_begun(&self) -> bool {
        self.0.borrow().stage.is_some()
    }
}
