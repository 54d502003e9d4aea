//! An optional duration as text; for `#[serde(default, with = "units::option_duration")]`.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

use super::duration;

/// Writes the duration as text, or nothing.
pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => duration::serialize(duration, serializer),
        None => serializer.serialize_none(),
    }
}

/// Reads a duration where there is one.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    deserializer.deserialize_option(Maybe)
}

struct Maybe;

impl<'de> Visitor<'de> for Maybe {
    type Value = Option<Duration>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Visitor::expecting(&duration::Text, f)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        duration::deserialize(deserializer).map(Some)
    }
}
