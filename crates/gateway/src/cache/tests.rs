use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{AUTHORIZATION, HeaderName};
use http::{Response, response};
use proptest::prelude::{prop, prop_assert, proptest};
use seawall::cache::Life;

use super::rules::{Wish, is_delimited, life, wish};
use super::*;
use crate::headers;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const ROUTE: Life = Life { ttl: secs(60), stale_while_revalidate: secs(10), stale_if_error: secs(3600) };

fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), value.parse().unwrap());
    }
    headers
}

fn head(pairs: &[(&'static str, &str)]) -> response::Parts {
    let mut response = Response::new(());
    *response.headers_mut() = map(pairs);
    response.into_parts().0
}

/// Sun, 06 Nov 1994 08:49:37 GMT
fn now() -> SystemTime {
    UNIX_EPOCH + secs(784_111_777)
}

fn lives(pairs: &[(&'static str, &str)]) -> Option<(Life, Duration)> {
    let known = [AUTHORIZATION, HeaderName::from_static("x-user")];
    life(&head(pairs), &ROUTE, &known.iter(), now())
}

fn ttl(pairs: &[(&'static str, &str)]) -> Option<u64> {
    lives(pairs).map(|(life, _)| life.ttl.as_secs())
}

#[test]
fn the_upstreams_word_shortens_a_life_and_never_lengthens_it() {
    assert_eq!(lives(&[]), Some((ROUTE, Duration::ZERO)));
    assert_eq!(ttl(&[("cache-control", "max-age=5")]), Some(5));
    assert_eq!(ttl(&[("cache-control", "public, MAX-AGE=\"7\", s-maxage=9")]), Some(7));
    assert_eq!(ttl(&[("cache-control", "max-age=31536000")]), Some(60));
    assert_eq!(ttl(&[("cache-control", "max-age=99999999999999999999999")]), Some(60));
    assert_eq!(ttl(&[("cache-control", "max-age=soon")]), Some(0), "nonsense is not trusted");
    assert_eq!(ttl(&[("cache-control", "max-age=50"), ("age", "45")]), Some(5));
    assert_eq!(ttl(&[("cache-control", "max-age=50"), ("age", "50")]), Some(0));
    assert_eq!(ttl(&[("age", "500")]), Some(60), "the route's own word is about the time here");
    assert_eq!(ttl(&[("expires", "Sun, 06 Nov 1994 08:50:07 GMT")]), Some(30));
    assert_eq!(
        ttl(&[("expires", "Sun, 06 Nov 1994 08:50:07 GMT"), ("date", "Sun, 06 Nov 1994 08:50:00 GMT")]),
        Some(7)
    );
    assert_eq!(ttl(&[("expires", "Sun, 06 Nov 1994 08:49:37 GMT"), ("cache-control", "max-age=9")]), Some(9));
    assert_eq!(lives(&[("age", "45")]).unwrap().1, secs(45));
}

#[test]
fn what_has_to_be_asked_for_each_time_is_good_against_an_error_and_for_nothing_else() {
    let (life, _) = lives(&[("cache-control", "max-age=0")]).unwrap();
    assert_eq!(life, Life { ttl: secs(0), stale_while_revalidate: secs(0), ..ROUTE });
    let (life, _) = lives(&[("cache-control", "max-age=9, must-revalidate")]).unwrap();
    assert_eq!((life.ttl, life.end()), (secs(9), secs(9)));
    assert_eq!(lives(&[("cache-control", "max-age=0, proxy-revalidate")]), None);
    assert_eq!(lives(&[("cache-control", "no-cache=\"set-cookie\"")]), None);
    assert_eq!(lives(&[("cache-control", "max-age=5"), ("cache-control", "no-store")]), None);
}

#[test]
fn an_answer_that_varies_is_kept_only_where_the_key_knows_why() {
    for (vary, kept) in [
        ("Accept", true),
        ("accept-encoding, Accept-Language , content-type", true),
        ("Authorization, Cookie", true),
        ("X-User", true),
        ("", true),
        ("*", false),
        ("accept, *", false),
        ("user-agent", false),
    ] {
        assert_eq!(lives(&[("vary", vary)]).is_some(), kept, "{vary}");
    }
    assert!(lives(&[("vary", "accept"), ("vary", "user-agent")]).is_none(), "both lines count");
}

#[test]
fn only_a_200_is_kept() {
    for status in [200_u16, 203, 204, 206, 301, 404, 500] {
        let mut head = head(&[]);
        head.status = status.try_into().unwrap();
        assert_eq!(life(&head, &ROUTE, &[].iter(), now()).is_some(), status == 200, "{status}");
    }
}

#[test]
fn a_body_that_ends_with_its_connection_has_no_end() {
    assert!(is_delimited(&head(&[("content-length", "0")])));
    assert!(is_delimited(&head(&[("transfer-encoding", "chunked")])));
    assert!(!is_delimited(&head(&[])));
    let mut second = head(&[]);
    second.version = http::Version::HTTP_2;
    assert!(is_delimited(&second));
}

#[test]
fn a_caller_may_ask_for_a_new_answer_or_to_be_left_out() {
    for (pairs, expected) in [
        (&[][..], Wish::Any(None)),
        (&[("cache-control", "no-store")], Wish::None),
        (&[("cache-control", "no-cache")], Wish::Anew),
        (&[("cache-control", "max-age=0")], Wish::Anew),
        (&[("cache-control", "max-age=9")], Wish::Any(Some(secs(9)))),
        (&[("pragma", "no-cache")], Wish::Anew),
        (&[("pragma", "no-cache"), ("cache-control", "max-age=9")], Wish::Any(Some(secs(9)))),
        (&[("range", "bytes=0-")], Wish::None),
        (&[("if-none-match", "*")], Wish::None),
        (&[("if-modified-since", "x")], Wish::None),
    ] {
        assert_eq!(wish(&map(pairs)), expected, "{pairs:?}");
    }
}

#[test]
fn every_credential_that_stops_here_is_part_of_a_key() {
    let all: Vec<(&'static str, &str)> = headers::CREDENTIALS.iter().map(|name| (*name, "x")).collect();
    let mut map = map(&all);
    headers::strip_credentials(&mut map);
    assert!(map.is_empty(), "{map:?}");
}

fn answers() -> Arc<Answers> {
    let mut route = Route {
        name: "r".into(),
        method: None,
        path: "/up/**".parse().unwrap(),
        to: vec![0],
        effects: None,
        calling: crate::plan::Calling {
            deadline: secs(1),
            attempt: seawall::timeout::Options::default(),
            retry: seawall::retry::Options::default(),
            compress: seawall::compress::Options::off(),
        },
        terminal: None,
        allow: crate::plan::Allow::default(),
        hedge: None,
        once: crate::plan::Once::default(),
        cache: None,
        inspect: None,
    };
    let clock = seawall::time::default_clock();
    assert!(
        Answers::new(std::slice::from_ref(&route), &clock).unwrap().is_none(),
        "nothing is kept, nothing is made"
    );
    route.cache = Some(crate::plan::Cache { life: ROUTE, max_body: 1 << 20 });
    Answers::new(&[route], &clock).unwrap().unwrap()
}

fn capture(answers: &Arc<Answers>, n: u32) -> Capture {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&n.to_le_bytes());
    let keeper = Keeper::Alone(Key::from_bytes(key));
    Capture::new(answers.clone(), keeper, HeaderMap::new(), ROUTE, 1 << 20)
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(16))]
    /// Law: what is kept, and what is being copied to be kept, stay within 64 MiB each, whatever comes.
    #[test]
    fn all_routes_together_stay_within_their_bound(
        bodies in prop::collection::vec(0..(1_usize << 20), 1..200), at_once in 1..100_usize,
    ) {
        let answers = answers();
        let mut under_way = std::collections::VecDeque::new();
        for (n, length) in (0_u32..).zip(bodies) {
            let mut copy = capture(&answers, n);
            if copy.saw(&vec![b'x'; length]) {
                under_way.push_back(copy);
            }
            prop_assert!(answers.captured.load(Ordering::Relaxed) as u64 <= MOST_BYTES);
            if under_way.len() >= at_once {
                under_way.pop_front().into_iter().for_each(Capture::complete);
            }
            prop_assert!(answers.kept.stats().bytes <= MOST_BYTES);
        }
        under_way.into_iter().for_each(Capture::complete);
        prop_assert!(answers.kept.stats().bytes <= MOST_BYTES && answers.kept.stats().entries > 0);
        prop_assert!(answers.captured.load(Ordering::Relaxed) == 0, "all room is given back");
    }
}

#[test]
fn a_write_that_was_not_done_leaves_a_path_as_it_was() {
    let answers = answers();
    let hasher = std::hash::RandomState::new();
    let entry =
        |path: &'static str| Entry { route: 0, addressed: 0, path: path.parse().unwrap(), bare: false };
    let (path, query) = (entry("/a"), entry("/a?b=1"));
    let marked = || answers.mark(&query, "up", &hasher).load(Ordering::Relaxed);
    answers.writing(&path, "up", &hasher).not_done();
    assert_eq!(marked(), 0);
    drop(answers.writing(&path, "up", &hasher));
    assert_eq!(marked(), 1, "a query is about the same path");
}
