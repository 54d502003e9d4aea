//! What became of a wish: what the ledger has beside what its caller was told.

use super::worker::Said;

/// What became of one wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Done once, and its caller has the result.
    Right,
    /// Done more than once.
    Duplicate,
    /// Not done, and nobody will: its caller was told that it was, or that it failed.
    Omission,
    /// Done, and its caller was told that it failed.
    Untrue,
    /// Neither a result nor a clear answer in time.
    Stuck,
    /// Its caller was told that nobody knows, or that nothing is begun until somebody has looked; it was done.
    DoubtDone,
    /// The same, and it was not done.
    DoubtNotDone,
}

impl Fate {
    pub(super) const ALL: [Fate; 7] = [
        Fate::Right,
        Fate::Duplicate,
        Fate::Omission,
        Fate::Untrue,
        Fate::Stuck,
        Fate::DoubtDone,
        Fate::DoubtNotDone,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Fate::Right => "right",
            Fate::Duplicate => "duplicate",
            Fate::Omission => "omission",
            Fate::Untrue => "told failed, done",
            Fate::Stuck => "stuck",
            Fate::DoubtDone => "in doubt, done",
            Fate::DoubtNotDone => "in doubt, not done",
        }
    }
}

/// Judges one wish by how often it was done and by the last word each of its callers had.
pub(super) fn judge(done: u32, told: &[Option<Said>]) -> Fate {
    let any = |said: Said| told.contains(&Some(said));
    let doubt = any(Said::InDoubt) || any(Said::Refused);
    match done {
        2.. => Fate::Duplicate,
        1 if told.iter().all(|said| *said == Some(Said::Done)) => Fate::Right,
        1 if any(Said::Failed) => Fate::Untrue,
        1 if doubt => Fate::DoubtDone,
        0 if any(Said::Done) || any(Said::Failed) => Fate::Omission,
        0 if doubt => Fate::DoubtNotDone,
        _ => Fate::Stuck,
    }
}

/// How many wishes met each fate.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    counts: [u32; Fate::ALL.len()],
    /// Seconds until each caller was told what it was told last.
    pub(super) took: Vec<f64>,
    /// One answer of each kind that is no result, in the worker's own words.
    pub(super) words: Vec<(Said, String)>,
}

impl Tally {
    pub(super) fn add(&mut self, fate: Fate) {
        self.counts[Fate::ALL.iter().position(|other| *other == fate).unwrap_or(0)] += 1;
    }

    pub(super) fn of(&self, fate: Fate) -> u32 {
        self.counts[Fate::ALL.iter().position(|other| *other == fate).unwrap_or(0)]
    }

    pub(super) fn all(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// Puts what another round counted to this one.
    pub(super) fn join(&mut self, other: Tally) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.took.extend(other.took);
        for (said, words) in other.words {
            self.quote(said, words);
        }
    }

    /// Keeps the first of its kind.
    pub(super) fn quote(&mut self, said: Said, words: String) {
        if self.words.iter().all(|(other, _)| *other != said) {
            self.words.push((said, words));
        }
    }

    /// In ten thousand.
    pub(super) fn rate(&self, fate: Fate) -> u32 {
        match self.all() {
            0 => 0,
            all => (u64::from(self.of(fate)) * 10_000 / u64::from(all)) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: Option<Said> = Some(Said::Done);

    #[test]
    fn more_than_once_is_a_duplicate_whatever_was_told() {
        for told in [DONE, None, Some(Said::InDoubt), Some(Said::Failed)] {
            assert_eq!(judge(2, &[DONE, told]), Fate::Duplicate);
        }
    }

    #[test]
    fn once_is_right_only_where_every_caller_has_the_result() {
        assert_eq!(judge(1, &[DONE, DONE]), Fate::Right);
        assert_eq!(judge(1, &[DONE, None]), Fate::Stuck);
        assert_eq!(judge(1, &[DONE, Some(Said::InFlight)]), Fate::Stuck);
        assert_eq!(judge(1, &[Some(Said::InDoubt)]), Fate::DoubtDone);
        assert_eq!(judge(1, &[DONE, Some(Said::Refused)]), Fate::DoubtDone);
        assert_eq!(judge(1, &[Some(Said::Failed)]), Fate::Untrue);
    }

    #[test]
    fn never_is_an_omission_a_doubt_or_stuck() {
        assert_eq!(judge(0, &[DONE]), Fate::Omission);
        assert_eq!(judge(0, &[Some(Said::Failed)]), Fate::Omission);
        assert_eq!(judge(0, &[Some(Said::InDoubt)]), Fate::DoubtNotDone);
        assert_eq!(judge(0, &[Some(Said::InFlight)]), Fate::Stuck);
        assert_eq!(judge(0, &[None]), Fate::Stuck);
    }

    #[test]
    fn rates_are_in_ten_thousand() {
        let mut tally = Tally::default();
        for fate in [Fate::Right, Fate::Duplicate, Fate::Right, Fate::Right] {
            tally.add(fate);
        }
        assert_eq!((tally.rate(Fate::Duplicate), tally.rate(Fate::Stuck)), (2500, 0));
        assert_eq!(Tally::default().rate(Fate::Right), 0);
    }
}
