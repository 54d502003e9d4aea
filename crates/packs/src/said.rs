//! A refusal of ours in one sentence, for the `message` that a provider's client shows its user.

use seawall_core::provider::Refusal;
use seawall_core::verdict::Certainty;

/// Code, reason, when to come back, whether the request may have been processed, and the call to ask about.
pub(crate) fn sentence(refusal: &Refusal<'_>) -> String {
    let done = match refusal.rejection.certainty {
        Certainty::NotDone => "the request was not processed",
        Certainty::Unknown => "the request may have been processed",
        Certainty::Partial => "the request was processed and part of its answer is lost",
        Certainty::Done | Certainty::AlreadyDone => "the request was processed",
    };
    format!("{}; {done} (seawall call {})", refusal.rejection, refusal.call)
}
