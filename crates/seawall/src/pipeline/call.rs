//! One call on its way: the only place where the policies meet.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::event::{Fact, Sink};
use seawall_core::verdict::Seen;
use seawall_core::{Certainty, Code, Effects, Error, Instant, Rejection, Verdict};
use seawall_policy::fallback::Doubt;
use seawall_policy::queue::Priority;
use seawall_policy::retry::{Attempts, Decision, Ended, Stop, step};

use super::enter::Entered;
use super::{Cx, Held, Parts, Pipeline, Shadow};
use crate::classify::{Classify, Credential, Plain, credential, declines};
use crate::timeout::{attempt_patience, within};

/// Says which key a call has under a limit that is per key, such as `header:x-user`.
pub trait Keys: Sync {
    /// The key, or nothing: then it shares the key of all who have none.
    fn key(&self, per: &str) -> Option<Cow<'_, str>>;
}

impl Keys for String {
    fn key(&self, _: &str) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self))
    }
}

/// One call and its own settings.
#[must_use = "a call does nothing until it is run"]
pub struct Call<'a> {
    pub(super) pipeline: &'a Pipeline,
    effects: Option<Effects>,
    deadline: Option<Instant>,
    fewer_attempts: u32,
    pub(super) credential: u64,
    pub(super) priority: Priority,
    pub(super) keys: Option<&'a dyn Keys>,
    pub(super) key: Option<Arc<str>>,
    intent: Option<Arc<str>>,
    pub(super) sink: Option<&'a dyn Sink>,
    began: Option<Instant>,
    keeps_time: bool,
    may_hedge: Option<bool>,
}

/// How a call ended, and what became of it on the way.
#[derive(Debug)]
pub struct Answer<T, E> {
    /// The operation's last outcome, or the refusal that stands in its place.
    pub result: Result<T, Error<E>>,
    /// What that outcome means.
    pub verdict: Verdict,
    /// What is known of the whole call: what an earlier attempt may have done, a later one's failure does not undo.
    pub certainty: Certainty,
    /// Attempts made, copies sent beside a slow one included.
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
            priority: Priority::Normal,
            keys: None,
            key: None,
            intent: None,
            sink: None,
            began: None,
            keeps_time: false,
            may_hedge: None,
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

    /// Who goes first where calls wait. Default normal.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// The deadline of this call, so far from now.
    pub fn deadline_in(self, span: Duration) -> Self {
        let now = self.began.unwrap_or_else(|| self.pipeline.now());
        self.began(now).deadline(now + span)
    }

    /// Whose call this is, under limits that are per key: a user, an organisation, a credential.
    pub fn key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The caller's own id of what it intends; [`Cx::downstream_key`] passes it on.
    pub fn idempotency_key(mut self, intent: impl Into<Arc<str>>) -> Self {
        self.intent = Some(intent.into());
        self
    }

    /// The keys of this call under limits that are per key, where different limits have different ones.
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

    /// May a second copy be sent while the first is under way, where the pipeline hedges? Default yes for what is
    /// [`Effects::Repeatable`], no for everything else.
    pub fn may_hedge(mut self, may: bool) -> Self {
        self.may_hedge = Some(may);
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
        let parts = self.pipeline.0.parts.load();
        let ended = self.drive(&parts, classify, operation).await;
        ended.entered.leave(ended.verdict, ended.now);
        ended.result
    }

    /// Runs the operation and gives everything there is to know, with what the call still holds while its answer is
    /// being read.
    pub async fn answer<T, E, C, F, Fut>(self, classify: &C, operation: F) -> Answer<T, E>
    where
        C: Classify<T, E>,
        F: FnMut(Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let parts = self.pipeline.0.parts.load();
        let ended = self.drive(&parts, classify, operation).await;
        Answer {
            result: ended.result,
            verdict: ended.verdict,
            certainty: ended.certainty,
            attempts: ended.attempts,
            waited: ended.waited,
            stop: ended.stop,
            held: ended.entered.hold(ended.verdict),
            ended: ended.now,
        }
    }

