//! Remembers the last ten minutes in steps of five seconds: what a sparkline is drawn from.

use std::collections::VecDeque;
use std::time::Duration;

use seawall_core::Instant;

/// How long one step is.
pub const STEP: Duration = Duration::from_secs(5);
/// How many steps are remembered: ten minutes.
pub const STEPS: usize = 120;

/// What is counted in a step, or since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that ended.
    pub calls: u64,
    /// Those that did not go well.
    pub failures: u64,
    /// Attempts after the first.
    pub retries: u64,
}

impl Counts {
    /// What came on top of `earlier`; nothing where a counter began again.
    fn since(self, earlier: Counts) -> Counts {
        Counts {
            calls: self.calls.saturating_sub(earlier.calls),
            failures: self.failures.saturating_sub(earlier.failures),
            retries: self.retries.saturating_sub(earlier.retries),
        }
    }
}

impl std::ops::Add for Counts {
    type Output = Counts;
    fn add(self, other: Counts) -> Counts {
        Counts {
            calls: self.calls.saturating_add(other.calls),
            failures: self.failures.saturating_add(other.failures),
            retries: self.retries.saturating_add(other.retries),
        }
    }
}

/// The steps of one upstream, oldest first. Under three kibibytes, however much is counted.
///
/// It is shown counters that only grow and keeps the differences, so that counting a call costs nothing here. Somebody
/// has to [`tick`](History::tick) it at least once in a step; what was missed is counted in the step that saw it.
#[derive(Clone, Debug)]
pub struct History {
    steps: VecDeque<Counts>,
    seen: Counts,
    until: Instant,
}

impl History {
    /// Begins at `now`, when the counters stood at `seen`.
    pub fn new(now: Instant, seen: Counts) -> Self {
        Self { steps: VecDeque::with_capacity(STEPS), seen, until: now }
    }

    /// Ends the steps whose time is over: the counters stand at `seen` now.
    pub fn tick(&mut self, now: Instant, seen: Counts) {
        let over = now.since(self.until).as_nanos() / STEP.as_nanos();
        let Ok(over) = u32::try_from(over) else {
            // Longer than a machine runs: what came before is forgotten anyway.
            *self = Self::new(now, seen);
            return;
        };
        if over == 0 {
            return;
        }
        for _ in 1..over.min(STEPS as u32) {
            self.push(Counts::default());
        }
        self.push(seen.since(self.seen));
        self.seen = seen;
        self.until = self.until + STEP * over;
    }

    /// What is remembered, oldest first; fewer than [`STEPS`] in the first ten minutes.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = Counts> + '_ {
        self.steps.iter().copied()
    }

    /// The sum of the last minute's steps.
    pub fn last_minute(&self) -> Counts {
        self.steps.iter().rev().take(12).fold(Counts::default(), |sum, step| sum + *step)
    }

    fn push(&mut self, step: Counts) {
        if self.steps.len() == STEPS {
            self.steps.pop_front();
        }
        self.steps.push_back(step);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn calls(calls: u64) -> Counts {
        Counts { calls, failures: calls / 2, retries: calls / 4 }
    }

    fn seen(history: &History) -> Vec<u64> {
        history.steps().map(|step| step.calls).collect()
    }

    #[test]
    fn a_step_holds_what_was_counted_in_its_five_seconds() {
        let start = Instant::ORIGIN + Duration::from_secs(3600);
        let mut history = History::new(start, calls(1000));
        for second in 1..=15 {
            history.tick(start + Duration::from_secs(second), calls(1000 + 4 * second));
        }
        let steps: Vec<Counts> = history.steps().collect();
        assert_eq!(steps, [calls(20), calls(20), calls(20)]);
        assert_eq!(history.last_minute(), Counts { calls: 60, failures: 30, retries: 15 });
    }

    #[test]
    fn what_a_late_look_missed_is_counted_once_and_a_counter_that_began_again_is_no_loss() {
        let start = Instant::ORIGIN;
        let mut history = History::new(start, calls(0));
        history.tick(start + Duration::from_secs(17), calls(8));
        assert_eq!(seen(&history), [0, 0, 8]);
        // Two seconds of the next step are over already.
        history.tick(start + Duration::from_secs(20), calls(3));
        assert_eq!(seen(&history), [0, 0, 8, 0]);
        history.tick(start + Duration::from_secs(25), calls(5));
        assert_eq!(seen(&history), [0, 0, 8, 0, 2]);
    }

    proptest! {
        /// Law: no more than ten minutes are remembered, and of those nothing is lost or counted twice.
        #[test]
        fn it_is_bounded_and_counts_everything_once(looks in prop::collection::vec((0_u64..400_000, 0_u64..50), 1..400)) {
            let mut now = Instant::ORIGIN;
            let (mut history, mut total) = (History::new(now, Counts::default()), 0);
            for (wait, count) in looks {
                now = now + Duration::from_millis(wait);
                total += count;
                let before: u64 = seen(&history).iter().sum();
                history.tick(now, calls(total));
                prop_assert!(history.steps().len() <= STEPS);
                let after: u64 = seen(&history).iter().sum();
                prop_assert!(after <= total && (after >= before || history.steps().len() == STEPS));
                prop_assert!(now.since(history.until) < STEP);
            }
            history.tick(now + STEP, calls(total));
            let remembered = history.steps().len();
            if remembered < STEPS {
                prop_assert_eq!(seen(&history).iter().sum::<u64>(), total);
            }
            history.tick(Instant::FAR_FUTURE, calls(total));
            prop_assert!(history.steps().len() <= STEPS);
        }
    }
}
