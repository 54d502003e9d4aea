//! One wish: through the guard, to the ledger, and what its caller is told.

use std::sync::Arc;
use std::time::Duration;

use seawall::effect::{Begun, Done, Durability, Fingerprint, Key, Outcome, Truth, Undone, Wish};
use seawall_core::effect::Outcome as Word;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::step::{Step, reached};
use super::{Bug, Me};
use crate::ledger::{Answer, Lost, Question};
use crate::words::{How, Job, Kind, Said, Trouble, now};

/// What the ledger has written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Wrote {
    entry: u64,
    print: String,
}

/// Why it was not done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Cause {
    /// The wish whose run it was.
    run: u64,
}

type Ended = Outcome<Wrote, Cause>;

impl Wrote {
    /// Where two are as good as one, it does not matter which.
    pub(super) fn by(kind: Kind, entry: u64, print: String) -> Self {
        Self { entry: if kind == Kind::Setting { 0 } else { entry }, print }
    }

    fn how(self, replayed: bool, durability: Durability) -> How {
        How::Ok { entry: self.entry, print: self.print, replayed, kept: durability == Durability::Kept }
    }
}

impl Me {
    /// Does it once.
    pub(super) async fn once(self: Arc<Self>, job: Job) -> How {
        if job.ticket {
            return self.by_ticket(job).await;
        }
        let effects = &self.kinds[&job.what.kind];
        let id = job.what.id.to_string();
        let key = effects.key(&id, 0);
        let mut wish = effects.once(id.as_str()).args(&job.what.payload(job.args));
        if let Some(age) = job.age {
            wish = wish.age(Duration::from_millis(age));
        }
        if job.wait > 0 {
            wish = wish.wait(Duration::from_millis(job.wait));
        }
        let me = self.clone();
        let run = wish.run(move |cx| async move {
            let downstream = cx.downstream_key().clone();
            me.operate(job, key, &downstream, || cx.may_send()).await
        });
        match run.await {
            Ok(Done { value: Ok(wrote), replayed, durability }) => wrote.how(replayed, durability),
            Ok(Done { value: Err(_), durability, .. }) => {
                How::Refused { kept: durability == Durability::Kept }
            }
            Err(undone) => told(&undone),
        }
    }

    /// The same as a gateway does it: asks, runs, completes.
    async fn by_ticket(self: Arc<Self>, job: Job) -> How {
        let effects = &self.kinds[&job.what.kind];
        let id = job.what.id.to_string();
        let print = Fingerprint::of(&[&job.what.payload(job.args)]);
        let age = job.age.map(Duration::from_millis);
        let wish = Wish { id: &id, scope: &[], occurrence: 0, print, age };
        let ticket = match effects.begin(&wish).await {
            Err(_) => return How::Unavailable,
            Ok(Begun::Run(ticket)) => ticket,
            Ok(Begun::Replay { truth: Truth::Rejected, .. }) => return How::Refused { kept: true },
            Ok(Begun::Replay { result, .. }) => {
                let wrote = result.and_then(|bytes| serde_json::from_slice::<Wrote>(&bytes).ok());
                return wrote.map_or(How::NotKept, |wrote| wrote.how(true, Durability::Kept));
            }
            Ok(Begun::Busy(_)) => return How::InFlight,
            Ok(Begun::Cooldown(_)) => return How::Cooldown,
            Ok(Begun::Exhausted) => return How::Exhausted,
            Ok(Begun::Mismatch) => return How::Mismatch,
            Ok(Begun::Expired) => return How::Expired,
            Ok(Begun::InDoubt { since, reason, quarantined }) => {
                return How::InDoubt { since: since.0, reason, quarantined };
            }
        };
        let downstream = ticket.downstream_key().clone();
        let ended = self.operate(job, effects.key(&id, 0), &downstream, || ticket.may_send()).await;
        let bytes = |wrote: &Wrote| serde_json::to_vec(wrote).ok().map(Arc::from);
        let word = match &ended {
            Outcome::Applied(wrote) => Word::Ended(Truth::Applied, bytes(wrote)),
            Outcome::Rejected(_) => Word::Ended(Truth::Rejected, Some(Arc::from(&b"{\"run\":0}"[..]))),
            Outcome::NotApplied(_) => Word::NotApplied { cooldown: Duration::ZERO },
            Outcome::Unknown(_) => Word::Unknown { detail: Arc::from("the reply was lost") },
        };
        let completed = ticket.complete(word).await;
        let durability = completed.durability;
        match ended {
            Outcome::NotApplied(_) if completed.doubted => How::Unknown,
            Outcome::Applied(wrote) => wrote.how(false, durability),
            Outcome::Rejected(_) => How::Refused { kept: durability == Durability::Kept },
            Outcome::NotApplied(Cause { run }) => How::NotApplied { run },
            Outcome::Unknown(_) => How::Unknown,
        }
    }

