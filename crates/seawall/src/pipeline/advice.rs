//! What is odd about a composition: allowed, and rarely meant.

use std::fmt;
use std::time::Duration;

use seawall_core::Effects;
use seawall_core::units::Share;

use super::{Options, Shadow, text};
use crate::hedge::Delay;
use crate::retry;

/// A remark on options that are valid each by itself and do not go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The option it is about, as it is spelled in a file.
    pub key: &'static str,
    /// What is odd, and what to write instead; lower case, no full stop.
    pub message: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

impl Options {
    /// Dangerous or useless compositions, each with what to write instead. Empty where everything goes together.
    ///
    /// ```
    /// use seawall::pipeline::Options;
    /// let options = Options { attempt: Some(std::time::Duration::from_secs(90)), ..Options::default() };
    /// assert_eq!(options.advice()[0].key, "attempt");
    /// ```
    pub fn advice(&self) -> Vec<Advice> {
        let mut found = Vec::new();
        let mut say = |key, message| found.push(Advice { key, message });
        let deadline = text(self.deadline);
        let retries = self.retry.attempts > 1;
        if let Some(attempt) = self.attempt.filter(|attempt| *attempt >= self.deadline) {
            let attempt = text(attempt);
            say(
                "attempt",
                format!("{attempt} is not less than the deadline of {deadline}, so it never ends an attempt"),
            );
        } else if retries && self.attempt.is_none() {
            let message = format!(
                "one slow attempt may use the whole deadline of {deadline}, and no retry fits: write an attempt \
                 timeout"
            );
            say("retry", message);
        }
        if retries {
            let pauses = longest_pauses(&self.retry);
            if pauses >= self.deadline {
                let (attempts, pauses) = (self.retry.attempts, text(pauses));
                let message = format!(
                    "{attempts} attempts may pause {pauses} in all, and the deadline is {deadline}: the last ones \
                     are not made"
                );
                say("retry", message);
            }
            if matches!(self.effects, Effects::Guarded | Effects::Once) {
                let message = format!(
                    "with effects {:?} only what was provably not processed is sent again, and an error nobody \
                     classifies is not: write effects = \"repeatable\" where repeating is safe, or classify",
                    self.effects.as_str()
                );
                say("retry", message);
            }
        }
        if let Some(breaker) = &self.breaker
            && retries
            && breaker.consecutive > 0
            && self.retry.attempts >= breaker.consecutive
        {
            let (attempts, consecutive) = (self.retry.attempts, breaker.consecutive);
            let message = format!(
                "every attempt counts: the {attempts} attempts of one call can open a breaker of {consecutive} \
                 failures in a row, so write more than {attempts}"
            );
            say("breaker", message);
        }
        for (key, wait) in [
            ("limiter", self.limiter.as_ref().map(|options| options.queue.wait)),
            ("bulkhead", self.bulkhead.as_ref().map(|options| options.queue.wait)),
        ] {
            if let Some(wait) = wait.filter(|wait| *wait >= self.deadline) {
                let wait = text(wait);
                let message = format!(
                    "a wait of {wait} in its queue is as long as the deadline of {deadline}: a call that waited \
                     has no time left"
                );
                say(key, message);
            }
        }
        if let Some(hedge) = &self.hedge {
            if self.effects != Effects::Repeatable {
                let word = self.effects.as_str();
                say(
                    "hedge",
                    format!("with effects {word:?} nothing is sent twice: write effects = \"repeatable\""),
                );
            }
            let patience = self.attempt.unwrap_or(self.deadline);
            if let Delay::Fixed(delay) = hedge.delay
                && delay >= patience
            {
                let (delay, patience) = (text(delay), text(patience));
                say(
                    "hedge",
                    format!("a delay of {delay} is not less than the {patience} an attempt may take"),
                );
            }
        }
        if self.shadow.holds(Shadow::LIMITER) && self.retry.attempts > 3 {
            let message =
                "the limiter only reports, and four attempts and more may reach the provider at once";
            say("shadow", message.to_owned());
        }
        found
    }
}

/// The pauses of a whole schedule, each as long as chance allows.
fn longest_pauses(options: &retry::Options) -> Duration {
    let mut last = Duration::ZERO;
    (1..options.attempts)
        .map(|attempt| {
            last = retry::pause(options, attempt, last, Share::percent(0), 0.0);
            last
        })
        .fold(Duration::ZERO, Duration::saturating_add)
}
