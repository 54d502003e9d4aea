//! Stands between the guard and its store: notes what was granted, dies where it was told to, and makes the mistakes it
//! was told to make.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use seawall_core::effect::{Answer, Key, Operation};
use seawall_core::store::{Asked, Page, Promise, Store, Swept, Told, Wanted};

use super::step::{Step, reached};
use super::{Bug, Voice};
use crate::words::{Said, What, now};

/// A store that is watched.
pub(super) struct Between {
    pub(super) store: Arc<dyn Store>,
    voice: Voice,
    pub(super) bug: Option<Bug>,
    step: Option<Step>,
    seen: Mutex<Seen>,
}

/// What went by.
#[derive(Default)]
pub(super) struct Seen {
    /// The last right to each effect that this process was given.
    epochs: HashMap<Key, u64>,
    /// Grants, for whoever keeps them by mistake.
    pub(super) grants: HashMap<Key, Told>,
    /// Effects that were seen in doubt, for whoever takes them over by mistake.
    pub(super) orphans: HashSet<Key>,
}

impl Between {
    pub(super) fn new(store: Arc<dyn Store>, voice: Voice, bug: Option<Bug>, step: Option<Step>) -> Self {
        Self { store, voice, bug, step, seen: Mutex::default() }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last right to an effect that this process was given; 0 before the first.
    pub(super) fn epoch(&self, key: Key) -> u64 {
        self.seen().epochs.get(&key).copied().unwrap_or(0)
    }

    /// As the store answers.
    pub(super) fn plainly(&self, operation: Operation) -> Asked<'_, Told> {
        if matches!(operation, Operation::Begin(_)) {
            reached(self.step, Step::BeforeBegin);
        }
        if matches!(operation, Operation::Force { .. }) {
            reached(self.step, Step::FoundOut);
        }
        let asked = now();
        let unheard = match &operation {
            Operation::Begin(_) => Some(Step::BeginUnheard),
            Operation::Complete { .. } => Some(Step::CompleteUnheard),
            Operation::Renew { .. } => Some(Step::Renewed),
            Operation::Resolve { .. } | Operation::Force { .. } => Some(Step::VerdictUnheard),
            _ => None,
        };
        let key = operation.key();
        let what = match &operation {
            Operation::Begin(begin) => What::labelled(&begin.label),
            _ => None,
        };
        // Asked before anybody waits for it, as the store itself does it.
        let answer = self.store.ask(operation);
        Box::pin(async move {
            let told = answer.await?;
            if let Some(unheard) = unheard {
                reached(self.step, unheard);
            }
            match &told.answer {
                Answer::Run(token) => {
                    let epoch = match self.bug {
                        Some(Bug::NumbersFall) => u64::MAX - token.epoch,
                        _ => token.epoch,
                    };
                    self.seen().epochs.insert(key, epoch);
                    if let Some(what) = what {
                        let nonce = format!("{:?}", token.nonce);
                        let answered = now();
                        self.voice.say(&Said::Granted { what, epoch, nonce, asked, answered });
                    }
                }
                Answer::Reconcile { token, .. } => {
                    self.seen().epochs.insert(key, token.epoch);
                }
                _ => {}
            }
            Ok(told)
        })
    }
}

impl Store for Between {
    fn ask(&self, operation: Operation) -> Asked<'_, Told> {
        match self.bug {
            None => self.plainly(operation),
            Some(bug) => Box::pin(self.wrongly(bug, operation)),
        }
    }

    fn sweep(&self, limit: usize) -> Asked<'_, Swept> {
        match self.bug {
            Some(Bug::FreeOnSweep) => Box::pin(self.sweep_and_free(limit)),
            _ => self.store.sweep(limit),
        }
    }

    fn list(&self, wanted: Wanted) -> Asked<'_, Page> {
        self.store.list(wanted)
    }

    fn promise(&self) -> Promise {
        self.store.promise()
    }
}

impl fmt::Debug for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Between").field("store", &self.store).finish_non_exhaustive()
    }
}