    /// The whole way of one call.
    async fn drive<'p, T, E, C, F, Fut>(
        &self,
        parts: &'p Parts,
        classify: &C,
        mut operation: F,
    ) -> Finished<'p, T, E>
    where
        C: Classify<T, E>,
        F: FnMut(Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let pipeline = self.pipeline;
        let began = self.began.unwrap_or_else(|| pipeline.0.clock.now());
        let (mut now, mut waited) = (began, Duration::ZERO);
        let deadline = self.deadline.unwrap_or(now + parts.deadline);
        let effects = self.effects.unwrap_or(parts.effects);
        let mut options = Cow::Borrowed(&parts.retry);
        if self.fewer_attempts > 0 {
            options.to_mut().attempts = parts.retry.attempts.saturating_sub(self.fewer_attempts).max(1);
        }
        parts.budget.deposit(now);
        let nonce = (pipeline.0.nonce ^ began.as_nanos(), fastrand::u64(..));
        let (mut attempts, mut copies, mut doubt) = (Attempts::default(), 0, Doubt::default());
        let mut last: Option<(Result<T, Error<E>>, Verdict)> = None;
        loop {
            let entered = match self.enter(parts, deadline, &mut now, &mut waited).await {
                Ok(entered) => entered,
                Err(rejection) => {
                    let (code, policy) = (rejection.code, rejection.policy);
                    pipeline.tell(self.sink, Fact::Rejected { code, policy });
                    // What the upstream last said is worth more than why it was not asked again.
                    let (result, verdict) =
                        last.unwrap_or((Err(Error::Rejected(rejection)), Verdict::of(Seen::Refused)));
                    let entered = Entered::default();
                    return Finished {
                        result,
                        verdict,
                        certainty: doubt.over(verdict.certainty(effects)),
                        attempts: attempts.made + copies,
                        waited,
                        stop: None,
                        entered,
                        now,
                    };
                }
            };
            let attempt = attempts.made + 1;
            let hedge =
                parts.hedge.as_ref().filter(|_| self.may_hedge.unwrap_or(effects == Effects::Repeatable));
            let is_last = attempt >= options.attempts && hedge.is_none();
            let trying = Trying { call: self, parts, classify, effects, deadline, attempt, is_last, nonce };
            let tried = match hedge {
                Some(hedge) => {
                    // Boxed: the state of a race is large, and most pipelines have none.
                    Box::pin(trying.race(hedge, entered, now, &mut operation)).await
                }
                None => {
                    let cx = trying.cx(now, false);
                    let patience = cx.remaining;
                    trying.once(entered, now, patience, operation(cx)).await
                }
            };
            let Tried { result, verdict, entered, now: ended_at, copies: more, doubt: others } = tried;
            now = ended_at;
            copies += more;
            doubt.note(others.over(Certainty::NotDone));
            let remaining = now.until(deadline);
            let dice = if verdict.may_repeat(effects) { pipeline.0.random.unit() } else { 0.0 };
            let errors = parts.budget.climate(&options, verdict, now);
            let declined = declines(classify, &result, verdict, effects);
            let credential = credential(classify, &result, verdict, effects);
            let elsewhere = credential == Credential::Exchanged;
            let ended = Ended { verdict, effects, declined, elsewhere, remaining, errors };
            let (made, decision) = step(&options, attempts, ended, dice);
            attempts = made;
            if !verdict.is_ok() {
                pipeline.tell(self.sink, Fact::Attempted { attempt: attempts.made, verdict });
            }
            parts.limits.iter().for_each(|limit| limit.feedback(verdict));
            if credential == Credential::Shared {
                self.pause(parts, verdict, decision);
            }
            let stop = match decision {
                Decision::Stop(stop) => Some(stop),
                Decision::Again { .. } if !classify.can_repeat() => Some(Stop::Consumed),
                Decision::Again { delay } if parts.shadow.holds(Shadow::RETRY) => {
                    let attempt = attempts.made;
                    pipeline.tell(self.sink, Fact::WouldRetry { attempt, delay });
                    Some(Stop::Shadow)
                }
                Decision::Again { .. } if !parts.budget.withdraw(now) => {
                    pipeline.tell(self.sink, Fact::BudgetExhausted);
                    Some(Stop::OverBudget)
                }
                Decision::Again { .. } => None,
            };
            let (Decision::Again { delay }, None) = (decision, stop) else {
                let certainty = doubt.over(verdict.certainty(effects));
                return Finished {
                    result,
                    verdict,
                    certainty,
                    attempts: attempts.made + copies,
                    waited,
                    stop,
                    entered,
                    now,
                };
            };
            doubt.note(verdict.certainty(effects));
            entered.leave(verdict, now);
            let class = verdict.class();
            pipeline.tell(self.sink, Fact::Retrying { attempt: attempts.made, delay, class });
            last = Some((result, verdict));
            if delay.is_zero() {
                continue;
            }
            tokio::time::sleep(delay).await;
            let woke = pipeline.0.clock.now();
            waited += woke.since(now);
            now = woke;
        }
    }

    /// A provider that asks for a slower pace is obeyed by everybody who shares the credential; one that has banned this
    /// address, by everybody.
    fn pause(&self, parts: &Parts, verdict: Verdict, decision: Decision) {
        let asked = match (verdict.seen, verdict.retry_after, decision) {
            (Seen::RateLimited | Seen::UnavailableForNow | Seen::TooEarly | Seen::Banned, Some(asked), _) => {
                asked
            }
            (Seen::RateLimited, None, Decision::Again { delay }) => delay,
            _ => return,
        };
        if asked.is_zero() {
            return;
        }
        match verdict.seen {
            Seen::Banned => parts.pauses.extend_everybody(asked),
            _ => parts.pauses.extend(self.credential, asked),
        }
        self.pipeline.tell(self.sink, Fact::Paused { wait: asked });
    }
}

