//! Requests: which parts are read, and how a place is told.

use super::super::*;
use super::detector;

const BAD: &[u8] = b"1' OR '1'='1";

fn places(options: &Options, request: &Request<'_>) -> Vec<String> {
    let seen = Detector::new(options).inspect(request);
    seen.places.iter().filter(|found| found.report.is_attack()).map(|found| found.place.clone()).collect()
}

#[test]
fn every_part_is_read_and_told_with_its_place() {
    let headers: [(&str, &[u8]); 2] = [("User-Agent", b"Mozilla/5.0 (X11; Linux x86_64)"), ("Referer", BAD)];
    let request = Request {
        path: b"/files/..%2f..%2fetc%2fpasswd",
        query: b"q=hello+world&id=1%27+OR+%271%27%3D%271&<script>alert(1)</script>=x",
        headers: &headers,
        body: Body::Json(br#"{"messages":[{"content":"fine"},{"content":"1' OR '1'='1"}]}"#),
    };
    assert_eq!(
        places(&Options::default(), &request),
        [
            "path",
            "query:id",
            "query:<script>alert(1)</script>",
            "headers:referer",
            "json:/messages/1/content"
        ]
    );
    let form = Request { body: Body::Form(b"a=b&name=1%27+OR+%271%27%3D%271"), ..Request::default() };
    assert_eq!(places(&Options::default(), &form), ["form:name"]);
    let seen = detector().inspect(&request);
    assert!(seen.is_attack());
    assert_eq!(seen.categories().collect::<Vec<_>>(), [Category::Sql, Category::Xss, Category::Traversal]);
}

#[test]
fn a_part_that_is_not_named_is_not_read() {
    let only = Options { read: vec![Part::Headers], ..Options::default() };
    let request =
        Request { query: b"q=1%27+OR+%271%27%3D%271", headers: &[("x", BAD)], ..Request::default() };
    assert_eq!(places(&only, &request), ["headers:x"]);
    let none = Options { read: vec![Part::Json], ..Options::default() };
    assert!(places(&none, &request).is_empty());
}

#[test]
fn an_exclusion_silences_a_rule_in_its_place_alone() {
    let exclude = |rule: &str, place: Option<&str>| {
        let exclude = vec![Exclusion { rule: rule.to_owned(), place: place.map(str::to_owned) }];
        let options = Options { exclude, ..Options::default() };
        assert_eq!(options.check(), Ok(()));
        options
    };
    let request =
        Request { query: b"q=1%27+OR+%271%27%3D%271&r=1%27+OR+%271%27%3D%271", ..Request::default() };
    assert_eq!(places(&exclude("sql/*", Some("query:q")), &request), ["query:r"]);
    assert!(places(&exclude("sql/*", None), &request).is_empty());
    assert_eq!(places(&exclude("xss/*", None), &request), ["query:q", "query:r"]);
    let body = Request {
        body: Body::Json(br#"{"a":[{"b":"1' OR '1'='1"}],"c":"1' OR '1'='1"}"#),
        ..Request::default()
    };
    assert_eq!(places(&exclude("sql/tautology", Some("json:/a/*/b")), &body), ["json:/c"]);
}

#[test]
fn a_higher_threshold_asks_for_more() {
    let report = detector().scan(BAD);
    assert_eq!(report.score(Category::Sql), 5);
    let strict = Detector::new(&Options { threshold: 6, ..Options::default() });
    assert!(!strict.scan(BAD).is_attack());
    assert_eq!(strict.scan(BAD).findings(), report.findings(), "what was found is told all the same");
}

#[test]
fn many_places_are_counted_and_the_first_attack_is_told() {
    let weak = "a=cat+concat(x)&".repeat(100);
    let query = format!("{weak}z=1%27+OR+%271%27%3D%271");
    let seen = detector().inspect(&Request { query: query.as_bytes(), ..Request::default() });
    assert!(seen.is_attack() && seen.count == 101 && seen.places.len() == 64);
    assert_eq!(seen.places.last().unwrap().place, "query:z");
}

#[test]
fn names_of_places_move_no_cursor_and_stay_short() {
    let query = format!("{}%1b[2J=1%27+OR+%271%27%3D%271", "n".repeat(500));
    let seen = detector().inspect(&Request { query: query.as_bytes(), ..Request::default() });
    assert!(seen.places[0].place.len() < 160 && !seen.places[0].place.contains('\u{1b}'));
    let seen = detector().inspect(&Request { query: b"%1b=1%27+OR+%271%27%3D%271", ..Request::default() });
    assert_eq!(seen.places[0].place, "query:\\u{1b}");
}
