//! Whether every doubt has a reason: something was done on purpose, to somebody who was at it, at the right time.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::history::{Fault, History, Hit, Wish};
use crate::ledger::Entry;
use crate::words::{At, How, Trouble, What};

/// How long it may take until whoever used a connection has heard of its end.
const NOTICED: At = 100_000_000;

/// What is known of the doubts of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doubts {
    /// Effects that were in doubt at some time, as far as anybody was told.
    pub effects: usize,
    /// Doubts nobody gave a reason for, by the effect and the moment in milliseconds since 1970.
    pub unexplained: Vec<(What, u64)>,
}

/// Looks for the reason of each doubt anybody was told of.
pub fn doubts(history: &History, book: &[Entry]) -> Doubts {
    let mut seen: BTreeSet<(What, u64)> = BTreeSet::new();
    let mut by_effect: HashMap<What, Vec<&Wish>> = HashMap::new();
    for wish in &history.wishes {
        by_effect.entry(wish.what).or_default().push(wish);
        match &wish.answered {
            Some((_, How::InDoubt { since, .. })) => drop(seen.insert((wish.what, *since))),
            Some((at, How::Unknown)) => drop(seen.insert((wish.what, at / 1_000_000))),
            _ => {}
        }
    }
    // A reply that is lost takes the connection with it, and whatever else was on it.
    let silent = book.iter().filter_map(|entry| {
        let wish = history.wishes.get(usize::try_from(entry.run).ok()?)?;
        let process = Some(wish.process);
        (wish.trouble == Trouble::Unanswered).then_some(Fault {
            at: entry.at,
            hit: Hit::CutLedger { until: entry.at + NOTICED },
            process,
        })
    });
    let mut by_process: HashMap<u32, Vec<Fault>> = HashMap::new();
    for fault in history.faults.iter().copied().chain(silent) {
        by_process.entry(fault.process.unwrap_or(0)).or_default().push(fault);
    }
    let none = Vec::new();
    let of = |process: u32| by_process.get(&process).unwrap_or(&none).iter();
    let explained = |(what, since): &&(What, u64)| {
        // The store counts whole milliseconds.
        let until: At = (since + 1).saturating_mul(1_000_000);
        by_effect[what].iter().filter(|wish| wish.sent <= until).any(|wish| {
            let blinded = wish.ran && wish.trouble.blinds();
            blinded || of(wish.process).chain(of(0)).any(|fault| at_it(wish, fault, until, history.terse))
        })
    };
    let effects: HashSet<What> = seen.iter().map(|(what, _)| *what).collect();
    let unexplained = seen.iter().filter(|doubt| !explained(doubt)).copied().collect();
    Doubts { effects: effects.len(), unexplained }
}

/// Did that fall into the time in which whoever had the wish had something to do or to say about it?
fn at_it(wish: &Wish, fault: &Fault, until: At, terse: bool) -> bool {
    let settled = match &wish.answered {
        Some((at, how)) if how.settled() => *at,
        _ => At::MAX,
    };
    let between = fault.at <= until.min(settled) && fault.over() >= wish.sent;
    match fault.hit {
        // Whoever had not begun does not wait for the ledger.
        Hit::CutLedger { .. } => between && (wish.ran || terse),
        _ => between,
    }
}
