//! What the pages keep between two looks: the last ten minutes, a token, what was just done, and who listens.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand;
use seawall_core::Instant;
use seawall_signals::history::{Counts, History};
use seawall_signals::view;
use tokio::sync::{Semaphore, broadcast};

use super::events::{Frame, LISTENERS, QUEUE};

/// How long a page still says what was done.
const SHOWN: Duration = Duration::from_secs(60);
/// Notes kept at once.
const NOTES: usize = 32;

/// The state of the pages of one process.
pub(in crate::admin) struct Desk {
    /// What a form of ours carries, and no page of anybody else's can read. Made anew with every process.
    token: String,
    notes: Mutex<VecDeque<Note>>,
    histories: Mutex<HashMap<Arc<str>, History>>,
    pub(super) frames: broadcast::Sender<Frame>,
    pub(super) seats: Arc<Semaphore>,
}

struct Note {
    id: String,
    text: String,
    at: Instant,
}

impl Desk {
    pub(in crate::admin) fn new() -> Self {
        Self {
            token: secret(),
            notes: Mutex::default(),
            histories: Mutex::default(),
            frames: broadcast::Sender::new(QUEUE),
            seats: Arc::new(Semaphore::new(LISTENERS)),
        }
    }

    /// What a form of ours carries.
    pub(in crate::admin) fn token(&self) -> &str {
        &self.token
    }

    /// Keeps what was done for the page that is shown next, under a name nobody can guess.
    pub(super) fn leave(&self, text: String, now: Instant) -> String {
        let id = secret();
        let mut notes = lock(&self.notes);
        if notes.len() >= NOTES {
            notes.pop_front();
        }
        notes.push_back(Note { id: id.clone(), text, at: now });
        id
    }

    /// What was done, if that was a moment ago.
    pub(super) fn note(&self, id: &str) -> Option<String> {
        let notes = lock(&self.notes);
        notes.iter().find(|note| !id.is_empty() && note.id == id).map(|note| note.text.clone())
    }

    /// Looks at the counters of every upstream; forgets what is old and whoever is gone.
    pub(super) fn tick(&self, now: Instant, counts: &[(Arc<str>, Counts)]) {
        lock(&self.notes).retain(|note| now.since(note.at) < SHOWN);
        let mut histories = lock(&self.histories);
        histories.retain(|name, _| counts.iter().any(|(known, _)| known == name));
        // Whoever is there from the start comes with what was counted before the first look.
        let start = histories.is_empty();
        for (name, seen) in counts {
            match histories.get_mut(name) {
                Some(history) => history.tick(now, *seen),
                // Whoever comes later with counts has come before: what came meanwhile is not of this step.
                None => {
                    let before = if start { Counts::default() } else { *seen };
                    histories.insert(name.clone(), History::new(now, before));
                }
            }
        }
    }

    /// The last ten minutes of every upstream, by name.
    pub(super) fn histories(&self) -> Vec<view::History> {
        let histories = lock(&self.histories);
        let mut all: Vec<view::History> =
            histories.iter().map(|(name, history)| view::History::of(name, history)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

/// 32 hexadecimal digits that nobody can guess; empty where the machine has no randomness.
pub(in crate::admin) fn secret() -> String {
    let mut bytes = [0; 16];
    match rand::fill(&mut bytes) {
        Ok(()) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Err(_) => String::new(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_desk_has_another_token() {
        let (one, other) = (Desk::new(), Desk::new());
        assert!(one.token() != other.token() && one.token().len() == 32);
    }

    #[test]
    fn notes_are_few_and_fade() {
        let desk = Desk::new();
        let now = Instant::ORIGIN;
        let first = desk.leave("first".into(), now);
        assert_eq!((desk.note(&first).as_deref(), desk.note("")), (Some("first"), None));
        let ids: Vec<String> = (0..NOTES).map(|n| desk.leave(n.to_string(), now)).collect();
        assert_eq!(desk.note(&first), None, "the oldest made room");
        assert_eq!(desk.note(&ids[0]).as_deref(), Some("0"));
        desk.tick(now + SHOWN, &[]);
        assert_eq!(desk.note(&ids[0]), None);
    }

    #[test]
    fn whoever_is_gone_is_forgotten() {
        let desk = Desk::new();
        let both = [("a".into(), Counts::default()), ("b".into(), Counts::default())];
        desk.tick(Instant::ORIGIN, &both);
        assert_eq!(desk.histories().len(), 2);
        desk.tick(Instant::ORIGIN + Duration::from_secs(5), &both[..1]);
        let left = desk.histories();
        assert_eq!((left.len(), left[0].calls.as_slice()), (1, &[0][..]));
    }
}
