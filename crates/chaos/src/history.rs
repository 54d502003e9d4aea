//! What happened in a run, as it was heard.

use std::collections::HashSet;

use crate::ledger::Entry;
use crate::words::{At, How, Trouble, What};

/// A wish that somebody was given.
#[derive(Debug, Clone)]
pub struct Wish {
    /// For what.
    pub what: What,
    /// What it was asked to do; 0 is what is meant.
    pub args: u64,
    /// Who was given it.
    pub process: u32,
    /// When.
    pub sent: At,
    /// What was to go wrong.
    pub trouble: Trouble,
    /// Whether its operation began.
    pub ran: bool,
    /// When it was answered, and how; none is that whoever had it died.
    pub answered: Option<(At, How)>,
}

/// A grant of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Of what.
    pub what: What,
    /// Under this number.
    pub epoch: u64,
    /// To whom.
    pub nonce: u128,
    /// When it was asked for.
    pub asked: At,
    /// When it was answered.
    pub answered: At,
}

/// Something that was done on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// When it began.
    pub at: At,
    /// What.
    pub hit: Hit,
    /// To whom; none is to everybody.
    pub process: Option<u32>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// It was killed.
    Kill,
    /// It stood still.
    Freeze {
        /// Until then.
        until: At,
    },
    /// Its connection to the store was cut, or stood still.
    CutStore {
        /// Until then.
        until: At,
    },
    /// Its connection to the ledger was cut, or stood still.
    CutLedger {
        /// Until then.
        until: At,
    },
    /// Nobody meant it: for so long not even the driver ran, because the machine did something else.
    Standstill {
        /// Until then.
        until: At,
    },
    /// The store was killed.
    StoreKill {
        /// It was there again.
        until: At,
    },
}

impl Fault {
    /// When it was over.
    pub const fn over(&self) -> At {
        match self.hit {
            Hit::Freeze { until }
            | Hit::Standstill { until }
            | Hit::StoreKill { until }
            | Hit::CutStore { until }
            | Hit::CutLedger { until } => until,
            Hit::Kill => self.at,
        }
    }
}

/// Everything that is known of a run.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Wishes, by their number.
    pub wishes: Vec<Wish>,
    /// Grants, as they were heard of.
    pub grants: Vec<Grant>,
    /// What was done on purpose, in order.
    pub faults: Vec<Fault>,
    /// What an operator had to see.
    pub notes: Vec<(Option<What>, String)>,
    /// What a person decided about.
    pub forced: Vec<What>,
    /// What a person was on the way to decide about, whether or not anybody heard.
    pub looked: HashSet<What>,
    /// Nobody says what is granted and when an operation begins: a gateway does not.
    pub terse: bool,
    /// What is not finished at the end, and the word for where it stands.
    pub standing: Vec<(What, String)>,
    /// What was still asked for when the time to heal was over.
    pub open: Vec<What>,
    /// Words the store had not heard at the end.
    pub unsaid: usize,
    /// Why the end could not be seen, if so.
    pub blind: Option<String>,
}

impl History {
    /// All that is known of one effect, in order, in seconds since its first wish.
    pub fn story(&self, what: What, book: &[Entry]) -> String {
        let mut lines: Vec<(At, String)> = Vec::new();
        let wishes = || self.wishes.iter().enumerate().filter(|(_, wish)| wish.what == what);
        let begin = wishes().map(|(_, wish)| wish.sent).min().unwrap_or(0);
        for (n, wish) in wishes() {
            let Wish { process, trouble, args, ran, .. } = wish;
            let began = if *ran { "ran" } else { "did not run" };
            lines.push((wish.sent, format!("wish {n} ({args}) to {process}, {trouble:?}: {began}")));
            if let Some((at, how)) = &wish.answered {
                lines.push((*at, format!("wish {n} answered {how:?}")));
            }
        }
        for grant in self.grants.iter().filter(|grant| grant.what == what) {
            lines.push((grant.asked, format!("grant {} asked for", grant.epoch)));
            lines.push((grant.answered, format!("grant {} given", grant.epoch)));
        }
        for entry in book.iter().filter(|entry| entry.what == what) {
            let Entry { number, verdict, epoch, run, .. } = entry;
            lines.push((entry.at, format!("entry {number} {verdict}, by grant {epoch}, of wish {run}")));
        }
        let end = lines.iter().map(|(at, _)| *at).max().unwrap_or(0);
        let concerned = |fault: &&Fault| {
            fault.over() >= begin
                && fault.at <= end
                && fault.process.is_none_or(|process| wishes().any(|(_, wish)| wish.process == process))
        };
        for fault in self.faults.iter().filter(concerned) {
            let who = fault.process.map_or("the store".to_owned(), |process| process.to_string());
            lines.push((fault.at, format!("{:?} of {who}", fault.hit)));
        }
        lines.sort();
        let told = |(at, line): &(At, String)| {
            let since = *at as f64 / 1e9 - begin as f64 / 1e9;
            format!("    {since:9.4} {line}")
        };
        let lines: Vec<String> = lines.iter().map(told).collect();
        format!("  the story of {what}\n{}", lines.join("\n"))
    }
}
