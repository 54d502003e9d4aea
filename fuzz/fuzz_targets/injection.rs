//! Any bytes as a text, a request and its bodies: read without end or panic, the findings within the text, the scores
//! made of findings, and the same each time.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use seawall_security::injection::{Body, Category, Detector, Options, Report, Request};

/// How many places of a request are told.
const TOLD: usize = 64;

fn detector() -> &'static Detector {
    static DETECTOR: OnceLock<Detector> = OnceLock::new();
    DETECTOR.get_or_init(|| Detector::new(&Options::default()))
}

// How: as one text, or as a request with a body of JSON or of a form; then pieces parted by NUL.
fuzz_target!(|input: &[u8]| {
    let Some((how, rest)) = input.split_first() else { return };
    let report = detector().scan(rest);
    sound(&report);
    assert!(!report.cut);
    assert!(
        report
            .findings()
            .iter()
            .all(|found| found.bytes.start <= found.bytes.end && found.bytes.end <= rest.len())
    );
    assert_eq!(report, detector().scan(rest));

    let mut pieces = rest.splitn(4, |byte| *byte == 0);
    let mut next = || pieces.next().unwrap_or_default();
    let (path, query, header, body) = (next(), next(), next(), next());
    let body = match how % 3 {
        0 => Body::None,
        1 => Body::Json(body),
        _ => Body::Form(body),
    };
    let seen = detector().inspect(&Request { path, query, headers: &[("Referer", header)], body });
    assert!(seen.places.len() <= TOLD && seen.places.len() <= seen.count);
    assert_eq!(seen.is_attack(), seen.places.iter().any(|place| place.report.is_attack()));
    for found in &seen.places {
        sound(&found.report);
        // Places go into logs and answers.
        assert!(!found.place.contains(char::is_control), "{:?}", found.place);
    }
});

/// A category has a score exactly where something was found of it.
fn sound(report: &Report) {
    for category in Category::ALL {
        let found = report.findings().iter().any(|found| found.rule.category == *category);
        assert_eq!(report.score(*category) > 0, found, "{category:?}");
    }
}
