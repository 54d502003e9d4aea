//! What the store and its thread both know.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use redis::Cmd;
use seawall_core::effect::{Key, Operation, Stamp, Token};
use seawall_core::store::Promise;
use tokio::sync::Notify;

use super::address::Address;
use super::scripts::{self, Digests, Names, Script};
use super::standing::{Incarnation, Mode, NOBODY, Standing};
use super::tls::Tls;
use super::wire::{self, Packed};
use super::{Concern, RedisOptions};
use crate::time::Time;

/// Grants that are looked for when the server comes back. What a server loses is the end of its history, so that the
/// last grant alone would do; a few more cost nothing.
const REMEMBERED: usize = 8;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: Address,
    pub(super) options: RedisOptions,
    pub(super) tls: Option<Tls>,
    pub(super) names: Names,
    /// A clock of our own, in tests; otherwise the server's.
    pub(super) time: Option<Time>,
    /// Nothing is changed, neither there nor here.
    pub(super) looking: bool,
    pub(super) digests: OnceLock<Digests>,
    pub(super) looked: tokio::sync::Mutex<Looked>,
    /// Somebody saw something that should be looked at.
    pub(super) look: Notify,
    gate: Mutex<Gate>,
    recent: Mutex<VecDeque<Grant>>,
    numbers: AtomicU32,
}

/// What was seen of the server when it was looked over.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) run: Option<String>,
    pub(super) evicted: Option<u64>,
    /// The memory we trusted last.
    pub(super) known: Option<Incarnation>,
    /// What of that is written down on this machine.
    pub(super) noted: Option<Noted>,
    /// The run and the grants are from that note: nobody has looked since.
    pub(super) from_note: bool,
}

/// What a machine notes of a memory, for the next process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) incarnation: Incarnation,
    /// The server's run.
    pub(super) run: Option<String>,
    /// The last grants.
    pub(super) grants: Vec<Grant>,
}

/// What every question looks at before it goes.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub(super) standing: Standing,
    /// Why nothing that could happen twice is begun.
    pub(super) refusal: Option<Arc<str>>,
    pub(super) concerns: Vec<Concern>,
    pub(super) promise: Promise,
}

/// A grant we were told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) key: Key,
    pub(super) epoch: u64,
    /// Until then its record cannot have been forgotten by right.
    pub(super) until: Stamp,
}

impl Shared {
    pub(super) fn new(
        address: Address,
        options: RedisOptions,
        tls: Option<Tls>,
        time: Option<Time>,
        looked: Looked,
        looking: bool,
    ) -> Self {
        let recent = looked.noted.iter().flat_map(|noted| noted.grants.iter().copied()).collect();
        Self {
            names: Names::of(&address.namespace),
            address,
            options,
            tls,
            time,
            looking,
            digests: OnceLock::new(),
            looked: tokio::sync::Mutex::new(looked),
            look: Notify::new(),
            gate: Mutex::new(Gate {
                standing: Standing { mode: Mode::Lost, incarnation: NOBODY, lost: Stamp(0) },
                refusal: None,
                concerns: Vec::new(),
                promise: Promise::Process,
            }),
            recent: Mutex::new(recent),
            // Anywhere: an answer left over from somewhere else fits no question of ours.
            numbers: AtomicU32::new(fastrand::u32(..)),
        }
    }

    pub(super) fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<Grant>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a grant, so that a server that comes back without it is found out.
    pub(super) fn granted(&self, key: Key, token: Token, keep: Duration) {
        // An epoch is at least its first grant's time, a thousand to the millisecond.
        let until = Stamp(token.epoch / 1000) + keep;
        let mut recent = self.recent();
        recent.truncate(REMEMBERED - 1);
        recent.push_front(Grant { key, epoch: token.epoch, until });
    }

    pub(super) fn grants(&self) -> Vec<Grant> {
        self.recent().iter().copied().collect()
    }

    pub(super) fn forget_grants(&self) {
        self.recent().clear();
    }

    /// An operation as the server is asked it, and the number it is asked under.
    pub(super) fn question(&self, operation: &Operation) -> (u32, Cmd) {
        match operation {
            Operation::Begin(begin) => {
                let trusted = self.gate().standing.incarnation.0;
                self.step(Script::Begin, begin.key, &wire::begin(begin, &trusted))
            }
            other => self.step(Script::Rest, other.key(), &wire::other(other)),
        }
    }

    /// Time alone, for a record that is due.
    pub(super) fn due(&self, key: Key) -> (u32, Cmd) {
        self.step(Script::Rest, key, &wire::due(key))
    }

    fn step(&self, script: Script, key: Key, packed: &Packed<'_>) -> (u32, Cmd) {
        let (number, digest) = self.asking(script);
        let mut first = Vec::with_capacity(10);
        first.extend(number.to_be_bytes());
        if let Some(time) = &self.time {
            wire::time(&mut first, time.now().0);
        }
        (number, scripts::step(digest, &self.names, key, &[&first, &packed.fixed, packed.rest]))
    }

    /// The number of a new question, and what the server calls its script.
    pub(super) fn asking(&self, script: Script) -> (u32, &str) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        // Before the scripts are loaded nothing is asked; a digest nobody knows is answered with NOSCRIPT.
        (number, self.digests.get().map_or("", |digests| digests.of(script)))
    }
}
