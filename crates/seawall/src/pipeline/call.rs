//! One call on its way: the only place where the policies meet.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use seawall_core::event::{Fact, Sink};
use seawall_core::verdict::Seen;
use seawall_core::{Code, Effects, Error, Instant, Policy, Rejection, Verdict};
use seawall_policy::retry::{Attempts, Decision, Stop, step};

use smallvec::SmallVec;

use super::{Cx, Held, Parts, Pipeline};
use crate::bulkhead::Bulkhead;
use crate::classify::{Classify, Plain};
use crate::limiter::{Limiter, Taken};
use crate::timeout::within;
use crate::{breaker, bulkhead};

/// Says which key a call has under a limit that is per key, such as `header:x-user`.
pub trait Keys: Sync {
    /// The key, or nothing: then it shares the key of all who have none.
    fn key(&self, per: &str) -> Option<Cow<'_, str>>;
}

impl Keys for str {
    fn key(&self, _: &str) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self))
    }
}

/// One call and its own settings.
#[must_use = "a call does nothing until it is run"]
pub struct Call<'a> {
    pipeline: &'a Pipeline,
    effects: Option<Effects>,
    deadline: Option<Instant>,
    fewer_attempts: u32,
    credential: u64,
    keys: Option<&'a dyn Keys>,
    sink: Option<&'a dyn Sink>,
    began: Option<Instant>,
    keeps_time: bool,
}

/// How a call ended, and what became of it on the way.
#[derive(Debug)]
pub struct Answer<T, E> {
    /// The operation's last outcome, or the refusal that stands in its place.
    pub result: Result<T, Error<E>>,
    /// What that outcome means.
    pub verdict: Verdict,
    /// Attempts made.
    pub attempts: u32,
    /// Time spent waiting: in queues, in pauses a provider asked for, and between attempts.
    pub waited: Duration,
    /// Why no further attempt was made; `None` where a policy refused.
    pub stop: Option<Stop>,
    /// What the call still holds.
    pub held: Held,
    /// When the operation's last outcome was seen, or the refusal made.
    pub ended: Instant,
}

impl<'a> Call<'a> {
    pub(super) fn new(pipeline: &'a Pipeline) -> Self {
        Self {
            pipeline,
            effects: None,
            deadline: None,
            fewer_attempts: 0,
            credential: 0,
            keys: None,
            sink: None,
            began: None,
            keeps_time: false,
        }
    }

    /// How safe repeating this call is.
    pub fn effects(mut self, effects: Effects) -> Self {
        self.effects = Some(effects);
        self
    }

    /// The deadline of this call, instead of the pipeline's.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The caller has made so many attempts itself: this many fewer are made here, never less than one.
    pub fn fewer_attempts(mut self, made: u32) -> Self {
        self.fewer_attempts = made;
        self
    }

    /// Whose credential the provider sees: its pauses hold only those who share it.
    pub fn credential(mut self, credential: u64) -> Self {
        self.credential = credential;
        self
    }

