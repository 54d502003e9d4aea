//! What a campaign came to, for people and for programs.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::check::{Violation, check, doubts, duplicates, omissions};
use crate::driver::{Campaign, Ran};
use crate::history::Hit;
use crate::ledger::Verdict;
use crate::words::{How, Kind, What};

/// The figures of one campaign.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Where effects were remembered.
    pub store: String,
    /// What the plan was drawn from.
    pub seed: u64,
    /// How long blows fell, in seconds.
    pub seconds: f64,
    /// How long it took until all was known that could be.
    pub healed: f64,
    /// Effects that were wanted.
    pub effects: usize,
    /// Of these, such that must not take place twice: all but the idempotent.
    pub unique: usize,
    /// Wishes for them: several may want one.
    pub wishes: usize,
    /// Grants that were heard of.
    pub grants: usize,
    /// Effects that are in the ledger.
    pub done: usize,
    /// Effects that were refused for good.
    pub refused: usize,
    /// Workers that were killed.
    pub kills: usize,
    /// Kills of the store's server.
    pub store_kills: usize,
    /// Workers that were frozen.
    pub freezes: usize,
    /// Connections that were cut, or stood still.
    pub cuts: usize,
    /// Requests that were held beyond their senders' patience, or whose reply was lost.
    pub blinded: usize,
    /// Effects that were in doubt at some time.
    pub in_doubt: usize,
    /// Doubts nobody gave a reason for.
    pub false_doubts: usize,
    /// Doubts a person decided.
    pub decided: usize,
    /// Effects that are in doubt at the end; all of them opaque.
    pub still_in_doubt: usize,
    /// Of these, such that took place.
    pub still_in_doubt_done: usize,
    /// Effects that were wanted, not refused, and never took place.
    pub omissions: usize,
    /// Of these, such that are in doubt.
    pub omissions_in_doubt: usize,
    /// Entries beyond the first of an effect that must not have a second.
    pub duplicates: usize,
    /// With 95 % certainty fewer than this share of effects is done twice; none where one was.
    pub bound: Option<f64>,
    /// Wishes that would have been another use of a key; all were refused.
    pub mistakes: usize,
    /// What does not hold.
    pub violations: Vec<Violation>,
    /// What is known of effects something is wrong with, a few of them.
    pub stories: Vec<String>,
}

/// Stories that are told.
const STORIES: usize = 4;

/// Of a hundred effects, so many may be in doubt without a reason before that is a fault, and a handful in any case: a
/// machine that is busy with something else keeps a lease from being renewed now and then.
const MOST_FALSE: usize = 2;
const A_HANDFUL: usize = 5;

