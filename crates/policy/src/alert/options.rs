//! What can be written about an alert and about its delivery, and the rule that comes of it.

use std::time::Duration;

use seawall_core::units::{self, format_duration};
use serde::{Deserialize, Serialize};

use super::{Condition, Quiet};
use crate::Invalid;

seawall_core::words! {
    /// How bad it is.
    Severity {
        /// Worth knowing.
        Info = "info",
        /// Worth a look.
        Warning = "warning",
        /// Something is broken.
        Error = "error",
        /// Somebody should get up.
        Critical = "critical",
    }
}

seawall_core::words! {
    /// What is thought of an alert while there is no data to judge it by.
    NoData {
        /// What was thought before, for ten minutes.
        Keep = "keep",
        /// That all is well.
        Ok = "ok",
        /// That its condition holds.
        Fire = "fire",
    }
}

/// When somebody is told. Every key has a default but the condition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The condition, like "breaker_open{upstream='exchange'} > 0". Only a built-in alert has one already.
    pub when: Option<String>,
    /// What must hold before it is over, like "breaker_open == 0"; a second threshold, so that an alert near the first does
    /// not come and go. Default: that `when` does not hold.
    pub until: Option<String>,
    /// How long `when` must hold without a break. Default 0 s: at once.
    #[serde(rename = "for", with = "units::option_duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::option_duration_schema"))]
    pub held: Option<Duration>,
    /// How long it must be well before it is over. Default 0 s.
    #[serde(with = "units::option_duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::option_duration_schema"))]
    pub keep_for: Option<Duration>,
    /// How bad it is. Default warning.
    pub severity: Option<Severity>,
    /// What is thought while there is no data. Default keep: a restart or a metric that pauses changes nothing.
    pub no_data: Option<NoData>,
    /// What it means and what to do, for whoever is told. Default: the condition.
    pub summary: Option<String>,
    /// Alerts of one group share notices. Default: each rule is a group.
    pub group: Option<String>,
    /// Alerts that say the same or more: while one of them is active, nobody is told of this one. A name, like "breaker_open",
    /// means those that agree in every label both have; "breaker_open{breaker=check}" those whose label breaker is our label
    /// check. Default none.
    pub quiet_while: Vec<String>,
    /// Channels by name. Default none: it is shown, and sent where a channel asks for all.
    pub send: Vec<String>,
    /// Switches it off.
    pub off: bool,
}

/// A checked rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// The condition as it was written.
    pub text: String,
    /// The condition.
    pub when: Condition,
    /// What must hold before it is over, if that is something else than the condition not holding.
    pub until: Option<Condition>,
    /// How long the condition must hold.
    pub held: Duration,
    /// How long it must be well before it is over.
    pub keep_for: Duration,
    /// How bad it is.
    pub severity: Severity,
    /// What is thought while there is no data.
    pub no_data: NoData,
    /// What it means.
    pub summary: String,
    /// The group whose notices it shares.
    pub group: String,
    /// While one of these is active nobody is told.
    pub quiet_while: Vec<Quiet>,
    /// Channels by name.
    pub send: Vec<String>,
}

impl Rule {
    /// How far back it looks at most.
    pub fn span(&self) -> Duration {
        let needs = self.when.needs().into_iter().chain(self.until.iter().flat_map(Condition::needs));
        needs.map(|need| need.span).max().unwrap_or_default()
    }
}

/// Longer than this nobody waits to be told.
const DAY: Duration = Duration::from_secs(86_400);

/// The most alerts that make one quiet.
const QUIETERS: usize = 16;

/// The longest summary.
const SUMMARY: usize = 1024;

impl Options {
    /// Refuses conditions that cannot be read, and spans nobody waits for.
    pub fn check(&self) -> Result<(), Invalid> {
        for (key, text) in [("when", &self.when), ("until", &self.until)] {
            if let Some(text) = text {
                Condition::parse(text).map_err(|wrong| Invalid::new(key, wrong.to_string()))?;
            }
        }
        if self.until.is_some() && self.when.is_none() {
            return Err(Invalid::new("until", "until belongs to a condition: write when beside it"));
        }
        for (key, span) in [("for", self.held), ("keep_for", self.keep_for)] {
            if let Some(span) = span.filter(|span| *span > DAY) {
                let message = format!("{} is longer than a day: write \"1d\" or less", format_duration(span));
                return Err(Invalid::new(key, message));
            }
        }
        if self.quiet_while.len() > QUIETERS {
            let message = format!("names more than {QUIETERS} alerts: write those that matter");
            return Err(Invalid::new("quiet_while", message));
        }
        for text in &self.quiet_while {
            Quiet::parse(text).map_err(|wrong| Invalid::new("quiet_while", wrong))?;
        }
        if self.summary.as_ref().is_some_and(|summary| summary.len() > SUMMARY) {
            return Err(Invalid::new("summary", format!("is longer than {SUMMARY} bytes: write it shorter")));
        }
        if self.group.as_ref().is_some_and(|group| group.is_empty() || group.len() > 64) {
            return Err(Invalid::new("group", "is empty or longer than 64 bytes: write a name"));
        }
        Ok(())
    }

