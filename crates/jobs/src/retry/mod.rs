//! Runs a failed job again: the steps of `seawall_policy::job`, awaited, counted, and written down.
//!
#![doc = include_str!("../../../../docs/jobs-retry.md")]

mod attempt;
mod build;
mod cells;
mod run;
#[cfg(test)]
mod tests;
mod types;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use seawall::breaker::State;
use seawall_core::audit::{Audit, AuditError, Entry};
use seawall_core::effect::Stamp;
use seawall_core::event::{Event, Fact, Sink};
use seawall_core::job::{JobState, Key, Notes, Record};
use seawall_core::random::Random;
use seawall_core::store::StoreError;
use seawall_core::{Clock, Instant};
use seawall_policy::breaker::{Moved, Refusal};
use seawall_policy::job;

pub use attempt::Attempt;
pub use build::Builder;
pub use run::{Failure, Stopped};
pub use seawall_policy::job::{Block, Lever, Next, Options, Summary, breaker};
pub use types::{Hour, Overflow};

use types::Types;

/// Decides and drives attempts of jobs. Clones share it; workers in other processes share what its [`JobState`] holds.
#[derive(Clone)]
pub struct Retrier(Arc<Inner>);

struct Inner {
    options: Options,
    of_type: Vec<(Arc<str>, Options)>,
    breaker: seawall::breaker::Options,
    clock: Arc<dyn Clock>,
    /// The same moment by the wall and by the clock.
    began: (Stamp, Instant),
    state: Arc<dyn JobState>,
    audit: Arc<dyn Audit>,
    sink: Option<Arc<dyn Sink>>,
    random: Random,
    types: Types,
}

/// An attempt that was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Why.
    pub reason: Block,
    /// The particulars, in words.
    pub why: String,
    /// When asking again makes sense, where that is known.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.why)
    }
}

impl std::error::Error for Blocked {}

/// Why somebody's word was not carried out. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It needs who and why.
    Unsigned,
    /// It could not be written down.
    Unwritten(AuditError),
    /// What is remembered of jobs cannot be read or written.
    Unavailable(StoreError),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Unsigned => f.write_str("an override needs who and why"),
            Refused::Unwritten(error) => error.fmt(f),
            Refused::Unavailable(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

/// How the breaker of a type of jobs stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where.
    pub state: State,
    /// Since when; none as long as it has never moved.
    pub since: Option<Stamp>,
    /// Who pulled the last lever, and why.
    pub lever: Option<seawall_core::job::Lever>,
}

/// A job that was given up, or whose cooldown stands, is remembered this long after its last word.
const KEEP: Duration = Duration::from_secs(8 * 86_400);

/// A breaker that somebody must override is remembered for as long as that may take.
const KEEP_TYPE: Duration = Duration::from_secs(3650 * 86_400);

impl Retrier {
    /// One with the published defaults, remembering in this process's memory.
    pub fn new() -> Self {
        Builder::default().made()
    }

    /// One of other options, or of another memory.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Would an attempt be made now? Takes nothing, counts nothing and writes nothing down.
    pub async fn may_retry(&self, job_type: &str, job_id: &str) -> Result<(), Blocked> {
        let (kind, now) = (self.0.types.name(job_type), self.now());
        let job = Key::Job(job_type.into(), job_id.into());
        let record: Record = self.read(&job).await?.unwrap_or_default();
        let options = self.options(&kind);
        blocked(job::begin(options, &record, now).1, options)?;
        let notes: Notes = self.read(&Key::Type(kind)).await?.unwrap_or_default();
        let asked = job::Gate::of(&self.0.breaker, &notes).ask(now, 0);
        asked.map(|_| ()).map_err(refused)
    }

    /// What is remembered of a job; nothing before its first attempt and after it worked.
    pub async fn job(&self, job_type: &str, job_id: &str) -> Result<Option<Record>, StoreError> {
        self.read(&Key::Job(job_type.into(), job_id.into())).await
    }

    /// How the breaker of a type stands.
    pub async fn breaker(&self, job_type: &str) -> Result<Standing, StoreError> {
        let notes: Notes = self.read(&Key::Type(self.0.types.name(job_type))).await?.unwrap_or_default();
        let gate = job::Gate::of(&self.0.breaker, &notes);
        let since = Some(gate.since()).filter(|since| *since > Stamp(0));
        Ok(Standing { state: gate.state(), since, lever: notes.lever })
    }

