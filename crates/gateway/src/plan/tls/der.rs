//! Moments that stand in a certificate or a list of revoked ones: as much of DER as it takes to find them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// The last moment of a certificate: `notAfter` of RFC 5280.
pub(super) fn ends(certificate: &[u8]) -> Option<SystemTime> {
    let (certificate, _) = part(certificate, SEQUENCE)?;
    let (mut fields, _) = part(certificate, SEQUENCE)?;
    // The version is there in all but the oldest; then a serial number, an algorithm and an issuer.
    if let Some((_, rest)) = part(fields, 0xA0) {
        fields = rest;
    }
    let (_, fields) = part(fields, INTEGER)?;
    let (_, fields) = part(fields, SEQUENCE)?;
    let (_, fields) = part(fields, SEQUENCE)?;
    let (validity, _) = part(fields, SEQUENCE)?;
    let (_, after) = time(validity)?;
    let (ends, _) = time(after)?;
    Some(ends)
}

/// When the next list is due: `nextUpdate` of RFC 5280, after which this one says nothing any more.
pub(super) fn next_due(list: &[u8]) -> Option<SystemTime> {
    let (list, _) = part(list, SEQUENCE)?;
    let (mut fields, _) = part(list, SEQUENCE)?;
    // The version is there in all but the oldest; then an algorithm, an issuer and when it was made.
    if let Some((_, rest)) = part(fields, INTEGER) {
        fields = rest;
    }
    let (_, fields) = part(fields, SEQUENCE)?;
    let (_, fields) = part(fields, SEQUENCE)?;
    let (_, fields) = time(fields)?;
    let (due, _) = time(fields)?;
    Some(due)
}

/// One part of a text in DER, and what follows it.
fn part(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&short, mut rest) = rest.split_first()?;
    let mut length = usize::from(short);
    if short >= 0x80 {
        let digits = usize::from(short & 0x7F);
        if !(1..=4).contains(&digits) {
            return None;
        }
        let (long, after) = rest.split_at_checked(digits)?;
        length = long.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        rest = after;
    }
    if first != tag { None } else { rest.split_at_checked(length) }
}

/// A moment: `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(bytes: &[u8]) -> Option<(SystemTime, &[u8])> {
    let ((text, rest), short) = match part(bytes, 0x17) {
        Some(utc) => (utc, true),
        None => (part(bytes, 0x18)?, false),
    };
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    // RFC 5280: two digits below fifty are of this century.
    let century = match short {
        true if text.get(..2)?.parse::<u8>().ok()? < 50 => "20",
        true => "19",
        false => "",
    };
    let moment = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", format!("{century}{text}")).ok()?;
    let moment = moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    let since = Duration::from_secs(u64::try_from(moment.as_second()).ok()?);
    Some((UNIX_EPOCH + since, rest))
}
