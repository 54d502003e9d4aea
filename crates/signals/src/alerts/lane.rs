//! One channel's side of the board: what it was told, what waits to be told, and how that goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use seawall_core::Instant;
use seawall_policy::alert::{Delivery, Desk, Held, Severity, Told, What};
use seawall_policy::retry;

use super::channel::Failure;
use super::key::Key;
use super::notice::{Kind, Notice};
use super::{Grouping, Outlet};

/// Notices that wait at most; one more, and the oldest is dropped.
pub(super) const QUEUE: usize = 500;

/// How often a receiver may refuse one notice before that is dropped for the sake of the others.
const REFUSALS: u32 = 3;

/// A notice on its way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parcel {
    pub(super) notice: Notice,
    /// The alerts of its items; empty for a test.
    pub(super) keys: Vec<Key>,
    pub(super) made: Instant,
    pub(super) due: Instant,
    pub(super) attempts: u32,
    pub(super) refusals: u32,
    /// That it is about to be tried is written down, or will be before it is.
    pub(super) tried: bool,
    /// It may have arrived already.
    pub(super) perhaps: bool,
    /// What must be written down before it may leave.
    pub(super) generation: u64,
}

/// How deliveries have gone since the start.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) dropped: u64,
    pub(super) last_delivered: Option<Instant>,
    /// Why the last attempt failed, unless one has worked since.
    pub(super) failing: Option<String>,
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) name: Arc<str>,
    pub(super) kind: &'static str,
    pub(super) delivery: Delivery,
    pub(super) grouping: Grouping,
    pub(super) all: Option<Severity>,
    pub(super) desk: Desk<Key>,
    /// Alerts whose beginning has arrived, or may have, and whose end has not.
    pub(super) heard: BTreeSet<Key>,
    pub(super) held: BTreeMap<Key, Held>,
    pub(super) queue: VecDeque<Parcel>,
    pub(super) tally: Tally,
}

/// What became of a notice that will not be delivered, and the alerts concerned.
pub(super) struct Lost {
    pub(super) keys: Vec<Key>,
    pub(super) why: String,
}

