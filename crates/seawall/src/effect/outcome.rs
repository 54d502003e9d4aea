//! How a run ends, and what whoever asked for it is told.

use std::fmt;
use std::time::Duration;

use seawall_core::effect::{Reason, Stamp, Truth};
use seawall_core::{Certainty, Code, Rejection};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How a run ended. What is not known for certain is [`Outcome::Unknown`]: never guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T, E> {
    /// It took place.
    Applied(T),
    /// The far side refused it for good: a result like any other, and replayed like one.
    Rejected(E),
    /// It provably has not taken place (nothing was sent, or the far side says it did not begin). It may be run again.
    NotApplied(E),
    /// It may have taken place.
    Unknown(E),
}

/// A run that did not end with a value, so that `?` works in an operation: an error that comes by `?` alone is
/// *unknown*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed<E> {
    /// See [`Outcome::Rejected`].
    Rejected(E),
    /// See [`Outcome::NotApplied`].
    NotApplied(E),
    /// See [`Outcome::Unknown`].
    Unknown(E),
}

impl<E> From<E> for Failed<E> {
    fn from(error: E) -> Self {
        Failed::Unknown(error)
    }
}

/// Says of an error what it means for the effect.
pub trait Means<T, X> {
    /// It provably has not taken place: nothing was sent.
    fn not_sent<E: From<X>>(self) -> Result<T, Failed<E>>;
    /// The far side refused it for good.
    fn rejected<E: From<X>>(self) -> Result<T, Failed<E>>;
    /// It may have taken place.
    fn unknown<E: From<X>>(self) -> Result<T, Failed<E>>;
}

impl<T, X> Means<T, X> for Result<T, X> {
    fn not_sent<E: From<X>>(self) -> Result<T, Failed<E>> {
        self.map_err(|error| Failed::NotApplied(error.into()))
    }

    fn rejected<E: From<X>>(self) -> Result<T, Failed<E>> {
        self.map_err(|error| Failed::Rejected(error.into()))
    }

    fn unknown<E: From<X>>(self) -> Result<T, Failed<E>> {
        self.map_err(|error| Failed::Unknown(error.into()))
    }
}

/// What an operation may return: an [`Outcome`], or a `Result` whose error is a [`Failed`].
pub trait Ends: Send + 'static {
    /// What it gives.
    type Value: Serialize + DeserializeOwned + Send + 'static;
    /// How it fails.
    type Error: Serialize + DeserializeOwned + Send + 'static;
    /// How it ended.
    fn outcome(self) -> Outcome<Self::Value, Self::Error>;
}

impl<T, E> Ends for Outcome<T, E>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    type Value = T;
    type Error = E;

    fn outcome(self) -> Outcome<T, E> {
        self
    }
}

impl<T, E> Ends for Result<T, Failed<E>>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    type Value = T;
    type Error = E;

    fn outcome(self) -> Outcome<T, E> {
        match self {
            Ok(value) => Outcome::Applied(value),
            Err(Failed::Rejected(error)) => Outcome::Rejected(error),
            Err(Failed::NotApplied(error)) => Outcome::NotApplied(error),
            Err(Failed::Unknown(error)) => Outcome::Unknown(error),
        }
    }
}

/// How well it is known to the journal how a run ended. None of these is a reason to run it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The store has acknowledged it.
    Kept,
    /// The store does not answer; the guard tells it as soon as it does. Should this process end before, the effect will
    /// be in doubt, and is not run again.
    Spooled,
    /// It was run without the store, as its options allow.
    Unjournalled,
    /// The store knows otherwise: the right to run had lapsed, or somebody said before that it ended differently. Told to
    /// whoever listens for events.
    Disputed,
}

