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

type Seat = watch::Receiver<Option<Ended>>;

/// What is under way. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Key, (Fingerprint, Seat)>>>);

/// The duty to end a flight.
pub(super) struct Pilot {
    flights: Flights,
    key: Key,
    seats: watch::Sender<Option<Ended>>,
    /// Nobody boards any more: the way may be another's.
    closed: bool,
}

pub(super) enum Boarded {
    /// Nobody else was at it.
    Pilot(Pilot, Seat),
    /// Somebody is.
    Passenger(Seat),
    /// Somebody is, with something else in mind.
    Mismatch,
}

impl Flights {
    pub(super) fn board(&self, key: Key, print: Fingerprint) -> Boarded {
        let mut flights = lock(&self.0);
        match flights.get(&key) {
            Some((other, _)) if *other != print => Boarded::Mismatch,
            Some((_, seat)) => Boarded::Passenger(seat.clone()),
            None => {
                let (seats, seat) = watch::channel(None);
                flights.insert(key, (print, seat.clone()));
                let (flights, closed) = (self.clone(), false);
                Boarded::Pilot(Pilot { flights, key, seats, closed }, seat)
            }
        }
    }
}

impl Pilot {
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
        self.seats.send_replace(Some(ended));
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        if self.seats.borrow().is_none() {
            self.over(Ended::Gone);
        }
    }
}

pub(super) async fn landed(mut seat: Seat) -> Ended {
    match seat.wait_for(Option::is_some).await {
        Ok(ended) => ended.clone().unwrap_or(Ended::Gone),
        Err(_) => Ended::Gone,
    }
}
