use std::time::Duration;

use crate::client::{self, Client, Ended, Request};
use crate::{Accept, Reply, Script, Upstream, closed_port, digest};

const PATIENCE: Duration = Duration::from_secs(5);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test]
async fn a_request_is_kept_as_it_came() {
    let upstream = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut client = Client::connect(upstream.addr()).await.unwrap();
    client.send_raw("PoST /a%2f?b=c d HTTP/1.1\r\nX-Twice: 1\r\nx-twice:2 \r\n\r\n").await.unwrap();
    // Three words make a request line; a fourth does not.
    assert_eq!(client.answer().await.unwrap().status, 400);
    let mut client = Client::connect(upstream.addr()).await.unwrap();
    client.send_raw("PoST /a%2f?b=c HTTP/1.1\r\nX-Twice: 1\r\nx-twice:2 \r\n\r\n").await.unwrap();
    assert_eq!(client.answer().await.unwrap().status, 200);
    let seen = &upstream.ledger().requests()[0];
    assert_eq!((seen.method.as_str(), seen.path(), seen.query()), ("PoST", "/a%2f", Some("b=c")));
    let headers =
        [("X-Twice", "1"), ("x-twice", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(seen.headers, headers);
    assert_eq!(seen.headers_named("X-TWICE").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!((seen.number, seen.connection, seen.body_complete), (1, 2, true));
    assert_eq!(upstream.ledger().malformed(), 1);
}

#[tokio::test]
async fn requests_sent_in_one_go_are_answered_in_order() {
    let upstream = Upstream::start(Script::per_path(|request, n| {
        Reply::ok(format!("{n} {} {}", request.path(), String::from_utf8_lossy(&request.body)))
    }))
    .await
    .unwrap();
    let mut client = Client::connect(upstream.addr()).await.unwrap();
    let first = "POST /a HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi";
    let second =
        "POST /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nyo\r\n1\r\n!\r\n0\r\nx: y\r\n\r\n";
    client.send_raw([first, second, "\r\nGET /c HTTP/1.1\r\n\r\n"].concat()).await.unwrap();
    for expected in ["1 /a hi", "2 /b yo!", "3 /c "] {
        assert_eq!(client.answer().await.unwrap().text(), expected);
    }
    assert_eq!(upstream.ledger().connections(), 1);
}

#[tokio::test]
async fn a_connection_ends_when_either_side_says_so() {
    let upstream = Upstream::start(Reply::ok("ok")).await.unwrap();
    for ask in ["GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
        let mut client = Client::connect(upstream.addr()).await.unwrap();
        client.send_raw(ask).await.unwrap();
        assert_eq!(client.answer().await.unwrap().body, b"ok");
        assert_eq!(client.rest().await, (vec![], Ended::UntilClose));
    }
    upstream.play(Reply::ok("ok").header("Connection", "close"));
    let mut client = Client::connect(upstream.addr()).await.unwrap();
    client.call(&Request::get("/")).await.unwrap();
    assert_eq!(client.rest().await.1, Ended::UntilClose);
}

#[tokio::test]
async fn what_cannot_be_a_request_is_refused() {
    let upstream = Upstream::start(Reply::ok("ok")).await.unwrap();
    let long = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(300 * 1024));
    for (bytes, status) in [
        ("HELLO\r\n\r\n", 400),
        ("GET / HTTP/2\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (long.as_str(), 431),
    ] {
        let mut client = Client::connect(upstream.addr()).await.unwrap();
        client.send_raw(bytes).await.unwrap();
        assert_eq!(client.answer().await.unwrap().status, status);
    }
    assert_eq!((upstream.ledger().request_count(), upstream.ledger().malformed()), (0, 5));
}

#[tokio::test]
async fn a_large_upload_is_counted_without_being_kept() {
    let upstream = Upstream::start(Script::always(Reply::ok("ok")).discard_bodies()).await.unwrap();
    let body = vec![b'z'; 64 << 20];
    let whole = digest(&body);
    let answer = client::request(&upstream.url(), Request::post("/").body(body)).await.unwrap();
    assert_eq!(answer.status, 200);
    let seen = &upstream.ledger().requests()[0];
    assert_eq!((seen.body.len(), seen.body_len, seen.body_digest), (0, 64 << 20, whole));
    assert!(seen.body_complete);
}

#[tokio::test]
async fn leave_to_send_the_body_is_given_unless_the_script_withholds_it() {
    let upstream = Upstream::start(Reply::ok("ok")).await.unwrap();
    let upload = || Request::post("/").body("payload").expect_continue();
    let granted = client::request(&upstream.url(), upload()).await.unwrap();
    assert_eq!((granted.informational, granted.status), (vec![100], 200));
    assert_eq!(upstream.ledger().requests()[0].body, "payload");

    upstream.play(Script::always(Reply::ok("ok")).without_continue());
    let withheld = client::request(&upstream.url(), upload().timeout(ms(80))).await.unwrap_err();
    assert_eq!(withheld.kind(), std::io::ErrorKind::TimedOut);

    upstream.play(Reply::early_response_before_body_read());
    let mut client = Client::connect(upstream.addr()).await.unwrap();
    let refused = client.call(&upload()).await.unwrap();
    assert_eq!((refused.status, refused.informational), (413, vec![]));
    assert_eq!(client.rest().await.1, Ended::UntilClose);
}

#[tokio::test]
async fn a_connection_can_be_refused_before_a_byte_is_read() {
    let script = Script::always(Reply::ok("ok")).close_on_accept(1).reset_on_accept(2);
    let upstream = Upstream::start(script).await.unwrap();
    assert_eq!(Client::connect(upstream.addr()).await.unwrap().rest().await, (vec![], Ended::UntilClose));
    assert_eq!(Client::connect(upstream.addr()).await.unwrap().rest().await, (vec![], Ended::Reset));
    assert_eq!(client::get(&upstream.url()).await.unwrap().status, 200);
    assert_eq!((upstream.ledger().connections(), upstream.ledger().request_count()), (3, 1));

    upstream.play(Script::always(Reply::ok("ok")).on_accept(|_| Accept::Ignore));
    let ignored = client::request(&upstream.url(), Request::get("/").timeout(ms(50))).await.unwrap_err();
    assert_eq!(ignored.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(upstream.ledger().request_count(), 1);
}

#[tokio::test]
async fn clients_that_leave_are_counted_and_what_waited_for_them_is_not_done() {
    let upstream = Upstream::start(Reply::ok("late").executing("order").after(ms(5000))).await.unwrap();
    let gone = client::request(&upstream.url(), Request::get("/").timeout(ms(30))).await.unwrap_err();
    assert_eq!(gone.kind(), std::io::ErrorKind::TimedOut);
    assert!(upstream.ledger().wait_until(PATIENCE, |ledger| ledger.aborted() == 1).await);

    upstream.play(Reply::sse(&["a"; 1000]).every(ms(5)));
    let mut stream = client::stream(&upstream.url(), Request::get("/")).await.unwrap();
    assert!(stream.next().await.is_some());
    drop(stream);
    assert!(upstream.ledger().wait_until(PATIENCE, |ledger| ledger.aborted() == 2).await);
    assert!(upstream.ledger().wait_until(PATIENCE, |ledger| ledger.in_flight() == 0).await);
    assert_eq!(upstream.ledger().executed("order").len(), 0);
}

#[tokio::test]
async fn an_unfinished_upload_is_incomplete_and_unanswered() {
    let upstream = Upstream::start(Reply::ok("ok").executing("order")).await.unwrap();
    let mut client = Client::connect(upstream.addr()).await.unwrap();
    client.send_raw("POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    assert!(upstream.ledger().wait_for_requests(1, PATIENCE).await);
    client.reset().await;
    assert!(upstream.ledger().wait_until(PATIENCE, |ledger| ledger.incomplete() == 1).await);
    let seen = &upstream.ledger().requests()[0];
    assert!(!seen.body_complete);
    assert_eq!((seen.body.as_ref(), upstream.ledger().executed("order").len()), (&b"half"[..], 0));
}

#[tokio::test]
async fn the_peak_and_the_worst_window_are_seen() {
    let upstream = Upstream::start(Reply::slow_head(ms(100))).await.unwrap();
    let url = upstream.url();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { client::get(&url).await.unwrap().status })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    let ledger = upstream.ledger();
    assert_eq!((ledger.peak_concurrency(), ledger.request_count(), ledger.connections()), (8, 8, 8));
    assert_eq!(ledger.max_in_any_window(Duration::from_secs(60)), 8);
    assert_eq!(ledger.max_in_any_window(Duration::ZERO), 0);
}

#[tokio::test]
async fn a_stopped_upstream_frees_its_port_and_leaves_its_ledger() {
    let upstream = Upstream::start(Reply::stall()).await.unwrap();
    let (addr, ledger) = (upstream.addr(), upstream.ledger());
    let mut client = Client::connect(addr).await.unwrap();
    client.send(&Request::get("/")).await.unwrap();
    assert!(ledger.wait_for_requests(1, PATIENCE).await);
    upstream.stop().await;
    assert!(client.answer().await.is_err());
    assert_eq!(
        client::get(&format!("http://{addr}")).await.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    assert_eq!((ledger.request_count(), ledger.in_flight(), ledger.aborted()), (1, 0, 0));
    let back = Upstream::start_on(addr, Reply::ok("back")).await.unwrap();
    assert_eq!(client::get(&back.url()).await.unwrap().body, b"back");
    drop(back);
    let closed = closed_port().await.unwrap();
    assert_eq!(Client::connect(closed).await.err().unwrap().kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_new_script_counts_from_one() {
    let upstream = Upstream::start(Script::sequence([Reply::status(500)])).await.unwrap();
    assert_eq!(client::get(&upstream.url()).await.unwrap().status, 500);
    upstream.play(Script::sequence([Reply::status(503)]).then(Reply::ok("up")));
    assert_eq!(client::get(&upstream.url()).await.unwrap().status, 503);
    assert_eq!(client::get(&upstream.url()).await.unwrap().status, 200);
    assert_eq!(upstream.ledger().request_count(), 3);
}
