//! Does something once: of any number of racing callers one runs it, and nothing that is lost on the way runs it again.
//!
#![doc = include_str!("../../../../docs/effects.md")]

mod ask;
mod begin;
pub mod entity;
mod flight;
mod keeper;
mod once;
mod outcome;
mod reconcile;
mod stats;
#[cfg(test)]
mod tests;
mod ticket;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::effect::{Answer, Operation};
pub use seawall_core::effect::{Fingerprint, Key, Nature, Reason, Record, Resolution, Stamp, State, Truth};
use seawall_core::event::{Fact, Sink};
use seawall_core::store::{Page, Store, StoreError, Wanted};
use seawall_core::{Clock, Code, Rejection};
use seawall_policy::Invalid;
pub use seawall_policy::effect::{Ending, Options};

use crate::lock;
use crate::time::default_clock;

pub use begin::{Begun, Kind, Wish};
pub use entity::Id;
pub use once::{Cx, Once};
pub use outcome::{Done, Durability, Ends, Failed, Means, Outcome, Undone};
pub use reconcile::{Doubtful, Found, Reconciled, Reconciler};
pub use stats::Stats;
pub use ticket::{Completed, Ticket};

use flight::Flights;
use keeper::Keeper;
use reconcile::Asking;
use stats::{Counters, Teller};

/// The guard: a namespace of effects in a store, and the thread that keeps their leases. Clones share it.
///
/// When the last clone is gone, and every kind and ticket with it, the thread tells the store what it has not heard yet,
/// and ends.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    namespace: Arc<str>,
    clock: Arc<dyn Clock>,
    sink: Option<Arc<dyn Sink>>,
    keeper: Arc<Keeper>,
    kinds: Mutex<HashMap<Arc<str>, Arc<Registered>>>,
    flights: Flights,
}

/// What all handles of one kind share.
struct Registered {
    teller: Arc<Teller>,
    asking: Mutex<Option<Arc<Asking>>>,
}

impl Guard {
    /// A guard on tokio's clock that tells nobody. `namespace` tells its effects from those of others in the same store;
    /// every process that must not do the same thing twice uses the same.
    pub fn new(namespace: impl Into<Arc<str>>, store: Arc<dyn Store>) -> Result<Self, Invalid> {
        Self::with(namespace, store, default_clock(), None)
    }

