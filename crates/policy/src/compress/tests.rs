use proptest::prelude::*;
use seawall_core::units::Size;

use super::*;

fn accept(header: &str) -> Accept {
    Accept::read([header.as_bytes()])
}

fn chosen(header: &str) -> &'static str {
    accept(header).choose(Algorithm::ALL).map_or("plain", Algorithm::as_str)
}

#[test]
fn the_defaults_are_the_published_ones_and_bad_options_are_refused_by_name() {
    let options = Options::default();
    options.check().unwrap();
    assert!(!options.requests && options.responses && Options::off().is_off() && !options.is_off());
    assert_eq!(options.algorithms, [Algorithm::Gzip, Algorithm::Deflate]);
    assert_eq!((options.min_size, options.max_decoded), (Size(1024), Size(64 << 20)));
    assert_eq!((options.level, options.max_ratio), (4, 100));
    let of = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options.check().unwrap_err()
    };
    assert_eq!(of(|options| options.algorithms.clear()).key, "algorithms");
    let twice = of(|options| options.algorithms.push(Algorithm::Gzip));
    assert_eq!((twice.key, &*twice.message), ("algorithms", "gzip is named twice: write it once"));
    assert_eq!(of(|options| options.level = 0).key, "level");
    assert_eq!(of(|options| options.level = u32::MAX).key, "level");
    assert_eq!(of(|options| options.max_ratio = 1).key, "max_ratio");
    assert_eq!(of(|options| options.max_decoded = Size(0)).key, "max_decoded");
    for sound in [
        Options { level: 1, max_ratio: 2, max_decoded: Size(1024), ..Options::default() },
        Options { level: 9, max_ratio: 100_000, ..Options::default() },
    ] {
        sound.check().unwrap();
    }
    assert_eq!(of(|options| options.level = 10).key, "level");
    assert_eq!(of(|options| options.max_ratio = 100_001).key, "max_ratio");
    assert_eq!(of(|options| options.max_decoded = Size(1023)).key, "max_decoded");
    let one_way = [(true, false), (false, true)];
    assert!(one_way.iter().all(|(requests, responses)| {
        !Options { requests: *requests, responses: *responses, ..Options::default() }.is_off()
    }));
    let absurd = Options { min_size: Size(u64::MAX), max_decoded: Size(u64::MAX), ..Options::default() };
    absurd.check().unwrap();
}

