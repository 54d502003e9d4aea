//! Holds what was heard of a run against what the ledger has. Pure: a history and a book in, what is wrong out.

mod bound;
mod doubts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use serde::Serialize;

use crate::history::History;
use crate::ledger::{Entry, Verdict};
use crate::words::{How, Kind, What};

pub use bound::bound;
pub use doubts::{Doubts, doubts};

crate::listed! {
    /// What must hold.
    Law {
        /// Nothing takes place twice; of what is keyed, the far side makes one.
        Once = "C1",
        /// Whoever was told that it is done: it is, as it was meant, and all were told the same.
        Done = "C2",
        /// Whoever was told that it was not done: it was not.
        NotDone = "C3",
        /// A doubt has a reason.
        Doubt = "C4",
        /// At the end nobody is at it, what can be found out is known, and the store has heard everything.
        Quiet = "C5",
        /// Grants of an effect are numbered, and the numbers grow; nothing reaches the ledger without one.
        Epochs = "C6",
        /// A key that is used for something else is refused.
        Mismatch = "C7",
        /// Nobody is alarmed without cause.
        Alarm = "C8",
        /// Blows have fallen and left doubts: a run in which nothing happened shows nothing.
        Struck = "C9",
    }
}

/// How what nobody should have to see begins; the last is an answer that means nothing.
pub const ALARMS: [&str; 4] = ["SUSPECTED", "CONTRADICTION", "FORGOTTEN", "ODD"];

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// What does not.
    pub law: Law,
    /// Of which effect; none is of the whole.
    pub what: Option<What>,
    /// How.
    pub why: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            Some(what) => write!(f, "{} {what}: {}", self.law, self.why),
            None => write!(f, "{}: {}", self.law, self.why),
        }
    }
}

/// What the ledger has of each effect.
struct Book<'a> {
    done: HashMap<What, Vec<&'a Entry>>,
    runs: HashMap<u64, &'a Entry>,
    numbers: HashMap<u64, &'a Entry>,
}

impl<'a> Book<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let mut book = Self { done: HashMap::new(), runs: HashMap::new(), numbers: HashMap::new() };
        for entry in entries {
            match entry.verdict {
                Verdict::Done => {
                    book.done.entry(entry.what).or_default().push(entry);
                    book.numbers.insert(entry.number, entry);
                    book.runs.insert(entry.run, entry);
                }
                Verdict::Again => {
                    book.runs.insert(entry.run, entry);
                }
                Verdict::Refused | Verdict::Fenced => {}
            }
        }
        book
    }

    fn times(&self, what: What) -> usize {
        self.done.get(&what).map_or(0, Vec::len)
    }
}

/// Everything that does not hold. A doubt without a reason is counted by [`doubts`], not here.
pub fn check(history: &History, entries: &[Entry]) -> Vec<Violation> {
    let book = Book::of(entries);
    let mut wrong = Vec::new();
    once(&book, &mut wrong);
    answers(history, &book, &mut wrong);
    quiet(history, &mut wrong);
    if !history.terse {
        epochs(history, entries, &mut wrong);
    }
    for (what, note) in &history.notes {
        if ALARMS.iter().any(|alarm| note.starts_with(alarm)) {
            wrong.push(Violation { law: Law::Alarm, what: *what, why: note.clone() });
        }
    }
    wrong.sort_by_key(|violation| (violation.law, violation.what));
    wrong
}

/// How many entries there are beyond the first, of what must not have a second.
pub fn duplicates(entries: &[Entry]) -> usize {
    let book = Book::of(entries);
    let counted = book.done.iter().filter(|(what, _)| what.kind != Kind::Setting);
    counted.map(|(_, entries)| entries.len() - 1).sum()
}

/// Effects that were wanted, not refused for good, and never done.
pub fn omissions(history: &History, entries: &[Entry]) -> Vec<What> {
    let book = Book::of(entries);
    let refused: HashSet<What> =
        entries.iter().filter(|entry| entry.verdict == Verdict::Refused).map(|entry| entry.what).collect();
    let wanted: BTreeSet<What> = history.wishes.iter().map(|wish| wish.what).collect();
    wanted.into_iter().filter(|what| book.times(*what) == 0 && !refused.contains(what)).collect()
}

fn once(book: &Book<'_>, wrong: &mut Vec<Violation>) {
    for (what, entries) in book.done.iter().filter(|(what, _)| what.kind != Kind::Setting) {
        if entries.len() > 1 {
            let told = |entry: &&Entry| format!("entry {} by grant {}", entry.number, entry.epoch);
            let all: Vec<String> = entries.iter().map(told).collect();
            let why = format!("it took place {} times: {}", entries.len(), all.join(", "));
            wrong.push(Violation { law: Law::Once, what: Some(*what), why });
        }
    }
    for entry in book.numbers.values().filter(|entry| entry.print != entry.what.print(0)) {
        let why = format!("entry {} is of what another was to do under its key", entry.number);
        wrong.push(Violation { law: Law::Mismatch, what: Some(entry.what), why });
    }
}

