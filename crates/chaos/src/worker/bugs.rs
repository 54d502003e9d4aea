//! Mistakes others have made, made on purpose: whoever checks a campaign must find each of them.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::effect::{
    Answer, Begin, Finding, Fingerprint, Keep, Key, Nonce, Operation, Outcome, Reason, Record, Resolution,
    Token,
};
use seawall_core::store::{StoreError, Swept, Told, Wanted};

use super::between::Between;
use crate::words::now;

crate::listed! {
    /// A mistake of a guard, a store, a far side, or of whoever uses them.
    Bug {
        /// A lease that is over lets the next one run.
        RunWhenLeaseIsOver = "run-when-lease-is-over",
        /// The record of a run under way has an end to its life.
        ExpireRunning = "expire-running",
        /// An error deletes the reservation.
        DeleteOnError = "delete-on-error",
        /// Somebody who found it busy deletes the reservation.
        DeleteOnBusy = "delete-on-busy",
        /// An orphan is seen, and taken over later without a second look.
        BlindTakeover = "blind-takeover",
        /// A sweep frees what is in doubt.
        FreeOnSweep = "free-on-sweep",
        /// "It is not there" is believed at once.
        TrustUnstable = "trust-unstable",
        /// A grant is acknowledged, and not written down.
        LoseBegin = "lose-begin",
        /// A grant is answered again from memory.
        CacheExecuting = "cache-executing",
        /// An outcome is written whoever holds the right by now.
        CompleteWithoutEpoch = "complete-without-epoch",
        /// What is finished is soon forgotten, and nobody asks how old a wish is.
        NoAgeCheck = "no-age-check",
        /// The far side forgets our key sooner than was said.
        WindowLapses = "window-lapses",
        /// The operation says of a lost reply that nothing was done.
        GuessNotDone = "guess-not-done",
        /// The operation says of a lost reply that it was done.
        GuessDone = "guess-done",
        /// A replay gives another's result.
        MixUpResults = "mix-up-results",
        /// Nobody compares what an effect is asked to do.
        IgnoreArguments = "ignore-arguments",
        /// The numbers of grants do not grow.
        NumbersFall = "numbers-fall",
        /// Leases are not renewed.
        ForgetRenewals = "forget-renewals",
        /// A run that did not take place ends the doubt about an earlier one.
        DropTheDoubt = "drop-the-doubt",
        /// What was found out is not said.
        SilentVerdict = "silent-verdict",
    }
}

/// How long the record of a run under way lives, where that is the mistake.
const LIFE: Duration = Duration::from_millis(300);

impl Between {
    /// As a store, or a guard, with that mistake would answer.
    pub(super) async fn wrongly(&self, bug: Bug, operation: Operation) -> Result<Told, StoreError> {
        let key = operation.key();
        match (bug, operation) {
            (Bug::DeleteOnError, Operation::Complete { key, token, outcome: Outcome::Unknown { .. } }) => {
                let outcome = Outcome::NotApplied { cooldown: Duration::ZERO };
                self.plainly(Operation::Complete { key, token, outcome }).await
            }
            (Bug::TrustUnstable, Operation::Resolve { key, token, finding: Finding::NotApplied { .. } }) => {
                let finding = Finding::NotApplied { fenced: true };
                self.plainly(Operation::Resolve { key, token, finding }).await
            }
            (Bug::SilentVerdict, Operation::Resolve { .. })
            | (Bug::ForgetRenewals, Operation::Renew { .. }) => {
                Ok(Told { answer: Answer::Ok, notes: Vec::new() })
            }
            (Bug::CompleteWithoutEpoch, Operation::Complete { key, token, outcome }) => {
                let token = self.record(key).await?.map_or(token, |record| record.run);
                self.plainly(Operation::Complete { key, token, outcome }).await
            }
            (Bug::DropTheDoubt, operation @ Operation::Complete { .. }) => {
                let denied =
                    matches!(operation, Operation::Complete { outcome: Outcome::NotApplied { .. }, .. });
                let told = self.plainly(operation).await?;
                if !denied || !matches!(told.answer, Answer::InDoubt { .. }) {
                    return Ok(told);
                }
                let (by, reason) = (Arc::from("nobody"), Arc::from("a mistake"));
                self.plainly(Operation::Force { key, resolution: Resolution::NotApplied, by, reason }).await
            }
            (_, Operation::Begin(begin)) => self.begin_wrongly(bug, key, begin).await,
            (_, operation) => self.plainly(operation).await,
        }
    }

