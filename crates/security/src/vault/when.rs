//! Moments as the vault writes them: RFC 3339, UTC, whole seconds.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use seawall_core::units::parse_duration;
use serde::{Deserialize, Deserializer, Serializer, de};

/// A moment of the wall clock, to the second.
pub(super) fn from_wall(now: SystemTime) -> Timestamp {
    let now = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// The same moment for others.
pub(super) fn to_wall(moment: Timestamp) -> SystemTime {
    SystemTime::from(moment)
}

/// Reads a moment to come: a span like `90d` from now on, a day like `2027-03-01` (its beginning, UTC), or a moment of
/// RFC 3339.
///
/// Refuses anything else, and a span that leads beyond the year 9999.
pub fn moment(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    // A date with a time and no offset is nobody's moment, and the date alone would be half of it.
    let day = if text.len() == 10 { day() } else { None };
    if let Some(moment) = text.parse::<Timestamp>().ok().or(day) {
        return Ok(to_wall(moment));
    }
    let span = parse_duration(text).map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        format!(
            "{shown:?} is no moment: write a span like 90d, a day like 2027-03-01, or 2027-03-01T12:00:00Z"
        )
    })?;
    let moment =
        from_wall(now).checked_add(span).map_err(|_| format!("{text} from now is too far: write less"))?;
    Ok(to_wall(moment))
}

pub(super) fn serialize<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(moment)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| de::Error::custom("a moment is not RFC 3339"))
}

/// The same where there may be none.
pub(super) mod option {
    use super::{Deserializer, Serializer, Timestamp};

    pub(in super::super) fn serialize<S: Serializer>(
        moment: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match moment {
            Some(moment) => super::serialize(moment, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn moments_are_spans_days_or_rfc_3339() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_357_400);
        let read = |text: &str| moment(text, now).map(|moment| from_wall(moment).to_string());
        assert_eq!(read("90d").unwrap(), "2026-05-30T09:30:00Z");
        assert_eq!(read("2027-03-01").unwrap(), "2027-03-01T00:00:00Z");
        assert_eq!(read("2027-03-01T12:00:00+02:00").unwrap(), "2027-03-01T10:00:00Z");
        for wrong in ["", "90", "soon", "2027-03-01T12:00", "2027-13-01", "-5d", "9999999999d", "2027-02-30"]
        {
            assert!(read(wrong).is_err(), "{wrong}: {:?}", read(wrong));
        }
    }
}