impl Durability {
    /// The word people see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Durability::Kept => "kept",
            Durability::Spooled => "spooled",
            Durability::Unjournalled => "unjournalled",
            Durability::Disputed => "disputed",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A finished effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done<T, E> {
    /// What it gave (it took place), or why the far side refused it for good.
    pub value: Result<T, E>,
    /// It had ended before this call, or was run by another.
    pub replayed: bool,
    /// Does the journal know?
    pub durability: Durability,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone<E> {
    /// It provably has not taken place, and may be tried again.
    NotApplied(E),
    /// It was run just now and may have taken place. From now on it is in doubt.
    Unknown(E),
    /// It was run before and may have taken place. It is not run again until somebody finds out.
    InDoubt {
        /// Since when.
        since: Stamp,
        /// Why.
        reason: Reason,
        /// Nobody could find out: only a person can.
        quarantined: bool,
    },
    /// Somebody else is at it.
    InFlight {
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// The key was used for something else.
    Mismatch,
    /// It was first wanted so long ago that nobody remembers whether it took place.
    Expired,
    /// It did not take place, as often as it may be tried.
    Exhausted,
    /// It did not take place, and is not tried again yet.
    Cooldown {
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// The journal does not answer, or the guard is shutting down: nothing was begun.
    StoreUnavailable(Rejection),
    /// It is finished, but what it answered was not kept, or is not of the type that was asked for.
    ResultNotKept {
        /// How it ended.
        truth: Truth,
    },
}

impl<E> Undone<E> {
    /// The same as a refusal, where it is one of ours.
    pub fn rejection(&self) -> Option<Rejection> {
        Some(match self {
            Undone::NotApplied(_) | Undone::Unknown(_) | Undone::ResultNotKept { .. } => return None,
            Undone::InDoubt { reason, quarantined, .. } => doubtful(*reason, *quarantined),
            Undone::InFlight { retry_after } => busy(*retry_after),
            Undone::Mismatch => Rejection::new(Code::KeyReused),
            Undone::Expired => expired(),
            Undone::Exhausted => Rejection::new(Code::AttemptsExhausted),
            Undone::Cooldown { retry_after } => cooling(*retry_after),
            Undone::StoreUnavailable(rejection) => rejection.clone(),
        })
    }

    /// What is certain about the effect.
    pub const fn certainty(&self) -> Certainty {
        match self {
            // Of a store that does not answer nobody knows what others have done before.
            Undone::Unknown(_)
            | Undone::InDoubt { .. }
            | Undone::InFlight { .. }
            | Undone::Expired
            | Undone::StoreUnavailable(_) => Certainty::Unknown,
            Undone::ResultNotKept { truth: Truth::Applied } => Certainty::AlreadyDone,
            _ => Certainty::NotDone,
        }
    }
}

pub(super) fn doubtful(reason: Reason, quarantined: bool) -> Rejection {
    let who = if quarantined {
        "only a person can find out"
    } else {
        "it is not run again before somebody found out"
    };
    Rejection::new(Code::EffectInDoubt)
        .because(format!("nobody knows whether the effect took place ({reason}): {who}"))
        .certainty(Certainty::Unknown)
}

pub(super) fn busy(wait: Duration) -> Rejection {
    Rejection::new(Code::EffectInFlight).after(wait).certainty(Certainty::Unknown)
}

pub(super) const fn expired() -> Rejection {
    Rejection::new(Code::KeyExpired).certainty(Certainty::Unknown)
}

pub(super) fn cooling(wait: Duration) -> Rejection {
    Rejection::new(Code::EffectInFlight)
        .because("the effect did not take place and is not run again yet")
        .after(wait)
}

impl<E: fmt::Display> fmt::Display for Undone<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undone::NotApplied(error) => write!(f, "it has not taken place: {error}"),
            Undone::Unknown(error) => write!(f, "it may have taken place: {error}"),
            Undone::ResultNotKept { truth } => {
                write!(f, "it ended before ({truth}), and what it answered was not kept")
            }
            refused => refused.rejection().map_or(Ok(()), |rejection| rejection.fmt(f)),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Undone<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Undone::NotApplied(error) | Undone::Unknown(error) => Some(error),
            _ => None,
        }
    }
}