impl Lane {
    pub(super) fn new(outlet: &Outlet) -> Self {
        Self {
            name: outlet.name.as_str().into(),
            kind: outlet.channel.kind(),
            delivery: outlet.delivery.clone(),
            grouping: outlet.grouping,
            all: outlet.all,
            desk: Desk::default(),
            heard: BTreeSet::new(),
            held: BTreeMap::new(),
            queue: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// Puts a notice in the line, and says what had to leave for it.
    pub(super) fn push(&mut self, parcel: Parcel) -> Option<Lost> {
        let lost = match self.queue.len() >= QUEUE {
            true => self.queue.pop_front().map(|oldest| self.lose(oldest, "too many others wait".to_owned())),
            false => None,
        };
        self.queue.push_back(parcel);
        lost
    }

    /// Drops what has waited for too long.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Lost> {
        let mut lost = Vec::new();
        while self.queue.front().is_some_and(|parcel| now.since(parcel.made) >= self.delivery.expire) {
            if let Some(oldest) = self.queue.pop_front() {
                let kept = seawall_core::units::format_duration(self.delivery.expire);
                let why = match &self.tally.failing {
                    Some(failing) => format!("it could not be delivered for {kept}: {failing}"),
                    None => format!("it could not be delivered for {kept}"),
                };
                lost.push(self.lose(oldest, why));
            }
        }
        lost
    }

    /// A notice is gone that nobody heard: what is still so is said again.
    fn lose(&mut self, parcel: Parcel, why: String) -> Lost {
        self.tally.dropped += 1;
        for (key, item) in parcel.keys.iter().zip(&parcel.notice.items) {
            match item.kind {
                Kind::Active if parcel.perhaps => {
                    self.desk.unsure(key);
                    self.heard.insert(key.clone());
                }
                Kind::Active => self.desk.unsaid(key),
                Kind::Resolved if self.heard.contains(key) => {
                    self.desk.unended(key, Told { at: parcel.made, sure: !parcel.perhaps });
                }
                Kind::Resolved | Kind::Reminder | Kind::Test => {}
            }
        }
        Lost { keys: parcel.keys, why }
    }

    /// The notice that is to be delivered now, if there is one. Those who never heard that an alert was active do not hear
    /// that it is over. Before the first attempt it has to be written down that there is one: then `changed` grows.
    pub(super) fn next(&mut self, written: u64, changed: &mut u64, now: Instant) -> Option<Notice> {
        loop {
            let parcel = self.queue.front_mut()?;
            if parcel.generation > written || parcel.due > now {
                return None;
            }
            if !parcel.tried {
                *changed += 1;
                (parcel.tried, parcel.generation) = (true, *changed);
                return None;
            }
            let heard = &self.heard;
            let mut said: Vec<bool> = parcel
                .keys
                .iter()
                .zip(&parcel.notice.items)
                .map(|(key, item)| item.kind != Kind::Resolved || heard.contains(key))
                .collect();
            said.resize(parcel.notice.items.len(), true);
            let mut keep = said.iter();
            parcel.keys.retain(|_| keep.next().is_none_or(|said| *said));
            let mut keep = said.iter();
            parcel.notice.items.retain(|_| keep.next().is_none_or(|said| *said));
            if !parcel.notice.items.is_empty() {
                return Some(parcel.notice.clone());
            }
            self.queue.pop_front();
        }
    }

    /// It arrived: says which alerts were told.
    pub(super) fn delivered(&mut self, id: &str, now: Instant) -> Vec<Key> {
        let Some(parcel) = self.queue.pop_front_if(|parcel| parcel.notice.id == id) else {
            return Vec::new();
        };
        for (key, item) in parcel.keys.iter().zip(&parcel.notice.items) {
            match item.kind {
                Kind::Resolved => self.heard.remove(key),
                Kind::Active | Kind::Reminder | Kind::Test => self.heard.insert(key.clone()),
            };
        }
        self.tally.delivered += 1;
        self.tally.failing = None;
        self.tally.last_delivered = Some(now);
        parcel.keys
    }

    /// It did not arrive: says which alerts that concerns, how often it was tried, and whether it was given up.
    pub(super) fn failed(
        &mut self,
        id: &str,
        failure: &Failure,
        dice: f64,
        now: Instant,
    ) -> Option<(Vec<Key>, u32, bool)> {
        let parcel = self.queue.front_mut().filter(|parcel| parcel.notice.id == id)?;
        parcel.attempts = parcel.attempts.saturating_add(1);
        self.tally.failed += 1;
        self.tally.failing = Some(failure.why.clone());
        parcel.refusals += u32::from(failure.refused);
        parcel.perhaps |= failure.perhaps;
        let attempts = parcel.attempts;
        if parcel.refusals >= REFUSALS {
            // It would be refused again: nothing is said of it any more.
            self.tally.dropped += 1;
            return Some((self.queue.pop_front()?.keys, attempts, true));
        }
        parcel.due = now + pause(attempts, dice).max(failure.after.unwrap_or_default());
        Some((parcel.keys.clone(), attempts, false))
    }

    /// Does it want to hear of a rule?
    pub(super) fn wants(&self, send: &[String], severity: Severity) -> bool {
        send.iter().any(|name| **name == *self.name) || self.all.is_some_and(|least| severity >= least)
    }
}

/// Between two attempts to deliver: 2 s, 4 s, 8 s … five minutes, each shortened by chance to as little as half.
fn pause(attempt: u32, dice: f64) -> Duration {
    let options = retry::Options {
        base: Duration::from_secs(2),
        cap: Duration::from_secs(300),
        jitter: retry::Jitter::Equal,
        ..retry::Options::default()
    };
    retry::pause(&options, attempt.min(32), Duration::ZERO, seawall_core::units::Share::percent(0), dice)
}

/// What a desk's word means for the item that says it.
pub(super) fn because(what: What, text: &str, value: Option<f64>, known: bool) -> String {
    let number = value.map(|value| format!(" ({value})")).unwrap_or_default();
    match what {
        What::Active => format!("{text} holds{number}"),
        What::Reminder => format!("{text} holds still{number}"),
        What::Resolved if known => format!("{text} does not hold any more{number}"),
        What::Resolved => "its rule or its metric is gone".to_owned(),
    }
}
