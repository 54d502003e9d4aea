//! The way past a limit without its lock: one word, changed by whoever passes and by nobody else.
//!
//! The state of a limit is behind a lock. What it takes to let the next few through is lent to the gate, in one word
//! that takers compare and swap; everything else closes the gate first, which takes the word away in the same instant,
//! and gives the state what is left of it. The ordering argument, which the tests have checked in every interleaving
//! ([loom](https://docs.rs/loom)): whoever swaps a word reads the figures beside it between loading and swapping it; they
//! were stored before the word was (release, acquire), and are next stored after it was taken away, which comes after the
//! swap in the word's own order. A word is never the same twice in a row: it bears the number of its opening.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use seawall_core::Instant;
use seawall_policy::limiter::Lease;

use crate::atomic::Word;

/// What a gate is made of, in one cache line that nobody else has anything in: whoever only reads what is beside it must
/// not wait for whoever passes.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Gate<W = AtomicU64> {
    /// Two bits of form; then 30 of number and 32 of room; or two of number, 18 of how many have passed and 42 of when
    /// the bucket is full, from the moment of the opening on.
    word: W,
    /// Of a bucket, in nanoseconds.
    interval: W,
    /// Of a bucket, in nanoseconds.
    fill: W,
    /// When it was opened for a bucket, or until when there is room, in nanoseconds.
    moment: W,
}

/// What the gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Passed, and counted.
    Passed,
    /// Not now; nothing was counted.
    Wait(Duration),
    /// The gate does not know: ask the limit.
    Ask,
}

const CLOSED: u64 = 0;
const ROOM: u64 = 1;
const BUCKET: u64 = 2;
const FORM: u32 = 62;
const PASSED: u32 = 42;
/// 73 minutes. A bucket that takes longer to fill is asked each time.
const FULL_AT: u64 = (1 << PASSED) - 1;
/// When so many have passed, the gate is opened anew.
const MOST_PASSED: u64 = (1 << 18) - 1;

impl<W: Word> Gate<W> {
    /// A closed gate.
    pub(super) fn new() -> Self {
        let zero = || W::new(0);
        Self { word: W::new(CLOSED), interval: zero(), fill: zero(), moment: zero() }
    }