    /// These options laid over `base`, key by key. A condition of its own leaves `until` and `summary` of the base behind.
    #[must_use]
    pub fn over(self, base: Options) -> Options {
        let own = self.when.is_some();
        Options {
            until: self.until.or(base.until.filter(|_| !own)),
            when: self.when.or(base.when),
            held: self.held.or(base.held),
            keep_for: self.keep_for.or(base.keep_for),
            severity: self.severity.or(base.severity),
            no_data: self.no_data.or(base.no_data),
            summary: self.summary.or(base.summary.filter(|_| !own)),
            group: self.group.or(base.group),
            quiet_while: if self.quiet_while.is_empty() && !own {
                base.quiet_while
            } else {
                self.quiet_while
            },
            send: if self.send.is_empty() { base.send } else { self.send },
            off: self.off || base.off,
        }
    }

    /// The rule of that name; none where it is switched off. Refuses what [`check`](Options::check) does, and a rule
    /// without a condition.
    pub fn rule(self, name: &str) -> Result<Option<Rule>, Invalid> {
        self.check()?;
        if self.off {
            return Ok(None);
        }
        let text = self.when.ok_or_else(|| {
            Invalid::new(
                "when",
                "there is no condition, and no built-in alert of that name: write when = \"…\"",
            )
        })?;
        let read =
            |key, text: &str| Condition::parse(text).map_err(|wrong| Invalid::new(key, wrong.to_string()));
        let quiet = |text: &String| Quiet::parse(text).map_err(|wrong| Invalid::new("quiet_while", wrong));
        Ok(Some(Rule {
            quiet_while: self.quiet_while.iter().map(quiet).collect::<Result<_, _>>()?,
            name: name.to_owned(),
            when: read("when", &text)?,
            until: self.until.as_deref().map(|text| read("until", text)).transpose()?,
            held: self.held.unwrap_or_default(),
            keep_for: self.keep_for.unwrap_or_default(),
            severity: self.severity.unwrap_or(Severity::Warning),
            no_data: self.no_data.unwrap_or(NoData::Keep),
            summary: self.summary.unwrap_or_else(|| text.clone()),
            group: self.group.unwrap_or_else(|| name.to_owned()),
            send: self.send,
            text,
        }))
    }
}

/// How often a channel is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// How long a notice waits for others of its group. Default 2 s: what breaks together is told together.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub batch: Duration,
    /// A group is not heard of again sooner than this. Default 1 min. What comes and goes in between is not told.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub cooldown: Duration,
    /// After how long an alert that is still active is told again. Default never.
    #[serde(with = "units::option_duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::option_duration_schema"))]
    pub repeat: Option<Duration>,
    /// How long a notice that cannot be delivered is kept. Default 24 h.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub expire: Duration,
}

impl Default for Delivery {
    fn default() -> Self {
        Self { batch: Duration::from_secs(2), cooldown: Duration::from_secs(60), repeat: None, expire: DAY }
    }
}

impl Delivery {
    /// Refuses spans by which nobody would ever be told.
    pub fn check(&self) -> Result<(), Invalid> {
        let hour = Duration::from_secs(3600);
        for (key, span, least, most) in [
            ("batch", self.batch, Duration::ZERO, hour),
            ("cooldown", self.cooldown, Duration::ZERO, DAY),
            ("repeat", self.repeat.unwrap_or(DAY), Duration::from_secs(60), 30 * DAY),
            ("expire", self.expire, Duration::from_secs(60), 30 * DAY),
        ] {
            if span < least || span > most {
                let [span, least, most] = [span, least, most].map(format_duration);
                let message = format!("{span} is out of range: write \"{least}\" to \"{most}\"");
                return Err(Invalid::new(key, message));
            }
        }
        Ok(())
    }
}
