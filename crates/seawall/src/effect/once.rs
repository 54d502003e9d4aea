//! An effect that is done once: the first caller runs it, on a task of its own, and everybody gets its result.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use seawall_core::Instant;
use seawall_core::clock::wall_now;
use seawall_core::effect::{Fingerprint, Key, Outcome as Word, Reason, Stamp, Truth};
use seawall_policy::effect::Ending;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant as At, sleep, timeout_at};

use super::begin::{Begun, Kind, Wish};
use super::entity::Id;
use super::flight::{Boarded, Ended, Pilot, landed, stands};
use super::outcome::{Done, Durability, Ends, Outcome, Undone};
use super::stats::one;
use super::ticket::{Ticket, View};
use crate::lock;

/// The pause before a store is asked again whether somebody else has finished; doubled each time.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// An effect that is to be done once. Nothing happens before [`Once::run`].
#[must_use = "an effect is not done before it is run"]
#[derive(Debug)]
pub struct Once {
    kind: Kind,
    id: Id,
    print: Option<Fingerprint>,
    age: Option<Duration>,
    wait: Option<Duration>,
}

/// What an operation may know of its run. Clones see the same.
#[derive(Clone)]
pub struct Cx(View);

/// What an operation is given to start with, and what it leaves behind for whoever called.
struct Own<F, T, E> {
    operation: Option<F>,
    outcome: Option<Outcome<T, E>>,
}

type Owned<F, O> = Arc<Mutex<Own<F, <O as Ends>::Value, <O as Ends>::Error>>>;

impl Once {
    pub(super) fn new(kind: Kind, id: Id) -> Self {
        let print = id.print();
        Self { kind, id, print, age: None, wait: None }
    }

    /// For the `number`th time that the same is wanted.
    pub fn occurrence(self, number: u32) -> Self {
        Self { id: self.id.occurrence(number), ..self }
    }

    /// What it is asked to do: a second use of the id with other bytes is refused as a mistake.
    pub fn args(self, bytes: &[u8]) -> Self {
        Self { print: Some(Fingerprint::of(&[bytes])), ..self }
    }

    /// How long ago it was first wanted: older than its record's life it is refused, instead of being run anew.
    pub fn age(self, age: Duration) -> Self {
        Self { age: Some(age), ..self }
    }

    /// How long to wait for somebody else's run. Default: in this process as long as it takes, in another not at all.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait: Some(wait), ..self }
    }

    /// The key of this effect.
    pub fn key(&self) -> Key {
        self.kind.key(self.id.text(), self.id.number())
    }

    /// Runs the operation, or gives the result of whoever ran it.
    ///
    /// It runs on a task of its own: dropping this future drops neither the operation nor its result. When the operation
    /// panics, or its runtime ends while it runs, the effect is in doubt. An operation must not send anything after it
    /// has returned. Needs tokio's runtime, with its time.
    pub async fn run<F, Fut>(
        self,
        operation: F,
    ) -> Result<
        Done<<Fut::Output as Ends>::Value, <Fut::Output as Ends>::Error>,
        Undone<<Fut::Output as Ends>::Error>,
    >
    where
        F: FnOnce(Cx) -> Fut + Send + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Ends,
    {
        let print = self.print.unwrap_or_else(|| Fingerprint::of(&[]));
        let own = Arc::new(Mutex::new(Own { operation: Some(operation), outcome: None }));
        let key = self.key();
        let end = self.wait.map(|wait| At::now() + wait.min(Duration::from_secs(1 << 30)));
        let mut pause = PAUSE;
        loop {
            let (ended, flew) = match self.kind.guard().flights().board(key, print) {
                Boarded::Mismatch(seat) => {
                    // The other may be the one who is mistaken.
                    if !stands(seat).await {
                        continue;
                    }
                    one(&self.kind.teller().counters.mismatches);
                    return Err(Undone::Mismatch);
                }
                Boarded::Pilot(pilot, seat) => {
                    let (kind, id, age, own) = (self.kind.clone(), self.id.clone(), self.age, own.clone());
                    // In a box, so that the caller's future stays small.
                    let flight: Pin<Box<dyn Future<Output = ()> + Send>> =
                        Box::pin(async move { fly(kind, id, print, age, own, pilot).await });
                    tokio::spawn(flight);
                    (landed(seat).await, true)
                }
                Boarded::Passenger(seat) => {
                    one(&self.kind.teller().counters.joined);
                    let landed = landed(seat);
                    let ended = match end {
                        Some(end) => timeout_at(end, landed).await.ok(),
                        None => Some(landed.await),
                    };
                    let Some(ended) = ended else {
                        return Err(Undone::InFlight { retry_after: Duration::from_secs(1) });
                    };
                    (ended, false)
                }
            };
            if let Ended::Said(begun) = &ended
                && let Begun::Busy(left) = **begun
            {
                let jittered = pause.min(left.max(PAUSE)).mul_f64(0.5 + fastrand::f64());
                let next = At::now() + jittered;
                if end.is_none_or(|end| end <= next) {
                    return Err(Undone::InFlight { retry_after: left });
                }
                sleep(jittered).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            let outcome = lock(&own).outcome.take();
            return match outcome {
                Some(outcome) if flew => own_result(outcome, &ended),
                _ => result(&ended),
            };
        }
    }
}

