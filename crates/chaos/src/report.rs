//! What a campaign came to, for people and for programs.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::check::{Law, Violation, bound, check, doubts, duplicates, omissions};
use crate::driver::{Campaign, Ran};
use crate::history::{History, Hit};
use crate::ledger::Verdict;
use crate::words::{How, Kind, What};

/// The figures of one campaign.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Who did them: workers with the library, or gateways.
    pub door: String,
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
    /// How often the machine did something else for a second or more, in which not even the driver ran.
    pub standstills: usize,
    /// The longest of these, in seconds.
    pub longest: f64,
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
    /// With 95 % certainty a smaller share of such effects than this is done twice; none where there were none.
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

/// After so many pauses of a kind of blow, one must have fallen.
const SURELY: u32 = 20;

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
            violations.push(Violation { law: Law::Doubt, what: first, why });
        }
        let odd = violations.iter().filter_map(|violation| violation.what);
        let odd: BTreeSet<What> =
            odd.take(STORIES).chain(doubts.unexplained.iter().map(|(what, _)| *what).take(2)).collect();
        let stories = odd.into_iter().map(|what| history.story(what, book)).collect();
        let standing: BTreeSet<What> = history.standing.iter().map(|(what, _)| *what).collect();
        // What stands in doubt is only known where somebody looked at the end.
        let mut report = Self {
            door: campaign.door().to_string(),
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
            standstills: hits(|hit| matches!(hit, Hit::Standstill { .. })),
            longest: standstill(history),
            blinded: history.wishes.iter().filter(|wish| wish.ran && wish.trouble.blinds()).count(),
            in_doubt: doubts.effects,
            false_doubts,
            decided: history.forced.len(),
            still_in_doubt: standing.len(),
            still_in_doubt_done: standing.intersection(&done).count(),
            omissions: omitted.len(),
            omissions_in_doubt: omitted.iter().filter(|what| standing.contains(what)).count(),
            duplicates,
            bound: bound(duplicates, unique),
            mistakes: history
                .wishes
                .iter()
                .filter(|wish| matches!((wish.args, &wish.answered), (1.., Some((_, How::Mismatch)))))
                .count(),
            violations,
            stories,
        };
        if campaign.bug.is_none() {
            let nothing = report.nothing(campaign, ran.length);
            report.violations.extend(nothing);
        }
        report
    }

    /// What should have happened in so long, and did not.
    fn nothing(&self, campaign: &Campaign, length: Duration) -> Vec<Violation> {
        let pace = &campaign.pace;
        let blows = [
            ("worker was killed", pace.kill, self.kills),
            ("store was killed", pace.store, self.store_kills),
            ("worker was frozen", pace.freeze, self.freezes),
            ("cable was cut", pace.cut, self.cuts),
            ("effect was in doubt", pace.kill, self.in_doubt),
        ];
        let due = |mean: Option<Duration>| mean.is_some_and(|mean| length >= mean * SURELY);
        let missing = blows.into_iter().filter(|(_, mean, count)| due(*mean) && *count == 0);
        let missing = missing.map(|(blow, ..)| format!("no {blow}"));
        let idle = (self.done == 0).then(|| "no effect took place".to_owned());
        let told = |why| Violation { law: Law::Struck, what: None, why };
        missing.chain(idle).map(told).collect()
    }
}

/// The longest time in which the machine did something else, in seconds.
fn standstill(history: &History) -> f64 {
    let still = history.faults.iter().filter(|fault| matches!(fault.hit, Hit::Standstill { .. }));
    still.map(|fault| (fault.over() - fault.at) as f64 / 1e9).fold(0.0, f64::max)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { door, store, seed, seconds, healed, .. } = self;
        writeln!(
            f,
            "{door} on {store}, seed {seed}, {seconds:.0} s of blows, all known {healed:.0} s later"
        )?;
        let (effects, wishes, grants) = (self.effects, self.wishes, self.grants);
        writeln!(f, "  effects     {effects} wanted by {wishes} wishes")?;
        if grants > 0 {
            writeln!(f, "  grants      {grants} heard of")?;
        }
        writeln!(f, "  done        {}, refused for good {}", self.done, self.refused)?;
        let (kills, store_kills, freezes, cuts) = (self.kills, self.store_kills, self.freezes, self.cuts);
        writeln!(
            f,
            "  blows       {kills} workers killed, {store_kills} times the store, {freezes} frozen, {cuts} cables cut, \
             {} requests late or unanswered",
            self.blinded
        )?;
        if self.standstills > 0 {
            let (times, longest) = (self.standstills, self.longest);
            writeln!(
                f,
                "  standstill  {times} times the machine did something else for a second or more, at most {longest:.1} s"
            )?;
        }
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
        write!(f, "  duplicates  {} of {} that must not have one", self.duplicates, self.unique)?;
        match self.bound {
            Some(bound) => writeln!(f, ": with 95 % certainty fewer than 1 in {:.0}", 1.0 / bound)?,
            None => writeln!(f)?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Store;

    #[test]
    fn a_run_in_which_nothing_happened_does_not_hold() {
        let length = Duration::from_secs(60);
        let campaign = Campaign::new("nowhere".into(), Store::Redis, length, 1);
        let (history, book, effects) = (History::default(), Vec::new(), Vec::new());
        let ran = Ran { history, book, effects, length, healed: Duration::ZERO };
        let report = Report::of(&campaign, &ran);
        let why: Vec<&str> = report.violations.iter().map(|violation| &*violation.why).collect();
        assert_eq!(
            why,
            [
                "no worker was killed",
                "no store was killed",
                "no worker was frozen",
                "no cable was cut",
                "no effect was in doubt",
                "no effect took place"
            ]
        );
        assert_eq!(report.bound, None);
        // Too short to ask that of it, and yet something should have been done.
        let short = Report::of(&campaign, &Ran { length: Duration::from_millis(10), ..ran });
        assert_eq!(short.violations.len(), 1);
    }
}
