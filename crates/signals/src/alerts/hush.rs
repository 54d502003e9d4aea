//! Who need not be told because another alert says the same or more.

use std::collections::BTreeMap;

use seawall_core::Instant;
use seawall_policy::alert::{Labels, Phase, Quiet};

use super::board::{Board, Ruled};
use super::key::Key;

impl Board {
    /// Finds out which active alerts others make quiet, and notes where that has changed.
    pub(super) fn quiet(&mut self, now: Instant) {
        let mut quieted = BTreeMap::new();
        for ruled in self.rules.iter().filter(|ruled| !ruled.rule.quiet_while.is_empty()) {
            for (labels, alert) in ruled.book.alerts() {
                let phase = alert.machine.phase();
                if !phase.is_active() {
                    continue;
                }
                let key = Key { rule: ruled.name.clone(), labels: labels.clone() };
                let by = ruled.rule.quiet_while.iter().find_map(|quiet| self.quieter(quiet, labels));
                // What ends a little later than the other need not be told in between.
                let ending = matches!(phase, Phase::Recovering { .. });
                let by = by.or_else(|| self.quieted.get(&key).filter(|_| ending).cloned());
                quieted.extend(by.map(|by| (key, by)));
            }
        }
        let before = std::mem::replace(&mut self.quieted, quieted.clone());
        for (key, by) in quieted.iter().filter(|(key, _)| !before.contains_key(key)) {
            self.trace(key, now, format!("not told while {by} is active"));
        }
        for (key, by) in before.iter().filter(|(key, _)| !quieted.contains_key(key)) {
            let active = self.ruled(key).and_then(|ruled| ruled.book.alerts().get(&key.labels));
            if active.is_some_and(|alert| alert.machine.phase().is_active()) {
                self.trace(key, now, format!("{by} is over: this one is not"));
            }
        }
    }

    /// The id of an active alert that makes one with these labels quiet.
    fn quieter(&self, quiet: &Quiet, ours: &Labels) -> Option<String> {
        let other = self.rules.iter().find(|other| other.rule.name == quiet.rule())?;
        let active = other.book.alerts().iter().filter(|(_, alert)| alert.machine.phase().is_active());
        let (theirs, _) = active.into_iter().find(|(theirs, _)| quiet.covers(theirs, ours))?;
        Some(Key { rule: other.name.clone(), labels: theirs.clone() }.id())
    }

    fn ruled(&self, key: &Key) -> Option<&Ruled> {
        self.rules.iter().find(|ruled| ruled.name == key.rule)
    }
}
