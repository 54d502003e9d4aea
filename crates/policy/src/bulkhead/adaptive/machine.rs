//! The machine of an adaptive bulkhead: calls that ended go in, a size comes out.
//!
//! Calls are judged by windows: at least [`SAMPLES`] that ended, [`SHORTEST`], and one round trip, so that a change of
//! size is seen to work before the next. Calls that began before the last cut tell about a size that is gone, and are
//! passed over. Both algorithms grow only while the size is in use, half of it or more.
//!
//! - `aimd` (Chiu and Jain 1989, as in TCP): one more per window, a tenth less if more than one call in twenty found the
//!   upstream overloaded.
//! - `gradient` (after Netflix's concurrency-limits, `Gradient2Limit`): with the window's mean round trip `r`, the
//!   *quiet* round trip `q` and `s = size`, the gradient is `g = clamp(tolerance × q / r, ½, 1)`, and the size moves a
//!   fifth of the way to `g × s + √s`; the root is the queue the upstream is allowed. Where the upstream is saturated
//!   that comes to rest at `s = 1 / (1 − g)²`. A window with overload cuts a tenth at least.
//!
//! `q` is not the smallest round trip ever seen, which one lucky call would fix for ever, but the mean of a quiet window.
//! It falls a tenth of the way to any window below it. To learn that it has risen, there are *probes* (BBR's idea): for
//! one window the size is half of what the upstream seems to need (`s × q / r`, Little's law), halved again as long as
//! that makes round trips a tenth shorter; the last window's mean is the new `q`. One is due after ten windows, then
//! after every hundred, and after ten windows in a row that shrank, for then something has changed for good. A probe that
//! no call ends in for four round trips is given up: long calls may fill what it leaves.

use std::time::Duration;

use seawall_core::Instant;

use super::{Adaptive, Algorithm, Ended};

/// Calls in a window, at least.
const SAMPLES: u32 = 10;
/// How long a window is, at least.
const SHORTEST: Duration = Duration::from_millis(100);
/// Windows before the first probe, and windows in a row that shrank before another.
const SOON: u32 = 10;
/// Windows between probes.
const EVERY: u32 = 100;
/// Round trips without the end of a call after which a probe is given up.
const STUCK: u32 = 4;
/// What is left after a cut.
const CUT: f64 = 0.9;
/// One call in so many may find the upstream overloaded.
const SPARED: u32 = 20;

/// Finds a size between its bounds. About 200 bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    adaptive: Adaptive,
    min: f64,
    max: f64,
    /// The size, before it is rounded down. A probe leaves it alone.
    limit: f64,
    window: Window,
    /// The last window's mean round trip.
    trip: Duration,
    /// Calls that began before this say nothing.
    fresh: Instant,
    quiet: Option<f64>,
    windows: u32,
    next_probe: u32,
    shrinking: u32,
    probe: Option<Probe>,
}

/// One call that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// When it got its place.
    pub began: Instant,
    /// How many were in flight with it when it ended, itself included.
    pub in_flight: u32,
    /// What its end says.
    pub ended: Ended,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    since: Instant,
    worked: u32,
    overloaded: u32,
    /// Nanoseconds, of those that worked.
    trips: f64,
    peak: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Probe {
    level: f64,
    /// When to give up, unless a call ends.
    until: Instant,
    /// The mean round trip at twice this level.
    before: f64,
}

impl Window {
    fn new(since: Instant) -> Self {
        Self { since, worked: 0, overloaded: 0, trips: 0.0, peak: 0 }
    }

    fn is_overloaded(&self) -> bool {
        self.overloaded.saturating_mul(SPARED) > self.overloaded.saturating_add(self.worked)
    }
}

impl Machine {
    /// A machine that begins at `concurrent`: nothing is taken away without evidence.
    pub fn new(adaptive: Adaptive, concurrent: u32, now: Instant) -> Self {
        let mut machine = Self {
            adaptive: Adaptive::default(),
            min: 1.0,
            max: 1.0,
            limit: f64::from(concurrent),
            window: Window::new(now),
            trip: Duration::ZERO,
            fresh: now,
            quiet: None,
            windows: 0,
            next_probe: SOON,
            shrinking: 0,
            probe: None,
        };
        machine.update(adaptive, concurrent);
        machine
    }

    /// Other options, same memory; the size moves only as far as the bounds ask.
    pub fn update(&mut self, adaptive: Adaptive, concurrent: u32) {
        let (min, max) = adaptive.bounds(concurrent);
        // Checked options keep their order; unchecked ones must not panic in `clamp`.
        (self.min, self.max) = (f64::from(min.max(1)), f64::from(max.max(min).max(1)));
        self.limit = self.limit.clamp(self.min, self.max);
        if adaptive.algorithm != self.adaptive.algorithm {
            self.probe = None;
        }
        if let Some(probe) = &mut self.probe {
            probe.level = probe.level.clamp(self.min, self.max);
        }
        self.adaptive = adaptive;
    }

    /// How many may be in flight now.
    pub fn size(&self) -> u32 {
        whole(self.probe.map_or(self.limit, |probe| probe.level))
    }

