//! What is done about a critical state: procedures in order, once for each episode of it.

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::units;
use serde::{Deserialize, Serialize};

use crate::Invalid;

/// How patiently procedures are run, and how much is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// After an episode, the same state begins no other for so long. Default 5 min: what was just repaired is given time
    /// to show it, and an alarm that repeats itself is not answered twice.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub cooldown: Duration,
    /// The longest one attempt of a procedure may take, unless the procedure says otherwise. Default 30 s.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub deadline: Duration,
    /// Attempts of a procedure, unless it says otherwise. Default 1: half of it may have been done.
    pub attempts: u32,
    /// Episodes that are remembered. Default 64, the latest ones.
    pub history: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cooldown: Duration::from_secs(300),
            deadline: Duration::from_secs(30),
            attempts: 1,
            history: 64,
        }
    }
}

impl Options {
    /// Refuses procedures that could not run, or would not end.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.deadline.is_zero() {
            return Err(Invalid::new("deadline", "zero gives nothing a chance: write at least \"1ms\""));
        }
        check_attempts(self.attempts)?;
        if self.history > 100_000 {
            let message = format!("{} is more than anybody reads: write 0 to 100000", self.history);
            return Err(Invalid::new("history", message));
        }
        Ok(())
    }
}

/// Refuses a procedure that is never tried, or tried for ever.
pub fn check_attempts(attempts: u32) -> Result<(), Invalid> {
    if (1..=10).contains(&attempts) {
        Ok(())
    } else {
        Err(Invalid::new("attempts", format!("{attempts} is out of range: write 1 to 10")))
    }
}

/// Why no episode begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// One is under way.
    Running,
    /// One has just ended; another may begin after this.
    Cooling(Duration),
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Run this procedure.
    Run {
        /// Which, counted from 0.
        procedure: usize,
        /// Which attempt of it, from 1.
        attempt: u32,
    },
    /// A procedure worked: the episode is over.
    Recovered,
    /// None did: somebody has to look.
    GaveUp,
}

/// One critical state as a value: every method is a pure step of it.
#[derive(Debug, Clone)]
pub struct Machine {
    cooldown: Duration,
    /// How often each procedure may be tried.
    attempts: Vec<u32>,
    running: Option<(usize, u32)>,
    cool_until: Instant,
}

impl Machine {
    /// A state that has not come up yet, with the attempts of each of its procedures, at least one.
    pub fn new(cooldown: Duration, attempts: Vec<u32>) -> Self {
        Self { cooldown, attempts, running: None, cool_until: Instant::ORIGIN }
    }

    /// Is an episode under way?
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The state has come up: begins an episode, unless one is under way or has just been.
    pub fn begin(&mut self, now: Instant) -> Result<Next, Refusal> {
        if self.running.is_some() {
            return Err(Refusal::Running);
        }
        match now.until(self.cool_until) {
            Duration::ZERO => Ok(self.run(0, 1, now)),
            left => Err(Refusal::Cooling(left)),
        }
    }

    /// An attempt ended: done if it worked, else again, else the next procedure, else nothing is left.
    pub fn ended(&mut self, worked: bool, now: Instant) -> Next {
        let Some((procedure, attempt)) = self.running else { return Next::GaveUp };
        if worked {
            self.abandon(now);
            return Next::Recovered;
        }
        match self.attempts.get(procedure) {
            Some(attempts) if attempt < *attempts => self.run(procedure, attempt + 1, now),
            _ => self.run(procedure + 1, 1, now),
        }
    }

    /// The episode ends here, whatever was still to do.
    pub fn abandon(&mut self, now: Instant) {
        self.running = None;
        self.cool_until = now + self.cooldown;
    }

    fn run(&mut self, procedure: usize, attempt: u32, now: Instant) -> Next {
        if procedure >= self.attempts.len() {
            self.abandon(now);
            return Next::GaveUp;
        }
        self.running = Some((procedure, attempt));
        Next::Run { procedure, attempt }
    }
}
