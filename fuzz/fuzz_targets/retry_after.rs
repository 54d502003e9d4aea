//! Any bytes as a server's request to wait, and as a quantity with its unit: bounded, or refused, and what is written
//! reads back the same.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use seawall_core::provider::{LONGEST_WAIT, retry_after};
use seawall_core::units::{Rate, Share, Size, format_duration, parse_duration};

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in ["retry-after", "retry-after-ms"] {
        if let Some(value) = lines.next().and_then(|line| HeaderValue::from_bytes(line).ok()) {
            headers.insert(name, value);
        }
    }
    // Mon, 29 Feb 2016 12:00:00 GMT
    let wait = retry_after(&headers, || UNIX_EPOCH + Duration::from_secs(1_456_747_200));
    assert!(wait.is_none_or(|wait| wait <= LONGEST_WAIT), "{wait:?}");

    let Ok(text) = std::str::from_utf8(input) else { return };
    match parse_duration(text) {
        Ok(duration) => assert_eq!(parse_duration(&format_duration(duration)), Ok(duration), "{text:?}"),
        Err(why) => short(&why),
    }
    reads_back::<Rate>(text);
    reads_back::<Size>(text);
    reads_back::<Share>(text);
});

fn reads_back<T: FromStr<Err = String> + Display + PartialEq + Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => assert_eq!(value.to_string().parse(), Ok(value), "{text:?}"),
        Err(why) => short(&why),
    }
}

/// An error quotes what was wrong, not all of it, and stays on its line.
fn short(why: &str) {
    assert!(why.len() < 400 && !why.contains(char::is_control), "{why:?}");
}
