//! A copy of an answer's body, made while it passes, and given up as soon as it would be too large.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, response};
use seawall::cache::{Lead, Life};
use seawall_core::Instant;
use seawall_core::clock::wall_now;

use super::key::tells_apart;
use super::{Answers, Kept, Key, MOST_BYTES, rules};
use crate::house::House;

/// A body longer than this may be held up by a caller that does not read: shorter ones wait for nobody.
const UNHELD: usize = 64 * 1024;
/// So long others wait for a caller that reads slowly. Then they ask for themselves, and the copy goes on.
const HELD_FOR: Duration = Duration::from_secs(2);

/// Who keeps an answer, if it may be kept.
#[derive(Debug)]
pub(crate) enum Keeper {
    /// Others wait for it. Dropped, the next of them asks.
    Lead(Lead<Key, Arc<Kept>>),
    /// Nobody waits for it.
    Alone(Key),
}

impl Keeper {
    /// It cannot be kept: those who wait ask for themselves.
    pub(crate) fn give_up(self) {
        if let Keeper::Lead(lead) = self {
            lead.scatter();
        }
    }

    /// An answer begins to pass. `place` is the target that gives it; `bare` says that no body follows the head. Whether
    /// the body's end can be told has been seen before.
    pub(crate) fn begin(
        self,
        house: &House,
        route: usize,
        place: usize,
        head: &response::Parts,
        bare: bool,
    ) -> Option<Box<Capture>> {
        let (Some(cache), Some(answers)) = (&house.routes[route].cache, &house.answers) else {
            self.give_up();
            return None;
        };
        let length = head.headers.get(CONTENT_LENGTH).filter(|_| !bare);
        let length: usize = length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
        let life = rules::life(head, &cache.life, &tells_apart(route, house), wall_now());
        let Some((life, age)) = life.filter(|_| length <= cache.max_body) else {
            self.give_up();
            return None;
        };
        let headers = head.headers.clone();
        let mut capture = Box::new(Capture::new(answers.clone(), self, headers, life, cache.max_body));
        (capture.age, capture.place) = (age, place);
        if !capture.count(length) {
            capture.give_up();
            return None;
        }
        capture.body.reserve_exact(length);
        Some(capture)
    }
}

/// A copy in the making. Dropped, the next in line asks.
#[derive(Debug)]
pub(crate) struct Capture {
    answers: Arc<Answers>,
    /// Shared with whoever sees to it that a slow caller does not hold up others.
    keeper: Arc<Mutex<Option<Keeper>>>,
    headers: HeaderMap,
    /// When its head came: from then on it grows old, however long its body takes.
    began: Instant,
    age: Duration,
    place: usize,
    life: Life,
    body: Vec<u8>,
    watched: bool,
    /// How much of the common bound is taken for it.
    counted: usize,
    max: usize,
}

impl Capture {
    pub(super) fn new(
        answers: Arc<Answers>,
        keeper: Keeper,
        headers: HeaderMap,
        life: Life,
        max: usize,
    ) -> Self {
        let keeper = Arc::new(Mutex::new(Some(keeper)));
        let now = answers.clock.now();
        Self {
            answers,
            keeper,
            headers,
            began: now,
            age: Duration::ZERO,
            place: 0,
            life,
            body: Vec::new(),
            watched: false,
            counted: 0,
            max,
        }
    }

    /// A piece of the body passes. False if there is no room for it: then give it up.
    pub(crate) fn saw(&mut self, piece: &[u8]) -> bool {
        let length = self.body.len() + piece.len();
        if length > self.max || !self.count(length) {
            return false;
        }
        self.body.extend_from_slice(piece);
        if length > UNHELD && !self.watched {
            self.watch();
        }
        true
    }

    fn watch(&mut self) {
        self.watched = true;
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let keeper = Arc::downgrade(&self.keeper);
        runtime.spawn(async move {
            tokio::time::sleep(HELD_FOR).await;
            if let Some(keeper) = keeper.upgrade() {
                let_go(&keeper);
            }
        });
    }

    fn keeper(&self) -> Option<Keeper> {
        lock(&self.keeper).take()
    }

    /// The body has ended as it should: it is kept, and those who wait have it.
    pub(crate) fn complete(mut self) {
        let took = self.answers.clock.now().since(self.began);
        let life = Life { ttl: self.life.ttl.saturating_sub(took), ..self.life };
        let kept = Arc::new(Kept {
            headers: own(&self.headers),
            // Exactly as large as it is: what is kept for long is counted by its length.
            body: Bytes::from(std::mem::take(&mut self.body).into_boxed_slice()),
            age: self.age.saturating_add(took),
            place: self.place,
        });
        match self.keeper() {
            Some(Keeper::Lead(lead)) => _ = lead.land_for(kept, life),
            Some(Keeper::Alone(key)) => _ = self.answers.kept.put_for(key, kept, life),
            None => {}
        }
    }

    /// It cannot be kept: those who wait ask for themselves.
    pub(crate) fn give_up(self) {
        if let Some(keeper) = self.keeper() {
            keeper.give_up();
        }
    }

    /// Takes room for so many bytes in all.
    fn count(&mut self, length: usize) -> bool {
        let more = length.saturating_sub(self.counted);
        let taken = &self.answers.captured;
        if taken.fetch_add(more, Ordering::Relaxed).saturating_add(more) as u64 > MOST_BYTES {
            taken.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.counted += more;
        true
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.answers.captured.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

/// Those who wait do so no longer; the copy is finished for whoever comes later.
fn let_go(keeper: &Mutex<Option<Keeper>>) {
    let mut keeper = lock(keeper);
    let (alone, lead) = match keeper.take() {
        Some(Keeper::Lead(lead)) => (Some(Keeper::Alone(lead.key().clone())), Some(lead)),
        other => (other, None),
    };
    *keeper = alone;
    drop(keeper);
    if let Some(lead) = lead {
        lead.scatter();
    }
}

/// Headers that own their bytes: those of an answer lie in the buffer it was read into, which would be kept with them.
fn own(headers: &HeaderMap) -> HeaderMap {
    let mut own = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if let Ok(copy) = HeaderValue::from_bytes(value.as_bytes()) {
            own.append(name.clone(), copy);
        }
    }
    own
}

fn lock(keeper: &Mutex<Option<Keeper>>) -> MutexGuard<'_, Option<Keeper>> {
    keeper.lock().unwrap_or_else(PoisonError::into_inner)
}
