//! The processor's own counter as a clock: the operating system's time, asked a hundred times a second, and the
//! counter in between.
//!
//! Asking the operating system costs about 25 ns, the counter about 10. A counter alone drifts (its rate is measured
//! once, to perhaps one part in ten thousand, which is nine seconds a day), so every thread goes back to the operating
//! system after [`FRESH`]: what the counter can be wrong by in that time is about a microsecond.

use std::cell::Cell;
use std::sync::OnceLock;

/// How long a thread trusts the counter.
const FRESH: u64 = 10_000_000;

/// A moment at which the counter and the operating system were both read.
#[derive(Clone, Copy)]
struct Anchor {
    raw: u64,
    nanos: u64,
    /// What was last told: time never goes back within a thread.
    told: u64,
}

struct Source {
    counter: quanta::Clock,
    origin: std::time::Instant,
}

thread_local! {
    static ANCHOR: Cell<Option<Anchor>> = const { Cell::new(None) };
}

/// Nanoseconds since the first time anybody in this process asked. Two threads agree to within microseconds.
pub(super) fn nanos() -> u64 {
    static SOURCE: OnceLock<Source> = OnceLock::new();
    let source = SOURCE.get_or_init(Source::new);
    ANCHOR.with(|kept| {
        let raw = source.counter.raw();
        let mut anchor = match kept.get() {
            Some(anchor) if raw >= anchor.raw => anchor,
            before => source.anchor(before),
        };
        let mut since = source.counter.delta_as_nanos(anchor.raw, raw);
        if since > FRESH {
            anchor = source.anchor(Some(anchor));
            since = 0;
        }
        anchor.told = anchor.told.max(anchor.nanos + since);
        kept.set(Some(anchor));
        anchor.told
    })
}

impl Source {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is one of the two places that ask the operating system"
    )]
    fn new() -> Self {
        Self { counter: quanta::Clock::new(), origin: std::time::Instant::now() }
    }

    /// Reads both clocks as close together as can be: a thread that is put to sleep in between tries again.
    #[allow(
        clippy::disallowed_methods,
        reason = "this is one of the two places that ask the operating system"
    )]
    fn anchor(&self, before: Option<Anchor>) -> Anchor {
        let told = before.map_or(0, |anchor| anchor.told);
        let mut tries = 3;
        loop {
            let first = self.counter.raw();
            let elapsed = std::time::Instant::now().saturating_duration_since(self.origin);
            let raw = self.counter.raw();
            tries -= 1;
            if tries == 0 || self.counter.delta_as_nanos(first, raw) < 5_000 {
                let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
                return Anchor { raw, nanos, told };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_to_the_operating_systems_time_and_never_goes_back() {
        // The first time the counter is measured, for as long as a tenth of a second.
        nanos();
        #[allow(clippy::disallowed_methods, reason = "what it is compared with")]
        let start = std::time::Instant::now();
        let began = nanos();
        let mut last = began;
        loop {
            let now = nanos();
            assert!(now >= last, "{now} after {last}");
            last = now;
            if start.elapsed().as_millis() >= 60 {
                break;
            }
        }
        let counted = nanos() - began;
        let passed = u64::try_from(start.elapsed().as_nanos()).unwrap();
        assert!(counted <= passed + 100_000, "counted {counted}, passed {passed}");
        assert!(counted + 20_000_000 > passed, "counted {counted}, passed {passed}");
    }

    #[test]
    fn two_threads_agree() {
        let mine = nanos();
        let theirs = std::thread::spawn(nanos).join().unwrap();
        assert!(theirs + 1_000_000 > mine, "{theirs} in a thread that was begun after {mine}");
    }
}
