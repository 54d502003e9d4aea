//! One type of effect, and the question that stands before every run: may I?

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::effect::{Answer, Begin, Fingerprint, Key, Operation, Reason, Stamp, Truth};
use seawall_core::{Certainty, Code, Rejection};
use seawall_policy::effect::Options;

use super::ask::{ask, nonce};
use super::entity::Id;
use super::keeper::Keeper;
use super::once::Once;
use super::outcome::{busy, cooling, doubtful, expired};
use super::stats::{Stats, Teller, one};
use super::ticket::{Ticket, Word};
use super::{Guard, Registered};

/// Words the store has not heard yet, beyond which nothing more is run without it.
const MOST_UNSAID: usize = 100_000;

/// One type of effect under a guard. Clones share everything.
#[derive(Clone)]
pub struct Kind(Arc<Of>);

struct Of {
    guard: Guard,
    registered: Arc<Registered>,
    options: Options,
}

/// A wish to run an effect, as the plain question sees it.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Which, in the caller's own words; at most so long as is sensible to hash.
    pub id: &'a str,
    /// Whose: equal ids of two scopes are two effects. Goes into the key, and is neither stored nor shown; empty where
    /// there is none.
    pub scope: &'a [u8],
    /// Which of several equal ones; 0 where the id is the caller's own intent.
    pub occurrence: u32,
    /// What it is asked to do.
    pub print: Fingerprint,
    /// How long ago it was first wanted, where that is known.
    pub age: Option<Duration>,
}

/// The answer to a wish.
#[derive(Debug)]
pub enum Begun {
    /// Run it, and say how it ended.
    Run(Ticket),
    /// It is finished: this is how it ended, and what it answered, if that is still kept.
    Replay {
        /// How it ended.
        truth: Truth,
        /// What it answered.
        result: Option<Arc<[u8]>>,
    },
    /// Somebody else is at it; ask again after this.
    Busy(Duration),
    /// It did not take place, and is not run again yet; ask again after this.
    Cooldown(Duration),
    /// It did not take place, as often as it may be run.
    Exhausted,
    /// Its key was used for something else.
    Mismatch,
    /// The wish is older than what is remembered.
    Expired,
    /// It may have taken place.
    InDoubt {
        /// Since when.
        since: Stamp,
        /// Why.
        reason: Reason,
        /// Nobody could find out: only a person can.
        quarantined: bool,
    },
}

impl Begun {
    /// The answer as a refusal, where it is one.
    pub fn rejection(&self) -> Option<Rejection> {
        Some(match self {
            Begun::Run(_) | Begun::Replay { .. } => return None,
            Begun::Busy(wait) => busy(*wait),
            Begun::Cooldown(wait) => cooling(*wait),
            Begun::Exhausted => Rejection::new(Code::AttemptsExhausted),
            Begun::Mismatch => Rejection::new(Code::KeyReused),
            Begun::Expired => expired(),
            Begun::InDoubt { reason, quarantined, .. } => doubtful(*reason, *quarantined),
        })
    }
}

impl Kind {
    pub(super) fn new(guard: Guard, registered: Arc<Registered>, options: Options) -> Self {
        Self(Arc::new(Of { guard, registered, options }))
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.teller().name
    }

    /// The options it runs by.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// What happened to its effects.
    pub fn stats(&self) -> Stats {
        self.teller().counters.read()
    }

    /// The key of one of its effects.
    pub fn key(&self, id: &str, occurrence: u32) -> Key {
        Key::of(self.guard().namespace(), self.name(), id.as_bytes(), occurrence)
    }

    /// An effect to be done once. An id that is a text is the caller's own intent; one that follows from what is wanted
    /// comes from [`entity`](super::entity).
    pub fn once(&self, id: impl Into<Id>) -> Once {
        Once::new(self.clone(), id.into())
    }

    /// The key of a wish.
    pub fn key_of(&self, wish: &Wish<'_>) -> Key {
        if wish.scope.is_empty() {
            return self.key(wish.id, wish.occurrence);
        }
        let (namespace, id) = (self.guard().namespace(), wish.id.as_bytes());
        Key::scoped(namespace, self.name(), wish.scope, id, wish.occurrence)
    }

    /// The name people see an effect of this type by. Effects of one id in several scopes are told apart by the first
    /// digits of their keys.
    pub fn label_of(&self, wish: &Wish<'_>) -> Arc<str> {
        let scope = (!wish.scope.is_empty()).then(|| self.key_of(wish));
        label(self.guard().namespace(), self.name(), wish.id, wish.occurrence, scope)
    }

