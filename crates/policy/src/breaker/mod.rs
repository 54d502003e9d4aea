//! Stops calling what keeps failing, and asks again, gently, after a pause.

mod counts;
mod follow;
mod half_open;
pub(crate) mod kept;
mod machine;
mod mirror;
#[cfg(test)]
mod tests;
mod ticket;
mod window;

use std::time::Duration;

use seawall_core::units::{self, Share, format_duration};
use serde::{Deserialize, Serialize};

use crate::Invalid;
use crate::spelling::table_or_word;

pub use counts::Totals;
pub(crate) use follow::Heard;
pub use machine::{Machine, State};
pub use mirror::Mirror;
pub use ticket::{Moved, Pass, Refusal, Ticket};
pub use window::Window;

seawall_core::words! {
    /// Whether a breaker refuses, or only says that it would have.
    Mode {
        /// Refuses calls while it is open.
        Enforce = "enforce",
        /// Admits every call, and runs its states in the shadow. Levers still hold.
        MetricsOnly = "metrics-only",
    }
}

seawall_core::words! {
    /// What ends an open breaker's pause.
    Recover {
        /// Time: after the pause, probes.
        Automatic = "automatic",
        /// An operator's lever, and nothing else.
        Manual = "manual",
    }
}

/// When to open, for how long, and what closes it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub struct Options {
    /// Whether it refuses. Default enforce; metrics-only to see first what it would do.
    pub mode: Mode,
    /// Failures in a row that open it. Default 5. 0 never opens it this way.
    pub consecutive: u32,
    /// How far back it looks: a time, in ten steps that slide, or a number of calls, like "100 calls". Default 30 s.
    pub window: Window,
    /// Failures within the window that open it, however many calls worked. Default 0: never this way.
    pub failures: u32,
    /// The share of failures within the window that opens it. Default 50 %.
    pub failure_rate: Share,
    /// Calls the window must have seen before a share is believed. Default 20, and never more than the window can
    /// hold. 0 never opens it by a share.
    pub min_calls: u32,
    /// A call that took longer is slow, and a slow probe is a failed one. Default none: no call is slow.
    #[serde(with = "units::option_duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::option_duration_schema"))]
    pub slow: Option<Duration>,
    /// The share of slow calls within the window that opens it. Default 50 %.
    pub slow_rate: Share,
    /// Pause before the first probe. Default 60 s: long enough for a restart, short enough to notice.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub open: Duration,
    /// The longest pause: each time probes fail it doubles up to this. Default none: the pause never grows.
    #[serde(with = "units::option_duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::option_duration_schema"))]
    pub open_cap: Option<Duration>,
    /// What ends the pause. Default automatic; manual to stay open until an operator says otherwise.
    pub recover: Recover,
    /// Probes that may be under way at once. Default 1.
    pub probes: u32,
    /// Successful probes that close it. Default 2: one may be luck.
    pub successes: u32,
    /// Probes that must have answered before their share of failures decides. Default 0: any failure opens it again,
    /// and `successes` close it.
    pub sample: u32,
    /// How long a probe may keep its place before another may take it. Default 60 s: a probe that was lost cannot
    /// keep the breaker half-open for ever.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub lease: Duration,
    /// How long a growing share of calls, from 10 % to all, is let back in once the probes have succeeded. Default 0 s:
    /// all at once.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub ramp: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            consecutive: 5,
            window: Window::Time(Duration::from_secs(30)),
            failures: 0,
            failure_rate: Share::percent(50),
            min_calls: 20,
            slow: None,
            slow_rate: Share::percent(50),
            open: Duration::from_secs(60),
            open_cap: None,
            recover: Recover::Automatic,
            probes: 1,
            successes: 2,
            sample: 0,
            lease: Duration::from_secs(60),
            ramp: Duration::ZERO,
        }
    }
}

/// The longest span that is believed for windows, pauses and ramps.
const DAY: Duration = Duration::from_secs(86_400);

impl Options {
    /// A breaker that counts and never opens by itself.
    pub fn off() -> Self {
        Self { consecutive: 0, failures: 0, min_calls: 0, ..Self::default() }
    }

    /// Refuses what contradicts itself.
    pub fn check(&self) -> Result<(), Invalid> {
        self.check_window()?;
        for (key, rate, on) in [
            ("failure_rate", self.failure_rate, "the first success"),
            ("slow_rate", self.slow_rate, "the first fast call"),
        ] {
            if rate.get() <= 0.0 {
                let message = format!("a rate of zero would open it on {on}: write \"1%\" to \"100%\"");
                return Err(Invalid::new(key, message));
            }
        }
        if self.slow.is_some_and(|slow| slow.is_zero() || slow > DAY) {
            return Err(Invalid::new("slow", "the limit is out of range: write \"1ms\" to \"1d\""));
        }
        if self.open.is_zero() || self.open > DAY {
            return Err(Invalid::new("open", "the pause is out of range: write \"1ms\" to \"1d\""));
        }
        if let Some(cap) = self.open_cap.filter(|cap| *cap < self.open || *cap > DAY) {
            let (cap, open) = (format_duration(cap), format_duration(self.open));
            let message = format!("{cap} is out of range: write the pause of {open} or longer, up to \"1d\"");
            return Err(Invalid::new("open_cap", message));
        }
        for (key, count, least) in
            [("probes", self.probes, 1), ("successes", self.successes, 1), ("sample", self.sample, 0)]
        {
            if !(least..=1000).contains(&count) {
                return Err(Invalid::new(key, format!("{count} is out of range: write {least} to 1000")));
            }
        }
        if self.lease.is_zero() {
            return Err(Invalid::new("lease", "a probe needs time: write at least \"1s\""));
        }
        if self.ramp > DAY {
            return Err(Invalid::new("ramp", "the ramp is too long: write at most \"1d\""));
        }
        Ok(())
    }

    fn check_window(&self) -> Result<(), Invalid> {
        match self.window {
            Window::Time(span) if span < Duration::from_millis(100) || span > DAY => {
                Err(Invalid::new("window", "the window is out of range: write \"100ms\" to \"1d\""))
            }
            Window::Calls(calls) if !(1..=Window::MOST_CALLS).contains(&calls) => {
                let most = Window::MOST_CALLS;
                let message = format!("{calls} calls are out of range: write \"1 call\" to \"{most} calls\"");
                Err(Invalid::new("window", message))
            }
            Window::Calls(calls) if self.failures > calls => {
                let (failures, window) = (self.failures, self.window);
                let message = format!("{failures} failures never fit into {window}: write {calls} or fewer");
                Err(Invalid::new("failures", message))
            }
            _ => Ok(()),
        }
    }
}

// A table of options, or `"off"`.
table_or_word!(Options, "a table, or \"off\"", visit_str: |name: &str, E| {
    if name == "off" { Ok(Options::off()) } else { Err(E::unknown_variant(name, &["off"])) }
});