fn answers(history: &History, book: &Book<'_>, wrong: &mut Vec<Violation>) {
    let mut told: HashMap<What, u64> = HashMap::new();
    for (n, wish) in history.wishes.iter().enumerate() {
        let Some((_, how)) = &wish.answered else { continue };
        let what = wish.what;
        let mut say = |law, why: String| wrong.push(Violation { law, what: Some(what), why });
        let times = book.times(what);
        if wish.args != 0 {
            if !matches!(how, How::Mismatch | How::Unavailable) {
                say(Law::Mismatch, format!("another use of its key was answered {how:?}"));
            }
            continue;
        }
        let refused_to_begin = matches!(
            how,
            How::Unavailable | How::InFlight | How::Mismatch | How::Expired | How::Exhausted | How::Cooldown
        );
        if refused_to_begin && wish.ran {
            say(Law::NotDone, format!("wish {n} was answered {how:?}, and its operation ran"));
        }
        match how {
            How::Ok { entry, print, .. } => {
                let right = match what.kind {
                    Kind::Setting => times > 0,
                    _ => book
                        .numbers
                        .get(entry)
                        .is_some_and(|found| found.what == what && found.print == *print),
                };
                if !right || *print != what.print(0) {
                    say(Law::Done, format!("wish {n} was told entry {entry}, which the ledger has not"));
                }
                if let Some(other) = told.insert(what, *entry)
                    && other != *entry
                {
                    say(Law::Done, format!("one was told entry {other}, another entry {entry}"));
                }
            }
            How::Refused { .. } if times > 0 => {
                say(
                    Law::NotDone,
                    format!("wish {n} was told that it was refused for good, and it took place"),
                );
            }
            How::Exhausted if times > 0 => {
                say(Law::NotDone, format!("wish {n} was told that it did not take place, and it did"));
            }
            How::NotApplied { run } => {
                if let Some(entry) = book.runs.get(run) {
                    let why =
                        format!("run {run} was said not to have taken place, and is entry {}", entry.number);
                    say(Law::NotDone, why);
                } else if let Some(entry) =
                    book.done.get(&what).and_then(|all| all.iter().find(|entry| entry.at < wish.sent))
                {
                    let number = entry.number;
                    say(Law::NotDone, format!("wish {n} was told not done, and it had been: entry {number}"));
                }
            }
            How::Mismatch => say(Law::Mismatch, format!("wish {n} is what was meant, and was refused")),
            // A person says that it took place, not what was answered.
            How::NotKept if history.terse && times == 1 && history.looked.contains(&what) => {}
            How::Expired | How::NotKept => {
                say(Law::Done, format!("wish {n} was answered {how:?} within the life of its record"));
            }
            _ => {}
        }
    }
}

fn quiet(history: &History, wrong: &mut Vec<Violation>) {
    let mut say = |what, why: String| wrong.push(Violation { law: Law::Quiet, what, why });
    for (what, state) in &history.standing {
        let right = state == "in-doubt" && what.kind == Kind::Letter;
        if !right {
            say(Some(*what), format!("it is {state} though all is well again"));
        }
    }
    for what in &history.open {
        say(Some(*what), "nobody came to an end with it though all is well again".to_owned());
    }
    if history.unsaid > 0 {
        say(None, format!("the store has not heard {} words though it is there", history.unsaid));
    }
    if let Some(why) = &history.blind {
        say(None, why.clone());
    }
}

fn epochs(history: &History, entries: &[Entry], wrong: &mut Vec<Violation>) {
    let mut grants: BTreeMap<What, Vec<_>> = BTreeMap::new();
    for grant in &history.grants {
        grants.entry(grant.what).or_default().push(grant);
    }
    for (what, grants) in &mut grants {
        grants.sort_by_key(|grant| grant.asked);
        for (place, later) in grants.iter().enumerate() {
            // One that was answered before another was asked for has the lower number; the same wish asked twice has the
            // same.
            let fine = grants[..place].iter().all(|earlier| {
                let same = earlier.nonce == later.nonce;
                match same {
                    true => earlier.epoch == later.epoch,
                    false if earlier.answered < later.asked => earlier.epoch < later.epoch,
                    false => earlier.epoch != later.epoch,
                }
            });
            if !fine {
                let why = format!("grant {} came after one with its number or a higher one", later.epoch);
                wrong.push(Violation { law: Law::Epochs, what: Some(*what), why });
                break;
            }
        }
    }
    for entry in entries {
        let granted = grants
            .get(&entry.what)
            .is_some_and(|grants| grants.iter().any(|grant| grant.epoch == entry.epoch));
        if !granted {
            let why = format!("entry {} came by grant {}, which nobody was given", entry.number, entry.epoch);
            wrong.push(Violation { law: Law::Epochs, what: Some(entry.what), why });
        }
    }
}