    /// How many may be in flight when no probe is under way.
    pub fn settled(&self) -> u32 {
        whole(self.limit)
    }

    /// When to [`Machine::look`], if no call ends before.
    pub fn overdue(&self) -> Option<Instant> {
        self.probe.map(|probe| probe.until)
    }

    /// Gives up a probe that is overdue.
    pub fn look(&mut self, now: Instant) {
        if self.overdue().is_some_and(|until| now >= until) {
            self.end_probe(now);
        }
    }

    /// A call has ended.
    pub fn ended(&mut self, passed: Passed, now: Instant) {
        self.look(now);
        self.window.peak = self.window.peak.max(passed.in_flight);
        if passed.began < self.fresh {
            return;
        }
        let window = &mut self.window;
        match passed.ended {
            Ended::Nothing => return,
            Ended::Worked => {
                window.worked = window.worked.saturating_add(1);
                window.trips += nanos(now.since(passed.began));
            }
            Ended::Overloaded => window.overloaded = window.overloaded.saturating_add(1),
        }
        let seen = window.worked.saturating_add(window.overloaded);
        let until = now + self.length().saturating_mul(STUCK);
        if let Some(probe) = &mut self.probe {
            probe.until = until;
        }
        if seen >= SAMPLES && now.since(self.window.since) >= self.length() {
            self.close(now);
        }
    }

    fn length(&self) -> Duration {
        self.trip.max(SHORTEST)
    }

    fn close(&mut self, now: Instant) {
        let window = std::mem::replace(&mut self.window, Window::new(now));
        let trip = (window.worked > 0).then(|| (window.trips / f64::from(window.worked)).max(1.0));
        if let Some(trip) = trip {
            // Rounding is harmless: a window is at least a tenth of a second.
            self.trip = Duration::from_secs_f64((trip / 1e9).min(1e9));
        }
        match (self.adaptive.algorithm, trip) {
            (Algorithm::Aimd, _) => {
                let next = if window.is_overloaded() { self.limit * CUT } else { self.limit + 1.0 };
                self.settle(next, window.peak, now);
            }
            (Algorithm::Gradient, None) => {
                self.end_probe(now);
                self.settle(self.limit * CUT, window.peak, now);
            }
            (Algorithm::Gradient, Some(trip)) => self.by_gradient(&window, trip, now),
        }
    }

    fn by_gradient(&mut self, window: &Window, trip: f64, now: Instant) {
        let cut = if window.is_overloaded() { self.limit * CUT } else { f64::INFINITY };
        if let Some(probe) = self.probe {
            if cut.is_finite() {
                self.end_probe(now);
                self.settle(cut, window.peak, now);
            } else if trip < probe.before * CUT && probe.level > self.min {
                self.begin_probe(probe.level / 2.0, trip, now);
            } else {
                self.quiet = Some(trip);
                self.end_probe(now);
            }
            return;
        }
        let quiet = match self.quiet {
            Some(quiet) if trip < quiet => quiet + (trip - quiet) / 10.0,
            Some(quiet) => quiet,
            None => trip,
        };
        self.quiet = Some(quiet);
        let gradient = (self.adaptive.tolerance * quiet / trip).clamp(0.5, 1.0);
        let target = gradient * self.limit + self.limit.sqrt();
        let next = self.limit + (target - self.limit) / 5.0;
        let in_use = self.in_use(window.peak);
        // Slow answers to few calls are not for having sent too many.
        let next = if in_use { next } else { next.max(self.limit) };
        self.shrinking = if in_use && next < self.limit { self.shrinking + 1 } else { 0 };
        self.windows = self.windows.saturating_add(1);
        self.settle(next.min(cut), window.peak, now);
        if in_use && (self.windows >= self.next_probe || self.shrinking >= SOON) {
            let needed = f64::from(window.peak) * quiet / trip;
            self.begin_probe(needed / 2.0, trip.min(quiet), now);
        }
    }

    fn begin_probe(&mut self, level: f64, before: f64, now: Instant) {
        let level = level.clamp(self.min, self.limit);
        let until = now + self.length().saturating_mul(STUCK);
        self.probe = Some(Probe { level, until, before });
        self.fresh = now;
    }

    /// The limit for the next window; it grows only where it was in use.
    fn settle(&mut self, next: f64, peak: u32, now: Instant) {
        let next = if self.in_use(peak) { next } else { next.min(self.limit) };
        let before = self.settled();
        self.limit = next.clamp(self.min, self.max);
        if self.settled() < before {
            self.fresh = now;
        }
    }

    fn end_probe(&mut self, now: Instant) {
        if self.probe.take().is_some() {
            (self.windows, self.shrinking, self.next_probe) = (0, 0, EVERY);
            self.window = Window::new(now);
        }
    }

    fn in_use(&self, peak: u32) -> bool {
        peak.saturating_mul(2) >= self.settled()
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and a million, and never NaN"
)]
fn whole(limit: f64) -> u32 {
    limit as u32
}

fn nanos(span: Duration) -> f64 {
    span.as_secs_f64() * 1e9
}
