//! What a restart must not forget, as text, and a board that goes on from it.

use std::collections::BTreeMap;

use seawall_core::Instant;
use seawall_policy::alert::{Book, Desk, Group, Labels, Phase, Rule, Told};
use serde::{Deserialize, Serialize};

use super::Outlet;
use super::board::Board;
use super::calendar::{millis, moment};
use super::key::Key;
use super::lane::{Lane, Parcel, QUEUE};
use super::notice::Notice;
use super::silence::{MOST, Silence};
use super::trace::Trace;

/// An alert as a book takes it.
type Remembered = (Labels, Phase, Option<f64>, Instant);

/// The version of this form.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    version: u32,
    at: u64,
    alerts: Vec<SavedAlert>,
    channels: Vec<SavedLane>,
    silences: Vec<SavedSilence>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct SavedKey {
    rule: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedAlert {
    #[serde(flatten)]
    key: SavedKey,
    /// None of an alert of which only the trace is left.
    phase: Option<SavedPhase>,
    value: Option<f64>,
    seen: u64,
    trace: Trace,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
enum SavedPhase {
    Pending { since: u64 },
    Active { since: u64 },
    Recovering { since: u64, well: u64 },
    Resolved { since: u64, at: u64 },
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedLane {
    name: String,
    told: Vec<(SavedKey, u64, bool)>,
    groups: BTreeMap<String, (Option<u64>, Option<u64>)>,
    heard: Vec<SavedKey>,
    queue: Vec<SavedParcel>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedParcel {
    keys: Vec<SavedKey>,
    notice: Notice,
    attempts: u32,
    refusals: u32,
    tried: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedSilence {
    id: String,
    until: u64,
    by: String,
    reason: String,
}

impl From<&Key> for SavedKey {
    fn from(key: &Key) -> Self {
        let labels = key.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { rule: key.rule.to_string(), labels: labels.collect() }
    }
}

impl From<SavedKey> for Key {
    fn from(key: SavedKey) -> Self {
        Key { rule: key.rule.into(), labels: Labels::new(key.labels) }
    }
}

impl SavedPhase {
    fn of(phase: Phase) -> Option<Self> {
        Some(match phase {
            Phase::Quiet => return None,
            Phase::Pending { since } => Self::Pending { since: millis(since) },
            Phase::Active { since } => Self::Active { since: millis(since) },
            Phase::Recovering { since, well } => {
                Self::Recovering { since: millis(since), well: millis(well) }
            }
            Phase::Resolved { since, at } => Self::Resolved { since: millis(since), at: millis(at) },
        })
    }

    fn phase(&self) -> Phase {
        match *self {
            Self::Pending { since } => Phase::Pending { since: moment(since) },
            Self::Active { since } => Phase::Active { since: moment(since) },
            Self::Recovering { since, well } => {
                Phase::Recovering { since: moment(since), well: moment(well) }
            }
            Self::Resolved { since, at } => Phase::Resolved { since: moment(since), at: moment(at) },
        }
    }
}

impl Board {
    /// What a restart must not forget.
    pub(super) fn save(&self, now: Instant) -> Vec<u8> {
        let mut traces = self.traces.clone();
        let mut alerts = Vec::new();
        for ruled in &self.rules {
            for (labels, alert) in ruled.book.alerts() {
                let key = Key { rule: ruled.name.clone(), labels: labels.clone() };
                alerts.push(SavedAlert {
                    trace: traces.remove(&key).unwrap_or_default(),
                    key: (&key).into(),
                    phase: SavedPhase::of(alert.machine.phase()),
                    value: alert.value.filter(|value| value.is_finite()),
                    seen: millis(alert.machine.seen()),
                });
            }
        }
        alerts.extend(traces.into_iter().map(|(key, trace)| SavedAlert {
            key: (&key).into(),
            phase: None,
            value: None,
            seen: millis(now),
            trace,
        }));
        let silence = |Silence { id, until, by, reason }: &Silence| SavedSilence {
            id: id.clone(),
            until: millis(*until),
            by: by.clone(),
            reason: reason.clone(),
        };
        let saved = Saved {
            version: VERSION,
            at: millis(now),
            alerts,
            channels: self.lanes.iter().map(SavedLane::of).collect(),
            silences: self.silences.iter().map(silence).collect(),
        };
        // Maps with texts for keys and plain numbers: nothing in it cannot be written.
        serde_json::to_vec(&saved).unwrap_or_default()
    }

    /// A board that goes on from what was saved, with the rules and channels of today. What is said of rules and channels
    /// that are no longer there: of the former that they are gone, of the latter nothing.
    pub(super) fn restored(
        rules: Vec<Rule>,
        outlets: &[Outlet],
        saved: &[u8],
        now: Instant,
    ) -> Result<Self, String> {
        let saved: Saved = serde_json::from_slice(saved).map_err(|error| error.to_string())?;
        if saved.version != VERSION {
            return Err(format!("it is of version {}, and {VERSION} is understood", saved.version));
        }
        let mut board = Self::new(rules, outlets, now);
        let mut books: BTreeMap<String, Vec<Remembered>> = BTreeMap::new();
        for SavedAlert { key, phase, value, seen, trace } in saved.alerts {
            let key = Key::from(key);
            if let Some(phase) = phase {
                let alert = (key.labels.clone(), phase.phase(), value, moment(seen));
                books.entry(key.rule.to_string()).or_default().push(alert);
            }
            board.traces.insert(key, trace);
        }
        for ruled in &mut board.rules {
            ruled.book = Book::restored(books.remove(&ruled.rule.name).unwrap_or_default(), now);
        }
        for channel in saved.channels {
            if let Some(lane) = board.lanes.iter_mut().find(|lane| *lane.name == *channel.name) {
                channel.restore(lane, now);
            }
        }
        let left = |until: u64| moment(until) > now;
        let silences = saved.silences.into_iter().filter(|silence| left(silence.until)).take(MOST);
        board.silences = silences
            .map(|SavedSilence { id, until, by, reason }| Silence {
                id,
                // A clock that was set back makes no silence longer than silences are.
                until: moment(until).min(now + super::silence::LONGEST),
                by,
                reason,
            })
            .collect();
        board.changed = 1;
        Ok(board)
    }
}

impl SavedLane {
    fn of(lane: &Lane) -> Self {
        let group = |group: &Group| (group.sent.map(millis), group.stirred.map(millis));
        let parcel = |parcel: &Parcel| SavedParcel {
            keys: parcel.keys.iter().map(SavedKey::from).collect(),
            notice: parcel.notice.clone(),
            attempts: parcel.attempts,
            refusals: parcel.refusals,
            tried: parcel.tried,
        };
        Self {
            name: lane.name.to_string(),
            told: lane
                .desk
                .told()
                .iter()
                .map(|(key, told)| (key.into(), millis(told.at), told.sure))
                .collect(),
            groups: lane.desk.groups().iter().map(|(name, own)| (name.clone(), group(own))).collect(),
            heard: lane.heard.iter().map(SavedKey::from).collect(),
            queue: lane.queue.iter().map(parcel).collect(),
        }
    }

    fn restore(self, lane: &mut Lane, now: Instant) {
        let told =
            self.told.into_iter().map(|(key, at, sure)| (Key::from(key), Told { at: moment(at), sure }));
        let groups = self.groups.into_iter().map(|(name, (sent, stirred))| {
            (name, Group { sent: sent.map(moment), stirred: stirred.map(moment) })
        });
        lane.desk = Desk::restored(told, groups, now);
        lane.heard = self.heard.into_iter().map(Key::from).collect();
        lane.queue = self
            .queue
            .into_iter()
            .filter(|parcel| !parcel.notice.items.is_empty())
            .take(QUEUE)
            .map(|SavedParcel { keys, notice, attempts, refusals, tried }| Parcel {
                keys: keys.into_iter().map(Key::from).collect(),
                made: moment(notice.at).min(now),
                notice,
                // Whoever starts anew tries at once, and only then waits for as long as before.
                due: now,
                attempts,
                refusals,
                tried,
                // A kill may have come between an answer and its being written down.
                perhaps: tried,
                generation: 0,
            })
            .collect();
    }
}
