//! What the parts of one process share, as a fleet would: for tests, and for one process that may become several.

use std::collections::HashMap;
use std::future::ready;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use seawall_core::fleet::{Fleet, Moment, breaker, lease, limit, presence};
use seawall_core::store::{Asked, StoreError};
use seawall_policy::fleet::{self, Stepped};

use super::Memory;

/// What stands where, and until when.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    kept: HashMap<Place, (Vec<u8>, u64)>,
    /// How many there were after it was last tidied.
    tidied: usize,
}

/// A kind, a name and an id.
type Place = (&'static str, Arc<str>, String);

/// Below this nobody tidies.
const FEW: usize = 1000;

impl Memory {
    fn step<T: Send + 'static>(
        &self,
        place: Place,
        step: impl FnOnce(Option<&[u8]>, Moment) -> Stepped<T>,
    ) -> Asked<'_, T> {
        let now = Moment(self.time.micros());
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let held = shelf.kept.get(&place).filter(|(_, ends)| now.0 < *ends);
        let said = match step(held.map(|(bytes, _)| &bytes[..]), now) {
            Ok((Some(kept), said)) => {
                shelf.put(place, kept.bytes, now.0.saturating_add(micros(kept.keep)), now);
                Ok(said)
            }
            Ok((None, said)) => {
                shelf.kept.remove(&place);
                Ok(said)
            }
            Err(fleet::Unreadable) => Err(StoreError::Unreadable(format!("{} {:?}", place.0, place.1))),
        };
        Box::pin(ready(said))
    }
}

impl Shelf {
    fn put(&mut self, place: Place, bytes: Vec<u8>, ends: u64, now: Moment) {
        if self.kept.len() > FEW.max(2 * self.tidied) {
            self.kept.retain(|_, (_, ends)| now.0 < *ends);
            self.tidied = self.kept.len();
        }
        self.kept.insert(place, (bytes, ends));
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

impl Fleet for Memory {
    fn limit(&self, of: &limit::Of, ask: limit::Ask) -> Asked<'_, limit::Said> {
        let place = ("limit", of.name.clone(), fleet::limit::id(of));
        self.step(place, |held, now| fleet::limit::step(held, of, ask, now))
    }

    fn breaker(
        &self,
        name: &Arc<str>,
        rules: &breaker::Rules,
        ask: breaker::Ask,
    ) -> Asked<'_, breaker::Said> {
        let place = ("breaker", name.clone(), String::new());
        self.step(place, |held, now| fleet::breaker::step(held, rules, &ask, now))
    }

    fn lease(&self, name: &Arc<str>, ask: lease::Ask) -> Asked<'_, lease::Said> {
        let place = ("lease", name.clone(), String::new());
        self.step(place, |held, now| fleet::lease::step(held, ask, now))
    }

    fn presence(&self, group: &Arc<str>, ask: presence::Ask) -> Asked<'_, u32> {
        let place = ("members", group.clone(), String::new());
        self.step(place, |held, now| fleet::presence::step(held, ask, now))
    }
}

#[cfg(test)]
mod tests {
    use seawall_core::effect::Stamp;
    use seawall_core::fleet::Member;

    use super::*;
    use crate::conformance;
    use crate::time::Time;

    #[tokio::test]
    async fn what_a_fleet_shares_conforms_in_memory() {
        let time = Time::manual(conformance::BEGAN);
        let walked = conformance::fleet::walk(&Memory::with(time.clone()), &time, 7, 100_000).await;
        assert!(walked.every_answer_was_given(), "{walked:?}");
    }

    #[tokio::test]
    async fn breakers_conform_in_memory() {
        for seed in 0..8 {
            let time = Time::manual(conformance::BEGAN);
            let memory = Memory::with(time.clone());
            conformance::breakers::walk(&memory, &time, seed, 20_000).await;
        }
    }

    #[tokio::test]
    async fn what_is_over_makes_room() {
        let time = Time::manual(Stamp(1_700_000_000_000));
        let memory = Memory::with(time.clone());
        for n in 0..10_000 {
            let ask = presence::Ask::Here(Member(1), Duration::from_secs(1));
            memory.presence(&n.to_string().into(), ask).await.unwrap();
            time.advance(Duration::from_millis(10));
        }
        assert!(memory.shelf.lock().unwrap().kept.len() <= FEW + 1);
    }
}