    /// Moves the breaker of a type. Takes who and why, and is written down first.
    pub async fn override_breaker(
        &self,
        job_type: &str,
        lever: Lever,
        by: &str,
        reason: &str,
    ) -> Result<State, Refused> {
        let kind = self.0.types.name(job_type);
        self.sign(Entry::closed("job.override", kind.clone()).with("lever", lever.as_str()), by, reason)?;
        let fact = Fact::Lever { action: lever.as_str(), by: by.into(), reason: reason.into() };
        self.tell(&kind, fact);
        let now = self.now();
        let told = seawall_core::job::Lever {
            action: lever.as_str().to_owned(),
            by: by.to_owned(),
            reason: reason.to_owned(),
            at: now,
        };
        let moved = self
            .change(&Key::Type(kind.clone()), KEEP_TYPE, |notes: &mut Notes| {
                notes.lever = Some(told.clone());
                Some(job::note(&self.0.breaker, notes, lever.note(), now))
            })
            .await
            .map_err(Refused::Unavailable)?;
        self.moved(&kind, moved);
        self.breaker(job_type).await.map(|standing| standing.state).map_err(Refused::Unavailable)
    }

    /// Gives a job all its attempts again, at once. Takes who and why, and is written down first.
    pub async fn grant(&self, job_type: &str, job_id: &str, by: &str, reason: &str) -> Result<(), Refused> {
        let key = Key::Job(job_type.into(), job_id.into());
        self.sign(Entry::closed("job.override", key.to_string()).with("lever", "grant"), by, reason)?;
        let anew = |record: &mut Record| {
            *record = Record::default();
            Some(())
        };
        self.change(&key, KEEP, anew).await.map_err(Refused::Unavailable)
    }

    /// What became of attempts in the last hour, as a whole and by type. Of this process.
    pub fn hour(&self) -> Hour {
        self.0.types.hour(self.0.clock.now())
    }

    /// Forgets what was counted of the last hour. Breakers, cooldowns and the counters for scrapers stay.
    pub fn reset(&self) {
        self.0.types.reset();
    }

    fn sign(&self, entry: Entry, by: &str, reason: &str) -> Result<(), Refused> {
        if by.trim().is_empty() || reason.trim().is_empty() {
            return Err(Refused::Unsigned);
        }
        self.0.audit.note(entry.by(by).because(reason)).map_err(Refused::Unwritten)
    }

    fn now(&self) -> Stamp {
        let (wall, instant) = self.0.began;
        wall + self.0.clock.now().since(instant)
    }

    fn options(&self, kind: &str) -> &Options {
        self.0.of_type.iter().find(|(own, _)| **own == *kind).map_or(&self.0.options, |(_, options)| options)
    }

    /// Tells that a breaker has moved, as only the one who moved it does.
    fn moved(&self, kind: &Arc<str>, moved: Option<Moved>) {
        let Some(Moved { from, to, why }) = moved.filter(|moved| moved.from != moved.to) else { return };
        self.0.types.moved(kind, to);
        // Of class open: it cannot be refused, the failures have happened.
        let entry = Entry::open("job.breaker", kind.clone()).because(why);
        let _ = self.0.audit.note(entry.with("from", from.as_str()).with("to", to.as_str()));
        self.tell(kind, Fact::BreakerMoved { to: to.as_str(), why });
    }

    fn tell(&self, name: &Arc<str>, fact: Fact) {
        if let Some(sink) = &self.0.sink {
            sink.offer(Event { at: self.0.clock.now(), name: name.clone(), fact });
        }
    }
}

impl Default for Retrier {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Retrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrier").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl From<StoreError> for Blocked {
    fn from(error: StoreError) -> Self {
        Self { reason: Block::StateUnavailable, why: error.to_string(), retry_after: None }
    }
}

fn refused(refusal: Refusal) -> Blocked {
    let why = match refusal {
        Refusal::Open(_) => "the breaker of its type is open",
        Refusal::Held => "the breaker of its type is open until somebody overrides it",
        Refusal::Probing(_) => "the breaker of its type is probing",
        Refusal::Ramping(_) => "the breaker of its type lets attempts in little by little",
        Refusal::Forced => "the breaker of its type is held open",
    };
    Blocked { reason: Block::BreakerOpen, why: why.to_owned(), retry_after: refusal.retry_after() }
}

/// The attempt that may be made, or why none is.
fn blocked(begun: job::Begun, options: &Options) -> Result<u32, Blocked> {
    match begun {
        job::Begun::Attempt(number) => Ok(number),
        job::Begun::Wait(left) => Err(Blocked {
            reason: Block::CoolingDown,
            why: format!("its cooldown is over in {}", seawall_core::units::format_duration(left)),
            retry_after: Some(left),
        }),
        job::Begun::Over(reason) => Err(Blocked {
            reason,
            why: match reason {
                Block::Final => "it failed in a way that another attempt would not change".to_owned(),
                _ => format!("all {} attempts have been made", options.attempts),
            },
            retry_after: None,
        }),
    }
}