    /// Lets `n` pass if what was lent is enough.
    #[inline]
    pub(super) fn take(&self, n: u32, now: Instant) -> Said {
        let now = now.as_nanos();
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let moment = self.moment.load(Ordering::Relaxed);
            let next = match word >> FORM {
                ROOM if word as u32 >= n && now < moment => word - u64::from(n),
                BUCKET if now >= moment => {
                    let now = now - moment;
                    let fill = self.fill.load(Ordering::Relaxed);
                    let cost = self.interval.load(Ordering::Relaxed).saturating_mul(n.into());
                    let full_at = (word & FULL_AT).max(now).saturating_add(cost);
                    let passed = ((word >> PASSED) & MOST_PASSED) + u64::from(n);
                    if cost > fill || full_at > FULL_AT || passed > MOST_PASSED {
                        return Said::Ask;
                    }
                    if full_at - now > fill {
                        return Said::Wait(Duration::from_nanos(full_at - now - fill));
                    }
                    (word & !(FULL_AT | (MOST_PASSED << PASSED))) | (passed << PASSED) | full_at
                }
                _ => return Said::Ask,
            };
            match self.word.exchange(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Said::Passed,
                Err(changed) => word = changed,
            }
        }
    }

    /// Takes back what was lent; says how many have passed, and what is left of it. Under the limit's lock.
    pub(super) fn close(&self, lent: &Lease) -> (u64, Lease) {
        let word = self.word.swap(CLOSED, Ordering::AcqRel);
        match *lent {
            Lease::Bucket { full_at, interval, fill } => {
                let passed = (word >> PASSED) & MOST_PASSED;
                let moment = Instant::from_nanos(self.moment.load(Ordering::Relaxed));
                let left = moment + Duration::from_nanos(word & FULL_AT);
                // With nobody through, a bucket that was full before the opening still is since then.
                let full_at = if passed == 0 { full_at } else { left };
                (passed, Lease::Bucket { full_at, interval, fill })
            }
            Lease::Room { room, ends } => {
                (u64::from(room - word as u32), Lease::Room { room: word as u32, ends })
            }
        }
    }

    /// Lends; `false` if it is more than a word holds. Under the limit's lock, with a number that counts the openings.
    pub(super) fn open(&self, lease: &Lease, number: u32, now: Instant) -> bool {
        let number = u64::from(number);
        let word = match *lease {
            Lease::Bucket { full_at, interval, fill } => {
                let full_at = nanos(now.until(full_at));
                // Half of the word is for the time that goes by until the next opening. At the end of time sums no longer
                // grow, and the limit itself lets nothing through.
                let last = u64::MAX - 2 * FULL_AT;
                if full_at.max(nanos(fill)) > FULL_AT / 2 || now.as_nanos() > last {
                    return false;
                }
                self.interval.store(nanos(interval), Ordering::Relaxed);
                self.fill.store(nanos(fill), Ordering::Relaxed);
                self.moment.store(now.as_nanos(), Ordering::Relaxed);
                (BUCKET << FORM) | ((number & 3) << 60) | full_at
            }
            Lease::Room { room, ends } => {
                self.moment.store(ends.as_nanos(), Ordering::Relaxed);
                (ROOM << FORM) | ((number & ((1 << 30) - 1)) << 32) | u64::from(room)
            }
        };
        self.word.store(word, Ordering::Release);
        true
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use loom::sync::{Arc, Mutex};
    use seawall_core::units::Rate;
    use seawall_policy::limiter::{Decision, Meter, Quota};

    use super::*;
    use crate::atomic::modelled::{Tried, model};

    const NOW: Instant = Instant::from_nanos(3_600_000_000_000);

    /// A limit as its owner keeps it, without a line.
    struct Modelled {
        gate: Gate<Tried>,
        state: Mutex<(Meter, Option<Lease>, u32)>,
    }

    impl Modelled {
        fn new(quota: &Quota) -> Arc<Self> {
            Arc::new(Self { gate: Gate::new(), state: Mutex::new((Meter::new(quota), None, 0)) })
        }

        fn with<R>(&self, step: impl FnOnce(&mut Meter) -> R) -> R {
            let mut state = self.state.lock().unwrap();
            let (meter, lent, number) = &mut *state;
            if let Some(lent) = lent.take() {
                meter.redeem(&lent, &self.gate.close(&lent).1);
            }
            let result = step(meter);
            let lease = meter.lend(NOW);
            *number += 1;
            *lent = self.gate.open(&lease, *number, NOW).then_some(lease);
            result
        }

        fn take(&self, n: u32) -> u32 {
            let passed = match self.gate.take(n, NOW) {
                Said::Passed => true,
                Said::Wait(_) => false,
                Said::Ask => self.with(|meter| meter.take(n, NOW) == Decision::Go),
            };
            if passed { n } else { 0 }
        }
    }

    fn quota(count: u32, burst: Option<u32>) -> Quota {
        let rate = Rate { count: count.try_into().unwrap(), per: Duration::from_secs(1) };
        Quota { rate, burst: burst.map(|n| n.try_into().unwrap()) }
    }

    #[test]
    fn in_no_interleaving_more_pass_than_the_limit_or_a_count_is_lost() {
        for burst in [None, Some(3)] {
            model(Some(3), move || {
                let limit = Modelled::new(&quota(3, burst));
                limit.with(|_| ());
                let other = {
                    let limit = limit.clone();
                    loom::thread::spawn(move || limit.take(2))
                };
                let mine = limit.take(1) + limit.take(1);
                let looked = limit.with(|meter| meter.remaining(NOW));
                let passed = mine + other.join().unwrap();
                assert!((2..=3).contains(&passed), "{passed} of 3");
                assert_eq!(limit.with(|meter| meter.remaining(NOW)), 3 - passed);
                assert!(looked <= 3 - mine);
            });
        }
    }

    #[test]
    fn in_no_interleaving_a_call_is_counted_by_figures_of_two_quotas() {
        for (before, after) in [(Some(2), Some(4)), (None, Some(4)), (Some(4), None)] {
            model(None, move || {
                let limit = Modelled::new(&quota(2, before));
                // The bucket is full as of now: the update leaves its word as it is, but for the number.
                limit.with(|meter| {
                    meter.take(1, NOW);
                    meter.give_back(1, NOW, NOW);
                });
                let taker = {
                    let limit = limit.clone();
                    loom::thread::spawn(move || limit.take(1))
                };
                let new = quota(4, after);
                limit.with(|meter| meter.refit(&new, NOW));
                assert_eq!(taker.join().unwrap(), 1);
                let left = limit.with(|meter| meter.remaining(NOW));
                // One is used, before the update or after it; a window cannot know that a bucket passed no more.
                assert!(if after.is_some() { left == 3 } else { left <= 3 }, "{left}");
            });
        }
    }

    #[test]
    fn three_who_race_for_two_places_are_two() {
        for burst in [None, Some(2)] {
            model(Some(2), move || {
                let limit = Modelled::new(&quota(2, burst));
                limit.with(|_| ());
                let others: Vec<_> = (0..2)
                    .map(|_| {
                        let limit = limit.clone();
                        loom::thread::spawn(move || limit.gate.take(1, NOW) == Said::Passed)
                    })
                    .collect();
                let mine = limit.gate.take(1, NOW) == Said::Passed;
                let passed =
                    others.into_iter().map(|other| other.join().unwrap()).filter(|passed| *passed).count();
                assert_eq!(passed + usize::from(mine), 2);
            });
        }
    }
}