impl Report {
    /// What that run came to.
    pub fn of(campaign: &Campaign, ran: &Ran) -> Self {
        let (history, book) = (&ran.history, &ran.book);
        let done: BTreeSet<What> =
            book.iter().filter(|entry| entry.verdict == Verdict::Done).map(|entry| entry.what).collect();
        let refused: BTreeSet<What> =
            book.iter().filter(|entry| entry.verdict == Verdict::Refused).map(|entry| entry.what).collect();
        let doubts = doubts(history, book);
        let hits =
            |wanted: fn(&Hit) -> bool| history.faults.iter().filter(|fault| wanted(&fault.hit)).count();
        let unique = ran.effects.iter().filter(|what| what.kind != Kind::Setting).count();
        let duplicates = duplicates(book);
        let omitted = omissions(history, book);
        let mut violations = check(history, book);
        let false_doubts = doubts.unexplained.len();
        if false_doubts > A_HANDFUL && false_doubts * 100 > ran.effects.len() * MOST_FALSE {
            let why = format!("{false_doubts} doubts of {} effects have no reason", ran.effects.len());
            let first = doubts.unexplained.first().map(|(what, _)| *what);
            violations.push(Violation { law: crate::check::Law::Doubt, what: first, why });
        }
        let odd = violations.iter().filter_map(|violation| violation.what);
        let odd: BTreeSet<What> =
            odd.take(STORIES).chain(doubts.unexplained.iter().map(|(what, _)| *what).take(2)).collect();
        let stories = odd.into_iter().map(|what| history.story(what, book)).collect();
        let standing: BTreeSet<What> = history.standing.iter().map(|(what, _)| *what).collect();
        // What stands in doubt is only known where somebody looked at the end.
        Self {
            store: campaign.store.to_string(),
            seed: campaign.seed,
            seconds: ran.length.as_secs_f64(),
            healed: ran.healed.as_secs_f64(),
            effects: ran.effects.len(),
            unique,
            wishes: history.wishes.len(),
            grants: history.grants.len(),
            done: done.len(),
            refused: refused.len(),
            kills: hits(|hit| *hit == Hit::Kill),
            store_kills: hits(|hit| matches!(hit, Hit::StoreKill { .. })),
            freezes: hits(|hit| matches!(hit, Hit::Freeze { .. })),
            cuts: hits(|hit| matches!(hit, Hit::CutStore { .. } | Hit::CutLedger { .. })),
            blinded: history.wishes.iter().filter(|wish| wish.ran && wish.trouble.blinds()).count(),
            in_doubt: doubts.effects,
            false_doubts,
            decided: history.forced.len(),
            still_in_doubt: standing.len(),
            still_in_doubt_done: standing.intersection(&done).count(),
            omissions: omitted.len(),
            omissions_in_doubt: omitted.iter().filter(|what| standing.contains(what)).count(),
            duplicates,
            bound: (duplicates == 0 && unique > 0).then(|| 3.0 / unique as f64),
            mistakes: history
                .wishes
                .iter()
                .filter(|wish| matches!((wish.args, &wish.answered), (1.., Some((_, How::Mismatch)))))
                .count(),
            violations,
            stories,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, seed, seconds, healed, .. } = self;
        writeln!(f, "store {store}, seed {seed}, {seconds:.0} s of blows, all known {healed:.0} s later")?;
        let (effects, wishes, grants) = (self.effects, self.wishes, self.grants);
        writeln!(f, "  effects     {effects} wanted by {wishes} wishes, {grants} grants")?;
        writeln!(f, "  done        {}, refused for good {}", self.done, self.refused)?;
        let (kills, store_kills, freezes, cuts) = (self.kills, self.store_kills, self.freezes, self.cuts);
        writeln!(
            f,
            "  blows       {kills} workers killed, {store_kills} times the store, {freezes} frozen, {cuts} cables cut, \
             {} requests late or unanswered",
            self.blinded
        )?;
        let (doubts, decided, unexplained) = (self.in_doubt, self.decided, self.false_doubts);
        writeln!(
            f,
            "  in doubt    {doubts} effects at some time, {unexplained} without a reason, {decided} decided by a person; \
             at the end {} (of which {} took place)",
            self.still_in_doubt, self.still_in_doubt_done
        )?;
        let (omitted, doubtful) = (self.omissions, self.omissions_in_doubt);
        writeln!(f, "  omissions   {omitted}, {doubtful} of them in doubt")?;
        writeln!(f, "  mistakes    {} other uses of a key, refused", self.mistakes)?;
        match self.bound {
            Some(bound) => writeln!(
                f,
                "  duplicates  0 of {} that must not have one: with 95 % certainty fewer than 1 in {:.0}",
                self.unique,
                1.0 / bound
            )?,
            None => writeln!(f, "  duplicates  {}", self.duplicates)?,
        }
        match self.violations.len() {
            0 => write!(f, "  everything holds"),
            count => {
                write!(f, "  {count} VIOLATIONS")?;
                for violation in self.violations.iter().take(20) {
                    write!(f, "\n    {violation}")?;
                }
                Ok(())
            }
        }?;
        self.stories.iter().try_for_each(|story| write!(f, "\n{story}"))
    }
}
