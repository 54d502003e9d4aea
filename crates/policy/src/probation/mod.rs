//! Judges a change while it is new: did what it touched get worse because of it?
//!
//! Failures before and after are compared as intervals, not as shares: a change is only blamed where even the kindest
//! reading of what came after is worse than the unkindest of what was before. Nobody is blamed on a few calls, for an
//! outage that was there already, or for one that came to everybody at once.

use seawall_core::units::Share;

#[cfg(test)]
mod tests;

/// How many standard deviations an interval reaches to each side: 99 %. Two that do not touch differ by chance about
/// once in three thousand looks.
const REACH: f64 = 2.576;

/// Looks in a row that must agree: the counts of one moment are read one after the other.
const AGREE: u32 = 2;

/// What is worth going back for.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Calls before, and calls after, below which nothing is said. Default 20: with fewer an interval of 99 % is half of
    /// everything.
    pub min_calls: u64,
    /// How much larger the share of failures must be at least. Default 10 %: a little worse is for people to judge.
    pub worse: Share,
}

impl Default for Options {
    fn default() -> Self {
        Self { min_calls: 20, worse: Share::percent(10) }
    }
}

/// Calls, and those of them that did not go well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Calls that ended.
    pub calls: u64,
    /// Those that failed or were refused, for whatever reason. More than all count as all.
    pub failed: u64,
}

impl Counts {
    /// The share that failed; nothing of nothing.
    pub fn share(self) -> f64 {
        if self.calls == 0 { 0.0 } else { self.failed.min(self.calls) as f64 / self.calls as f64 }
    }

    /// The interval (Wilson's) in which the true share lies; everything, where there are no calls.
    fn interval(self) -> (f64, f64) {
        if self.calls == 0 {
            return (0.0, 1.0);
        }
        let (n, p, z) = (self.calls as f64, self.share(), REACH);
        let middle = p + z * z / (2.0 * n);
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + z * z / n;
        (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0))
    }
}

/// One of those that are called, before and after the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Did the change say anything about it?
    pub touched: bool,
    /// As long before the change as it is watched afterwards.
    pub before: Counts,
    /// The last part of that: an outage that had just begun shows here.
    pub lately: Counts,
    /// Since the change.
    pub after: Counts,
}

/// What became of it, so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is too early to say.
    Wait,
    /// Its time is over, and nothing speaks against it.
    Stands,
    /// It made this one worse: the place among those that were seen.
    GoBack(usize),
}

/// A change that is watched. Once it has said that it stands or that it goes back, it says so for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct Probation {
    options: Options,
    agreed: u32,
    ended: Option<Decision>,
}

impl Probation {
    /// A change that just happened.
    pub fn new(options: Options) -> Self {
        Self { options, agreed: 0, ended: None }
    }

    /// Looks: `over` says that its time is.
    pub fn look(&mut self, seen: &[Seen], over: bool) -> Decision {
        if let Some(ended) = self.ended {
            return ended;
        }
        let blamed = blame(&self.options, seen);
        self.agreed = if blamed.is_some() { self.agreed + 1 } else { 0 };
        let decision = match (blamed, over) {
            (Some(place), _) if self.agreed >= AGREE => Decision::GoBack(place),
            (_, true) => Decision::Stands,
            (_, false) => Decision::Wait,
        };
        if decision != Decision::Wait {
            self.ended = Some(decision);
        }
        decision
    }
}

/// The first that the change touched and made worse; nobody where one it did not touch got worse too.
pub fn blame(options: &Options, seen: &[Seen]) -> Option<usize> {
    let worse = |seen: &Seen| is_worse(options, seen);
    if seen.iter().any(|seen| !seen.touched && worse(seen)) {
        return None;
    }
    seen.iter().position(|seen| seen.touched && worse(seen))
}

fn is_worse(options: &Options, seen: &Seen) -> bool {
    let Seen { before, lately, after, .. } = *seen;
    let enough = options.min_calls.max(1);
    if before.calls < enough || after.calls < enough {
        return false;
    }
    let kindest = after.interval().0;
    // Without a call lately nothing is known of it, and nothing speaks for an outage.
    let unkindest = match lately.calls {
        0 => before.interval().1,
        _ => before.interval().1.max(lately.interval().1),
    };
    let share = before.share().max(lately.share());
    kindest > unkindest && after.share() - share >= options.worse.get()
}