    /// The keys of this call under limits that are per key.
    pub fn keys(mut self, keys: &'a dyn Keys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Offers this call's events to a sink of its own instead of the pipeline's.
    pub fn sink(mut self, sink: &'a dyn Sink) -> Self {
        self.sink = Some(sink);
        self
    }

    /// The call began at this moment, which the caller has just read: the clock need not be asked again.
    pub fn began(mut self, now: Instant) -> Self {
        self.began = Some(now);
        self
    }

    /// The operation itself ends within [`Cx::remaining`], with a timer it needs anyway: none is set around it. An
    /// operation that breaks this word outlives its deadline.
    pub fn keeps_time(mut self) -> Self {
        self.keeps_time = true;
        self
    }

    /// Runs the operation; outcomes are classified plainly.
    pub async fn run<T, E, F, Fut>(self, operation: F) -> Result<T, Error<E>>
    where
        F: FnMut(Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.classified(&Plain, operation).await
    }

    /// Runs the operation; outcomes mean what `classify` says.
    pub async fn classified<T, E, C, F, Fut>(self, classify: &C, operation: F) -> Result<T, Error<E>>
    where
        C: Classify<T, E>,
        F: FnMut(Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let answer = self.answer(classify, operation).await;
        answer.held.settle_at(answer.ended);
        answer.result
    }

    /// Runs the operation and gives everything there is to know, with what the call still holds while its answer is
    /// being read.
    pub async fn answer<T, E, C, F, Fut>(self, classify: &C, mut operation: F) -> Answer<T, E>
    where
        C: Classify<T, E>,
        F: FnMut(Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let pipeline = self.pipeline;
        let parts = pipeline.0.parts.load_full();
        let mut now = self.began.unwrap_or_else(|| pipeline.0.clock.now());
        let deadline = self.deadline.unwrap_or(now + parts.deadline);
        let effects = self.effects.unwrap_or(parts.effects);
        let mut options = Cow::Borrowed(&parts.retry);
        if self.fewer_attempts > 0 {
            options.to_mut().attempts = parts.retry.attempts.saturating_sub(self.fewer_attempts).max(1);
        }
        parts.budget.deposit(now);
        let mut attempts = Attempts::default();
        let mut waited = Duration::ZERO;
        let mut last: Option<(Result<T, Error<E>>, Verdict)> = None;
        loop {
            let entered = match self.enter(&parts, deadline, &mut now, &mut waited).await {
                Ok(entered) => entered,
                Err(rejection) => {
                    let (code, policy) = (rejection.code, rejection.policy);
                    pipeline.tell(self.sink, Fact::Rejected { code, policy });
                    // What the upstream last said is worth more than why it was not asked again.
                    let (result, verdict) =
                        last.unwrap_or((Err(Error::Rejected(rejection)), Verdict::of(Seen::Refused)));
                    let held = Held::default();
                    return Answer {
                        result,
                        verdict,
                        attempts: attempts.made,
                        waited,
                        stop: None,
                        held,
                        ended: now,
                    };
                }
            };
            let patience = now.until(deadline);
            let attempt = parts.attempt.map_or(patience, |attempt| attempt.min(patience));
            let cx = Cx { attempt: attempts.made + 1, began: now, remaining: attempt, deadline };
            let outcome = match self.keeps_time {
                true => Ok(operation(cx).await),
                false => within(operation(cx), attempt).await,
            };
            now = pipeline.0.clock.now();
            let (result, verdict) = match outcome {
                Ok(outcome) => {
                    let verdict = classify.classify(&outcome);
                    (outcome.map_err(Error::Inner), verdict)
                }
                Err(_) => {
                    let verdict = Classify::<T, E>::timed_out(classify);
                    let code = if attempt < patience { Code::AttemptTimeout } else { Code::DeadlineExceeded };
                    let rejection = Rejection::new(code).certainty(verdict.certainty(effects));
                    (Err(Error::Rejected(rejection)), verdict)
                }
            };
            let remaining = now.until(deadline);
            let dice = if verdict.may_repeat(effects) { pipeline.0.random.unit() } else { 0.0 };
            let (made, decision) = step(&options, attempts, verdict, effects, remaining, dice);
            attempts = made;
            if !verdict.is_ok() {
                pipeline.tell(self.sink, Fact::Attempted { attempt: attempts.made, verdict });
            }
            self.pause(&parts, verdict, decision);
            let mut stop = match decision {
                Decision::Stop(stop) => Some(stop),
                Decision::Again { .. } => None,
            };
            if stop.is_none() && !classify.can_repeat() {
                stop = Some(Stop::Consumed);
            }
            if stop.is_none() && !parts.budget.withdraw(now) {
                pipeline.tell(self.sink, Fact::BudgetExhausted);
                stop = Some(Stop::OverBudget);
            }
            let (Decision::Again { delay }, None) = (decision, stop) else {
                let held = entered.hold(verdict);
                return Answer { result, verdict, attempts: attempts.made, waited, stop, held, ended: now };
            };
            entered.leave(verdict);
            let class = verdict.class();
            pipeline.tell(self.sink, Fact::Retrying { attempt: attempts.made, delay, class });
            last = Some((result, verdict));
            tokio::time::sleep(delay).await;
            let woke = pipeline.0.clock.now();
            waited += woke.since(now);
            now = woke;
        }
    }

    /// Passes every gate in order. Dropped or refused half-way, it gives back what it took.
    async fn enter(
        &self,
        parts: &Parts,
        deadline: Instant,
        now: &mut Instant,
        waited: &mut Duration,
    ) -> Result<Entered, Rejection> {
        if *now >= deadline {
            return Err(Rejection::new(Code::DeadlineExceeded));
        }
        // Nothing to wait for is what usually happens; it is tried first, and the clock is not asked again.
        let admitted = parts.breaker.as_ref().map(|breaker| breaker.permit(*now)).transpose()?;
        if let Some(taken) = self.pass_limits_now(parts, *now)
            && let Ok(place) = parts.bulkhead.as_ref().map(Bulkhead::try_acquire).transpose()
        {
            taken.keep();
            return Ok(Entered { guard: admitted, place });
        }
        // Whoever waits holds no probe: it goes to somebody who can use it at once.
        drop(admitted);
        // Boxed: waiting is rare and its state large.
        Box::pin(self.wait_to_enter(parts, deadline, now, waited)).await
    }

    async fn wait_to_enter(
        &self,
        parts: &Parts,
        deadline: Instant,
        now: &mut Instant,
        waited: &mut Duration,
    ) -> Result<Entered, Rejection> {
        let mut place = None;
        let taken = loop {
            let mut taken = TakenAll(SmallVec::new());
            let began = *now;
            let outcome = self.pass_limits(parts, deadline, &mut taken).await;
            *now = self.note_wait(Policy::Limiter, began, waited);
            outcome?;
            let (Some(bulkhead), None) = (&parts.bulkhead, &place) else { break taken };
            if let Ok(free) = bulkhead.try_acquire() {
                place = Some(free);
                break taken;
            }
            // Tokens are counted when a call leaves, so they are not carried through a wait: the upstream would see
            // those of two windows at once.
            drop(taken);
            let began = *now;
            let outcome = bulkhead.acquire(deadline).await;
            *now = self.note_wait(Policy::Bulkhead, began, waited);
            place = Some(outcome?);
        };
        if *now >= deadline {
            return Err(Rejection::new(Code::DeadlineExceeded));
        }
        let guard = parts.breaker.as_ref().map(|breaker| breaker.permit(*now)).transpose()?;
        taken.keep();
        Ok(Entered { guard, place })
    }

    /// Waits, where there is something to wait for, and counts the call under every limit.
    async fn pass_limits<'p>(
        &self,
        parts: &'p Parts,
        deadline: Instant,
        taken: &mut TakenAll<'p>,
    ) -> Result<(), Rejection> {
        loop {
            parts.pauses.wait_out(self.credential, parts.patience, deadline).await?;
            for limit in &parts.limits {
                let key = self.key(limit);
                taken.0.push(limit.acquire_for(key.as_deref().unwrap_or(""), 1, deadline).await?);
            }
            if parts.pauses.left(self.credential).is_zero() {
                return Ok(());
            }
            // A pause began while this call stood in line. Tokens are not carried through it either.
            taken.give_back();
        }
    }

