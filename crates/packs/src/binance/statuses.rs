//! What a status proves where no code says more.
//!
//! From `rest-api.md` ("HTTP Return Codes", "IP Limits") of <https://github.com/binance/binance-spot-api-docs> as of
//! 2026-07-21.

use std::ops::RangeInclusive;

use super::means::Means;
use crate::table::Source;

const PAGE: Source = Source {
    page: "https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md#http-return-codes",
    read: "2026-07-21",
};

/// A status.
#[derive(Debug, Clone)]
pub struct StatusRow {
    /// Its numbers.
    pub status: RangeInclusive<u16>,
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub means: Means,
    /// May a code in the body say something else? Not where the status is the proof.
    pub code_decides: bool,
    /// What it says, in our words.
    pub says: &'static str,
    /// Where.
    pub source: Source,
}

const fn row(
    status: RangeInclusive<u16>,
    name: &'static str,
    means: Means,
    code_decides: bool,
    says: &'static str,
) -> StatusRow {
    StatusRow { status, name, means, code_decides, says, source: PAGE }
}

/// The statuses. The first that fits holds; what is not here is plain HTTP.
#[rustfmt::skip]
pub const STATUSES: &[StatusRow] = &[
    row(400..=400, "BAD_REQUEST",       Means::Wrong,    true,  "the request is malformed, or refused: the code in the answer says which, and some of them prove nothing"),
    row(401..=401, "UNAUTHORIZED",      Means::Key,      true,  "the key is missing or wrong"),
    row(403..=403, "WAF",               Means::Banned,   true,  "the firewall in front of the exchange refused it, for its rate or for its looks"),
    row(404..=404, "NOT_FOUND",         Means::Wrong,    true,  "no such path"),
    row(408..=408, "REQUEST_TIMEOUT",   Means::TimedOut, false, "the exchange waited in vain for its own backend"),
    row(409..=409, "CONFLICT",          Means::Half,     true,  "a cancel-replace was done in part"),
    row(418..=418, "IP_BANNED",         Means::Banned,   false, "the address is banned for going on after 429"),
    row(429..=429, "TOO_MANY_REQUESTS", Means::Pace,     false, "too many requests of this address, or orders of this account"),
    row(451..=451, "RESTRICTED",        Means::Banned,   true,  "not served where the request comes from"),
    row(500..=599, "SERVER_ERROR",      Means::Trouble,  false, "the exchange says itself not to take this for a failure: the execution status is unknown"),
];

/// What a status says, where it is listed.
pub(super) fn listed(status: u16) -> Option<&'static StatusRow> {
    STATUSES.iter().find(|row| row.status.contains(&status))
}
