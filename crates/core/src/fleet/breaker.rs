//! A breaker that a fleet shares: each process counts for itself, reports what it has counted, and hears how the breaker
//! stands.
//!
//! Epochs number its states: what was counted in one says nothing in another, so that a failure that is reported late
//! never opens what has closed, nor a success the other way round.

use std::sync::Arc;
use std::time::Duration;

use crate::units::Share;

/// By what a breaker goes; from the options of whoever asks. Their reasons are with the options
/// (`seawall_policy::breaker`).
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// How far back it looks.
    pub window: Duration,
    /// Failures in a row that open it; zero never does.
    pub consecutive: u32,
    /// Failures within the window that open it; zero never does.
    pub failures: u32,
    /// Calls the window must have seen before a share is believed; zero never believes one.
    pub min_calls: u32,
    /// The share of failures that opens it.
    pub failure_rate: Share,
    /// The share of slow calls that opens it.
    pub slow_rate: Share,
    /// The pause before the first probe.
    pub open: Duration,
    /// The longest pause, where it grows.
    pub open_cap: Option<Duration>,
    /// Only a person ends the pause.
    pub manual: bool,
    /// Probes under way at once.
    pub probes: u32,
    /// Probes that must succeed.
    pub successes: u32,
    /// Probes whose share of failures decides; zero is none.
    pub sample: u32,
    /// How long a probe keeps its place.
    pub lease: Duration,
    /// How long calls are let back in little by little.
    pub ramp: Duration,
}

/// What is asked of a breaker. Every question hears how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Counts calls that have ended; none at all is only a look.
    Report(Report),
    /// Wants to send a probe.
    Probe,
    /// A probe came back.
    Probed {
        /// In which epoch it was sent.
        epoch: u64,
        /// Which.
        probe: u64,
        /// What it found.
        heard: Heard,
    },
    /// A person moves it.
    Pull(Pull),
}

/// Calls that have ended since the last report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The epoch they were admitted in. Zero is none in particular: they count where the breaker lets calls through, and
    /// has done so since before they ended.
    pub epoch: u64,
    /// How many, by how long ago.
    pub counts: Vec<Counts>,
    /// Failures before the first call that worked; all of them where none did.
    pub first: u32,
    /// Failures after the last call that worked; none where none did.
    pub last: u32,
    /// Did any work?
    pub worked: bool,
}

/// Calls of about one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// How long ago they ended.
    pub ago: Duration,
    /// How many.
    pub calls: u32,
    /// How many of them failed.
    pub failures: u32,
    /// How many were slow.
    pub slow: u32,
}

crate::words! {
    /// What a probe found.
    Heard {
        /// It worked in time.
        Worked = "worked",
        /// It worked, and took too long.
        Slow = "slow",
        /// It failed.
        Failed = "failed",
        /// Nothing: it only gives its place back.
        Nothing = "nothing",
    }
}

/// Somebody's lever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// What is done.
    pub lever: Lever,
    /// Who.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// For how long it holds, where it holds anything; until somebody lets go.
    pub hold: Option<Duration>,
}

crate::words! {
    /// What somebody may do to a breaker.
    Lever {
        /// Refuse calls.
        ForceOpen = "force-open",
        /// Let every call through.
        ForceClosed = "force-closed",
        /// Let probes through now.
        HalfOpen = "half-open",
        /// Close it and forget what was counted.
        Reset = "reset",
    }
}

crate::words! {
    /// Where it stands.
    State {
        /// Calls pass.
        Closed = "closed",
        /// Calls are refused.
        Open = "open",
        /// Probes pass, and then a growing share of calls where there is a ramp.
        HalfOpen = "half-open",
        /// Somebody refuses calls.
        ForcedOpen = "forced-open",
        /// Somebody lets every call pass.
        ForcedClosed = "forced-closed",
    }
}

crate::words! {
    /// What moved it.
    Why {
        /// The pause of an open breaker.
        PauseOver = "its pause is over",
        /// A lever's time.
        HoldOver = "the operator's hold is over",
        /// A ramp's time.
        RampOver = "its ramp is over",
        /// A person.
        HeldOpen = "an operator holds it open",
        /// A person.
        HeldClosed = "an operator holds it closed",
        /// A person.
        ProbeAsked = "an operator asks for a probe",
        /// A person.
        Reset = "an operator reset it",
        /// A probe.
        ProbeFailed = "a probe failed",
        /// A probe.
        ProbeSlow = "a probe was slow",
        /// Probes.
        ProbesFailed = "too large a share of probes failed",
        /// Probes.
        ProbesWorked = "its probes succeeded",
        /// Calls.
        Consecutive = "too many failures in a row",
        /// Calls.
        Failures = "too many failures",
        /// Calls.
        FailureRate = "too large a share of failures",
        /// Calls.
        SlowRate = "too large a share of slow calls",
    }
}

/// What a breaker answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// How it stands now.
    pub standing: Standing,
    /// What moved it, where this question did. Nobody else hears that.
    pub moved: Option<Why>,
    /// The number of the probe that may be sent, where one was asked for and may be.
    pub probe: Option<u64>,
}

/// How a breaker stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where.
    pub state: State,
    /// Another one with each change.
    pub epoch: u64,
    /// For how long.
    pub stands: Duration,
    /// While open: in how long probes may be sent.
    pub resumes: Duration,
    /// Who holds it, while somebody does.
    pub held: Option<Held>,
    /// While half-open: for how long calls have been let back in, once the probes have succeeded.
    pub ramp: Option<Duration>,
    /// Calls within the window.
    pub calls: u64,
    /// Failures within the window.
    pub failures: u64,
    /// Slow calls within the window.
    pub slow: u64,
    /// How often it has opened.
    pub opened: u64,
}

/// Who holds a breaker where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Who.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// For how much longer; until somebody lets go.
    pub left: Option<Duration>,
}
