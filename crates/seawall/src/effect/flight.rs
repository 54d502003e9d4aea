//! Callers of one effect within this process: one asks the store and runs, the others get what it got.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use seawall_core::Rejection;
use seawall_core::effect::{Fingerprint, Key};
use seawall_policy::effect::Ending;
use tokio::sync::watch;

use super::begin::Begun;
use super::outcome::Durability;
use crate::lock;

/// How a flight ended.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    /// It was run, and this is what it gave, unless that cannot be written down.
    Ran { how: Ending, bytes: Option<Arc<[u8]>>, durability: Durability },
    /// It was not run, and this is why.
    Said(Arc<Begun>),
    /// The store gave no answer.
    Refused(Rejection),
    /// It panicked, or its runtime has ended.
    Gone,
}

/// How far a flight is.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// The store has not answered.
    Asking,
    /// It was granted.
    Runs,
    /// It has ended.
    Over(Ended),
}

type Seat = watch::Receiver<Stage>;

/// What is under way. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Key, (Fingerprint, Seat)>>>);

/// The duty to end a flight.
pub(super) struct Pilot {
    flights: Flights,
    key: Key,
    seats: watch::Sender<Stage>,
    /// Nobody boards any more: the way may be another's.
    closed: bool,
}

pub(super) enum Boarded {
    /// Nobody else was at it.
    Pilot(Pilot, Seat),
    /// Somebody is.
    Passenger(Seat),
    /// Somebody is, with something else in mind. Who of the two is mistaken, the store decides: see [`stands`].
    Mismatch(Seat),
}

impl Flights {
    pub(super) fn board(&self, key: Key, print: Fingerprint) -> Boarded {
        let mut flights = lock(&self.0);
        match flights.get(&key) {
            Some((other, seat)) if *other != print => Boarded::Mismatch(seat.clone()),
            Some((_, seat)) => Boarded::Passenger(seat.clone()),
            None => {
                let (seats, seat) = watch::channel(Stage::Asking);
                flights.insert(key, (print, seat.clone()));
                let (flights, closed) = (self.clone(), false);
                Boarded::Pilot(Pilot { flights, key, seats, closed }, seat)
            }
        }
    }
}

impl Pilot {
    /// The store has granted it: what it is asked to do is what the effect is.
    pub(super) fn granted(&self) {
        self.seats.send_replace(Stage::Runs);
    }

    pub(super) fn end(mut self, ended: Ended) {
        self.over(ended);
    }

    /// Whoever comes from now on asks the store.
    pub(super) fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            lock(&self.flights.0).remove(&self.key);
        }
    }

    fn over(&mut self, ended: Ended) {
        self.close();
        self.seats.send_replace(Stage::Over(ended));
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        if !matches!(*self.seats.borrow(), Stage::Over(_)) {
            self.over(Ended::Gone);
        }
    }
}

pub(super) async fn landed(mut seat: Seat) -> Ended {
    match seat.wait_for(|stage| matches!(stage, Stage::Over(_))).await.as_deref() {
        Ok(Stage::Over(ended)) => ended.clone(),
        _ => Ended::Gone,
    }
}

/// Does the effect do what this flight was asked to do? Known as soon as the store has answered it; where it has not, or
/// knows nothing of the effect, not.
pub(super) async fn stands(mut seat: Seat) -> bool {
    match seat.wait_for(|stage| !matches!(stage, Stage::Asking)).await.as_deref() {
        Ok(Stage::Runs | Stage::Over(Ended::Ran { .. })) => true,
        Ok(Stage::Over(Ended::Said(begun))) => !matches!(**begun, Begun::Mismatch | Begun::Expired),
        _ => false,
    }
}
