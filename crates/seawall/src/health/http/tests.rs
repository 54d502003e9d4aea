use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use ::http::{Request, Response};
use proptest::prelude::{any, prop, prop_assert, proptest};
use seawall_core::clock::wall_now;
use seawall_core::provider::{Head, Provider};
use seawall_core::secret::Secret;
use seawall_core::verdict::{Seen, Verdict};

use super::*;
use crate::health::check::Probe;

fn answering(status: u16, body: impl Into<Vec<u8>>) -> impl Get {
    let body = body.into();
    move |_: Request<()>| {
        let answer = Response::builder().status(status).body(body.clone()).unwrap();
        async move { Ok(answer) }
    }
}

async fn found(probe: Http) -> (Option<Level>, String) {
    let finding = Arc::new(probe).probe().await;
    (finding.level, finding.why.as_deref().unwrap_or("").to_owned())
}

fn plain(status: u16, body: &str) -> Http {
    Http::get(answering(status, body), "http://host/health").unwrap()
}

const HEALTHY: Option<Level> = Some(Level::Healthy);
const DEGRADED: Option<Level> = Some(Level::Degraded);
const UNHEALTHY: Option<Level> = Some(Level::Unhealthy);

#[tokio::test]
async fn a_status_is_judged_as_a_verdict_is_and_a_redirect_is_no_answer() {
    for status in [200, 204] {
        assert_eq!(found(plain(status, "")).await.0, HEALTHY, "{status}");
    }
    assert_eq!(found(plain(429, "")).await.0, DEGRADED);
    for (status, says) in [
        (307, "answered 307: a redirect is no answer, write where it leads"),
        (401, "answered 401: the credentials were refused"),
        (404, "answered 404"),
        (500, "answered 500"),
        (503, "answered 503"),
    ] {
        assert_eq!(found(plain(status, "")).await, (UNHEALTHY, says.to_owned()));
    }
    assert_eq!(found(plain(401, "").accepts(401)).await.0, HEALTHY);
}

#[tokio::test]
async fn a_provider_may_know_better_what_an_answer_means() {
    #[derive(Debug)]
    struct Broke;
    impl Provider for Broke {
        fn name(&self) -> &'static str {
            "broke"
        }
        fn peek(&self, _: StatusCode) -> usize {
            4
        }
        fn classify(&self, head: &Head<'_>) -> Verdict {
            assert_eq!(head.body, b"paym", "so many bytes were asked for");
            Verdict::of(Seen::QuotaGone)
        }
    }
    let probe = plain(429, "payment required").provider(Arc::new(Broke));
    assert_eq!(
        found(probe).await,
        (UNHEALTHY, "answered 429: the account has nothing left to spend".to_owned())
    );
}

#[tokio::test]
async fn of_several_expectations_the_worst_counts() {
    assert_eq!(found(plain(200, "all is well").contains("well")).await.0, HEALTHY);
    assert_eq!(found(plain(200, "all is well").contains("good")).await.0, UNHEALTHY);
    let both =
        plain(200, "x").expects(|_| Finding::degraded("first")).expects(|_| Finding::degraded("second"));
    assert_eq!(found(both.clone()).await, (DEGRADED, "first".to_owned()));
    assert_eq!(found(both.contains("y")).await.0, UNHEALTHY);
}

#[tokio::test]
async fn a_header_goes_out_and_is_shown_to_nobody() {
    let seen: Arc<Mutex<Vec<Request<()>>>> = Arc::default();
    let all = seen.clone();
    let client = move |request: Request<()>| {
        all.lock().unwrap().push(request);
        async { Err(GetError::new("no network")) }
    };
    let key = Secret::new("sk-canary-123".into());
    let probe =
        models(client, "https://host/v1/models?token=canary").unwrap().header("x-api-key", &key).unwrap();
    assert!(!format!("{probe:?}").contains("canary"));
    assert_eq!(found(probe).await, (UNHEALTHY, "no network".to_owned()));
    let asked = seen.lock().unwrap().pop().unwrap();
    assert_eq!(
        (asked.method().as_str(), asked.headers()["x-api-key"].as_bytes()),
        ("GET", &b"sk-canary-123"[..])
    );
    assert!(!format!("{asked:?}").contains("sk-canary"), "a client that logs it shows nothing");
    let refused = plain(200, "").header("bad name", &key).unwrap_err();
    assert!(!refused.to_string().contains("canary"));
    let refused = plain(200, "").header("x", &Secret::new("canary\n".into())).unwrap_err();
    assert_eq!(refused.to_string(), "headers: the value of x cannot be a header's value");
}

