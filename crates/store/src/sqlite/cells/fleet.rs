//! What a fleet on one machine shares: the steps of `seawall_policy::fleet`, each on a row, in a transaction.

use std::sync::Arc;

use seawall_core::fleet::{Fleet, Moment, breaker, lease, limit, presence};
use seawall_core::store::{Asked, StoreError};
use seawall_policy::fleet::{self, Stepped};

use super::{Cells, Place};

impl Cells {
    fn step<'a, T: Send + 'static>(
        &'a self,
        place: Place,
        step: impl FnOnce(Option<&[u8]>, Moment) -> Stepped<T> + Send + 'static,
    ) -> Asked<'a, T> {
        self.ask(move |table| {
            let held = table.get(&place)?.map(|row| row.value);
            let (kept, said) = step(held.as_deref(), Moment(table.now))
                .map_err(|fleet::Unreadable| StoreError::Unreadable(format!("{} {:?}", place.0, place.1)))?;
            match kept {
                Some(kept) if held.as_ref() != Some(&kept.bytes) => {
                    table.put(&place, &kept.bytes, kept.keep)?;
                }
                None if held.is_some() => table.remove(&place)?,
                _ => {}
            }
            Ok(said)
        })
    }
}

impl Fleet for Cells {
    fn limit(&self, of: &limit::Of, ask: limit::Ask) -> Asked<'_, limit::Said> {
        let of = of.clone();
        let place = ("limit", of.name.clone(), fleet::limit::id(&of).into());
        self.step(place, move |held, now| fleet::limit::step(held, &of, ask, now))
    }

    fn breaker(
        &self,
        name: &Arc<str>,
        rules: &breaker::Rules,
        ask: breaker::Ask,
    ) -> Asked<'_, breaker::Said> {
        let (place, rules) = (("breaker", name.clone(), "".into()), rules.clone());
        self.step(place, move |held, now| fleet::breaker::step(held, &rules, &ask, now))
    }

    fn lease(&self, name: &Arc<str>, ask: lease::Ask) -> Asked<'_, lease::Said> {
        let place = ("lease", name.clone(), "".into());
        self.step(place, move |held, now| fleet::lease::step(held, ask, now))
    }

    fn presence(&self, group: &Arc<str>, ask: presence::Ask) -> Asked<'_, u32> {
        let place = ("members", group.clone(), "".into());
        self.step(place, move |held, now| fleet::presence::step(held, ask, now))
    }
}
