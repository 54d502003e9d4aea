//! Refusing is an answer: one type for every policy, one stable code for every reason.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::verdict::Certainty;

crate::words! {
    /// Who refused.
    Policy {
        /// The retry schedule.
        Retry = "retry",
        /// The circuit breaker.
        Breaker = "breaker",
        /// A rate limit, its queue, or a pause the provider asked for.
        Limiter = "limiter",
        /// The limit of concurrent calls, or its queue.
        Bulkhead = "bulkhead",
        /// The deadline of the call or of one attempt.
        Deadline = "deadline",
        /// A budget: retries, money, tokens, carbon.
        Budget = "budget",
        /// The response cache.
        Cache = "cache",
        /// The effect journal.
        Effect = "effect",
        /// The gateway itself: what came in, or what went wrong with the upstream's connection.
        Gateway = "gateway",
    }
}

macro_rules! codes {
    ($($(#[$meta:meta])* $variant:ident = $number:literal, $policy:ident, $status:literal, $title:literal;)+) => {
        /// A stable number for every reason to refuse; `docs/errors/SW####.md` has a page for each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Code { $($(#[$meta])* #[doc = concat!("SW", stringify!($number), ": ", $title)] $variant = $number,)+ }

        impl Code {
            /// Every code, by number.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            /// The reason in a few words.
            pub const fn title(self) -> &'static str { match self { $(Code::$variant => $title,)+ } }

            /// The policy that gives it.
            pub const fn policy(self) -> Policy { match self { $(Code::$variant => Policy::$policy,)+ } }

            /// The HTTP status it is answered with.
            pub const fn status(self) -> u16 { match self { $(Code::$variant => $status,)+ } }
        }
    };
}

codes! {
    RateLimited = 1, Limiter, 429, "the limit is reached and there is no time to wait for a slot";
    QueueFull = 2, Limiter, 429, "the limit is reached and its queue is full";
    UpstreamPaused = 3, Limiter, 429, "the provider asked to be left alone for longer than this call may wait";
    BreakerOpen = 4, Breaker, 503, "the circuit breaker is open";
    BreakerForcedOpen = 5, Breaker, 503, "the circuit breaker is held open by an operator";
    BulkheadFull = 6, Bulkhead, 503, "too many calls are in flight and there is no time to wait";
    QuotaZero = 7, Limiter, 500, "a quota lets nothing through";
    DeadlineExceeded = 8, Deadline, 504, "the deadline passed before the answer began";
    AttemptTimeout = 9, Deadline, 504, "one attempt took too long";
    RetryBudgetExhausted = 10, Budget, 503, "the retry budget is spent";
    ConnectionFailed = 11, Gateway, 502, "the upstream could not be reached";
    ReplyLost = 12, Gateway, 502, "the connection was lost before the answer began";
    UpstreamGarbage = 13, Gateway, 502, "the upstream did not speak HTTP";
    Draining = 14, Gateway, 503, "this instance is shutting down";
    Malformed = 15, Gateway, 400, "the request is malformed";
    NoSuchUpstream = 16, Gateway, 404, "the path names no upstream of this configuration";
    ForeignHost = 17, Gateway, 403, "the Host header does not name this gateway";
    ForeignOrigin = 18, Gateway, 403, "a foreign web page is asking";
    HostNotAllowed = 19, Gateway, 403, "the target host is not named in the configuration";
    TooLarge = 20, Gateway, 413, "the request is larger than allowed";
    CallerGone = 21, Gateway, 499, "the caller went away";
    StreamCut = 22, Gateway, 502, "the upstream's stream ended before it was complete";
    LeverUnsigned = 23, Gateway, 400, "a lever needs who and why";
    AddressInUse = 24, Gateway, 500, "another process is listening on this address";
    StateInUse = 25, Gateway, 500, "another process owns this state directory";
    ConfigurationInvalid = 26, Gateway, 500, "the configuration is invalid";
    FileUnreadable = 27, Gateway, 500, "a file cannot be read";
    NotLoopback = 28, Gateway, 500, "listening outside loopback needs keys";
    SecretMissing = 29, Gateway, 500, "a secret cannot be resolved";
    NoSuchThing = 30, Gateway, 404, "nothing here has that name";
    NotJson = 31, Gateway, 415, "levers take JSON";
    HeadTooLarge = 32, Gateway, 431, "the request's head is larger than allowed";
    BodyStalled = 33, Gateway, 502, "a body stood still for too long";
    SwitchedOff = 34, Breaker, 503, "the feature is switched off while degraded";
    Swollen = 35, Gateway, 502, "the upstream's compressed answer expands too far";
    EffectInFlight = 36, Effect, 409, "the same effect is under way";
    EffectInDoubt = 37, Effect, 409, "nobody knows whether the effect took place";
    KeyReused = 38, Effect, 422, "the key was used for something else";
    KeyRequired = 39, Effect, 400, "an effect that must not happen twice needs a key";
    KeyExpired = 40, Effect, 409, "the wish is older than what is remembered of its effect";
    StoreUnavailable = 41, Effect, 503, "the journal of effects does not answer";
    AttemptsExhausted = 42, Effect, 409, "the effect was tried as often as it may be";
    AuditUnwritable = 43, Gateway, 503, "the audit trail cannot be written, so nothing was done";
    AnswerNotKept = 44, Effect, 409, "the effect is finished, and its answer is not kept";
    CallerUnknown = 50, Gateway, 401, "the key that came with it is not known here";
    CallerNotAllowed = 51, Gateway, 403, "this caller may not call there";
    InjectionFound = 52, Gateway, 403, "the request reads as an attack";
    OperatorUnknown = 55, Gateway, 401, "the admin port wants a token";
    RoleTooSmall = 56, Gateway, 403, "this token may look and not move anything";
    TooManyGuesses = 57, Gateway, 429, "too many wrong tokens came from this address";
    OffenderLimited = 62, Limiter, 429, "an attack came from this caller, and it is limited for a while";
    SpeaksTls = 64, Gateway, 400, "this port speaks TLS, and the request came in the clear";
    CertificateRefused = 65, Gateway, 403, "the certificate of this connection is not believed any more";
    NotAvailableYet = 90, Gateway, 501, "this part is not available yet";
}

impl Code {
    /// The number after `SW`.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The stable text form of every code, allocated once by the compiler's list.
    pub fn parse(text: &str) -> Option<Code> {
        let digits = text.trim().strip_prefix("SW").or_else(|| text.trim().strip_prefix("sw"))?;
        let number: u16 = digits.parse().ok()?;
        Code::ALL.iter().copied().find(|code| code.number() == number)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SW{:04}", self.number())
    }
}

/// A policy said no: which, why, when to come back, and what is known about the operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The stable code.
    pub code: Code,
    /// Who refused.
    pub policy: Policy,
    /// The particulars, in words: lower case, no full stop.
    pub reason: Cow<'static, str>,
    /// When asking again makes sense, where that is known.
    pub retry_after: Option<Duration>,
    /// Whether the operation may have taken place. Not done, unless time ran out after something was sent.
    pub certainty: Certainty,
}

impl Rejection {
    /// A refusal before anything was sent, in the code's own words.
    pub const fn new(code: Code) -> Self {
        Self {
            code,
            policy: code.policy(),
            reason: Cow::Borrowed(code.title()),
            retry_after: None,
            certainty: Certainty::NotDone,
        }
    }

    /// The same refusal, saying when to come back.
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same refusal in other words.
    pub fn because(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = reason.into();
        self
    }

    /// The same refusal, with what is known about the operation.
    pub const fn certainty(mut self, certainty: Certainty) -> Self {
        self.certainty = certainty;
        self
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.reason)?;
        if let Some(wait) = self.retry_after {
            // Up, to whole milliseconds: nobody wants to read the rest, and nobody should come too early.
            let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
            write!(f, ": ask again in {}", crate::units::format_duration(Duration::from_millis(millis)))?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}

/// What a guarded operation can fail with: a refusal of ours, or its own error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error<E> {
    /// A policy said no.
    Rejected(Rejection),
    /// The operation itself failed.
    Inner(E),
}

impl<E> Error<E> {
    /// The refusal, if it was one.
    pub const fn rejection(&self) -> Option<&Rejection> {
        match self {
            Error::Rejected(rejection) => Some(rejection),
            Error::Inner(_) => None,
        }
    }
}

impl<E> From<Rejection> for Error<E> {
    fn from(rejection: Rejection) -> Self {
        Error::Rejected(rejection)
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Rejected(rejection) => rejection.fmt(f),
            Error::Inner(inner) => inner.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Rejected(rejection) => Some(rejection),
            Error::Inner(inner) => Some(inner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        for (place, code) in Code::ALL.iter().enumerate() {
            assert_eq!(Code::parse(&code.to_string()), Some(*code));
            assert!(
                Code::ALL[..place].iter().all(|other| other.number() < code.number()),
                "{code} out of order"
            );
        }
        assert_eq!(Code::parse("SW9999"), None);
        assert_eq!(Code::parse("7"), None);
        assert_eq!(Code::parse("sw0007"), Some(Code::QuotaZero));
    }

    #[test]
    fn a_rejection_says_code_reason_and_when() {
        let rejection = Rejection::new(Code::BreakerOpen).after(Duration::from_secs(5));
        assert_eq!(rejection.to_string(), "SW0004 the circuit breaker is open: ask again in 5s");
        let error: Error<std::io::Error> = rejection.into();
        assert_eq!(error.rejection().map(|r| r.policy), Some(Policy::Breaker));
    }
}
