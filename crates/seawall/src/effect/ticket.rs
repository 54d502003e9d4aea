//! The right to run an effect: held while it runs, and given back with how it ended.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::Instant;
use seawall_core::effect::{Answer, Begin, Key, Nature, Operation, Outcome, Token};
use seawall_policy::effect::grant;

use super::ask::ask;
use super::begin::Kind;
use super::keeper::{Holding, Job, Keeper, LOOKS, Live, What};
use super::outcome::Durability;
use super::stats::{Teller, one};

/// The right to run. Nobody else runs the effect until it is completed.
///
/// While it is held, its lease is renewed by a thread of its own, at most until the time a call may take is over.
/// Dropping it without [`Ticket::complete`] puts the effect in doubt: the drop itself is told to the store, as soon as
/// it can be, from that thread.
#[must_use = "a ticket that is dropped puts its effect in doubt"]
pub struct Ticket {
    keeper: Arc<Keeper>,
    patience: Duration,
    right: Right,
    view: View,
    /// Can an earlier run of it be in doubt?
    earlier: bool,
}

enum Right {
    /// Granted by the store.
    Granted(Arc<Live>),
    /// The store did not answer, and the options allow to go on.
    Unjournalled(Arc<Teller>, Box<Begin>),
    /// Given back.
    Over,
}

/// What a run may know of its right. Clones look at the same.
#[derive(Clone)]
pub(super) struct View {
    keeper: Arc<Keeper>,
    live: Option<Arc<Live>>,
    key: Key,
    downstream: Arc<str>,
    limit: Instant,
}

/// What became of a word on how a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completed {
    /// Does the journal know?
    pub durability: Durability,
    /// The effect had been given up for doubtful, and this ended the doubt.
    pub late: bool,
    /// It was said that this run has not taken place, and the effect may have all the same: by an earlier run nobody
    /// knows the end of, or by somebody else's. Whoever wanted it must be told *unknown*, not *not done*.
    pub doubted: bool,
}

impl Ticket {
    pub(super) fn granted(kind: &Kind, begin: &Begin, token: Token, asked: Instant) -> Self {
        let keeper = kind.keeper().clone();
        let limit = asked + begin.call;
        let holding = Holding {
            key: begin.key,
            label: begin.label.clone(),
            token,
            teller: kind.teller().clone(),
            lease: begin.lease,
            limit,
            runs: true,
        };
        let live = keeper.hold(holding, asked);
        let view = View::new(&keeper, Some(live.clone()), begin.key, limit);
        let earlier = grant(token) > 1 && matches!(begin.nature, Nature::Idempotent | Nature::Keyed { .. });
        Self { keeper, patience: kind.options().patience, right: Right::Granted(live), view, earlier }
    }

    pub(super) fn unjournalled(kind: &Kind, begin: Box<Begin>, asked: Instant) -> Self {
        let keeper = kind.keeper().clone();
        let view = View::new(&keeper, None, begin.key, asked + begin.call);
        one(&kind.teller().counters.unjournalled);
        let right = Right::Unjournalled(kind.teller().clone(), begin);
        // What became of it before, only the store knows.
        Self { keeper, patience: kind.options().patience, right, view, earlier: true }
    }

    /// The right itself, as the store knows it; none where it was not asked. Its epoch grows with every grant: a far
    /// side that can compare may refuse what comes with an older one.
    pub fn token(&self) -> Option<Token> {
        self.view.live.as_ref().map(|live| live.token)
    }

    /// What the far side is to recognise a second copy by: a UUID that follows from the effect's key alone, the same for
    /// every attempt, in every process.
    pub fn downstream_key(&self) -> &Arc<str> {
        &self.view.downstream
    }

    /// Which grant of its effect it is, from 1; grants to find out count too. 0 where the store was not asked.
    pub fn attempt(&self) -> u64 {
        self.view.attempt()
    }

    /// Nothing may be sent after this moment: neither the lease nor the time a call may take would cover it. It moves as
    /// the lease is renewed.
    pub fn send_before(&self) -> Instant {
        self.view.send_before()
    }

    /// May something be sent now? To be asked right before the first byte leaves.
    pub fn may_send(&self) -> bool {
        self.view.may_send()
    }

