//! Finds out what became of effects in doubt, by a callback of the user's.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::Rejection;
use seawall_core::effect::{Answer, Finding, Key, Operation, Reason, Record, Stamp, Truth};
use seawall_core::store::Wanted;
use seawall_policy::effect::Options;
use serde::Serialize;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::ask::{ask, nonce};
use super::keeper::Holding;
use super::ticket::{Word, downstream_key};
use super::{Guard, Kind, Registered, told};
use crate::lock;

/// Doubts that are looked into at once.
const AT_ONCE: usize = 8;
/// Records in a page of the list.
const PAGE: usize = 200;

/// An effect somebody is to find out about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubtful {
    /// Its name for people.
    pub label: Arc<str>,
    /// Its key.
    pub key: Key,
    /// The key the far side was given.
    pub downstream_key: Arc<str>,
    /// Since when it is in doubt.
    pub since: Stamp,
    /// Why.
    pub reason: Reason,
    /// When it was first run.
    pub first: Stamp,
    /// Whether nothing of the call can be under way any more: what is not there now will never be.
    pub quiet: bool,
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<T, E> {
    /// It took place, and this is what it gave.
    Applied(T),
    /// It was refused for good.
    Rejected(E),
    /// It is not there.
    NotThere {
        /// The far side now refuses what of the old call may still arrive (it was cancelled by its key, say). Without
        /// that it is believed only when it was asked after everything had settled; too early, it is asked again then.
        fenced: bool,
    },
    /// Nothing; why, in words. After ten of these a person is asked.
    Unknown(String),
}

/// What one pass came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// Effects in doubt that were seen, of types that can be asked about.
    pub seen: usize,
    /// Of these, asked about; the others had to wait, or somebody else was at it.
    pub asked: usize,
    /// Of these, ended by it.
    pub settled: usize,
}

type Answering = Pin<Box<dyn Future<Output = Finding> + Send>>;

/// How to find out about one type of effect.
pub(super) struct Asking {
    find: Box<dyn Fn(Doubtful) -> Answering + Send + Sync>,
    options: Options,
}

impl Kind {
    /// Tells how to find out what became of an effect in doubt. It runs in [`Guard::reconcile_once`] and
    /// [`Guard::reconcile_every`], for at most as long as a call may take; a panic finds nothing out. The
    /// guard keeps the callback: one that holds the guard keeps it for ever.
    pub fn reconcile_with<F, Fut, T, E>(&self, find: F)
    where
        F: Fn(Doubtful) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Found<T, E>> + Send + 'static,
        T: Serialize + Send,
        E: Serialize + Send,
    {
        let cap = usize::try_from(self.options().result.0).unwrap_or(usize::MAX);
        let find = move |doubt| -> Answering {
            let finding = find(doubt);
            Box::pin(async move { finding.await.finding(cap) })
        };
        let asking = Asking { find: Box::new(find), options: self.options().clone() };
        *lock(&self.registered().asking) = Some(Arc::new(asking));
    }
}

impl Kind {
    /// Nobody is asked any more: from now on a person finds out.
    pub fn reconcile_by_hand(&self) {
        *lock(&self.registered().asking) = None;
    }
}

impl<T: Serialize, E: Serialize> Found<T, E> {
    fn finding(self, cap: usize) -> Finding {
        let kept =
            |bytes: serde_json::Result<Vec<u8>>| bytes.ok().filter(|bytes| bytes.len() <= cap).map(Arc::from);
        match self {
            Found::Applied(value) => Finding::Ended(Truth::Applied, kept(serde_json::to_vec(&value))),
            Found::Rejected(error) => Finding::Ended(Truth::Rejected, kept(serde_json::to_vec(&error))),
            Found::NotThere { fenced } => Finding::NotApplied { fenced },
            Found::Unknown(why) => unknown(&why),
        }
    }
}

fn unknown(why: &str) -> Finding {
    Finding::Unknown { detail: why[..why.floor_char_boundary(200)].into() }
}

