//! So many per so long: `"500/min"`, `"50/s"`, `"10/10s"`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::{digits, format_duration, parse_duration, shown};

/// A count per period, written `"COUNT/PERIOD"`.
///
/// The period is a word (`s`, `min`, `h`, `day`) or a duration (`10s`, `1m`). `60/min` and `1/s` are different rates:
/// the first lets sixty come at once. A rate that was parsed always has a period above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In how long; above zero, or nothing is being said.
    pub per: Duration,
}

/// The periods that have a word; the first word of each is the one written.
const WORDS: [(&str, u64); 10] = [
    ("s", 1),
    ("min", 60),
    ("h", 3_600),
    ("day", 86_400),
    ("sec", 1),
    ("second", 1),
    ("m", 60),
    ("minute", 60),
    ("hour", 3_600),
    ("d", 86_400),
];

impl Rate {
    /// The mean over time, in events per second; 0 when the period is zero.
    pub fn per_second(self) -> f64 {
        if self.per.is_zero() { 0.0 } else { f64::from(self.count.get()) / self.per.as_secs_f64() }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        let wrong = || format!("{} is not a rate: write \"500/min\", \"50/s\" or \"10/10s\"", shown(text));
        let Some((count, per)) = text.split_once('/') else {
            let (number, rest) = digits(text);
            if !number.is_empty() && rest.is_empty() {
                return Err(format!(
                    "{} has no period: write {}",
                    shown(text),
                    shown(&format!("{text}/min"))
                ));
            }
            return Err(wrong());
        };
        let (number, rest) = digits(count);
        if number.is_empty() || !rest.is_empty() {
            return Err(wrong());
        }
        let count: u32 = number
            .parse()
            .map_err(|_| format!("{} counts too far: write at most {}", shown(text), u32::MAX))?;
        let count = NonZeroU32::new(count)
            .ok_or_else(|| format!("{} lets nothing through: write at least \"1/min\"", shown(text)))?;
        let per = match WORDS.iter().find(|(word, _)| *word == per) {
            Some((_, seconds)) => Duration::from_secs(*seconds),
            None => parse_duration(per).map_err(|why| match digits(per) {
                (number, "") if !number.is_empty() => why,
                _ => wrong(),
            })?,
        };
        if per.is_zero() {
            return Err(format!("{} has a period of zero: write \"50/s\"", shown(text)));
        }
        Ok(Rate { count, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match WORDS.iter().find(|(_, seconds)| self.per == Duration::from_secs(*seconds)) {
            Some((word, _)) => write!(f, "{}/{word}", self.count),
            None => write!(f, "{}/{}", self.count, format_duration(self.per)),
        }
    }
}

super::serde_as_text!(Rate, "a rate like \"500/min\"");