    fn key(&self, limit: &Limiter) -> Option<Cow<'a, str>> {
        self.keys?.key(limit.per()?)
    }

    /// Counts the call under every limit if none of them makes it wait; else takes nothing.
    fn pass_limits_now<'p>(&self, parts: &'p Parts, now: Instant) -> Option<TakenAll<'p>> {
        if !parts.pauses.left(self.credential).is_zero() {
            return None;
        }
        let mut taken = TakenAll(SmallVec::new());
        for limit in &parts.limits {
            let key = self.key(limit);
            taken.0.push(limit.try_acquire_at(key.as_deref().unwrap_or(""), 1, now).ok()?);
        }
        Some(taken)
    }

    fn note_wait(&self, policy: Policy, began: Instant, waited: &mut Duration) -> Instant {
        let now = self.pipeline.0.clock.now();
        let wait = now.since(began);
        // Below this it was a lock, not a queue.
        if wait >= Duration::from_micros(500) {
            *waited += wait;
            self.pipeline.tell(self.sink, Fact::Waited { policy, wait });
        }
        now
    }

    /// A provider that asks for a slower pace is obeyed by everybody who shares the credential.
    fn pause(&self, parts: &Parts, verdict: Verdict, decision: Decision) {
        let asked = match (verdict.seen, verdict.retry_after, decision) {
            (Seen::RateLimited | Seen::UnavailableForNow | Seen::TooEarly, Some(asked), _) => asked,
            (Seen::RateLimited, None, Decision::Again { delay }) => delay,
            _ => return,
        };
        if !asked.is_zero() {
            parts.pauses.extend(self.credential, asked);
            self.pipeline.tell(self.sink, Fact::Paused { wait: asked });
        }
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("pipeline", &self.pipeline.name())
            .field("effects", &self.effects)
            .finish()
    }
}

/// Tokens of a call that has not left yet: given back unless it leaves.
struct TakenAll<'a>(SmallVec<[Taken<'a>; 3]>);

impl TakenAll<'_> {
    fn keep(mut self) {
        self.0.clear();
    }

    fn give_back(&mut self) {
        for taken in self.0.drain(..) {
            taken.give_back();
        }
    }
}

impl Drop for TakenAll<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Past every gate. Dropped without a word it tells the breaker nothing.
struct Entered {
    guard: Option<breaker::Permit>,
    place: Option<bulkhead::Permit>,
}

impl Entered {
    fn leave(self, verdict: Verdict) {
        if let Some(guard) = self.guard {
            guard.settle(verdict.lesson());
        }
    }

    fn hold(self, verdict: Verdict) -> Held {
        Held { lesson: Some(verdict.lesson()), breaker: self.guard, place: self.place }
    }
}
