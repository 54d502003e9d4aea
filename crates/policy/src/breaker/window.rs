//! How far back a breaker looks: a span of time, or a number of calls.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use seawall_core::units::{format_duration, parse_duration};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How far back a breaker looks: `"30s"`, or `"100 calls"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// What happened in so much time, forgotten a tenth at a time.
    Time(Duration),
    /// The last so many calls, forgotten one by one.
    Calls(u32),
}

impl Window {
    /// The most calls that are remembered one by one.
    pub const MOST_CALLS: u32 = 1024;

    /// As many of `calls` as it can ever hold: whoever waits for more would wait for ever.
    pub(super) fn at_most(self, calls: u32) -> u32 {
        match self {
            Window::Time(_) => calls,
            Window::Calls(size) => calls.min(size),
        }
    }
}

impl From<Duration> for Window {
    fn from(span: Duration) -> Self {
        Window::Time(span)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Window::Time(span) => f.write_str(&format_duration(*span)),
            Window::Calls(1) => f.write_str("1 call"),
            Window::Calls(calls) => write!(f, "{calls} calls"),
        }
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Window, String> {
        let Some(count) = text.strip_suffix("calls").or_else(|| text.strip_suffix("call")) else {
            return match parse_duration(text) {
                Ok(span) => Ok(Window::Time(span)),
                Err(wrong) => Err(format!("{wrong}, or count calls: \"100 calls\"")),
            };
        };
        let count = count.trim_end();
        // `u32` would read a sign.
        let number = count.bytes().all(|digit| digit.is_ascii_digit()).then(|| count.parse().ok()).flatten();
        number.map(Window::Calls).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            format!("{shown:?} is not a number of calls: write \"100 calls\"")
        })
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Window;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a window like \"30s\" or \"100 calls\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Window, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Window {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Window".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^(([0-9]+(\.[0-9]+)?(d|h|ms|m|s|us|µs|ns))+|[0-9]+ *calls?)$",
            "description": "a window like \"30s\" or \"100 calls\"",
        })
    }
}