impl Guard {
    /// Lets the store's time pass, and asks once about every effect in doubt that is due and whose type says how. Several
    /// processes may do this at the same time: each doubt is looked into by one.
    pub async fn reconcile_once(&self) -> Result<Reconciled, Rejection> {
        self.sweep().await?;
        let mut pass = Reconciled::default();
        let mut asking = JoinSet::new();
        let mut after = None;
        loop {
            let wanted = Wanted { state: Some("in-doubt".into()), after, limit: PAGE };
            let page = self.store().list(wanted).await.map_err(|error| told(&error))?;
            for (key, record) in page.records {
                let Some(registered) = self.kind_of(&record.label) else { continue };
                let Some(how) = lock(&registered.asking).clone() else { continue };
                pass.seen += 1;
                if asking.len() >= AT_ONCE
                    && let Some(Ok(ended)) = asking.join_next().await
                {
                    pass.count(ended);
                }
                let guard = self.clone();
                asking.spawn(async move { guard.look_into(key, record, registered, how).await });
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        while let Some(ended) = asking.join_next().await {
            pass.count(ended.unwrap_or_default());
        }
        Ok(pass)
    }

    /// Does so again and again, until the handle is dropped. The pause is between passes; one that fails because the
    /// store does not answer is made up for by the next.
    pub fn reconcile_every(&self, pause: Duration) -> Reconciler {
        let guard = self.clone();
        let task = tokio::spawn(async move {
            let mut ticks = interval(pause.max(Duration::from_millis(1)));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let _ = guard.reconcile_once().await;
            }
        });
        Reconciler(task)
    }

    async fn sweep(&self) -> Result<(), Rejection> {
        loop {
            let swept = self.store().sweep(1000).await.map_err(|error| told(&error))?;
            for (label, note) in swept.notes {
                if let Some(kind) = self.kind_of(&label) {
                    kind.teller.noted(&label, vec![note]);
                }
            }
            if swept.changed < 1000 {
                return Ok(());
            }
        }
    }

    /// Whether it was asked about, and whether that ended it.
    async fn look_into(
        self,
        key: Key,
        record: Record,
        registered: Arc<Registered>,
        how: Arc<Asking>,
    ) -> (bool, bool) {
        let Some(doubt) = record.state.doubt() else { return (false, false) };
        let (keeper, options) = (self.keeper(), &how.options);
        let asked = keeper.clock.now();
        let question = Operation::Reconcile { key, nonce: nonce(), lease: options.lease };
        let Ok(told) = ask(&*keeper.store, &question, options.patience).await else { return (false, false) };
        registered.teller.noted(&record.label, told.notes);
        let Answer::Reconcile { token, quiet } = told.answer else { return (false, false) };
        let doubtful = Doubtful {
            label: record.label.clone(),
            key,
            downstream_key: downstream_key(key),
            since: doubt.since,
            reason: doubt.reason,
            first: record.first,
            quiet,
        };
        let holding = Holding {
            key,
            label: record.label.clone(),
            token,
            teller: registered.teller.clone(),
            lease: options.lease,
            limit: asked + options.call,
            runs: false,
        };
        let held = Held(&self, keeper.hold(holding, asked));
        let mut finding = JoinSet::new();
        let answering = how.clone();
        // On a task of its own, so that a panic of the callback finds nothing out and breaks nothing.
        finding.spawn(async move { (answering.find)(doubtful).await });
        let finding = match timeout(options.call, finding.join_next()).await {
            Ok(Some(Ok(finding))) => finding,
            Ok(_) => unknown("finding out panicked"),
            Err(_) => unknown("finding out took too long"),
        };
        let settles = match finding {
            Finding::Ended(..) => true,
            Finding::NotApplied { fenced } => fenced || quiet,
            Finding::Unknown { .. } => false,
        };
        let question = Operation::Resolve { key, token, finding };
        let mut word = Word::of_run(keeper, &held.1, question);
        let answer = word.say(options.patience).await;
        drop(held);
        (true, settles && answer == Some(Answer::Ok))
    }
}

struct Held<'a>(&'a Guard, Arc<super::keeper::Live>);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.keeper().release(&self.1);
    }
}

impl Reconciled {
    fn count(&mut self, (asked, settled): (bool, bool)) {
        self.asked += usize::from(asked);
        self.settled += usize::from(settled);
    }
}

/// Passes over the doubts, until it is dropped. A pass under way is dropped with it; what it had asked for lapses.
#[derive(Debug)]
#[must_use = "dropping it ends the passes"]
pub struct Reconciler(JoinHandle<()>);

impl Drop for Reconciler {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").finish_non_exhaustive()
    }
}
