//! Adds up what rules say about one place: weak reasons count together only where they stand together.

use std::ops::Range;

use super::rules::{Category, IDS, Id, RULES};

/// Reasons further apart than so many bytes have nothing to do with each other.
const NEAR: u32 = 512;

/// A rule and the bytes it speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) id: Id,
    pub(super) range: Range<u32>,
}

/// The best score of each category so far, and what made it.
#[derive(Debug)]
pub(super) struct Tally {
    /// Rules that are not heard, a bit for each.
    silent: u128,
    /// Where each rule spoke last.
    last: Vec<Option<Range<u32>>>,
    best: [Best; Category::ALL.len()],
}

#[derive(Debug, Clone, Default)]
pub(super) struct Best {
    pub(super) score: u32,
    pub(super) hits: Vec<Hit>,
}

const _: () = assert!(RULES.len() <= 128, "a rule has no bit");

impl Tally {
    pub(super) fn new(silent: u128) -> Self {
        Self { silent, last: Vec::new(), best: Default::default() }
    }

    /// A rule speaks of these bytes. A rule counts once within a place, however often it speaks there.
    pub(super) fn add(&mut self, id: Id, range: Range<u32>) {
        if self.silent >> id as u8 & 1 == 1 {
            return;
        }
        if self.last.is_empty() {
            self.last = vec![None; RULES.len()];
        }
        let here = range.start;
        let category = id.rule().category;
        let before = self.last[id as usize].replace(range);
        // It spoke here a moment ago, and whoever spoke since has counted it: the sum is none that was not seen.
        if before.is_some_and(|before| before.start.abs_diff(here) <= NEAR) {
            return;
        }
        let near = |range: &Range<u32>| range.start.abs_diff(here) <= NEAR;
        let together = || {
            let all = RULES.iter().zip(&self.last).enumerate();
            all.filter(|(_, (rule, _))| rule.category == category).filter_map(|(place, (rule, last))| {
                Some((place, rule, last.as_ref().filter(|last| near(last))?))
            })
        };
        let score = together().map(|(_, rule, _)| u32::from(rule.weight)).sum();
        let best = &mut self.best[category as usize];
        if score > best.score {
            best.score = score;
            best.hits =
                together().map(|(place, _, last)| Hit { id: IDS[place], range: last.clone() }).collect();
            best.hits.sort_by_key(|hit| hit.range.start);
        }
    }

    pub(super) fn best(&self, category: Category) -> &Best {
        &self.best[category as usize]
    }
}