#[test]
fn urls_that_lead_nowhere_are_refused_without_being_repeated() {
    for url in ["", "host/path", "ftp://host/", "http://me:canary@host/", "http:///x", "/path", "\u{0}canary"]
    {
        let refused = Http::get(answering(200, ""), url).unwrap_err();
        assert_eq!(refused.key, "url");
        assert!(!refused.message.contains("canary"), "{refused}");
    }
}

#[tokio::test]
async fn a_list_of_models_shows_that_the_key_is_good() {
    let list = |body: &str| models(answering(200, body), "http://host/v1/models").unwrap();
    assert_eq!(found(list(r#"{"data":[{"id":"a"}]}"#)).await.0, HEALTHY);
    assert_eq!(found(list(r#"{"models":[{"name":"a"}]}"#)).await.0, HEALTHY);
    assert_eq!(found(list(r#"{"id":"a","object":"model"}"#)).await.0, HEALTHY);
    assert_eq!(found(list(r#"{"data":[]}"#)).await.0, DEGRADED);
    assert_eq!(found(list(r#"{"error":"x"}"#)).await.0, DEGRADED);
    assert_eq!(found(list("<html>")).await, (UNHEALTHY, "its answer is not JSON".to_owned()));
    assert_eq!(found(list(&"[".repeat(200_000))).await.0, UNHEALTHY);
    assert_eq!(found(list(&"x".repeat(LONGEST))).await.0, DEGRADED);
    assert_eq!(list("").kind(), "ai");
}

#[tokio::test]
async fn a_vector_store_is_asked_where_it_says_how_it_is() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let ask = |store, collection, body: &'static str| {
        let all = asked.clone();
        let client = move |request: Request<()>| {
            all.lock().unwrap().push(request.uri().path().to_owned());
            async move { Ok(Response::new(body.as_bytes().to_vec())) }
        };
        vector_store(client, store, "http://host:6333/", collection)
    };
    for store in VectorStore::ALL {
        found(ask(*store, None, "{}").unwrap()).await;
    }
    let ready = ["/readyz", "/v1/.well-known/ready", "/api/v2/heartbeat", "/healthz", "/_cluster/health"];
    assert_eq!(*asked.lock().unwrap(), ready);
    let qdrant = |body| ask(VectorStore::Qdrant, Some("docs"), body).unwrap();
    assert_eq!(found(qdrant(r#"{"result":{"status":"green"},"status":"ok"}"#)).await.0, HEALTHY);
    assert_eq!(found(qdrant(r#"{"result":{"status":"yellow"},"status":"ok"}"#)).await.0, DEGRADED);
    assert_eq!(asked.lock().unwrap().last().unwrap(), "/collections/docs");
    let elastic = ask(VectorStore::Elastic, None, r#"{"status":"red"}"#).unwrap();
    assert_eq!(found(elastic).await.0, UNHEALTHY);
    for wrong in ["", "../x", "a/b", "a?b", ".hidden"] {
        assert_eq!(ask(VectorStore::Qdrant, Some(wrong), "").unwrap_err().key, "collection");
    }
    assert_eq!(ask(VectorStore::Chroma, Some("docs"), "").unwrap_err().key, "collection");
}

#[tokio::test]
async fn a_carbon_provider_must_be_plausible_and_fresh() {
    let hour = Duration::from_secs(3600);
    let ask = |body: String, oldest| {
        let at = Some(("/datetime", oldest));
        carbon(answering(200, body), "http://host/latest?zone=DE", "/data/0/intensity", at).unwrap()
    };
    let body = |grams: &str, at: &str| format!(r#"{{"data":[{{"intensity":{grams}}}],"datetime":"{at}"}}"#);
    let now = wall_now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (old, future) = ("2020-02-29T12:00:00Z", "2999-01-01T00:00Z");
    let finding = Arc::new(ask(body("321.5", future), hour)).probe().await;
    assert_eq!((finding.level, finding.measured.map(|measured| measured.value)), (HEALTHY, Some(321.5)));
    let age = Duration::from_secs(now - 1_582_977_600);
    assert_eq!(found(ask(body("0", old), age + hour)).await.0, HEALTHY);
    let (level, why) = found(ask(body("0", old), hour)).await;
    assert!(
        level == DEGRADED && why.starts_with("its value is ") && why.ends_with(" old, more than 1h"),
        "{why}"
    );
    assert_eq!(found(ask(body("-1", future), hour)).await.0, UNHEALTHY);
    assert_eq!(found(ask(body("2001", future), hour)).await.0, UNHEALTHY);
    assert_eq!(found(ask(body("\"many\"", future), hour)).await.0, UNHEALTHY);
    assert_eq!(
        found(ask(body("1", "today"), hour)).await,
        (DEGRADED, "its answer has no moment at /datetime".into())
    );
    let wrong = carbon(answering(200, ""), "http://host", "intensity", None).unwrap_err();
    assert_eq!(wrong.to_string(), "value: \"intensity\" is no JSON pointer: write \"/data/0/value\"");
}

proptest! {
    /// Law: whatever comes back, it is judged, and only a 2xx is ever healthy.
    #[test]
    fn any_answer_is_judged(status in 100u16..1000, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let judge = |probe: Http| {
            let mut answer = Response::new(body.clone());
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            probe.judge(&answer).level
        };
        let never = || answering(200, "");
        let at = Some(("/b", Duration::ZERO));
        let probes = [
            Http::get(never(), "http://h").unwrap(),
            models(never(), "http://h").unwrap(),
            vector_store(never(), VectorStore::Qdrant, "http://h", Some("x")).unwrap(),
            carbon(never(), "http://h", "/a", at).unwrap(),
        ];
        for probe in probes {
            prop_assert!(judge(probe) > Some(Level::Healthy) || (200..300).contains(&status));
        }
    }
}

#[cfg(feature = "probe-http")]
mod over_the_wire {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers one connection with these bytes, and gives what it was asked.
    async fn server(answer: Vec<u8>) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/health?deep=1", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut read = vec![0; 4096];
            let length = socket.read(&mut read).await.unwrap();
            let _ = socket.write_all(&answer).await;
            String::from_utf8_lossy(&read[..length]).into_owned()
        });
        (url, asked)
    }

    async fn ask(url: &str) -> (Option<Level>, String) {
        let key = Secret::new("Bearer x".into());
        let probe =
            Http::get(Client::new(None).unwrap(), url).unwrap().header("authorization", &key).unwrap();
        found(probe).await
    }

    #[tokio::test]
    async fn the_client_asks_once_on_a_connection_of_its_own() {
        let (url, asked) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into()).await;
        assert_eq!(ask(&url).await, (HEALTHY, String::new()));
        let asked = asked.await.unwrap().to_ascii_lowercase();
        assert!(asked.starts_with("get /health?deep=1 http/1.1\r\n"), "{asked}");
        for header in
            ["host: 127.0.0.1:", "authorization: bearer x", "connection: close", "user-agent: seawall/"]
        {
            assert!(asked.contains(header), "{header} is not in {asked}");
        }
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let (url, _) =
            server(b"HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n".into()).await;
        assert_eq!(ask(&url).await.0, UNHEALTHY);
    }

    #[tokio::test]
    async fn garbage_silence_and_an_endless_body_are_bounded() {
        let (url, _) = server(b"SSH-2.0-OpenSSH_9.2\r\n".into()).await;
        assert_eq!(ask(&url).await.0, UNHEALTHY);
        let (url, _) = server(Vec::new()).await;
        assert_eq!(ask(&url).await.0, UNHEALTHY);
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n".to_vec();
        let (url, _) = server([head, vec![b'x'; LONGEST + 1]].concat()).await;
        assert_eq!(ask(&url).await.0, HEALTHY, "the first megabyte is enough");
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_unhealthy_and_so_is_one_without_tls() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let (level, why) = ask(&format!("http://{address}/")).await;
        assert!(level == UNHEALTHY && why.starts_with("cannot connect: "), "{why}");
        let (url, _) = server(b"HTTP/1.1 400 Bad Request\r\n\r\n".into()).await;
        let (level, why) = ask(&url.replace("http://", "https://")).await;
        assert!(level == UNHEALTHY && why.starts_with("no TLS: "), "{why}");
    }

    #[test]
    fn a_text_without_a_certificate_is_refused() {
        assert!(Client::new(Some(b"hello")).unwrap_err().to_string().starts_with("no certificate found"));
    }
}
