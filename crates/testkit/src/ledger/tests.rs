use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn request(head: &str, body: &str) -> Request {
    let mut request = Request::parse(head.as_bytes(), 1).unwrap();
    request.body = Bytes::copy_from_slice(body.as_bytes());
    request.body_complete = true;
    request
}

#[test]
fn executions_are_never_merged() {
    let ledger = Ledger::begin();
    let keyed = request("POST /orders HTTP/1.1\r\nIdempotency-Key: a", "");
    for _ in 0..3 {
        ledger.execute("order", &keyed);
    }
    ledger.execute("order", &request("POST /orders HTTP/1.1", r#"{"client_id": "b", "id": 1}"#));
    ledger.execute("refund", &keyed);
    let keys: Vec<_> = ledger.executed("order").into_iter().map(|line| line.key.unwrap()).collect();
    assert_eq!(keys, ["a", "a", "a", "b"]);
    assert_eq!(
        (ledger.duplicates("order"), ledger.times("order", "a"), ledger.duplicates("refund")),
        (2, 3, 0)
    );
    assert_eq!((ledger.duplicates("unknown"), ledger.executed("unknown").len()), (0, 0));
}

#[test]
fn executions_without_a_key_are_counted_apart() {
    let ledger = Ledger::begin();
    ledger.execute("order", &request("POST / HTTP/1.1", "not json"));
    ledger.execute("order", &request("POST / HTTP/1.1", r#"{"id": 7}"#));
    ledger.execute("order", &request("POST / HTTP/1.1", r#"{"id": null}"#));
    assert_eq!((ledger.duplicates("order"), ledger.keyless("order"), ledger.times("order", "7")), (0, 2, 1));
}

#[test]
fn the_count_stays_exact_when_old_requests_are_forgotten() {
    let ledger = Ledger::begin();
    let mut request = request("GET / HTTP/1.1", "");
    for _ in 0..KEPT_REQUESTS + 5 {
        drop(ledger.arrived(&mut request));
    }
    assert_eq!(ledger.request_count(), KEPT_REQUESTS + 5);
    let kept = ledger.requests();
    assert_eq!((kept.len(), kept[0].number), (KEPT_REQUESTS, 6));
    assert_eq!((ledger.in_flight(), ledger.peak_concurrency()), (0, 1));
}

#[test]
fn old_bodies_give_way_to_new_ones() {
    let ledger = Ledger::begin();
    let body = Bytes::from(vec![0; KEPT_BODIES as usize / 2]);
    for _ in 0..4 {
        let mut request = request("POST / HTTP/1.1", "");
        let _open = ledger.arrived(&mut request);
        (request.body, request.body_len) = (body.clone(), body.len() as u64);
        ledger.received(&request);
    }
    let kept: Vec<_> =
        ledger.requests().iter().map(|seen| (seen.body.len(), seen.body_len as usize)).collect();
    assert_eq!(kept, [(0, body.len()), (0, body.len()), (body.len(), body.len()), (body.len(), body.len())]);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_requests_ends_with_them_or_with_the_time() {
    let ledger = Ledger::begin();
    assert!(!ledger.wait_for_requests(1, Duration::from_millis(50)).await);
    let waiting = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.wait_for_requests(2, Duration::from_secs(5)).await }
    });
    tokio::task::yield_now().await;
    for _ in 0..2 {
        let _open = ledger.arrived(&mut request("GET / HTTP/1.1", ""));
    }
    assert!(waiting.await.unwrap());
    assert!(ledger.wait_for_requests(2, Duration::ZERO).await);
}

proptest! {
    #[test]
    fn the_worst_window_is_what_counting_by_hand_finds(
        mut times in prop::collection::vec(0u64..500, 0..120),
        window in 0u64..200,
    ) {
        times.sort_unstable();
        let times: Vec<_> = times.into_iter().map(Duration::from_millis).collect();
        let window = Duration::from_millis(window);
        let by_hand = times
            .iter()
            .map(|from| times.iter().filter(|at| *at >= from && **at < *from + window).count())
            .max()
            .unwrap_or(0);
        prop_assert_eq!(max_in_window(&times, window), by_hand);
    }
}
