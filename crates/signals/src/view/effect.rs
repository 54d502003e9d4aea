//! Effects as the admin port lists them.

use serde::{Deserialize, Serialize};

/// How a wish was answered, or a run ended, in the words of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectVerdict {
    /// A run that took place.
    Applied,
    /// A run that was refused for good.
    Rejected,
    /// A run that provably did not take place.
    NotApplied,
    /// A run nobody knows the outcome of.
    Unknown,
    /// Answered with how it had ended before.
    Replayed,
    /// Somebody else was at it.
    InFlight,
    /// It was in doubt.
    InDoubt,
    /// The key was used for something else.
    Mismatch,
    /// The wish was older than what is remembered.
    Expired,
    /// The journal did not answer.
    Unanswered,
    /// It may have taken place twice: an assumption did not hold.
    SuspectedDuplicate,
}

impl EffectVerdict {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Applied,
        Self::Rejected,
        Self::NotApplied,
        Self::Unknown,
        Self::Replayed,
        Self::InFlight,
        Self::InDoubt,
        Self::Mismatch,
        Self::Expired,
        Self::Unanswered,
        Self::SuspectedDuplicate,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::NotApplied => "not-applied",
            Self::Unknown => "unknown",
            Self::Replayed => "replayed",
            Self::InFlight => "in-flight",
            Self::InDoubt => "in-doubt",
            Self::Mismatch => "mismatch",
            Self::Expired => "expired",
            Self::Unanswered => "unanswered",
            Self::SuspectedDuplicate => "suspected-duplicate",
        }
    }
}

/// `/api/v1/effects`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Effects {
    /// What an acknowledged outcome survives: `process`, `restart` or `power`.
    pub promise: String,
    /// Effects in doubt, those given to a person included, as far as they were counted.
    pub in_doubt: u64,
    /// The list, by name.
    pub effects: Vec<Effect>,
    /// Where the next page begins: ask again with `?after=` and this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Effect {
    /// What levers name it by.
    pub id: String,
    /// `{namespace}:effect:{type}:{key}`
    pub name: String,
    /// The route it is of, or `upstream.NAME` where there is none.
    #[serde(rename = "type")]
    pub kind: String,
    /// executing, in-doubt, reconciling, free, done, quarantined or tombstone.
    pub state: String,
    /// opaque, queryable, keyed or idempotent.
    pub nature: String,
    /// How often it was let run.
    pub attempts: u32,
    /// When it was first let run.
    pub first: String,
    /// Since when it is in its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Why it is in doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in the words of whoever ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Questions after it that found nothing out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<u32>,
    /// From then on nothing of the call can be under way any more: what is not there then will never be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<String>,
    /// How it ended: applied or rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<String>,
    /// Who said so: owner, late, reconciled or forced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
    /// The answer that is replayed: only its status and size are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}
