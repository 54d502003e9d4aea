//! Turns what an operation returned into a verdict: once, for every policy.

use http::{HeaderMap, StatusCode};
use seawall_core::provider::{Head, Http, Provider as _};
use seawall_core::verdict::Seen;
use seawall_core::{Effects, Error, Verdict};

#[cfg(test)]
mod tests;

/// Classifies outcomes. A plain function `Fn(&Result<T, E>) -> Verdict` is one.
pub trait Classify<T, E> {
    /// What the outcome means.
    fn classify(&self, outcome: &Result<T, E>) -> Verdict;

    /// What it means that we stopped waiting. By default: unknown, something may have been sent.
    fn timed_out(&self) -> Verdict {
        Verdict::of(Seen::TimedOut)
    }

    /// Could the operation be sent again at all? Not when its input was consumed and not kept.
    fn can_repeat(&self) -> bool {
        true
    }

    /// Would the caller have this outcome repeated? `None` is an attempt that was given up, which left no outcome.
    ///
    /// Asked only where the table allows it, so the answer can only narrow: a no lets the outcome stand
    /// ([`Stop::Declined`](crate::retry::Stop::Declined)), a yes changes nothing. By default yes.
    fn may_repeat(&self, outcome: Option<Result<&T, &E>>, verdict: Verdict) -> bool {
        let _ = (outcome, verdict);
        true
    }

    /// Whose the credential is that an attempt bore. By default everybody's.
    fn credential(&self, outcome: Result<&T, &E>) -> Credential {
        let _ = outcome;
        Credential::Shared
    }
}

/// Whom it concerns what a provider said of an attempt's credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Credential {
    /// Everybody who shares it: where the provider asks for a pause, they wait.
    #[default]
    Shared,
    /// This call alone: the others bear another one, or know already.
    Own,
    /// It was the credential that was refused, and the next attempt bears another one: what the table allows nobody to send
    /// again with the same one ([`Verdict::may_change_key`]) is sent again, at once.
    Exchanged,
}

impl<T, E, F: Fn(&Result<T, E>) -> Verdict> Classify<T, E> for F {
    fn classify(&self, outcome: &Result<T, E>) -> Verdict {
        self(outcome)
    }
}

/// What is assumed of an operation nobody classifies: `Ok` is a success, an `Err` is a failure that may or may not have
/// taken place, so that only [`Effects::Repeatable`] operations are repeated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl<T, E> Classify<T, E> for Plain {
    fn classify(&self, outcome: &Result<T, E>) -> Verdict {
        Verdict::of(if outcome.is_ok() { Seen::Success } else { Seen::ReplyLost })
    }
}

/// A classifier with a condition; see [`only_if`].
#[derive(Debug, Clone, Copy)]
pub struct OnlyIf<C, F> {
    classifier: C,
    condition: F,
}

/// Repeats what `classifier` and the table allow, and only if `condition` agrees. The condition sees the outcome
/// (`None` if the attempt was given up) and its verdict, and may hold on to the request. It can only narrow.
///
/// ```
/// use seawall::retry::{Options, Retry};
/// use seawall::{Effects, classify};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let retry = Retry::new(Options::quick())?;
/// let (mut calls, tenant) = (0, "trial");
/// let paying = classify::only_if(classify::Plain, |_: Option<Result<&(), &&str>>, _| tenant != "trial");
/// let outcome = retry.classified(Effects::Repeatable, &paying, |_| {
///     calls += 1;
///     async { Err("no luck") }
/// }).await;
/// assert!(outcome.is_err());
/// assert_eq!(calls, 1);
/// # Ok(()) }
/// ```
pub fn only_if<T, E, C, F>(classifier: C, condition: F) -> OnlyIf<C, F>
where
    C: Classify<T, E>,
    F: Fn(Option<Result<&T, &E>>, Verdict) -> bool,
{
    OnlyIf { classifier, condition }
}

impl<T, E, C, F> Classify<T, E> for OnlyIf<C, F>
where
    C: Classify<T, E>,
    F: Fn(Option<Result<&T, &E>>, Verdict) -> bool,
{
    fn classify(&self, outcome: &Result<T, E>) -> Verdict {
        self.classifier.classify(outcome)
    }

    fn timed_out(&self) -> Verdict {
        self.classifier.timed_out()
    }

    fn can_repeat(&self) -> bool {
        self.classifier.can_repeat()
    }

    fn may_repeat(&self, outcome: Option<Result<&T, &E>>, verdict: Verdict) -> bool {
        self.classifier.may_repeat(outcome, verdict) && (self.condition)(outcome, verdict)
    }

    fn credential(&self, outcome: Result<&T, &E>) -> Credential {
        self.classifier.credential(outcome)
    }
}

/// Does the caller want an outcome to stand that the table would let it repeat?
pub(crate) fn declines<T, E, C: Classify<T, E>>(
    classify: &C,
    result: &Result<T, Error<E>>,
    verdict: Verdict,
    effects: Effects,
) -> bool {
    let outcome = match result {
        Ok(value) => Some(Ok(value)),
        Err(Error::Inner(error)) => Some(Err(error)),
        Err(Error::Rejected(_)) => None,
    };
    let exchanged = credential(classify, result, verdict, effects) == Credential::Exchanged;
    let allowed = verdict.may_repeat(effects) || exchanged;
    allowed && !classify.may_repeat(outcome, verdict)
}

/// Whose credential an attempt bore; exchanged it is only where the table lets it be.
pub(crate) fn credential<T, E, C: Classify<T, E>>(
    classify: &C,
    result: &Result<T, Error<E>>,
    verdict: Verdict,
    effects: Effects,
) -> Credential {
    let told = match result {
        Ok(value) => classify.credential(Ok(value)),
        Err(Error::Inner(error)) => classify.credential(Err(error)),
        Err(Error::Rejected(_)) => Credential::Shared,
    };
    match told {
        Credential::Exchanged if !verdict.may_change_key(effects) => Credential::Own,
        told => told,
    }
}

/// Classifies an HTTP answer by its status and headers, as the gateway's plain provider does.
///
/// ```
/// use seawall::{Class, classify};
/// let headers = http::HeaderMap::new();
/// assert_eq!(classify::http(http::StatusCode::TOO_MANY_REQUESTS, &headers).class(), Class::RateLimited);
/// ```
pub fn http(status: StatusCode, headers: &HeaderMap) -> Verdict {
    Http.classify(&Head { status, headers, body: b"" })
}

/// The default word for an HTTP method.
pub fn effects_of(method: &http::Method) -> Effects {
    Effects::for_method(method)
}