    /// The operation: one request to the ledger, and what its answer means.
    async fn operate(&self, job: Job, key: Key, downstream: &str, may_send: impl Fn() -> bool) -> Ended {
        let epoch = self.between.epoch(key);
        self.voice.say(&Said::Ran { n: job.n, epoch, at: now() });
        reached(self.step, Step::Granted);
        let cause = || Cause { run: job.n };
        if let Trouble::NotSent(after) = job.trouble {
            sleep(Duration::from_millis(after)).await;
            return Outcome::NotApplied(cause());
        }
        let (hold, silent) = match job.trouble {
            Trouble::Slow(hold) | Trouble::Held(hold) => (hold, false),
            Trouble::Unanswered => (0, true),
            _ => (0, false),
        };
        let question = Question::Do {
            what: job.what,
            key: downstream.to_owned(),
            epoch,
            run: job.n,
            print: job.what.print(job.args),
            keyed: job.what.kind == Kind::Charge,
            hold,
            silent,
            refuse: job.trouble == Trouble::Refused,
        };
        if !may_send() {
            return Outcome::NotApplied(cause());
        }
        let reply = Duration::from_millis(self.times.reply);
        let answer = self.ledger.ask(question, reply, || reached(self.step, Step::Sent)).await;
        match answer {
            Ok(Answer::Entered { number, print }) => {
                reached(self.step, Step::Replied);
                Outcome::Applied(Wrote::by(job.what.kind, number, print))
            }
            Ok(Answer::Refused) => Outcome::Rejected(cause()),
            // Its grant is over, and nothing was done by it.
            Ok(Answer::Fenced) | Err(Lost::NotSent) => Outcome::NotApplied(cause()),
            Ok(_) | Err(Lost::Unknown) => {
                reached(self.step, Step::Delivered);
                match self.bug {
                    Some(Bug::GuessNotDone) => Outcome::NotApplied(cause()),
                    Some(Bug::GuessDone) => {
                        Outcome::Applied(Wrote::by(job.what.kind, 0, job.what.print(job.args)))
                    }
                    _ => Outcome::Unknown(cause()),
                }
            }
        }
    }
}

fn told(undone: &Undone<Cause>) -> How {
    match undone {
        Undone::NotApplied(Cause { run }) => How::NotApplied { run: *run },
        Undone::Unknown(_) => How::Unknown,
        Undone::InDoubt { since, reason, quarantined } => {
            How::InDoubt { since: since.0, reason: *reason, quarantined: *quarantined }
        }
        Undone::InFlight { .. } => How::InFlight,
        Undone::Mismatch => How::Mismatch,
        Undone::Expired => How::Expired,
        Undone::Exhausted => How::Exhausted,
        Undone::Cooldown { .. } => How::Cooldown,
        Undone::StoreUnavailable(_) => How::Unavailable,
        Undone::ResultNotKept { .. } => How::NotKept,
    }
}
