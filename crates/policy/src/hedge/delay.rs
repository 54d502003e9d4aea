//! A delay that is learnt or fixed, as people write it: `"p95"`, `"200ms"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use seawall_core::units::{Share, format_duration, parse_duration};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Invalid;

/// How long an attempt has to itself before it is hedged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Delay {
    /// Always so long.
    Fixed(Duration),
    /// As long as this share of recent calls took at most.
    Percentile(Share),
}

impl Default for Delay {
    fn default() -> Self {
        Delay::Percentile(Share::percent(95))
    }
}

impl Delay {
    pub(super) fn check(self) -> Result<(), Invalid> {
        match self {
            Delay::Fixed(delay) if delay.is_zero() => {
                Err(Invalid::new("delay", "a delay of zero sends everything twice: write at least \"1ms\""))
            }
            Delay::Percentile(share) if !(0.5..1.0).contains(&share.get()) => {
                Err(Invalid::new("delay", format!("{self} is out of range: write \"p50\" to \"p99.9\"")))
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share = text.strip_prefix('p').and_then(|percent| format!("{percent}%").parse().ok());
        match share {
            Some(share) => Ok(Delay::Percentile(share)),
            None if text.starts_with('p') => {
                Err(format!("\"{}\" is not a percentile: write \"p95\"", text.escape_debug()))
            }
            None => parse_duration(text).map(Delay::Fixed),
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Delay::Fixed(delay) => f.write_str(&format_duration(*delay)),
            Delay::Percentile(share) => write!(f, "p{}", share.to_string().trim_end_matches('%')),
        }
    }
}

impl Serialize for Delay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Delay;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a percentile like \"p95\" or a duration like \"200ms\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Delay, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Delay {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Delay".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^(p[0-9]+(\.[0-9]+)?|([0-9]+(\.[0-9]+)?(d|h|ms|m|s|us|µs|ns))+)$",
            "description": "a percentile like \"p95\" or a duration like \"200ms\""
        })
    }
}
