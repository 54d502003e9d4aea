use std::collections::BTreeMap;

use seawall_core::event::Channel;
use seawall_testkit::{Reply, Upstream};

use super::wire::{Given, Message};
use super::*;
use crate::alerts::channel::Address;
use crate::alerts::channel::tests::{acceptor, certificate};

/// A call with nothing special about it.
struct Call(u64);

impl Traced for Call {
    fn spans(&self, into: &mut Vec<Span>) {
        into.push(Span {
            trace: 7,
            id: self.0,
            parent: 0,
            name: "GET exchange".to_owned(),
            kind: Kind::Server,
            began: 1,
            ended: 2,
            attributes: vec![("seawall.outcome", "ok".into())],
            events: vec![(1, "waited 2s".to_owned())],
            failed: None,
        });
    }
}

fn to(url: &str) -> Options<Secret> {
    Options::to(url.parse::<Address>().unwrap())
}

fn offer(exporter: &Exporter, calls: u64) {
    (1..=calls).for_each(|id| exporter.offer(Box::new(Call(id))));
}

fn counted(registry: &Registry) -> (u64, u64, u64) {
    let of = |signal, result| names::OTLP_EXPORTS.with(registry, [signal, result]).get();
    (of("traces", "sent"), of("traces", "failed"), names::OTLP_SPANS_DROPPED.with(registry, []).get())
}

