//! The steps of an effect at which a worker can be told to die on the spot.

crate::listed! {
    /// A step of the protocol.
    Step {
        /// Before the store is asked.
        BeforeBegin = "before-begin",
        /// The store has granted it, and nobody has heard.
        BeginUnheard = "begin-unheard",
        /// It is granted, and nothing has been sent.
        Granted = "granted",
        /// The request has left, and has not arrived.
        Sent = "sent",
        /// It is done, and the reply is lost.
        Delivered = "delivered",
        /// The reply is there, and the store has not been told.
        Replied = "replied",
        /// The store knows, and nobody has heard.
        CompleteUnheard = "complete-unheard",
        /// The lease was renewed in the middle of the run, and nobody has heard.
        Renewed = "renewed",
        /// Somebody found out what became of it, and has not said so.
        FoundOut = "found-out",
        /// The store was told, and nobody has heard.
        VerdictUnheard = "verdict-unheard",
    }
}

/// The variable that names the step.
pub const STEP: &str = "SEAWALL_CHAOS_ABORT";

/// The step this process is to die at, if any.
pub(super) fn planned() -> Result<Option<Step>, String> {
    let Some(name) = std::env::var_os(STEP) else { return Ok(None) };
    let known = Step::ALL.iter().find(|step| name == step.as_str());
    known.map(|step| Some(*step)).ok_or_else(|| format!("{STEP}: {name:?} is no step"))
}

/// Dies here, if this is where.
pub(super) fn reached(planned: Option<Step>, here: Step) {
    if planned == Some(here) {
        std::process::abort();
    }
}
