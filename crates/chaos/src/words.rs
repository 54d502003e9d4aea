//! The words between the driver and whoever does effects: one line of JSON each, so that whoever is killed in the middle
//! leaves everything it had said.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use seawall::effect::{Fingerprint, Reason};
use seawall_core::clock::wall_now;
use serde::{Deserialize, Serialize};

/// A closed list of words: each value's name, all of them, and how it is written.
#[doc(hidden)]
#[macro_export]
macro_rules! listed {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result { f.pad(self.as_str()) }
        }
    };
}

/// Nanoseconds since 1970: the one clock all processes of a run and the server share.
pub type At = u64;

/// The present moment.
pub fn now() -> At {
    let since = wall_now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A span in the unit of [`At`].
pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

crate::listed! {
    /// A type of effect, by what the far side does with a second copy.
    Kind {
        /// Opaque: nothing is known of it, a person ends a doubt.
        Letter = "letter",
        /// Queryable: "not there" is believed once all is quiet.
        Order = "order",
        /// Queryable: the far side is told to refuse what is late.
        Booking = "booking",
        /// Keyed: the far side makes one of two.
        Charge = "charge",
        /// Idempotent: two are as good as one.
        Setting = "setting",
    }
}

/// One effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct What {
    /// Its type.
    pub kind: Kind,
    /// Which of its type.
    pub id: u64,
}

impl What {
    /// What it is asked to do: the bytes behind its fingerprint. `args` 0 is what is meant; another is a mistake.
    pub fn payload(self, args: u64) -> Vec<u8> {
        format!("{self} with {args}").into_bytes()
    }

    /// The digest of the payload, as the ledger is told it.
    pub fn print(self, args: u64) -> String {
        Fingerprint::of(&[&self.payload(args)]).to_string()
    }

    /// The effect in a label `{namespace}:effect:{type}:{id}`.
    pub fn labelled(label: &str) -> Option<Self> {
        let (_, rest) = label.split_once(":effect:")?;
        rest.replacen(':', "/", 1).parse().ok()
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no effect: write something like order/17");
        let (kind, id) = text.split_once('/').ok_or_else(wrong)?;
        let kind = Kind::ALL.iter().find(|known| known.as_str() == kind).ok_or_else(wrong)?;
        Ok(Self { kind: *kind, id: id.parse().map_err(|_| wrong())? })
    }
}

impl Serialize for What {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for What {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What goes wrong between an operation and the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// The operation finds out that it cannot send, after so many milliseconds.
    NotSent(u64),
    /// The ledger takes so many milliseconds, and answers in time.
    Slow(u64),
    /// The request arrives so many milliseconds late: whoever sent it has given up, or is dead.
    Held(u64),
    /// It arrives, and the reply is lost.
    Unanswered,
    /// The far side refuses it for good.
    Refused,
}

impl Trouble {
    /// Does it leave a doubt? Whoever says nothing for longer than a call may take is given up for doubtful, too.
    pub const fn blinds(self) -> bool {
        matches!(self, Trouble::Held(_) | Trouble::Unanswered | Trouble::NotSent(3000..))
    }
}

/// A wish for an effect, as a worker is given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number: never used twice in a run.
    pub n: u64,
    /// Which effect.
    pub what: What,
    /// What it is asked to do: see [`What::payload`].
    pub args: u64,
    /// How long ago it was first wanted, in milliseconds; none says nothing.
    pub age: Option<u64>,
    /// How long to wait for somebody else's run, in milliseconds; 0 asks once.
    pub wait: u64,
    /// Through a ticket, as a gateway does, instead of a closure.
    pub ticket: bool,
    /// What goes wrong.
    pub trouble: Trouble,
}

impl Job {
    /// A wish that goes well.
    pub const fn plain(n: u64, what: What) -> Self {
        Self { n, what, args: 0, age: Some(0), wait: 0, ticket: false, trouble: Trouble::None }
    }
}

