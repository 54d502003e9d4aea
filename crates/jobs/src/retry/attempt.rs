//! One attempt: taken, made by somebody else, and settled.

use std::sync::Arc;

use seawall_core::audit::Entry;
use seawall_core::effect::Stamp;
use seawall_core::job::{Key, Notes, Record, What};
use seawall_policy::job::{self, Begun};

use super::{Block, Blocked, KEEP, KEEP_TYPE, Next, Retrier, blocked, refused};

/// The right to make one attempt. Say how it ended.
///
/// One that is dropped was made, as far as anybody knows: it counts as an attempt that was never heard of, and a probe
/// among them gives its place back after the breaker's lease.
#[derive(Debug)]
#[must_use = "an attempt that is dropped at once is one less"]
pub struct Attempt {
    retrier: Retrier,
    /// The type as it is counted.
    kind: Arc<str>,
    job: Key,
    number: u32,
    began: Stamp,
    probe: Option<u64>,
}

impl Retrier {
    /// Takes an attempt, or says why none is made. A retry is written down, and so is a block.
    pub async fn begin(&self, job_type: &str, job_id: &str) -> Result<Attempt, Blocked> {
        let kind = self.0.types.name(job_type);
        let job = Key::Job(job_type.into(), job_id.into());
        let begun = self.take(&kind, job.clone()).await;
        match &begun {
            Ok(attempt) => {
                self.0.types.began(&kind, attempt.number, self.0.clock.now());
                if attempt.number > 1 {
                    let entry = Entry::open("job.retry", job.to_string()).because("its cooldown is over");
                    // Of class open: its loss is counted by the trail.
                    let _ = self.0.audit.note(entry.with("attempt", attempt.number));
                }
            }
            Err(blocked) => self.block(&kind, &job, blocked),
        }
        begun
    }

    /// Counts and writes down that an attempt is not made.
    pub(super) fn block(&self, kind: &Arc<str>, job: &Key, blocked: &Blocked) {
        self.0.types.blocked(kind, blocked.reason, self.0.clock.now());
        let entry = Entry::open("job.block", job.to_string()).because(blocked.why.as_str());
        let _ = self.0.audit.note(entry.with("block", blocked.reason.as_str()));
    }

    async fn take(&self, kind: &Arc<str>, job: Key) -> Result<Attempt, Blocked> {
        let now = self.now();
        let options = self.options(kind);
        // A look first: nobody takes a probe's place who may not use it.
        let record: Record = self.read(&job).await?.unwrap_or_default();
        blocked(job::begin(options, &record, now).1, options)?;
        let probe = self.admit(kind, now).await?;
        let begun = self
            .change(&job, KEEP, |record: &mut Record| {
                let (next, begun) = job::begin(options, record, now);
                *record = next;
                Some(Some(begun))
            })
            .await
            .map_err(Blocked::from);
        let number =
            begun.and_then(|begun| blocked(begun.unwrap_or(Begun::Over(Block::AttemptsSpent)), options));
        match (number, probe) {
            (Ok(number), probe) => {
                Ok(Attempt { retrier: self.clone(), kind: kind.clone(), job, number, began: now, probe })
            }
            (Err(blocked), Some(probe)) => {
                self.count(kind, What::Gone(probe)).await;
                Err(blocked)
            }
            (Err(blocked), None) => Err(blocked),
        }
    }

    /// Asks the breaker of a type; a number where the attempt is a probe.
    async fn admit(&self, kind: &Arc<str>, now: Stamp) -> Result<Option<u64>, Blocked> {
        let (key, options) = (Key::Type(kind.clone()), &self.0.breaker);
        let number = fastrand::u64(..);
        let notes: Notes = self.read(&key).await?.unwrap_or_default();
        let gate = job::Gate::of(options, &notes);
        self.0.types.seen(kind, gate.state());
        if gate.ask(now, number).map_err(refused)?.is_none() {
            return Ok(None);
        }
        let mut answer = Ok(None);
        let moved = self.change(&key, KEEP_TYPE, |notes: &mut Notes| {
            answer = job::Gate::of(options, notes).ask(now, number);
            match answer {
                Ok(Some(probe)) => Some(job::note(options, notes, probe, now)),
                // It has closed, or somebody else has taken the place.
                Ok(None) | Err(_) => None,
            }
        });
        let moved = moved.await?;
        self.moved(kind, moved);
        Ok(answer.map_err(refused)?.map(|_| number))
    }

    /// Tells the breaker of a type. When it cannot be told, the attempt stands all the same.
    async fn count(&self, kind: &Arc<str>, what: What) {
        let (options, now) = (&self.0.breaker, self.now());
        if !job::matters(options, what) {
            return;
        }
        let key = Key::Type(kind.clone());
        let note = |notes: &mut Notes| Some(job::note(options, notes, what, now));
        if let Ok(moved) = self.change(&key, KEEP_TYPE, note).await {
            self.moved(kind, moved);
        }
    }
}

impl Attempt {
    /// Which attempt of its job this is, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// It worked. Whoever comes with the same job later begins anew.
    pub async fn worked(self) {
        self.settle("worked", None).await;
    }

    /// It failed, as `how` says in words. `repeat` is whether another attempt may change that.
    pub async fn failed(self, how: &str, repeat: bool) -> Next {
        self.settle(how, Some(repeat)).await
    }

    /// A command ended with this code: 0 worked, and the type's options say which others are worth another attempt. A
    /// signal is 128 and its number.
    pub async fn exited(self, code: u8) -> Next {
        let repeat = (code != 0).then(|| self.retrier.options(&self.kind).repeats(code));
        self.settle(&format!("exit code {code}"), repeat).await
    }

    async fn settle(self, how: &str, repeat: Option<bool>) -> Next {
        let Self { retrier, kind, job, number, began, probe } = self;
        let (options, now, dice) = (retrier.options(&kind), retrier.now(), retrier.0.random.unit());
        let changed = retrier.change(&job, KEEP, |record: &mut Record| {
            let (after, next) = job::ended(options, record, number, how, repeat, now, dice);
            *record = after;
            Some(Some(next))
        });
        let next = match (changed.await, repeat) {
            (Ok(Some(next)), _) => next,
            // What is not remembered cannot be repeated safely; what worked has worked.
            (_, None) => Next::Done,
            (_, Some(_)) => Next::Over(Block::StateUnavailable),
        };
        let what = match repeat {
            None => What::Worked(began.0, probe),
            Some(_) => What::Failed(began.0, probe),
        };
        retrier.count(&kind, what).await;
        let finished = (!matches!(next, Next::Again(_))).then_some(number);
        retrier.0.types.ended(&kind, repeat.is_none(), finished, retrier.0.clock.now());
        if let Next::Over(reason) = next {
            let blocked = Blocked { reason, why: how.to_owned(), retry_after: None };
            retrier.block(&kind, &job, &blocked);
        }
        next
    }
}
