//! Settings of training, of monitoring and of security, and how they must stand to each other.

use std::time::Duration;

use seawall_core::units;
use seawall_policy::Invalid;
use serde::{Deserialize, Serialize};

use super::checked::Checking;
use super::{CarbonBounds, Check, Grams, Ladder};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Passes over the data. Default 10; 1 to 1 000 000.
    pub epochs: u32,
    /// Samples at once. Default 32; 1 to 1 048 576.
    pub batch: u32,
    /// Batches to one step. Default 1; 1 to 4096.
    pub accumulate: u32,
    /// How far a step goes. Default 0.001; more than 0, at most 10.
    pub learning_rate: f64,
    /// Epochs without progress before it stops; fewer than `epochs`. Default: it does not.
    pub patience: Option<u32>,
    /// Pause between checkpoints. Default 10 min; 1 s to 7 d.
    #[serde(with = "units::duration")]
    pub checkpoint: Duration,
    /// The longest run; longer than `checkpoint`, at most 365 d. Default: none.
    #[serde(with = "units::option_duration")]
    pub longest: Option<Duration>,
    /// When it pauses for its carbon. Default: never.
    pub carbon: Option<CarbonBounds>,
    /// The most carbon it may cause, in grams. Default: no limit.
    pub budget: Option<Grams>,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch: 32,
            accumulate: 1,
            learning_rate: 1e-3,
            patience: None,
            checkpoint: SECOND * 600,
            longest: None,
            carbon: None,
            budget: None,
        }
    }
}

impl Check for Training {
    fn check(&self) -> Vec<Invalid> {
        let mut checking = Checking::default();
        checking.within("epochs", self.epochs, 1, 1_000_000);
        checking.within("batch", self.batch, 1, 1 << 20);
        checking.within("accumulate", self.accumulate, 1, 4096);
        checking.must(self.learning_rate > 0.0 && self.learning_rate <= 10.0, "learning_rate", || {
            format!("{} is not more than 0 and at most 10: write one such as 0.001", self.learning_rate)
        });
        if let Some(patience) = self.patience {
            checking.must(patience >= 1 && patience < self.epochs, "patience", || {
                format!(
                    "{patience} is not from 1 to less than the {} epochs: write fewer, or leave it out",
                    self.epochs
                )
            });
        }
        checking.lasting("checkpoint", self.checkpoint, SECOND, DAY * 7);
        if let Some(longest) = self.longest {
            checking.lasting("longest", longest, self.checkpoint, DAY * 365);
        }
        if let Some(budget) = self.budget {
            checking.must(budget.get() > 0.0, "budget", || {
                "0 g allow nothing: write more, or leave it out".to_owned()
            });
        }
        checking.0
    }
}

/// What is watched, and when it is worth a word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Monitoring {
    /// Pause between looks. Default 10 s; 100 ms to 1 h.
    #[serde(with = "units::duration")]
    pub interval: Duration,
    /// Patience of one look; less than `interval`. Default 5 s.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// How long readings are kept; at least ten intervals, at most 365 d. Default 1 d.
    #[serde(with = "units::duration")]
    pub keep: Duration,
    /// Percent from which a load is a warning, and critical. Default 80 and 95; rising, 0 to 100.
    pub load: [f64; 2],
    /// Percent below which free space is a warning, and critical. Default 15 and 5; falling, 0 to 100.
    pub free: [f64; 2],
    /// Degrees Celsius from which it is hot, and too hot. Default 80 and 95; rising, 0 to 150.
    pub heat: [f64; 2],
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            interval: SECOND * 10,
            timeout: SECOND * 5,
            keep: DAY,
            load: [80.0, 95.0],
            free: [15.0, 5.0],
            heat: [80.0, 95.0],
        }
    }
}

impl Monitoring {
    /// A pair as levels.
    fn ladder(checking: &mut Checking, key: &'static str, pair: [f64; 2], most: f64, rising: bool) {
        let inside = pair.iter().all(|step| (0.0..=most).contains(step));
        let ordered = Ladder::new(&pair).is_ok() && (pair[0] < pair[1]) == rising;
        let (order, example) = if rising { ("rise", "[80, 95]") } else { ("fall", "[15, 5]") };
        checking.must(inside && ordered, key, || {
            format!("{pair:?} does not {order} from warning to critical within 0 and {most}: write two such as {example}")
        });
    }
}

impl Check for Monitoring {
    fn check(&self) -> Vec<Invalid> {
        let mut checking = Checking::default();
        checking.lasting("interval", self.interval, SECOND / 10, SECOND * 3600);
        checking.lasting("timeout", self.timeout, SECOND / 1000, self.interval.saturating_sub(SECOND / 1000));
        checking.lasting("keep", self.keep, self.interval.saturating_mul(10), DAY * 365);
        Self::ladder(&mut checking, "load", self.load, 100.0, true);
        Self::ladder(&mut checking, "free", self.free, 100.0, false);
        Self::ladder(&mut checking, "heat", self.heat, 150.0, true);
        checking.0
    }
}

/// Who stays for how long, and what happens to whoever guesses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    /// The longest session. Default 12 h; 1 min to 30 d.
    #[serde(with = "units::duration")]
    pub session: Duration,
    /// And without a word from its owner; at most `session`. Default 30 min; at least 10 s.
    #[serde(with = "units::duration")]
    pub idle: Duration,
    /// Wrong keys before a caller is locked out. Default 5; 1 to 100.
    pub failures: u32,
    /// For how long. Default 15 min; 1 s to 1 d.
    #[serde(with = "units::duration")]
    pub lockout: Duration,
    /// Bits a key needs at least. Default 96; 64 to 512.
    pub key_bits: u32,
    /// The longest life of a key; longer than `warn`. Default 90 d; 1 d to 3650 d.
    #[serde(with = "units::duration")]
    pub key_life: Duration,
    /// How long before its end somebody is told. Default 14 d.
    #[serde(with = "units::duration")]
    pub warn: Duration,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            session: SECOND * 43_200,
            idle: SECOND * 1800,
            failures: 5,
            lockout: SECOND * 900,
            key_bits: 96,
            key_life: DAY * 90,
            warn: DAY * 14,
        }
    }
}

impl Check for Security {
    fn check(&self) -> Vec<Invalid> {
        let mut checking = Checking::default();
        checking.lasting("session", self.session, SECOND * 60, DAY * 30);
        checking.lasting("idle", self.idle, SECOND * 10, self.session);
        checking.within("failures", self.failures, 1, 100);
        checking.lasting("lockout", self.lockout, SECOND, DAY);
        checking.within("key_bits", self.key_bits, 64, 512);
        checking.lasting("key_life", self.key_life, DAY, DAY * 3650);
        checking.must(self.warn < self.key_life, "warn", || {
            let written = units::format_duration;
            format!(
                "{} is not less than the key_life of {}: write less",
                written(self.warn),
                written(self.key_life)
            )
        });
        checking.0
    }
}