/// What a worker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Do this once.
    Do(Job),
    /// Look into the doubts once.
    Reconcile,
    /// A person has looked: the ledger has it under this number, or not at all.
    Force {
        /// Which.
        what: What,
        /// The entry it has in the ledger, if it has one.
        entry: Option<u64>,
    },
    /// Say what the store still has to be told, and how all that is not finished stands.
    Audit,
    /// Say what was counted.
    Stats,
    /// Take an attempt of the job of that number, and make it: an effect of that number that goes well, or cannot be
    /// sent.
    Attempt {
        /// Which job.
        id: u64,
        /// Does it work?
        works: bool,
    },
    /// Somebody moves the breaker of the jobs: to half-open.
    HalfOpen,
    /// Say what was counted of jobs in the last hour, and how their breaker stands.
    Hour,
    /// End in order.
    End,
}

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// Its store is open.
    Up,
    /// The store granted a run.
    Granted {
        /// Of what.
        what: What,
        /// Under this number.
        epoch: u64,
        /// To whom.
        nonce: String,
        /// When it was asked for.
        asked: At,
        /// When it was answered.
        answered: At,
    },
    /// An operation began.
    Ran {
        /// In which wish.
        n: u64,
        /// By which grant.
        epoch: u64,
        /// When.
        at: At,
    },
    /// A wish was answered.
    Ended {
        /// Which.
        n: u64,
        /// How.
        how: How,
        /// When.
        at: At,
    },
    /// A pass over the doubts was made.
    Reconciled {
        /// How many were seen; none is that the store did not answer.
        seen: Option<usize>,
        /// How many ended by it.
        settled: usize,
    },
    /// A person's word was taken, or not.
    Forced {
        /// On what.
        what: What,
        /// Why not.
        refused: Option<String>,
    },
    /// Something an operator must see.
    Noted {
        /// Of what.
        what: Option<What>,
        /// In words.
        note: String,
    },
    /// An effect that is not finished stands thus.
    Stands {
        /// Which.
        what: What,
        /// The word of its state.
        state: String,
    },
    /// That was all; so much the store has not heard.
    Audited {
        /// Words it has not heard.
        unsaid: usize,
        /// Why there was no audit.
        failed: Option<String>,
    },
    /// What was counted of effects, of all types together.
    Counted {
        /// Granted runs.
        runs: u64,
        /// Runs that took place.
        applied: u64,
        /// Answers of runs that had ended.
        replays: u64,
        /// Wishes that found somebody at it, in another process.
        busy: u64,
        /// Wishes that joined a run of this process.
        joined: u64,
        /// Wishes for what is in doubt.
        doubtful: u64,
        /// Wishes without an answer of the store.
        unanswered: u64,
    },
    /// What became of an attempt.
    Attempted {
        /// Of which job.
        id: u64,
        /// What.
        how: Attempted,
    },
    /// How jobs are.
    Hour {
        /// The word for the breaker's state; none is that it cannot be read.
        breaker: Option<String>,
        /// Attempts of this process.
        attempts: u64,
        /// Of these, retries.
        retries: u64,
        /// Attempts of this process that were not made, because the breaker was open.
        blocked: u64,
        /// And because what is remembered could not be read.
        unavailable: u64,
    },
    /// It ends in order; so much the store has not heard.
    Bye {
        /// Words it has not heard.
        unsaid: usize,
    },
}

/// What became of an attempt of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attempted {
    /// It worked.
    Worked,
    /// It failed.
    Failed,
    /// It was not made: the word of the reason.
    Blocked(String),
}

/// How a wish was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Done: the ledger's number for it (0 where two are as good as one) and what it wrote down.
    Ok {
        /// The number.
        entry: u64,
        /// What was written down.
        print: String,
        /// Somebody's earlier run.
        replayed: bool,
        /// Does the store know?
        kept: bool,
    },
    /// Refused for good by the far side.
    Refused {
        /// Does the store know?
        kept: bool,
    },
    /// The run of this wish has not taken place.
    NotApplied {
        /// The wish whose run it was.
        run: u64,
    },
    /// Run just now, and nobody knows.
    Unknown,
    /// In doubt.
    InDoubt {
        /// Since when, in milliseconds since 1970, by the store's clock.
        since: u64,
        /// Why.
        reason: Reason,
        /// Only a person can find out.
        quarantined: bool,
    },
    /// Somebody else is at it.
    InFlight,
    /// The key was used for something else.
    Mismatch,
    /// Older than its record.
    Expired,
    /// It did not take place, as often as it may be tried.
    Exhausted,
    /// Not again yet.
    Cooldown,
    /// The store does not answer.
    Unavailable,
    /// Done, and what it answered was not kept.
    NotKept,
}

impl How {
    /// Nothing more needs to be said to the store about this wish.
    pub const fn settled(&self) -> bool {
        match self {
            How::Ok { kept, .. } | How::Refused { kept } => *kept,
            How::Unavailable | How::Unknown | How::NotApplied { .. } => false,
            _ => true,
        }
    }
}

/// One line, as it goes through a pipe.
pub fn line<T: Serialize>(word: &T) -> String {
    let mut text = serde_json::to_string(word).expect("our words have string keys only");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_reads_back_from_its_name_and_from_its_label() {
        for kind in Kind::ALL {
            let what = What { kind: *kind, id: 17 };
            assert_eq!(what.to_string().parse(), Ok(what));
            assert_eq!(What::labelled(&format!("chaos:effect:{kind}:17")), Some(what));
        }
        assert!("order".parse::<What>().is_err() && "mail/7".parse::<What>().is_err());
        assert_eq!(What::labelled("chaos:effect:order:17#1"), None);
    }

    #[test]
    fn every_word_survives_the_pipe() {
        let what = What { kind: Kind::Order, id: 3 };
        for trouble in [Trouble::None, Trouble::Held(9), Trouble::Unanswered, Trouble::Refused] {
            let order = Order::Do(Job { trouble, ..Job::plain(1, what) });
            assert_eq!(serde_json::from_str::<Order>(&line(&order)).unwrap(), order);
        }
        let how = How::InDoubt { since: 5, reason: Reason::Lease, quarantined: false };
        let said = Said::Ended { n: 1, how, at: 2 };
        assert_eq!(serde_json::from_str::<Said>(&line(&said)).unwrap(), said);
    }
}
