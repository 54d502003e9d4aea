//! Part of an answer, marked as a part: what succeeded in time, and what is missing and why.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use seawall_core::{Certainty, Code, Effects, Rejection};

use crate::classify::{Classify, Plain};
use crate::timeout::within;

/// A value of which something may be missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Partial<T> {
    /// What there is.
    pub value: T,
    /// What there is not.
    pub missing: Vec<Missing>,
    /// How good that is, from 0 to 1: by weight, the share of the parts that are there.
    pub confidence: f64,
}

/// A part that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Why, in words.
    pub reason: String,
    /// The code, where one of our own policies refused or ran out of time.
    pub code: Option<Code>,
    /// Whether it may have taken place all the same.
    pub certainty: Certainty,
}

impl<T> Partial<T> {
    /// Is nothing missing?
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// The whole value, or what is missing of it.
    pub fn complete(self) -> Result<T, Vec<Missing>> {
        if self.missing.is_empty() { Ok(self.value) } else { Err(self.missing) }
    }

    /// The same parts in another shape.
    pub fn map<U>(self, shape: impl FnOnce(T) -> U) -> Partial<U> {
        Partial { value: shape(self.value), missing: self.missing, confidence: self.confidence }
    }
}

type Running<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Parts that are worked on at the same time, under one deadline.
///
/// The parts are taken for reads: safe to drop half-way and to ask again. Say so with [`Gather::effects`] where they are
/// not; then a part that may have taken place without an answer makes the whole worth nothing, and its confidence 0.
///
/// ```
/// use seawall::degrade::Gather;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let page = Gather::new()
///     .part("article", async { Ok("text") })
///     .part("comments", async { Err("the store is down") })
///     .run()
///     .await;
/// assert_eq!(page.value, [("article", "text")]);
/// assert_eq!((page.missing[0].name.as_str(), page.confidence), ("comments", 0.5));
/// # }
/// ```
#[must_use = "parts are worked on only when they are run"]
pub struct Gather<'a, T, E> {
    effects: Effects,
    within: Duration,
    parts: Vec<Part<'a, T, E>>,
}

struct Part<'a, T, E> {
    name: &'a str,
    weight: u32,
    state: State<'a, T, E>,
}

enum State<'a, T, E> {
    Running(Running<'a, T, E>),
    Off(Rejection),
    Ended(Result<T, E>),
}

impl<T, E> Default for Gather<'_, T, E> {
    fn default() -> Self {
        Self { effects: Effects::Repeatable, within: Duration::from_secs(30), parts: Vec::new() }
    }
}

impl<'a, T, E: fmt::Display> Gather<'a, T, E> {
    /// No parts yet, 30 s for all of them, and all of them reads.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more part.
    pub fn part(self, name: &'a str, part: impl Future<Output = Result<T, E>> + Send + 'a) -> Self {
        self.add(name, 1, State::Running(Box::pin(part)))
    }

    /// One more part, which counts as much as so many others.
    pub fn weighted(
        self,
        name: &'a str,
        weight: u32,
        part: impl Future<Output = Result<T, E>> + Send + 'a,
    ) -> Self {
        self.add(name, weight, State::Running(Box::pin(part)))
    }

    /// One more part, if it is on: `allowed` is what [`Degrade::allows`](super::Degrade::allows) said of it.
    pub fn part_if(
        self,
        allowed: Result<(), Rejection>,
        name: &'a str,
        part: impl Future<Output = Result<T, E>> + Send + 'a,
    ) -> Self {
        let state = match allowed {
            Ok(()) => State::Running(Box::pin(part) as Running<'a, T, E>),
            Err(rejection) => State::Off(rejection),
        };
        self.add(name, 1, state)
    }

    /// The time for all parts together. Default 30 s.
    pub fn within(mut self, span: Duration) -> Self {
        self.within = span;
        self
    }

    /// How safe it is to repeat a part, where they are not all reads.
    pub fn effects(mut self, effects: Effects) -> Self {
        self.effects = effects;
        self
    }

    /// Works on all parts at once. An `Err` is taken as *unknown*.
    pub async fn run(self) -> Partial<Vec<(&'a str, T)>> {
        self.classified(&Plain).await
    }

    /// Works on all parts at once; their outcomes mean what `classify` says. The values come in the order of the parts.
    /// Dropping the future drops every part.
    pub async fn classified<C: Classify<T, E>>(mut self, classify: &C) -> Partial<Vec<(&'a str, T)>> {
        // That the time was up is seen by the parts still running.
        let span = self.within;
        let _ = within(self.poll_all(), span).await;
        let total: u64 = self.parts.iter().map(|part| u64::from(part.weight)).sum();
        let (mut value, mut missing, mut there) = (Vec::new(), Vec::new(), 0u64);
        for Part { name, weight, state } in self.parts {
            let lack = match state {
                State::Ended(Ok(part)) => {
                    value.push((name, part));
                    there += u64::from(weight);
                    continue;
                }
                State::Ended(Err(error)) => {
                    let outcome = Err(error);
                    let certainty = classify.classify(&outcome).certainty(self.effects);
                    let reason = outcome.err().map(|error| error.to_string()).unwrap_or_default();
                    Missing { name: name.into(), reason, code: None, certainty }
                }
                State::Off(rejection) => refused(name, rejection),
                State::Running(part) => {
                    drop(part);
                    let certainty = Classify::<T, E>::timed_out(classify).certainty(self.effects);
                    refused(name, Rejection::new(Code::DeadlineExceeded).certainty(certainty))
                }
            };
            missing.push(lack);
        }
        let doubt = self.effects != Effects::Repeatable
            && missing.iter().any(|missing| missing.certainty != Certainty::NotDone);
        let confidence = match (doubt, total) {
            (true, _) => 0.0,
            (false, 0) => f64::from(u8::from(missing.is_empty())),
            (false, total) => there as f64 / total as f64,
        };
        Partial { value, missing, confidence }
    }

    fn add(mut self, name: &'a str, weight: u32, state: State<'a, T, E>) -> Self {
        self.parts.push(Part { name, weight, state });
        self
    }

    async fn poll_all(&mut self) {
        poll_fn(|cx| {
            let mut running = false;
            for part in &mut self.parts {
                if let State::Running(future) = &mut part.state {
                    match future.as_mut().poll(cx) {
                        Poll::Ready(outcome) => part.state = State::Ended(outcome),
                        Poll::Pending => running = true,
                    }
                }
            }
            if running { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}

impl<T, E> fmt::Debug for Gather<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts.iter().map(|part| part.name)).finish()
    }
}

fn refused(name: &str, rejection: Rejection) -> Missing {
    Missing {
        name: name.into(),
        code: Some(rejection.code),
        certainty: rejection.certainty,
        reason: rejection.reason.into_owned(),
    }
}