    /// Has somebody else been told that the effect is in doubt, as far as is known here?
    pub fn is_lost(&self) -> bool {
        self.view.is_lost()
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// Says how it ended. This never fails: what the store does not hear now it is told later, from the guard's own
    /// thread; dropping this future loses nothing either.
    pub async fn complete(mut self, outcome: Outcome) -> Completed {
        let denied = matches!(outcome, Outcome::NotApplied { .. });
        let said = |durability| Completed { durability, late: false, doubted: false };
        let unheard = |durability| Completed { doubted: denied && self.earlier, ..said(durability) };
        match mem::replace(&mut self.right, Right::Over) {
            Right::Granted(live) => {
                self.keeper.release(&live);
                live.teller.ended(&outcome);
                let question = Operation::Complete { key: live.key, token: live.token, outcome };
                let mut word = Word::of_run(&self.keeper, &live, question);
                match word.say(self.patience).await {
                    Some(Answer::Ok | Answer::Already) => said(Durability::Kept),
                    Some(Answer::Late) => Completed { late: true, ..said(Durability::Kept) },
                    Some(Answer::InDoubt { .. }) => Completed { doubted: true, ..said(Durability::Kept) },
                    Some(answer) => {
                        if answer == Answer::Fenced {
                            one(&live.teller.counters.fenced);
                        }
                        Completed { doubted: denied, ..said(Durability::Disputed) }
                    }
                    None => unheard(Durability::Spooled),
                }
            }
            Right::Unjournalled(teller, begin) => {
                teller.ended(&outcome);
                let label = begin.label.clone();
                self.keeper.queue(Job { label, teller, what: What::Note { begin, outcome } });
                unheard(Durability::Unjournalled)
            }
            Right::Over => Completed { doubted: denied, ..said(Durability::Disputed) },
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let why = if std::thread::panicking() { "it panicked" } else { "it was dropped while it ran" };
        let outcome = Outcome::Unknown { detail: Arc::from(why) };
        match mem::replace(&mut self.right, Right::Over) {
            Right::Granted(live) => {
                live.teller.ended(&outcome);
                self.keeper.release(&live);
                let question = Operation::Complete { key: live.key, token: live.token, outcome };
                drop(Word::of_run(&self.keeper, &live, question));
            }
            Right::Unjournalled(teller, begin) => {
                let label = begin.label.clone();
                teller.ended(&outcome);
                self.keeper.queue(Job { label, teller, what: What::Note { begin, outcome } });
            }
            Right::Over => {}
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("key", &self.view.key)
            .field("token", &self.token())
            .finish_non_exhaustive()
    }
}

impl View {
    fn new(keeper: &Arc<Keeper>, live: Option<Arc<Live>>, key: Key, limit: Instant) -> Self {
        Self { keeper: keeper.clone(), live, key, downstream: downstream_key(key), limit }
    }

    pub(super) fn downstream_key(&self) -> &Arc<str> {
        &self.downstream
    }

    pub(super) fn attempt(&self) -> u64 {
        self.live.as_ref().map_or(0, |live| grant(live.token))
    }

    pub(super) fn send_before(&self) -> Instant {
        self.live.as_ref().map_or(self.limit, |live| live.held().min(self.limit))
    }

    pub(super) fn may_send(&self) -> bool {
        self.keeper.clock.now() < self.send_before()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.held() <= self.keeper.clock.now())
    }

    pub(super) fn left(&self) -> Duration {
        self.keeper.clock.now().until(self.send_before())
    }
}

/// Something that must be said: what is not heard when this is dropped, the keeper says.
pub(super) struct Word {
    keeper: Arc<Keeper>,
    unsaid: Option<Job>,
}

impl Word {
    pub(super) fn of_run(keeper: &Arc<Keeper>, live: &Live, question: Operation) -> Self {
        let (label, teller) = (live.label.clone(), live.teller.clone());
        let what = What::Say(question);
        Self { keeper: keeper.clone(), unsaid: Some(Job { label, teller, what }) }
    }

    /// A wish to be taken back unless its answer comes.
    pub(super) fn of_wish(kind: &Kind, begin: &Begin) -> Self {
        let what = What::Retract { key: begin.key, nonce: begin.nonce, looks: LOOKS };
        let (label, teller) = (begin.label.clone(), kind.teller().clone());
        Self { keeper: kind.keeper().clone(), unsaid: Some(Job { label, teller, what }) }
    }

    /// The answer came.
    pub(super) fn heard(mut self) {
        self.unsaid = None;
    }

    /// Says it now; none is that the keeper does it later.
    pub(super) async fn say(&mut self, patience: Duration) -> Option<Answer> {
        let job = self.unsaid.as_ref()?;
        let What::Say(question) = &job.what else { return None };
        let told = ask(&*self.keeper.store, question, patience).await.ok()?;
        let job = self.unsaid.take()?;
        job.teller.noted(&job.label, told.notes);
        Some(told.answer)
    }
}

impl Drop for Word {
    fn drop(&mut self) {
        if let Some(job) = self.unsaid.take() {
            self.keeper.queue(job);
        }
    }
}

/// A UUID (version 8: our own making) of the key's bits.
pub(super) fn downstream_key(key: Key) -> Arc<str> {
    let mut bytes = *key.as_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = Key::from_bytes(bytes).to_string();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]).into()
}
