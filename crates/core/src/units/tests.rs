//! Text to quantity and back.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn durations_are_read_as_written() {
    for (text, expected) in [
        ("20s", ms(20_000)),
        ("500ms", ms(500)),
        ("250us", Duration::from_micros(250)),
        ("250µs", Duration::from_micros(250)),
        ("7ns", Duration::from_nanos(7)),
        ("1m", ms(60_000)),
        ("1h", ms(3_600_000)),
        ("72h", ms(72 * 3_600_000)),
        ("7d", ms(7 * 24 * 3_600_000)),
        ("1m30s", ms(90_000)),
        ("1.5s", ms(1_500)),
        ("1m0.250s", ms(60_250)),
        ("0s", ms(0)),
        ("3650d", Duration::from_secs(3650 * 86_400)),
    ] {
        assert_eq!(parse_duration(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_not_a_duration_is_refused_with_what_to_write() {
    for (text, expected) in [
        ("20", "\"20\" has no unit: write \"20s\""),
        ("", "\"\" is not a duration: write \"20s\", \"500ms\" or \"1m30s\""),
        ("-1s", "\"-1s\" is not a duration: write \"20s\", \"500ms\" or \"1m30s\""),
        ("NaN", "\"NaN\" is not a duration: write \"20s\", \"500ms\" or \"1m30s\""),
        ("1 s", "\"1 s\" is not a duration: write \"20s\", \"500ms\" or \"1m30s\""),
        ("1.s", "\"1.s\" is not a duration: write \"20s\", \"500ms\" or \"1m30s\""),
        ("5min", "\"5min\" has the unit \"min\": write \"m\""),
        ("30s1m", "\"30s1m\" has its units out of order: write \"1h30m\", longest first"),
        ("1s1s", "\"1s1s\" has its units out of order: write \"1h30m\", longest first"),
        ("1.5h3m", "\"1.5h3m\" has a fraction before its end: write \"1h30m\""),
        ("0.5ns", "\"0.5ns\" is finer than a nanosecond: write fewer digits"),
        ("3651d", "\"3651d\" is longer than ten years: write \"3650d\" or less"),
        ("999999999999999999d", "\"999999999999999999d\" is longer than ten years: write \"3650d\" or less"),
    ] {
        assert_eq!(parse_duration(text), Err(expected.to_owned()), "{text}");
    }
    assert!(parse_duration(&"9".repeat(100_000)).unwrap_err().len() < 200);
    assert!(parse_duration("1m30").is_err());
}

#[test]
fn durations_are_written_short() {
    for (duration, expected) in [
        (ms(0), "0s"),
        (ms(500), "500ms"),
        (ms(1_500), "1.5s"),
        (ms(90_000), "1m30s"),
        (ms(72 * 3_600_000), "3d"),
        (ms(90 * 60_000), "1h30m"),
        (Duration::from_micros(1_500), "1.5ms"),
        (Duration::from_micros(250), "250us"),
        (Duration::from_nanos(1), "1ns"),
        (Duration::new(61, 5), "1m1.000000005s"),
        (Duration::new(60, 5), "1m0.000000005s"),
    ] {
        assert_eq!(format_duration(duration), expected);
    }
}

#[test]
fn rates_are_read_as_written() {
    for (text, count, per, written) in [
        ("500/min", 500, ms(60_000), "500/min"),
        ("50/s", 50, ms(1_000), "50/s"),
        ("10/10s", 10, ms(10_000), "10/10s"),
        ("5/h", 5, ms(3_600_000), "5/h"),
        ("100/day", 100, ms(86_400_000), "100/day"),
        ("60/1m", 60, ms(60_000), "60/min"),
        ("60/m", 60, ms(60_000), "60/min"),
        ("7/1m30s", 7, ms(90_000), "7/1m30s"),
    ] {
        let rate: Rate = text.parse().unwrap();
        assert_eq!((rate.count.get(), rate.per), (count, per), "{text}");
        assert_eq!(rate.to_string(), written);
    }
    assert!(("30/min".parse::<Rate>().unwrap().per_second() - 0.5).abs() < 1e-12);
}

#[test]
fn what_is_not_a_rate_is_refused_with_what_to_write() {
    for (text, expected) in [
        ("500", "\"500\" has no period: write \"500/min\""),
        ("0/s", "\"0/s\" lets nothing through: write at least \"1/min\""),
        ("5/0s", "\"5/0s\" has a period of zero: write \"50/s\""),
        ("5/10", "\"10\" has no unit: write \"10s\""),
        ("4294967296/s", "\"4294967296/s\" counts too far: write at most 4294967295"),
        ("fast", "\"fast\" is not a rate: write \"500/min\", \"50/s\" or \"10/10s\""),
        ("5/fortnight", "\"5/fortnight\" is not a rate: write \"500/min\", \"50/s\" or \"10/10s\""),
        ("-5/s", "\"-5/s\" is not a rate: write \"500/min\", \"50/s\" or \"10/10s\""),
        ("1.5/s", "\"1.5/s\" is not a rate: write \"500/min\", \"50/s\" or \"10/10s\""),
        ("/s", "\"/s\" is not a rate: write \"500/min\", \"50/s\" or \"10/10s\""),
    ] {
        assert_eq!(text.parse::<Rate>(), Err(expected.to_owned()), "{text}");
    }
}

#[test]
fn sizes_are_read_and_written() {
    for (text, bytes, written) in [
        ("64KiB", 65_536, "64KiB"),
        ("64kib", 65_536, "64KiB"),
        ("1MiB", 1 << 20, "1MiB"),
        ("10MB", 10_000_000, "10MB"),
        ("512B", 512, "512B"),
        ("1.5GiB", 3 << 29, "1536MiB"),
        ("0B", 0, "0B"),
        ("1024KiB", 1 << 20, "1MiB"),
    ] {
        let size: Size = text.parse().unwrap();
        assert_eq!(size, Size(bytes), "{text}");
        assert_eq!(size.to_string(), written);
    }
    for (text, expected) in [
        ("64", "\"64\" has no unit: write \"64B\""),
        ("64k", "\"64k\" is not a size: write \"64KiB\", \"10MB\" or \"512B\""),
        ("-1B", "\"-1B\" is not a size: write \"64KiB\", \"10MB\" or \"512B\""),
        ("0.1B", "\"0.1B\" is not a whole number of bytes: write fewer digits"),
        ("99999999TiB", "\"99999999TiB\" is too large: write at most \"16777215TiB\""),
    ] {
        assert_eq!(text.parse::<Size>(), Err(expected.to_owned()), "{text}");
    }
}

#[test]
fn shares_are_read_and_written() {
    for (text, share, written) in [
        ("20%", 0.2, "20%"),
        ("0.5%", 0.005, "0.5%"),
        ("100%", 1.0, "100%"),
        ("7%", 0.07, "7%"),
        ("0%", 0.0, "0%"),
    ] {
        let read: Share = text.parse().unwrap();
        assert!((read.get() - share).abs() < 1e-15, "{text}");
        assert_eq!(read.to_string(), written);
    }
    for (text, expected) in [
        ("20", "\"20\" has no unit: write \"20%\""),
        ("101%", "\"101%\" is more than all of it: write \"100%\" or less"),
        ("100.0001%", "\"100.0001%\" is more than all of it: write \"100%\" or less"),
        ("-1%", "\"-1%\" is not a share: write \"20%\""),
        ("20%%", "\"20%%\" is not a share: write \"20%\""),
        (
            "0.000022100002200004%",
            "\"0.000022100002200004%\" is finer than a share needs: write fewer digits",
        ),
        ("NaN%", "\"NaN%\" is not a share: write \"20%\""),
    ] {
        assert_eq!(text.parse::<Share>(), Err(expected.to_owned()), "{text}");
    }
    assert_eq!(Share::new(f64::NAN), None);
    assert_eq!(Share::new(-0.0).map(|s| s.to_string()), Some("0%".to_owned()));
    assert_eq!(Share::percent(200), Share::percent(100));
}

#[test]
fn serde_goes_through_the_text() {
    #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
    struct Options {
        #[serde(with = "duration")]
        open: Duration,
        #[serde(default, with = "option_duration")]
        idle: Option<Duration>,
        rate: Rate,
        size: Size,
        share: Share,
    }
    let text = r#"{"open":"1m","idle":null,"rate":"10/10s","size":"64KiB","share":"20%"}"#;
    let options: Options = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&options).unwrap(), text);

    let shorter = r#"{"open":"1m","rate":"10/10s","size":"64KiB","share":"20%"}"#;
    assert_eq!(serde_json::from_str::<Options>(shorter).unwrap(), options);

    let number = text.replace("\"1m\"", "20");
    let error = serde_json::from_str::<Options>(&number).unwrap_err().to_string();
    assert!(error.contains("expected a duration like \"20s\""), "{error}");
}

#[cfg(feature = "schema")]
#[test]
fn the_schema_is_a_string_with_a_pattern() {
    #[derive(schemars::JsonSchema)]
    struct Options {
        #[schemars(schema_with = "duration_schema")]
        _open: Duration,
        _rate: Rate,
    }
    let schema = serde_json::to_value(schemars::schema_for!(Options)).unwrap();
    for field in ["_open", "_rate"] {
        assert_eq!(schema["properties"][field]["type"], "string", "{schema}");
        assert!(schema["properties"][field]["pattern"].is_string(), "{schema}");
    }
}

/// The pattern that an editor holds durations to.
#[cfg(feature = "schema")]
fn pattern() -> regex::Regex {
    let schema = duration_schema(&mut schemars::SchemaGenerator::default());
    regex::Regex::new(schema.get("pattern").and_then(serde_json::Value::as_str).unwrap()).unwrap()
}

#[cfg(feature = "schema")]
#[test]
fn the_pattern_takes_what_is_read_and_nothing_that_is_refused_for_its_form() {
    let pattern = pattern();
    for good in
        ["0s", "20s", "1m30s", "1.5s", "1m0.25s", "72h", "1d2h3m4s5ms6us7ns", "3µs", "3μs", "0.5d", "1.0ns"]
    {
        assert!(parse_duration(good).is_ok() && pattern.is_match(good), "{good}");
    }
    for bad in [
        "", "20", "s", "1s1m", "1s1s", "1.5m3s", "1,5s", "-1s", " 1s", "1s ", "1 s", ".5s", "1.s", "1w",
        "1.5ns",
    ] {
        assert!(parse_duration(bad).is_err() && !pattern.is_match(bad), "{bad}");
    }
}

proptest! {
    /// Law: parser and pattern say the same, but for what is too long or too fine.
    #[cfg(feature = "schema")]
    #[test]
    fn the_pattern_and_the_parser_agree(text in "([0-9]{1,4}(\\.[0-9]{1,2})?(d|h|m|s|ms|us|ns)){0,4}") {
        let (read, fits) = (parse_duration(&text), pattern().is_match(&text));
        match read {
            Ok(_) => prop_assert!(fits, "{text}"),
            Err(why) => prop_assert!(!fits || why.contains("longer than") || why.contains("finer than"), "{text}: {why}"),
        }
    }

    #[test]
    fn any_text_is_read_or_refused_but_never_breaks(text in ".{0,60}") {
        let _ = parse_duration(&text);
        let _ = text.parse::<Rate>();
        let _ = text.parse::<Size>();
        let _ = text.parse::<Share>();
    }

    #[test]
    fn nearly_right_text_never_breaks(text in "[0-9.]{0,25}(d|h|m|s|ms|us|ns|/|%|KiB|B|min){0,2}[0-9.]{0,25}[smh%]?") {
        let _ = parse_duration(&text);
        let _ = text.parse::<Rate>();
        let _ = text.parse::<Size>();
        let _ = text.parse::<Share>();
    }

    #[test]
    fn a_written_duration_reads_back_the_same(seconds in 0u64..3650 * 86_400, nanos in 0u32..1_000_000_000, coarse in 0u32..4) {
        let step = 10u32.pow(coarse * 3).min(1_000_000_000);
        let duration = Duration::new(seconds, nanos / step * step);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        let small = Duration::new(0, nanos);
        prop_assert_eq!(parse_duration(&format_duration(small)), Ok(small));
    }

    #[test]
    fn a_written_rate_reads_back_the_same(count in 1u32.., seconds in 1u64..3650 * 86_400) {
        let rate = Rate { count: count.try_into().unwrap(), per: Duration::from_secs(seconds) };
        prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
    }

    #[test]
    fn a_written_size_reads_back_the_same(bytes: u64, shift in 0u32..64) {
        let size = Size(bytes >> shift << shift.min(40));
        prop_assert_eq!(size.to_string().parse::<Size>(), Ok(size));
    }

    #[test]
    fn a_written_share_reads_back_the_same(hundredths in 0u32..=10_000) {
        let share = Share::new(f64::from(hundredths) / 10_000.0).unwrap();
        prop_assert_eq!(share.to_string().parse::<Share>(), Ok(share));
        prop_assert!(share.to_string().len() <= 7);
    }
}