/// What every attempt of one turn has in common, a hedge's too.
pub(super) struct Trying<'t, 'p, C> {
    pub(super) call: &'t Call<'t>,
    pub(super) parts: &'p Parts,
    pub(super) classify: &'t C,
    pub(super) effects: Effects,
    pub(super) deadline: Instant,
    pub(super) attempt: u32,
    pub(super) is_last: bool,
    pub(super) nonce: (u64, u64),
}

/// How an attempt ended.
pub(super) struct Tried<'p, T, E> {
    pub(super) result: Result<T, Error<E>>,
    pub(super) verdict: Verdict,
    pub(super) entered: Entered<'p>,
    pub(super) now: Instant,
    /// Copies that were sent beside it.
    pub(super) copies: u32,
    /// What those may have done.
    pub(super) doubt: Doubt,
}

impl<'p, C> Trying<'_, 'p, C> {
    /// What the operation is told when it begins, which bounds it too.
    pub(super) fn cx(&self, began: Instant, is_hedge: bool) -> Cx {
        let left = began.until(self.deadline);
        let shaded = self.parts.shadow.holds(Shadow::TIMEOUT);
        let remaining = self.limit(left).filter(|_| !shaded).unwrap_or(left);
        Cx {
            attempt: self.attempt,
            is_hedge,
            is_last: self.is_last,
            began,
            remaining,
            deadline: self.deadline,
            key: self.call.key.clone(),
            intent: self.call.intent.clone(),
            nonce: self.nonce,
        }
    }

    fn limit(&self, left: Duration) -> Option<Duration> {
        let Parts { attempt, escalate, .. } = self.parts;
        attempt.map(|base| attempt_patience(base, *escalate, self.attempt, left))
    }

    /// One attempt, from the operation's future to its verdict.
    pub(super) async fn once<T, E, Fut>(
        &self,
        entered: Entered<'p>,
        began: Instant,
        patience: Duration,
        operation: Fut,
    ) -> Tried<'p, T, E>
    where
        C: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
    {
        let outcome = match self.call.keeps_time {
            true => Ok(operation.await),
            false => within(operation, patience).await,
        };
        let now = self.call.pipeline.0.clock.now();
        let left = began.until(self.deadline);
        let (result, verdict) = match outcome {
            Ok(outcome) => {
                let verdict = self.classify.classify(&outcome);
                (outcome.map_err(Error::Inner), verdict)
            }
            Err(_) => {
                let verdict = Classify::<T, E>::timed_out(self.classify);
                let code = if patience < left { Code::AttemptTimeout } else { Code::DeadlineExceeded };
                let rejection = Rejection::new(code).certainty(verdict.certainty(self.effects));
                (Err(Error::Rejected(rejection)), verdict)
            }
        };
        // An attempt timeout in the shadow speaks when the attempt has ended.
        if self.parts.shadow.holds(Shadow::TIMEOUT)
            && self.limit(left).is_some_and(|limit| now.since(began) > limit)
        {
            self.call.would_reject(&Rejection::new(Code::AttemptTimeout));
        }
        Tried { result, verdict, entered, now, copies: 0, doubt: Doubt::default() }
    }
}

/// A call that has come to its end, and what it still holds.
struct Finished<'p, T, E> {
    result: Result<T, Error<E>>,
    verdict: Verdict,
    certainty: Certainty,
    attempts: u32,
    waited: Duration,
    stop: Option<Stop>,
    entered: Entered<'p>,
    now: Instant,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("pipeline", &self.pipeline.name())
            .field("effects", &self.effects)
            .finish()
    }
}
