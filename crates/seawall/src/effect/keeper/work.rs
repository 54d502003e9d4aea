//! The keeper's own thread: a small executor for the store's futures, and its alarm clock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use seawall_core::Instant;
use seawall_core::effect::{Answer, Operation, Outcome};
use seawall_core::store::{StoreError, Told};
use tokio::sync::oneshot;

use super::{Job, Keeper, Live, Waiter, What};
use crate::lock;

/// Words that are on their way at once.
const AT_ONCE: usize = 32;
/// Renewals that are on their way at once.
const RENEWALS_AT_ONCE: usize = 256;
/// How long one question may take before it is asked anew.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause before a word is said again; doubled each time.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// When a wish that was taken back is looked for once more.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// At a shutdown, what is kept of the time for saying what is left.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub(super) struct Worker {
    keeper: Arc<Keeper>,
    renewals: BinaryHeap<Reverse<(Instant, u64)>>,
    /// Jobs that wait for their moment, by the moment and a number of their own.
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    jobs: HashMap<u64, (Job, Duration)>,
    next: u64,
    running: Vec<Running>,
    waiters: Vec<Waiting>,
}

struct Running {
    about: About,
    future: Pin<Box<dyn Future<Output = Result<Told, StoreError>> + Send>>,
    bell: Arc<Bell>,
    until: Instant,
}

enum About {
    Renewal(Arc<Live>, Instant),
    Job(Box<Job>, Duration),
}

struct Waiting {
    done: oneshot::Sender<usize>,
    /// When what still runs is marked; none where it was, or is left alone.
    mark: Option<Instant>,
    until: Instant,
}