    async fn begin_wrongly(&self, bug: Bug, key: Key, begin: Begin) -> Result<Told, StoreError> {
        let begin = match bug {
            Bug::NoAgeCheck => {
                let life = Duration::from_secs(1);
                Begin { keep: Keep { result: life, key: life }, age: None, ..begin }
            }
            Bug::IgnoreArguments => Begin { print: Fingerprint::of(&[b"anything"]), ..begin },
            _ => begin,
        };
        if bug == Bug::LoseBegin && fastrand::u8(..8) == 0 {
            let token = Token { epoch: now() / 1000, nonce: begin.nonce };
            return Ok(Told { answer: Answer::Run(token), notes: Vec::new() });
        }
        let kept = self.seen().grants.get(&key).cloned();
        if let (Bug::CacheExecuting, Some(told)) = (bug, kept) {
            return Ok(told);
        }
        let told = self.plainly(Operation::Begin(begin.clone())).await?;
        let again = match (bug, &told.answer) {
            (Bug::RunWhenLeaseIsOver, Answer::InDoubt { reason, .. }) => *reason != Reason::Unknown,
            (Bug::ExpireRunning, Answer::Busy(_)) => {
                let first = self.record(key).await?.map_or(u64::MAX, |record| record.first.0);
                now() / 1_000_000 > first.saturating_add(u64::try_from(LIFE.as_millis()).unwrap_or(0))
            }
            (Bug::BlindTakeover, Answer::InDoubt { .. } | Answer::Busy(_)) => {
                let mut seen = self.seen();
                seen.orphans.contains(&key)
                    || matches!(told.answer, Answer::InDoubt { .. }) && !seen.orphans.insert(key)
            }
            (Bug::DeleteOnBusy, Answer::Busy(_)) => {
                self.free(key).await?;
                false
            }
            (Bug::CacheExecuting, Answer::Run(_)) => {
                self.seen().grants.insert(key, told.clone());
                false
            }
            _ => false,
        };
        if again {
            self.free(key).await?;
            let nonce = Nonce(begin.nonce.0 ^ u128::from(now()));
            return self.plainly(Operation::Begin(Begin { nonce, ..begin })).await;
        }
        Ok(match (bug, told.answer) {
            (Bug::MixUpResults, Answer::Replay(truth, Some(bytes))) => {
                let text = String::from_utf8_lossy(&bytes).replacen("\"entry\":", "\"entry\":1", 1);
                Told { answer: Answer::Replay(truth, Some(Arc::from(text.as_bytes()))), notes: told.notes }
            }
            (_, answer) => Told { answer, notes: told.notes },
        })
    }

    async fn record(&self, key: Key) -> Result<Option<Record>, StoreError> {
        match self.store.ask(Operation::Peek { key }).await?.answer {
            Answer::Found(record) => Ok(record.map(|record| *record)),
            _ => Ok(None),
        }
    }

    /// Takes away whoever's right there is.
    async fn free(&self, key: Key) -> Result<(), StoreError> {
        if let Some(record) = self.record(key).await? {
            let outcome = Outcome::NotApplied { cooldown: Duration::ZERO };
            self.store.ask(Operation::Complete { key, token: record.run, outcome }).await?;
        }
        Ok(())
    }

    pub(super) async fn sweep_and_free(&self, limit: usize) -> Result<Swept, StoreError> {
        let swept = self.store.sweep(limit).await?;
        let wanted = Wanted { state: Some("in-doubt".to_owned()), after: None, limit };
        for (key, _) in self.store.list(wanted).await?.records {
            self.free(key).await?;
        }
        Ok(swept)
    }
}