    pub(super) fn guard(&self) -> &Guard {
        &self.0.guard
    }

    pub(super) fn registered(&self) -> &Arc<Registered> {
        &self.0.registered
    }

    pub(super) fn teller(&self) -> &Arc<Teller> {
        &self.0.registered.teller
    }

    pub(super) fn keeper(&self) -> &Arc<Keeper> {
        self.0.guard.keeper()
    }

    /// Asks whether the effect may be run: one round trip to the store.
    ///
    /// A reply that is lost is asked for again with the same nonce; when the store does not answer for
    /// [`Options::patience`], nothing was begun, the wish is taken back as soon as the store is there, and this refuses
    /// with [`Code::StoreUnavailable`]. Dropping this future takes the wish back too.
    pub async fn begin(&self, wish: &Wish<'_>) -> Result<Begun, Rejection> {
        let keeper = self.keeper();
        if self.guard().is_draining() {
            return Err(Rejection::new(Code::Draining).certainty(Certainty::Unknown));
        }
        let options = self.options();
        let begin = Begin {
            key: self.key_of(wish),
            label: self.label_of(wish),
            print: wish.print,
            nonce: nonce(),
            nature: options.nature,
            age: wish.age,
            lease: options.lease,
            call: options.call,
            settle: options.settle(),
            max_attempts: options.most_attempts(),
            keep: options.memory(),
        };
        // The lease runs from when the store first heard of it, which is not before now.
        let asked = keeper.clock.now();
        let word = Word::of_wish(self, &begin);
        let question = Operation::Begin(begin.clone());
        let told = match ask(&*keeper.store, &question, options.patience).await {
            Ok(told) => told,
            Err(error) => {
                one(&self.teller().counters.unanswered);
                // Every such run leaves a word for later: a journal that is long away must not fill the memory.
                if options.may_go_unjournalled(wish.age) && keeper.unsaid() < MOST_UNSAID {
                    // What is found of the wish later is completed with how this run ends.
                    word.heard();
                    return Ok(Begun::Run(Ticket::unjournalled(self, Box::new(begin), asked)));
                }
                return Err(unavailable(error.to_string()));
            }
        };
        self.teller().answered(&told.answer);
        self.teller().noted(&begin.label, told.notes);
        let begun = match told.answer {
            Answer::Run(token) => Begun::Run(Ticket::granted(self, &begin, token, asked)),
            Answer::Replay(truth, result) => Begun::Replay { truth, result },
            Answer::Busy(wait) => Begun::Busy(wait),
            Answer::Cooldown(wait) => Begun::Cooldown(wait),
            Answer::Exhausted => Begun::Exhausted,
            Answer::Mismatch => Begun::Mismatch,
            Answer::Expired => Begun::Expired,
            Answer::InDoubt { since, reason, quarantined } => Begun::InDoubt { since, reason, quarantined },
            other => return Err(unavailable(format!("the store answered {other:?} to a wish"))),
        };
        word.heard();
        Ok(begun)
    }
}

fn unavailable(reason: String) -> Rejection {
    // This wish was not fulfilled; whether somebody fulfilled it before cannot be known without the store.
    Rejection::new(Code::StoreUnavailable)
        .because(reason)
        .after(Duration::from_secs(1))
        .certainty(Certainty::Unknown)
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind")
            .field("name", self.name())
            .field("options", self.options())
            .finish_non_exhaustive()
    }
}

/// The longest name for people.
const LONGEST_LABEL: usize = 512;
/// Digits of a key that tell two scopes apart.
const TELLING: usize = 8;

/// `{namespace}:effect:{type}:{id}`, `#n` for the nth further occurrence, and `@` with digits of the key for one of a
/// scope. What is too long, or cannot be shown, is cut, and ends in a digest of the whole.
pub(super) fn label(namespace: &str, kind: &str, id: &str, occurrence: u32, scope: Option<Key>) -> Arc<str> {
    let mut text = format!("{namespace}:effect:{kind}:{id}");
    if occurrence > 0 {
        text.push_str(&format!("#{occurrence}"));
    }
    if let Some(key) = scope {
        text.push_str(&format!("@{}", &key.to_string()[..TELLING]));
    }
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    if text.len() <= LONGEST_LABEL && !text.contains(char::is_control) {
        return text.into();
    }
    let digest = Fingerprint::of(&[text.as_bytes()]).to_string();
    let mut text: String = text.chars().map(shown).collect();
    text.truncate(text.floor_char_boundary(LONGEST_LABEL - 1 - 16));
    format!("{text}~{}", &digest[..16]).into()
}