#[test]
fn what_a_reader_likes_best_is_chosen() {
    for (header, choice) in [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("deflate, gzip", "gzip"),
        ("gzip, deflate, br, zstd", "gzip"),
        ("GZIP;Q=0.8 , Deflate;q=0.9", "deflate"),
        ("x-gzip", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0, *", "deflate"),
        ("gzip, identity", "gzip"),
        ("identity;q=0, gzip;q=0.5", "gzip"),
        ("*;q=0, gzip;q=0.5", "gzip"),
    ] {
        assert_eq!(chosen(header), choice, "{header}");
    }
}

#[test]
fn who_reads_no_coding_or_likes_it_less_gets_plain_bodies() {
    for header in [
        "",
        ",",
        "identity",
        "br, zstd",
        "gzip;q=0",
        "gzip;q=0, deflate;q=0.0",
        "gzip;q=0.5, identity",
        "gzip;q=0.2, *;q=0.5, deflate;q=0.2",
        "gzip;q=2",
        "gzip;q=0.1234",
        "gzip;q=-1",
        "gzip;q=",
        "gzip;q=NaN",
        "gzip, gzip;q=0",
        "gzipp",
    ] {
        assert_eq!(chosen(header), "plain", "{header}");
        assert!(accept(header).reads_plain(), "{header}");
    }
    assert_eq!(Accept::read([]).choose(Algorithm::ALL), None);
    assert_eq!(accept("gzip").choose(&[Algorithm::Deflate]), None);
}

#[test]
fn a_weight_has_three_digits_and_each_of_them_counts() {
    for (first, second, choice) in [
        ("0.1", "0.2", "deflate"),
        ("0.2", "0.1", "gzip"),
        ("0.51", "0.52", "deflate"),
        ("0.52", "0.51", "gzip"),
        ("0.511", "0.512", "deflate"),
        ("0.512", "0.511", "gzip"),
        ("0.1", "0.09", "gzip"),
        ("0.01", "0.009", "gzip"),
        ("0.19", "0.2", "deflate"),
        ("0.199", "0.2", "deflate"),
        ("0.109", "0.11", "deflate"),
        ("1", "0.999", "gzip"),
        ("0.999", "1.0", "deflate"),
        ("0.5", "0.500", "gzip"),
    ] {
        let header = format!("gzip;q={first}, deflate;q={second}");
        assert_eq!(chosen(&header), choice, "{header}");
    }
    for (weight, read) in
        [("1.000", true), ("1.001", false), ("1.1", false), ("0.0001", false), ("1.", true), ("2", false)]
    {
        assert_eq!(accept(&format!("gzip;q={weight}")).reads(Algorithm::Gzip), read, "{weight}");
    }
    assert_eq!(chosen("gzip;level=9;q=0.5, deflate;x"), "deflate");
    assert_eq!(chosen("gzip;q=0.5, identity;q=0.5"), "gzip");
    assert_eq!(chosen("gzip;q=0.5, identity;q=0.501"), "plain");
    assert_eq!(chosen("gzip;q=0.9, gzip;q=0.1, deflate;q=0.5"), "deflate");
}

#[test]
fn plain_bodies_can_be_forbidden() {
    for header in ["identity;q=0", "*;q=0", "gzip, *;q=0", "identity;q=0, *"] {
        assert!(!accept(header).reads_plain(), "{header}");
    }
    for header in ["*;q=0, identity;q=0.1", "gzip", "*", "identity;q=oops"] {
        assert!(accept(header).reads_plain(), "{header}");
    }
}

#[test]
fn codings_that_are_not_ours_are_noticed() {
    for (header, others) in
        [("br", true), ("gzip, zstd;q=0.1", true), ("br;q=0, gzip", false), ("gzip, identity, *", false)]
    {
        assert_eq!(accept(header).reads_others(), others, "{header}");
    }
}

#[test]
fn several_headers_are_one_list() {
    let accept = Accept::read([&b"br"[..], b"gzip;q=0.5", b"identity;q=0"]);
    assert!(accept.reads(Algorithm::Gzip) && !accept.reads(Algorithm::Deflate));
    assert!(accept.reads_others() && !accept.reads_plain());
}

#[test]
fn text_is_worth_it_and_what_is_compressed_already_is_not() {
    for kind in [
        "text/html; charset=utf-8",
        "TEXT/Plain",
        "application/json",
        "application/problem+json",
        "application/vnd.api+json;v=1",
        "application/x-ndjson",
        "application/javascript",
        "application/atom+xml",
        "image/svg+xml",
        " application/json ",
    ] {
        assert!(is_worth_it(kind.as_bytes()), "{kind}");
    }
    for kind in [
        "",
        "text",
        "text/",
        "text/event-stream",
        "Text/Event-Stream; charset=utf-8",
        "image/png",
        "video/mp4",
        "audio/mpeg",
        "application/zip",
        "application/gzip",
        "application/octet-stream",
        "application/grpc",
        "multipart/form-data; boundary=x",
        "font/woff2",
        "json",
    ] {
        assert!(!is_worth_it(kind.as_bytes()), "{kind}");
    }
    let named = |length: usize| format!("text/{}", "x".repeat(length - 5));
    assert!(is_worth_it(named(128).as_bytes()) && !is_worth_it(named(129).as_bytes()));
    assert!(["application/x+xml", "application/x+yaml"].iter().all(|kind| is_worth_it(kind.as_bytes())));
    assert!(!is_worth_it(b"image/x+xml") && !is_worth_it(b"application/jsonx"));
    assert!(!is_worth_it(&[0xff, b'/', 0xfe]));
    assert!(!is_worth_it(format!("text/{}", "x".repeat(4096)).as_bytes()));
}

#[test]
fn a_body_is_a_bomb_from_the_first_byte_too_many() {
    let bounds = Bounds::from(&Options::default());
    assert!(!bounds.are_passed(1, GRACE), "a small body may be all blanks");
    assert!(bounds.are_passed(1, GRACE + 1));
    assert!(!bounds.are_passed(GRACE, 100 * GRACE));
    assert!(bounds.are_passed(GRACE, 100 * GRACE + 1));
    assert!(!bounds.are_passed(64 << 20, 64 << 20));
    assert!(bounds.are_passed(64 << 20, (64 << 20) + 1));
    assert_eq!((bounds.room(0), bounds.room(u64::MAX)), (64 << 20, 0));
    let boundless = Bounds { max_decoded: u64::MAX, max_ratio: u32::MAX };
    assert!(!boundless.are_passed(u64::MAX, u64::MAX));
    assert!(!Bounds { max_decoded: 0, max_ratio: 0 }.are_passed(0, 0));
}

#[test]
fn a_word_stands_for_the_whole_table() {
    let read = |json: &str| serde_json::from_str::<Options>(json);
    assert_eq!(read("true").unwrap(), Options::default());
    assert_eq!(read("false").unwrap(), Options::off());
    let some = read(r#"{"requests": true, "algorithms": ["deflate"], "min_size": "2KiB"}"#).unwrap();
    assert!(some.requests && some.responses);
    assert_eq!((&some.algorithms[..], some.min_size), (&[Algorithm::Deflate][..], Size(2048)));
    assert_eq!(read(&serde_json::to_string(&some).unwrap()).unwrap(), some);
    assert!(read(r#""gzip""#).unwrap_err().to_string().contains("true, false, or a table"));
    assert!(read(r#"{"algorithms": ["br"]}"#).is_err());
    assert!(read(r#"{"algorithm": "gzip"}"#).is_err());
}

proptest! {
    /// Any bytes are read, and a choice is always one the reader reads.
    #[test]
    fn nobody_is_sent_a_coding_it_does_not_read(values in proptest::collection::vec(header(), 0..4)) {
        let accept = Accept::read(values.iter().map(Vec::as_slice));
        if let Some(choice) = accept.choose(Algorithm::ALL) {
            prop_assert!(accept.reads(choice));
        }
        if !accept.reads_plain() && Algorithm::ALL.iter().any(|one| accept.reads(*one)) {
            prop_assert!(accept.choose(Algorithm::ALL).is_some());
        }
        for value in &values {
            prop_assert!(!is_worth_it(value) || value.contains(&b'/'));
        }
    }
}

/// Bytes, half of them made of the words such headers are made of.
fn header() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "gzip", "deflate", "identity", "*", "br", ";q=", ";Q=0.5", ", ", "0", "1", "0.001", " ", "x-gzip",
        ";",
    ];
    let spoken = proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..12)
        .prop_map(|words| words.concat().into_bytes());
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..40), spoken]
}