/// Asks, runs, and says how it ended; on a task of its own.
async fn fly<F, Fut>(
    kind: Kind,
    id: Id,
    print: Fingerprint,
    age: Option<Duration>,
    own: Owned<F, Fut::Output>,
    mut pilot: Pilot,
) where
    F: FnOnce(Cx) -> Fut + Send + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Ends,
{
    let wish = Wish { id: id.text(), scope: &[], occurrence: id.number(), print, age };
    let ticket: Ticket = match kind.begin(&wish).await {
        Ok(Begun::Run(ticket)) => ticket,
        Ok(said) => return pilot.end(Ended::Said(Arc::new(said))),
        Err(rejection) => return pilot.end(Ended::Refused(rejection)),
    };
    let operation = lock(&own).operation.take();
    pilot.granted();
    // It is there: only a grant takes it.
    let Some(operation) = operation else { return };
    let outcome = operation(Cx(ticket.view().clone())).await.outcome();
    let (how, bytes) = match &outcome {
        Outcome::Applied(value) => (Ending::Applied, written(value)),
        Outcome::Rejected(error) => (Ending::Rejected, written(error)),
        Outcome::NotApplied(error) => (Ending::NotApplied, written(error)),
        Outcome::Unknown(error) => (Ending::Unknown, written(error)),
    };
    let cap = usize::try_from(kind.options().result.0).unwrap_or(usize::MAX);
    let kept = bytes.clone().filter(|bytes| bytes.len() <= cap);
    let word = match how {
        Ending::Applied => Word::Ended(Truth::Applied, kept),
        Ending::Rejected => Word::Ended(Truth::Rejected, kept),
        Ending::NotApplied => Word::NotApplied { cooldown: kind.options().cooldown },
        Ending::Unknown => Word::Unknown { detail: detail(bytes.as_deref()) },
    };
    if how == Ending::NotApplied {
        // As soon as the store has heard of it another process may run it: whoever comes now must not be told that it
        // has not taken place.
        pilot.close();
    }
    lock(&own).outcome = Some(outcome);
    let completed = ticket.complete(word).await;
    let how = if completed.doubted { Ending::Unknown } else { how };
    pilot.end(Ended::Ran { how, bytes, durability: completed.durability });
}

fn written<T: Serialize>(value: &T) -> Option<Arc<[u8]>> {
    serde_json::to_vec(value).ok().map(Arc::from)
}

fn read<T: DeserializeOwned>(bytes: Option<&Arc<[u8]>>) -> Option<T> {
    serde_json::from_slice(bytes?).ok()
}

/// Why nobody knows, in the operation's own words, cut.
fn detail(bytes: Option<&[u8]>) -> Arc<str> {
    let text = String::from_utf8_lossy(bytes.unwrap_or(b"its outcome is not known"));
    text[..text.floor_char_boundary(200)].into()
}

