use super::*;
use crate::{Reply, Script, Upstream};

#[tokio::test]
async fn a_request_goes_out_as_written() {
    let upstream = Upstream::start(Reply::ok("ok")).await.unwrap();
    let url = format!("{}/v1", upstream.url());
    request(&url, Request::post("/x?y=1").header("X-A", "1").chunked(["ab", "c"])).await.unwrap();
    post_json(&format!("{}?z", upstream.url()), serde_json::json!([1])).await.unwrap();
    get(&upstream.url()).await.unwrap();
    let ledger = upstream.ledger();
    let seen = ledger.requests();
    assert_eq!((seen[0].target.as_str(), seen[0].body.as_ref()), ("/v1/x?y=1", &b"abc"[..]));
    assert_eq!((seen[0].header("x-a"), seen[0].header("content-length")), (Some("1"), None));
    assert_eq!((seen[1].target.as_str(), seen[1].header("content-length")), ("/?z", Some("3")));
    assert_eq!(seen[2].target, "/");
    assert_eq!(seen[2].header("host"), Some(upstream.addr().to_string().as_str()));
}

#[tokio::test]
async fn only_plain_http_urls_are_taken() {
    let error = get("https://127.0.0.1").await.unwrap_err();
    assert_eq!(error.to_string(), "not a plain http url: \"https://127.0.0.1\", write http://host:port/path");
}

#[tokio::test]
async fn events_are_whole_events_only() {
    let cut = Reply::sse(&["one", "two\nlines", "three"]);
    let length = cut.body_len();
    let upstream =
        Upstream::start(Script::sequence([cut.clone(), cut.cut_after_bytes(length - 1)])).await.unwrap();
    assert_eq!(get(&upstream.url()).await.unwrap().events(), ["one", "two\nlines", "three"]);
    assert_eq!(get(&upstream.url()).await.unwrap().events(), ["one", "two\nlines"]);
}

#[tokio::test]
async fn an_upload_stops_when_the_answer_is_there() {
    let upstream =
        Upstream::start(Reply::status(413).then(crate::Action::Delay(Duration::from_secs(60))).before_body())
            .await
            .unwrap();
    let body = vec![0; 100 << 20];
    let answer = request(&upstream.url(), Request::post("/").body(body)).await.unwrap();
    assert_eq!((answer.status, answer.ended), (413, Ended::Complete));
}