    /// The same on a clock of your own, offering what the store notes to a sink.
    pub fn with(
        namespace: impl Into<Arc<str>>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Self, Invalid> {
        let namespace = namespace.into();
        plain("namespace", &namespace)?;
        let keeper = Keeper::start(store, clock.clone())?;
        let (kinds, flights) = (Mutex::default(), Flights::default());
        Ok(Self(Arc::new(Inner { namespace, clock, sink, keeper, kinds, flights })))
    }

    /// A type of effect. The same name twice is the same type, counted together; the options are this handle's.
    pub fn kind(&self, name: &str, options: Options) -> Result<Kind, Invalid> {
        plain("type", name)?;
        options.check()?;
        let registered =
            lock(&self.0.kinds).entry(name.into()).or_insert_with(|| self.register(name)).clone();
        Ok(Kind::new(self.clone(), registered, options))
    }

    fn register(&self, name: &str) -> Arc<Registered> {
        let (clock, sink) = (self.0.clock.clone(), self.0.sink.clone());
        let teller = Arc::new(Teller { name: name.into(), counters: Counters::default(), clock, sink });
        Arc::new(Registered { teller, asking: Mutex::default() })
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Arc<str> {
        &self.0.namespace
    }

    /// Where it remembers.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.keeper.store
    }

    /// What happened, type by type, in the order of their names.
    pub fn stats(&self) -> Vec<(Arc<str>, Stats)> {
        let mut all: Vec<_> = lock(&self.0.kinds)
            .iter()
            .map(|(name, kind)| (name.clone(), kind.teller.counters.read()))
            .collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// Words the store has not heard yet: of runs that ended while it did not answer, of tickets that were dropped.
    pub fn unsaid(&self) -> usize {
        self.0.keeper.unsaid()
    }

    /// Waits until the store has heard everything, at most so long. Gives what is still unsaid.
    pub async fn flush(&self, within: Duration) -> usize {
        self.0.keeper.flush(within).await.unwrap_or_default()
    }

    /// Ends in order: refuses every new wish ([`Code::Draining`]), lets what runs come to its end, marks what still runs
    /// near the end of the time as in doubt, and says everything that is unsaid. Gives what is still unsaid: those
    /// effects will be in doubt when their leases are over.
    pub async fn shutdown(&self, within: Duration) -> usize {
        self.0.keeper.shutdown(within).await.unwrap_or_default()
    }

    fn is_draining(&self) -> bool {
        self.0.keeper.draining.load(Ordering::Relaxed)
    }

    fn keeper(&self) -> &Arc<Keeper> {
        &self.0.keeper
    }

    fn flights(&self) -> &Flights {
        &self.0.flights
    }

    /// The type a record is of, where it is one of this guard's.
    fn kind_of(&self, label: &str) -> Option<Arc<Registered>> {
        let rest = label.strip_prefix(&*self.0.namespace)?.strip_prefix(":effect:")?;
        let (name, _) = rest.split_once(':')?;
        lock(&self.0.kinds).get(name).cloned()
    }

    /// Records by state and label, page by page, of everybody who shares the store.
    pub async fn list(&self, wanted: Wanted) -> Result<Page, Rejection> {
        self.store().list(wanted).await.map_err(|error| told(&error))
    }

    /// How an effect stands; none is that nobody remembers it.
    pub async fn show(&self, key: Key) -> Result<Option<Record>, Rejection> {
        match self.put(&Operation::Peek { key }).await? {
            Answer::Found(record) => Ok(record.map(|record| *record)),
            other => Err(strange(&other)),
        }
    }

    /// A person decides how an effect in doubt ended. Refuses without who and why, and where there is no doubt.
    pub async fn force(
        &self,
        key: Key,
        by: &str,
        reason: &str,
        resolution: Resolution,
    ) -> Result<(), Rejection> {
        if by.trim().is_empty() || reason.trim().is_empty() {
            return Err(Rejection::new(Code::LeverUnsigned));
        }
        let Some(record) = self.show(key).await? else { return Err(nothing("absent")) };
        let (by, reason): (Arc<str>, Arc<str>) = (by.into(), reason.into());
        let question = Operation::Force { key, by: by.clone(), reason: reason.clone(), resolution };
        let told = self.store().ask(question).await.map_err(|error| told(&error))?;
        let registered = self.kind_of(&record.label).unwrap_or_else(|| self.register(&self.0.namespace));
        registered.teller.noted(&record.label, told.notes);
        match told.answer {
            Answer::Ok => {
                registered.teller.tell(Fact::Lever { action: "force", by, reason });
                Ok(())
            }
            Answer::No { state } => Err(nothing(state)),
            other => Err(strange(&other)),
        }
    }

    async fn put(&self, question: &Operation) -> Result<Answer, Rejection> {
        self.store().ask(question.clone()).await.map(|told| told.answer).map_err(|error| told(&error))
    }
}

fn nothing(state: &str) -> Rejection {
    Rejection::new(Code::NoSuchThing)
        .because(format!("the effect is {state}: only what is in doubt can be decided"))
}

fn told(error: &StoreError) -> Rejection {
    Rejection::new(Code::StoreUnavailable).because(error.to_string()).after(Duration::from_secs(1))
}

fn strange(answer: &Answer) -> Rejection {
    Rejection::new(Code::StoreUnavailable).because(format!("the store answered {answer:?}"))
}

/// The longest name of a namespace or a type.
const LONGEST_NAME: usize = 80;

/// A name that reads back from a label.
fn plain(key: &'static str, name: &str) -> Result<(), Invalid> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    let shown: String = name.chars().take(40).collect();
    Err(Invalid::new(
        key,
        format!("{shown:?} is no name: write 1 to {LONGEST_NAME} letters, digits, '-', '_' or '.'"),
    ))
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.keeper.close();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("namespace", &self.0.namespace).finish_non_exhaustive()
    }
}