async fn stopped(exporter: Exporter) {
    tokio::task::spawn_blocking(move || exporter.stop()).await.unwrap();
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn fields_are_written_as_the_format_wants_them() {
    let written = |fill: &dyn Fn(&mut Message)| {
        let mut message = Message::default();
        fill(&mut message);
        message.into_bytes()
    };
    // The examples of the format's own page.
    assert_eq!(written(&|m| _ = m.number(1, 150)), [0x08, 0x96, 0x01]);
    assert_eq!(written(&|m| _ = m.text(2, "testing")), *b"\x12\x07testing");
    assert_eq!(
        written(&|m| _ = m.inner(3, |inner| _ = inner.number(1, 150))),
        [0x1a, 0x03, 0x08, 0x96, 0x01]
    );
    assert_eq!(written(&|m| _ = m.number(1, 0).text(2, "").short(3, 0)), [0_u8; 0]);
    assert_eq!(written(&|m| _ = m.number(1, u64::MAX)), [8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    assert_eq!(written(&|m| _ = m.double(1, 1.0)), [9, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
    let pair = written(&|m| _ = m.attribute(9, "k", &Given::Count(0)));
    assert_eq!(pair, [0x4a, 7, 0x0a, 1, b'k', 0x12, 2, 0x18, 0], "a count of nothing is a count");
}

#[tokio::test]
async fn spans_and_metrics_arrive_with_their_headers() {
    let collector = Upstream::start(Reply::status(200)).await.unwrap();
    let registry = Registry::new();
    names::JOB_FAILURE_RATIO.with(&registry, ["train"]).set(0.5);
    let headers = BTreeMap::from([("api-key".to_owned(), Secret::new("opensesame".to_owned()))]);
    let options =
        Options { headers, service: "till".to_owned(), ..to(&format!("{}/base/", collector.url())) };
    let exporter = Exporter::start(options, &registry, None).unwrap();
    offer(&exporter, 700);
    stopped(exporter).await;
    let requests = collector.ledger().requests();
    let of =
        |path: &str| requests.iter().filter(|request| request.path() == path).cloned().collect::<Vec<_>>();
    let (traces, metrics) = (of("/base/v1/traces"), of("/base/v1/metrics"));
    assert!(!traces.is_empty() && !metrics.is_empty());
    for request in requests {
        assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
        assert_eq!(request.header("api-key"), Some("opensesame"));
        assert!(holds(&request.body, "till") && !holds(&request.body, "opensesame"));
    }
    assert!(traces.iter().all(|request| holds(&request.body, "GET exchange")));
    let spans: usize = traces
        .iter()
        .map(|request| request.body.windows(9).filter(|window| window == b"waited 2s").count())
        .sum();
    assert_eq!(spans, 700);
    assert!(holds(&metrics[0].body, "seawall_job_failure_ratio"));
    let (sent, failed, dropped) = counted(&registry);
    assert_eq!((sent, failed, dropped), (traces.len() as u64, 0, 0));
}

#[tokio::test]
async fn what_is_under_way_at_the_end_is_waited_for_and_not_sent_twice() {
    let collector = Upstream::start(Reply::slow_head(Duration::from_millis(150))).await.unwrap();
    let registry = Registry::new();
    let options = Options { metrics: false, ..to(&collector.url()) };
    let exporter = Exporter::start(options, &registry, None).unwrap();
    // A full batch goes at once; what is behind it waits for its turn.
    offer(&exporter, 600);
    while collector.ledger().requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stopped(exporter).await;
    let requests = collector.ledger().requests();
    let spans = |body: &[u8]| body.windows(9).filter(|window| window == b"waited 2s").count();
    assert_eq!(requests.iter().map(|request| spans(&request.body)).collect::<Vec<_>>(), [512, 88]);
    assert_eq!(counted(&registry), (2, 0, 0));
}

#[tokio::test]
async fn a_collector_that_is_away_stalls_redirects_or_talks_nonsense_holds_up_nobody() {
    let elsewhere = Upstream::start(Reply::status(200)).await.unwrap();
    let moved = Upstream::start(Reply::status(307).header("location", elsewhere.url())).await.unwrap();
    let refusing = Upstream::start(Reply::status(400)).await.unwrap();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nonsense = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let [still, odd] = [&silent, &nonsense].map(|own| format!("http://{}", own.local_addr().unwrap()));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = nonsense.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"\0\0\0nonsense\r\n\r\n").await;
        }
    });
    let away = "http://127.0.0.1:1".to_owned();
    for url in [away, still, odd, moved.url(), refusing.url()] {
        let registry = Registry::new();
        let (events, heard) = Channel::bounded(16);
        let told: (Arc<dyn Sink>, Arc<dyn Clock>) =
            (Arc::new(events), Arc::new(seawall_core::clock::ManualClock::new()));
        let exporter = Exporter::start(to(&url), &registry, Some(told)).unwrap();
        // More than there is room for: none of these waits.
        offer(&exporter, 3 * QUEUE as u64);
        stopped(exporter).await;
        let (sent, failed, dropped) = counted(&registry);
        assert_eq!((sent, dropped), (0, 3 * QUEUE as u64), "{url}: everything is counted");
        let troubles: Vec<String> = heard.try_iter().map(|event| format!("{:?}", event.fact)).collect();
        let is_still = failed == 0;
        assert!(troubles.len() == 1 || is_still && troubles.is_empty(), "{url}: said once: {troubles:?}");
        assert!(troubles.iter().all(|told| told.contains("does not take what it is sent")), "{troubles:?}");
    }
    assert!(elsewhere.ledger().requests().is_empty(), "a redirect is not followed");
}

#[tokio::test]
async fn a_collector_of_a_private_authority_is_believed_where_its_certificate_is_named() {
    let pair = certificate();
    let (acceptor, listener) = (acceptor(&pair), tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("https://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(tcp).await else { continue };
            let mut held = Vec::new();
            while !holds(&held, "waited 2s") {
                tokio::io::AsyncReadExt::read_buf(&mut stream, &mut held).await.unwrap();
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        Some(path)
    };
    for (ca, wanted) in [(file("ca.pem", &pair.0), (1, 0)), (None, (0, 1))] {
        let registry = Registry::new();
        let exporter = Exporter::start(Options { ca, metrics: false, ..to(&url) }, &registry, None).unwrap();
        offer(&exporter, 1);
        stopped(exporter).await;
        let (sent, _, dropped) = counted(&registry);
        assert_eq!((sent, dropped), wanted);
    }
    serving.abort();
    for ca in [file("empty.pem", "no certificate"), Some(folder.path().join("none")), Some("/".into())] {
        let refused = Exporter::start(Options { ca, ..to(&url) }, &Registry::new(), None).unwrap_err();
        assert!(refused.to_string().contains("ca"), "{refused}");
    }
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    let ok = || to("https://collector.example");
    let header = |name: &str| BTreeMap::from([(name.to_owned(), Secret::new("x".to_owned()))]);
    for (key, options) in [
        ("headers", Options { headers: header("content-type"), ..ok() }),
        ("headers", Options { headers: header("two words"), ..ok() }),
        ("interval", Options { interval: Duration::from_millis(999), ..ok() }),
        ("interval", Options { interval: Duration::from_secs(3601), ..ok() }),
        ("service", Options { service: String::new(), ..ok() }),
        ("ca", Options { ca: Some("ca.pem".into()), ..to("http://collector.example") }),
        ("traces", Options { traces: false, metrics: false, ..ok() }),
    ] {
        assert_eq!(options.check().unwrap_err().key, key);
    }
    ok().check().unwrap();
    let secret = BTreeMap::from([("api-key".to_owned(), Secret::new("new\nline".to_owned()))]);
    let refused = Exporter::start(Options { headers: secret, ..ok() }, &Registry::new(), None).unwrap_err();
    assert!(refused.to_string().contains("api-key") && !refused.to_string().contains("line"), "{refused}");
}