/// What the caller whose operation ran is told: its own values, as they were.
fn own_result<T, E>(outcome: Outcome<T, E>, ended: &Ended) -> Result<Done<T, E>, Undone<E>> {
    let durability = match ended {
        Ended::Ran { durability, .. } => *durability,
        // The run ended, and its word is on its way.
        _ => Durability::Spooled,
    };
    match outcome {
        Outcome::Applied(value) => Ok(Done { value: Ok(value), replayed: false, durability }),
        Outcome::Rejected(error) => Ok(Done { value: Err(error), replayed: false, durability }),
        Outcome::NotApplied(error) if matches!(ended, Ended::Ran { how: Ending::NotApplied, .. }) => {
            Err(Undone::NotApplied(error))
        }
        // This run has not taken place; of an earlier one nobody knows, or has not been told yet.
        Outcome::NotApplied(error) => Err(Undone::Unknown(error)),
        Outcome::Unknown(error) => Err(Undone::Unknown(error)),
    }
}

/// What everybody else is told.
fn result<T: DeserializeOwned, E: DeserializeOwned>(ended: &Ended) -> Result<Done<T, E>, Undone<E>> {
    let replay = |truth, bytes: Option<&Arc<[u8]>>, durability| {
        let value = match truth {
            Truth::Applied => read(bytes).map(Ok),
            Truth::Rejected => read(bytes).map(Err),
        };
        value.map(|value| Done { value, replayed: true, durability }).ok_or(Undone::ResultNotKept { truth })
    };
    match ended {
        Ended::Ran { how: Ending::Applied, bytes, durability } => {
            replay(Truth::Applied, bytes.as_ref(), *durability)
        }
        Ended::Ran { how: Ending::Rejected, bytes, durability } => {
            replay(Truth::Rejected, bytes.as_ref(), *durability)
        }
        Ended::Ran { how: Ending::NotApplied, bytes, .. } => Err(read(bytes.as_ref())
            .map_or(Undone::InFlight { retry_after: Duration::from_secs(1) }, Undone::NotApplied)),
        Ended::Ran { how: Ending::Unknown, bytes, .. } => {
            Err(read(bytes.as_ref()).map_or_else(just_now, Undone::Unknown))
        }
        Ended::Gone => Err(just_now()),
        Ended::Refused(rejection) => Err(Undone::StoreUnavailable(rejection.clone())),
        Ended::Said(begun) => match &**begun {
            Begun::Replay { truth, result } => replay(*truth, result.as_ref(), Durability::Kept),
            Begun::Busy(wait) => Err(Undone::InFlight { retry_after: *wait }),
            Begun::Cooldown(wait) => Err(Undone::Cooldown { retry_after: *wait }),
            Begun::Exhausted => Err(Undone::Exhausted),
            Begun::Mismatch => Err(Undone::Mismatch),
            Begun::Expired => Err(Undone::Expired),
            Begun::InDoubt { since, reason, quarantined } => {
                Err(Undone::InDoubt { since: *since, reason: *reason, quarantined: *quarantined })
            }
            // A grant is never passed on.
            Begun::Run(_) => Err(just_now()),
        },
    }
}

/// The run of a moment ago is in doubt, or will be as soon as the store has heard.
fn just_now<E>() -> Undone<E> {
    let since = wall_now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = Stamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    Undone::InDoubt { since, reason: Reason::Unknown, quarantined: false }
}

impl Cx {
    /// See [`Ticket::downstream_key`].
    pub fn downstream_key(&self) -> &Arc<str> {
        self.0.downstream_key()
    }

    /// See [`Ticket::attempt`].
    pub fn attempt(&self) -> u64 {
        self.0.attempt()
    }

    /// See [`Ticket::may_send`].
    pub fn may_send(&self) -> bool {
        self.0.may_send()
    }

    /// See [`Ticket::send_before`].
    pub fn send_before(&self) -> Instant {
        self.0.send_before()
    }

    /// How long something may still be sent: a limit for the call.
    pub fn remaining(&self) -> Duration {
        self.0.left()
    }

    /// See [`Ticket::is_lost`].
    pub fn is_lost(&self) -> bool {
        self.0.is_lost()
    }
}

impl fmt::Debug for Cx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("downstream_key", self.downstream_key()).finish_non_exhaustive()
    }
}
