//! The first of several plain operations that works, without pipelines: live, else stored, else estimated.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use seawall_core::units::Share;
use seawall_core::{Certainty, Clock, Code, Effects, Error, Rejection};
use seawall_policy::fallback::{Ended, may_stand_in, next};

use super::Provenance;
use super::served::{Trail, failed};
use crate::classify::{Classify, Plain};
use crate::time::default_clock;
use crate::timeout::within;

type Running<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;
type Value<'a, T, E> = Box<dyn FnOnce(&Error<E>) -> T + Send + 'a>;

/// Operations in order, each with how sure its answer is. Nothing runs before [`First::run`].
#[must_use = "alternatives do nothing until they are run"]
pub struct First<'a, T, E> {
    effects: Effects,
    within: Duration,
    first: Alternative<'a, T, E>,
    others: Vec<Alternative<'a, T, E>>,
    value: Option<(Share, Value<'a, T, E>)>,
}

struct Alternative<'a, T, E> {
    name: &'a str,
    confidence: Share,
    begin: Box<dyn FnOnce() -> Running<'a, T, E> + Send + 'a>,
}

/// An answer, and where it comes from.
#[derive(Debug)]
pub struct Given<'a, T, E> {
    /// The answer, or how the last alternative that was tried ended.
    pub result: Result<T, Error<E>>,
    /// What is certain of the whole, earlier alternatives included.
    pub certainty: Certainty,
    /// Where it comes from.
    pub from: Provenance<'a>,
}

/// Begins with the best alternative. Add others with [`First::or`].
///
/// ```
/// use seawall::Effects;
/// use seawall::fallback::{Share, first};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let given = first(Effects::Repeatable, "live", Share::percent(100), || async { Err("no answer") })
///     .or("stored", Share::percent(70), || async { Ok(312) })
///     .or_value(Share::percent(20), |_| 475)
///     .run()
///     .await;
/// assert_eq!((given.result, given.from.name, given.from.confidence), (Ok(312), "stored", 0.7));
/// assert_eq!(given.from.failed[0].name, "live");
/// # }
/// ```
pub fn first<'a, T, E, Fut>(
    effects: Effects,
    name: &'a str,
    confidence: Share,
    begin: impl FnOnce() -> Fut + Send + 'a,
) -> First<'a, T, E>
where
    Fut: Future<Output = Result<T, E>> + Send + 'a,
{
    let first = Alternative::new(name, confidence, begin);
    First { effects, within: Duration::from_secs(60), first, others: Vec::new(), value: None }
}

impl<'a, T, E> First<'a, T, E> {
    /// The next alternative.
    pub fn or<Fut>(
        mut self,
        name: &'a str,
        confidence: Share,
        begin: impl FnOnce() -> Fut + Send + 'a,
    ) -> Self
    where
        Fut: Future<Output = Result<T, E>> + Send + 'a,
    {
        self.others.push(Alternative::new(name, confidence, begin));
        self
    }

    /// A plain value, where no alternative works and the value would hide no effect.
    pub fn or_value(mut self, confidence: Share, value: impl FnOnce(&Error<E>) -> T + Send + 'a) -> Self {
        self.value = Some((confidence, Box::new(value)));
        self
    }

    /// The time for all of them together. Default 60 s.
    pub fn within(mut self, span: Duration) -> Self {
        self.within = span;
        self
    }

    /// Runs them in turn. An `Err` is taken as *unknown*: only a repeatable operation moves on after one.
    pub async fn run(self) -> Given<'a, T, E> {
        self.classified(&Plain).await
    }

    /// Runs them in turn; outcomes mean what `classify` says. Dropping the future drops the one that is running.
    pub async fn classified<C: Classify<T, E>>(self, classify: &C) -> Given<'a, T, E> {
        let Self { effects, within: span, first, others, value } = self;
        let clock = default_clock();
        let deadline = clock.now() + span;
        let mut trail = Trail::new();
        let mut others = others.into_iter();
        let (mut place, mut now) = (0, first);
        loop {
            let Alternative { name, confidence, begin } = now;
            let (mut result, verdict) = match within(begin(), clock.now().until(deadline)).await {
                Ok(outcome) => {
                    let verdict = classify.classify(&outcome);
                    (outcome.map_err(Error::Inner), verdict)
                }
                Err(_) => {
                    let verdict = Classify::<T, E>::timed_out(classify);
                    let rejection = Rejection::new(Code::DeadlineExceeded);
                    (Err(rejection.certainty(verdict.certainty(effects)).into()), verdict)
                }
            };
            let refusal = result.as_ref().err().and_then(Error::rejection);
            let ended = refusal.map_or(Ended::Outcome(verdict), Ended::Refused);
            let may = next(&ended, effects, 1, clock.now() < deadline);
            let may = may && classify.can_repeat();
            if let Some(then) = may.then(|| others.next()).flatten() {
                trail.leave(failed(name, place, verdict, &result), verdict.certainty(effects));
                (place, now) = (place + 1, then);
                continue;
            }
            let last = failed(name, place, verdict, &result);
            let (certainty, mut from) =
                trail.end((name, place, confidence.get()), verdict.certainty(effects), &mut result);
            if let (Err(error), Some((confidence, value))) = (&result, value)
                && may_stand_in(certainty, effects)
            {
                result = Ok(value(error));
                from.stood_in(last, confidence);
            }
            return Given { result, certainty, from };
        }
    }
}

impl<'a, T, E> Alternative<'a, T, E> {
    fn new<Fut>(name: &'a str, confidence: Share, begin: impl FnOnce() -> Fut + Send + 'a) -> Self
    where
        Fut: Future<Output = Result<T, E>> + Send + 'a,
    {
        Self { name, confidence, begin: Box::new(move || Box::pin(begin())) }
    }
}

impl<T, E> std::fmt::Debug for First<'_, T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = std::iter::once(&self.first).chain(&self.others).map(|other| other.name);
        f.debug_list().entries(names).finish()
    }
}