/// Wakes the thread, and says which future asked for it.
struct Bell {
    rung: AtomicBool,
    thread: Thread,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Worker {
    pub(super) fn new(keeper: Arc<Keeper>) -> Self {
        Self {
            keeper,
            renewals: BinaryHeap::new(),
            due: BinaryHeap::new(),
            jobs: HashMap::new(),
            next: 0,
            running: Vec::new(),
            waiters: Vec::new(),
        }
    }

    pub(super) fn run(mut self) {
        loop {
            let now = self.keeper.clock.now();
            let over = self.collect(now);
            self.start(now);
            let progress = self.poll();
            self.answer(now);
            if over && self.running.is_empty() && self.jobs.is_empty() && !progress {
                return;
            }
            if !progress {
                self.sleep(now);
            }
        }
    }

    /// Until there is something to do. What is handed over meanwhile wakes it, unless it has time until then.
    fn sleep(&self, now: Instant) {
        let until = self.next(now).unwrap_or(Instant::FAR_FUTURE);
        {
            let mut inbox = lock(&self.keeper.inbox);
            if !inbox.renewals.is_empty() || !inbox.jobs.is_empty() || !inbox.waiters.is_empty() {
                return;
            }
            inbox.sleeps = Some(until);
        }
        thread::park_timeout(now.until(until));
        lock(&self.keeper.inbox).sleeps = None;
    }

    /// Takes what was handed over. Is everything over, as far as others know?
    fn collect(&mut self, now: Instant) -> bool {
        let (renewals, jobs, waiters, over) = {
            let mut inbox = lock(&self.keeper.inbox);
            let over =
                inbox.closed && inbox.live.is_empty() && inbox.jobs.is_empty() && inbox.waiters.is_empty();
            let take = (std::mem::take(&mut inbox.renewals), std::mem::take(&mut inbox.jobs));
            (take.0, take.1, std::mem::take(&mut inbox.waiters), over)
        };
        for id in renewals {
            if let Some(live) = self.live(id) {
                // Its clock may be ahead of this thread's, where time is virtual.
                let due = (live.held() - live.lease).min(now) + live.lease / 3;
                self.renewals.push(Reverse((due, id)));
            }
        }
        for job in jobs {
            self.later(job, PAUSE, now);
        }
        for waiter in waiters {
            let waiting = match waiter {
                Waiter::Flush { within, done } => Waiting { done, mark: None, until: now + within },
                Waiter::Shutdown { within, done } => {
                    let mark = now + within.saturating_sub(LAST_WORDS.min(within / 2));
                    Waiting { done, mark: Some(mark), until: now + within }
                }
            };
            self.waiters.push(waiting);
        }
        over
    }

    fn live(&self, id: u64) -> Option<Arc<Live>> {
        lock(&self.keeper.inbox).live.get(&id).cloned()
    }

    fn later(&mut self, job: Job, pause: Duration, due: Instant) {
        let id = self.next;
        self.next += 1;
        self.jobs.insert(id, (job, pause));
        self.due.push(Reverse((due, id)));
    }

    /// Asks what is due.
    fn start(&mut self, now: Instant) {
        let renewing =
            self.running.iter().filter(|running| matches!(running.about, About::Renewal(..))).count();
        let mut room = RENEWALS_AT_ONCE.saturating_sub(renewing);
        while room > 0
            && let Some(Reverse((due, id))) = self.renewals.peek().copied()
            && due <= now
        {
            self.renewals.pop();
            // What is over, or has had all the time a run may take, is not held any longer.
            let Some(live) = self.live(id).filter(|live| now < live.limit) else { continue };
            let question = Operation::Renew { key: live.key, token: live.token, lease: live.lease };
            let patience = (live.lease / 3).min(PATIENCE);
            self.ask(question, About::Renewal(live, now), now + patience);
            room -= 1;
        }
        let saying = self.running.iter().filter(|running| matches!(running.about, About::Job(..))).count();
        let mut room = AT_ONCE.saturating_sub(saying);
        while room > 0
            && let Some(Reverse((due, id))) = self.due.peek().copied()
            && due <= now
        {
            self.due.pop();
            let Some((job, pause)) = self.jobs.remove(&id) else { continue };
            self.ask(job.question(), About::Job(Box::new(job), pause), now + PATIENCE);
            room -= 1;
        }
    }

    fn ask(&mut self, question: Operation, about: About, until: Instant) {
        let store = self.keeper.store.clone();
        let future = Box::pin(async move { store.ask(question).await });
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), thread: thread::current() });
        self.running.push(Running { about, future, bell, until });
    }

    /// Polls whoever asked for it. Did anybody come to an end?
    fn poll(&mut self) -> bool {
        let mut ended = Vec::new();
        let now = self.keeper.clock.now();
        let mut place = 0;
        while place < self.running.len() {
            let running = &mut self.running[place];
            let result = if running.bell.rung.swap(false, Ordering::Acquire) {
                let waker = Waker::from(running.bell.clone());
                let mut context = Context::from_waker(&waker);
                // A store that panics must not take the leases of all with it.
                let polled = catch_unwind(AssertUnwindSafe(|| running.future.as_mut().poll(&mut context)));
                polled.unwrap_or_else(|_| Poll::Ready(Err(StoreError::Broken("it panicked".into()))))
            } else {
                Poll::Pending
            };
            match result {
                Poll::Ready(result) => ended.push((self.running.swap_remove(place).about, result)),
                Poll::Pending if running.until <= now => {
                    let late = StoreError::Unavailable("it took too long".into());
                    ended.push((self.running.swap_remove(place).about, Err(late)));
                }
                Poll::Pending => place += 1,
            }
        }
        let progress = !ended.is_empty();
        for (about, result) in ended {
            self.ended(about, result);
        }
        progress
    }

    fn ended(&mut self, about: About, result: Result<Told, StoreError>) {
        let now = self.keeper.clock.now();
        match (about, result) {
            (About::Renewal(live, asked), Ok(told)) => {
                live.teller.noted(&live.label, told.notes);
                if told.answer == Answer::Ok {
                    live.renewed(asked);
                    self.renewals.push(Reverse((asked + live.lease / 3, live.id)));
                } else {
                    live.refused();
                }
            }
            (About::Renewal(live, _), Err(_)) => {
                self.renewals.push(Reverse((now + live.lease / 10, live.id)));
            }
            (About::Job(job, _), Ok(told)) => {
                let retracts = matches!(job.what, What::Retract { .. });
                let again = job.heard(told);
                let looks_again = again.as_ref().is_some_and(|job| matches!(job.what, What::Retract { .. }));
                if retracts && !looks_again {
                    self.keeper.retracts.fetch_sub(1, Ordering::Relaxed);
                }
                match again {
                    Some(job) if looks_again => self.later(job, PAUSE, now + LOOK_AGAIN),
                    Some(job) => self.later(job, PAUSE, now),
                    None => {
                        self.keeper.unsaid.fetch_sub(1, Ordering::Relaxed);
                    }
                }
            }
            (About::Job(job, pause), Err(_)) => {
                let jittered = pause.mul_f64(0.5 + fastrand::f64());
                self.later(*job, (pause * 2).min(LONGEST_PAUSE), now + jittered);
            }
        }
    }

    /// Whoever waits for words to be said, or for everything to end.
    fn answer(&mut self, now: Instant) {
        if self.waiters.is_empty() {
            return;
        }
        let mut marked = false;
        for waiting in &mut self.waiters {
            let Some(mark) = waiting.mark else { continue };
            let runs: Vec<Arc<Live>> = {
                let inbox = lock(&self.keeper.inbox);
                inbox.live.values().filter(|live| live.runs).cloned().collect()
            };
            if runs.is_empty() {
                waiting.mark = None;
            } else if mark <= now {
                waiting.mark = None;
                marked = true;
                for live in runs {
                    live.withdrawn();
                    let detail = Arc::from("its process was shut down while it ran");
                    let outcome = Outcome::Unknown { detail };
                    let say = Operation::Complete { key: live.key, token: live.token, outcome };
                    self.keeper.queue(Job {
                        label: live.label.clone(),
                        teller: live.teller.clone(),
                        what: What::Say(say),
                    });
                }
            }
        }
        if marked {
            return;
        }
        // A wish that is only looked for once more holds nobody up.
        let unsaid = |worker: &Self| {
            let only_looks = |job: &Job| matches!(job.what, What::Retract { looks, .. } if looks < LOOKS);
            let waiting = worker.jobs.values().filter(|(job, _)| !only_looks(job)).count();
            let on_their_way = worker.running.iter().filter(|running| match &running.about {
                About::Job(job, _) => !only_looks(job),
                About::Renewal(..) => false,
            });
            waiting + on_their_way.count() + lock(&worker.keeper.inbox).jobs.len()
        };
        let left = unsaid(self);
        for waiting in std::mem::take(&mut self.waiters) {
            if waiting.until <= now || waiting.mark.is_none() && left == 0 {
                let _ = waiting.done.send(left);
            } else {
                self.waiters.push(waiting);
            }
        }
    }

    /// When there is something to do next, unless somebody comes first.
    fn next(&self, now: Instant) -> Option<Instant> {
        let renewal = self.renewals.peek().map(|Reverse((due, _))| *due);
        let job = self.due.peek().map(|Reverse((due, _))| *due);
        let late = self.running.iter().map(|running| running.until).min();
        let waiter = self.waiters.iter().map(|waiting| waiting.mark.unwrap_or(waiting.until)).min();
        // What is due and finds no room waits for a place, not for a moment.
        let sooner = [renewal, job].into_iter().flatten().filter(|due| *due > now).min();
        [sooner, late, waiter].into_iter().flatten().min()
    }
}

/// How often a wish that was taken back is looked for again.
pub(in crate::effect) const LOOKS: u8 = 2;
