//! The data port with TLS: who it is, who may come, and what becomes of it when its files change.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::HandshakeKind::{Full, Resumed};
use rustls::version::{TLS12, TLS13};
use seawall_core::secret::Secret;
use seawall_e2e::binary::{Seawall, binary, configured_with};
use seawall_e2e::certified::{Authority, Signed, ask, client, connect, connect_as, get, put};
use seawall_e2e::{Rig, Running, eventually};
use seawall_gateway::Gateway;
use seawall_gateway::plan::Plan;
use seawall_gateway::plan::callers::{Caller, Callers, Key};
use seawall_gateway::plan::tls::Clients;
use seawall_testkit::{Reply, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn address(gateway: &Running) -> String {
    gateway.gateway.listen().to_string()
}

fn callers(keys: &[(&str, Option<&str>, Option<&str>)]) -> Option<Arc<Callers>> {
    let mut callers = Callers::new().unwrap();
    for (name, text, certificate) in keys {
        let caller = Caller { certificate: certificate.map(Box::from), ..Caller::new(*name) };
        let key = |text: &str| Key { secret: Secret::new(text.to_owned()), until: None };
        let keys: Vec<Key> = text.map(key).into_iter().collect();
        callers.add(caller, &keys).unwrap();
    }
    Some(Arc::new(callers))
}

#[tokio::test]
async fn it_speaks_http1_and_http2_over_tls_and_nothing_in_the_clear() {
    let up = Upstream::start(Reply::ok("private")).await.unwrap();
    let authority = Authority::new();
    let mut rig = Rig::new(&up.url());
    rig.plan.tls = Some(authority.sign("localhost", 2060).tls(None));
    let gateway = rig.start();
    let at = address(&gateway);
    for protocols in [&["http/1.1"][..], &[]] {
        let mut stream = connect(&at, &authority, None, protocols).await.unwrap();
        let (status, text) = get(&mut stream, &at, "/up/x", "").await.unwrap();
        assert!(status == 200 && text.ends_with("private") && text.contains("seawall-call: "), "{text}");
    }
    let stream = connect(&at, &authority, None, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("https://{at}/up/x")).body(()).unwrap();
    let answer = sender.send_request(request, true).unwrap().0.await.unwrap();
    assert_eq!(answer.status(), 200);
    // What cannot be read on the way is of a foreign host all the same.
    let mut stream = connect(&at, &authority, None, &[]).await.unwrap();
    assert_eq!(get(&mut stream, "evil.example", "/up/x", "").await.unwrap().0, 403);
    // Somebody who speaks plain HTTP is told that, and nothing else, and nobody else waits for them.
    let mut plain = TcpStream::connect(&at).await.unwrap();
    plain.write_all(format!("GET /up/x HTTP/1.1\r\nhost: {at}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"SW0064\""), "{answer}");
    assert!(answer.contains("write https:// in place of http://") && !answer.contains("private"), "{answer}");
    let stranger = connect(&at, &Authority::new(), None, &[]).await;
    assert!(stranger.is_err(), "another authority did not sign it");
    assert_eq!(up.ledger().request_count(), 3);
    let left = gateway.metric("seawall_certificate_expires_in_seconds{port=\"listen\"}").await.unwrap();
    assert!(left > 365.0 * 86_400.0, "{left}");
}

#[tokio::test]
async fn a_certificate_of_a_caller_names_it_and_one_of_a_stranger_is_not_let_in() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let (authority, other) = (Authority::new(), Authority::new());
    let port = authority.sign("localhost", 2060);
    let (ann, eve) = (authority.sign("ann.example", 2060), authority.sign("eve.example", 2060));
    let (forged, old) = (other.sign("ann.example", 2060), authority.sign("ann.example", 2000));
    const BOB: &str = "bob-0123456789abcdef";
    let start = |required: bool| {
        let mut rig = Rig::new(&up.url());
        let clients = Clients { authorities: authority.pem.as_bytes(), required, revoked: &[] };
        rig.plan.tls = Some(port.tls(Some(clients)));
        rig.plan.callers = callers(&[("ann", None, Some("Ann.example")), ("bob", Some(BOB), None)]);
        rig.start()
    };
    let ask = async |gateway: &Running, own: Option<&Signed>, headers: &str| {
        let at = address(gateway);
        let mut stream = connect(&at, &authority, own, &[]).await.ok()?;
        // With TLS 1.3 a refusal comes after the client believes that all is well.
        get(&mut stream, &at, "/up/x", headers).await.ok().filter(|(status, _)| *status > 0)
    };
    let bob = format!("seawall-key: {BOB}\r\n");
    let gateway = start(true);
    let (status, text) = ask(&gateway, Some(&ann), "").await.unwrap();
    assert!(status == 200 && text.contains("caller=ann"), "{text}");
    assert_eq!(ask(&gateway, Some(&eve), "").await.unwrap().0, 401, "signed, and nobody who may call");
    let (status, text) = ask(&gateway, Some(&eve), &bob).await.unwrap();
    assert!(status == 200 && text.contains("caller=bob"), "a key says who it is: {text}");
    for stranger in [None, Some(&forged), Some(&old)] {
        assert_eq!(ask(&gateway, stranger, &bob).await, None);
    }
    let gateway = start(false);
    assert_eq!(ask(&gateway, None, "").await.unwrap().0, 401);
    assert_eq!(ask(&gateway, None, &bob).await.unwrap().0, 200);
    assert_eq!(ask(&gateway, Some(&ann), "").await.unwrap().0, 200);
    assert_eq!(ask(&gateway, Some(&forged), &bob).await, None);
}

#[tokio::test]
async fn new_files_are_taken_up_while_it_runs_and_broken_ones_are_not() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", "");
    let file = home.path().join("seawall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let tls = "tls = { cert = \"tls.crt\", key = \"file:tls.key\" }\n";
    std::fs::write(&file, format!("{tls}{text}")).unwrap();
    let (first, second) = (Authority::new(), Authority::new());
    first.sign("localhost", 2060).put(home.path(), "tls");
    let mut gateway = Seawall::start(&binary, &home).await;
    let at = gateway.listen.clone();
    let status = async |authority: &Authority| {
        let mut stream = connect(&at, authority, None, &[]).await.ok()?;
        Some(get(&mut stream, &at, "/up/x", "").await.ok()?.0)
    };
    // One connection from before, that is used on.
    let mut before = connect(&at, &first, None, &[]).await.unwrap();
    assert_eq!(status(&first).await, Some(200));
    std::fs::write(home.path().join("tls.crt"), "broken").unwrap();
    assert!(gateway.said("tls.cert: ").await.contains("holds no certificate"));
    gateway.said("the configuration before stays in force").await;
    assert_eq!(status(&first).await, Some(200));
    second.sign("localhost", 2060).put(home.path(), "tls");
    eventually("the new certificate is shown", async || {
        status(&second).await.filter(|status| *status == 200)
    })
    .await;
    assert_eq!(status(&first).await, None);
    assert_eq!(get(&mut before, &at, "/up/x", "").await.unwrap().0, 200, "it was trusted when it was made");
}

#[tokio::test]
async fn whoever_was_taken_back_gets_in_nowhere_and_is_not_served_where_they_are() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let (authority, people, other) = (Authority::new(), Authority::new(), Authority::new());
    let (ann, eve) = (people.sign("ann.example", 2060), people.sign("eve.example", 2060));
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", "");
    let file = home.path().join("seawall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let own =
        "{ cert = \"own.crt\", key = \"file:own.key\", client_ca = \"people.pem\", crl = [\"people.crl\"] }";
    let who =
        "callers = { ann = { certificate = \"ann.example\" }, eve = { certificate = \"eve.example\" } }";
    std::fs::write(&file, format!("tls = {own}\nadmin_tls = {own}\n{who}\n{text}")).unwrap();
    authority.sign("localhost", 2060).put(home.path(), "own");
    put(home.path(), "people.pem", people.pem.as_bytes());
    put(home.path(), "people.crl", people.list(&[], 2060).der());
    let mut gateway = Seawall::start(&binary, &home).await;
    let ports = [(gateway.listen.clone(), "/up/x"), (gateway.admin.clone(), "/api/v1/status")];
    let mut kept = Vec::new();
    for (at, path) in &ports {
        for own in [&ann, &eve] {
            let mut stream = connect(at, &authority, Some(own), &["http/1.1"]).await.unwrap();
            assert_eq!(ask(&mut stream, at, path).await.unwrap().unwrap().0, 200, "{path}");
            kept.push(stream);
        }
    }
    let mut board = connect(&ports[1].0, &authority, Some(&ann), &["http/1.1"]).await.unwrap();
    let follow = format!("GET /events HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", ports[1].0);
    board.write_all(follow.as_bytes()).await.unwrap();
    let status = async |own: &Signed, (at, path): &(String, &str)| {
        let mut stream = connect(at, &authority, Some(own), &[]).await.ok()?;
        Some(get(&mut stream, at, path, "").await.ok()?.0).filter(|status| *status > 0)
    };
    // In the authority's own form, and then as PEM.
    put(home.path(), "people.crl", people.list(&[&ann], 2060).pem().unwrap().as_bytes());
    gateway.said("generation 2 is in force").await;
    for port in &ports {
        assert_eq!((status(&ann, port).await, status(&eve, port).await), (None, Some(200)), "{}", port.1);
    }
    for (place, stream) in kept.iter_mut().enumerate() {
        let (at, path) = &ports[place / 2];
        let (status, text) = ask(stream, at, path).await.unwrap().unwrap();
        match place % 2 {
            0 => {
                assert!(status == 403 && text.contains("SW0065"), "{text}");
                assert!(text.contains("connection: close"), "{text}");
                assert_eq!(ask(stream, at, path).await.ok().flatten(), None, "that was the last of it");
            }
            _ => assert_eq!(status, 200, "{text}"),
        }
    }
    // A stream that they follow ends too.
    let mut rest = Vec::new();
    let ends = board.read_to_end(&mut rest);
    tokio::time::timeout(std::time::Duration::from_secs(10), ends).await.expect("the stream ends").ok();
    // What is no list, and one that has ended, changes nothing.
    for (list, said) in [
        (b"broken".to_vec(), "people.crl holds no list"),
        (people.list(&[], 2001).der().to_vec(), "the list in people.crl has ended"),
    ] {
        put(home.path(), "people.crl", &list);
        gateway.said(said).await;
        gateway.said("the configuration before stays in force").await;
        assert_eq!(
            (status(&ann, &ports[0]).await, status(&eve, &ports[0]).await),
            (None, Some(200)),
            "{said}"
        );
    }
    // Another authority's list says nothing of anybody here: then nobody is believed.
    put(home.path(), "people.crl", other.list(&[], 2060).der());
    gateway.said("generation 3 is in force").await;
    assert_eq!((status(&ann, &ports[0]).await, status(&eve, &ports[0]).await), (None, None));
    // And none is served with a list that has ended from the beginning.
    put(home.path(), "people.crl", people.list(&[], 2001).der());
    let started = seawall_e2e::binary::serve(&binary, &home).output().await.unwrap();
    let said = String::from_utf8_lossy(&started.stderr).into_owned();
    assert_eq!(started.status.code(), Some(2), "{said}");
    assert!(said.contains("tls.crl: ") && said.contains("put the authority's newest in its place"), "{said}");
}

#[tokio::test]
async fn where_certificates_are_asked_for_each_is_looked_at_and_no_session_stands_in_for_it() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let (authority, people, others) = (Authority::new(), Authority::new(), Authority::new());
    let ann = people.sign("ann.example", 2060);
    let asking = |authorities: Option<&Authority>| {
        let clients = |people: &Authority| {
            let clients = Clients { authorities: people.pem.as_bytes(), required: true, revoked: &[] };
            authority.sign("localhost", 2060).tls(Some(clients))
        };
        let tls = authorities.map_or_else(|| authority.sign("localhost", 2060).tls(None), clients);
        let mut rig = Rig::new(&up.url());
        (rig.plan.tls, rig.plan.admin_tls) = (Some(tls.clone()), Some(tls));
        rig
    };
    let came = async |client: &Arc<ClientConfig>, at: SocketAddr, path: &str| {
        let at = at.to_string();
        let mut stream = connect_as(client.clone(), &at).await.ok()?;
        // With TLS 1.3 the server's word, and what a session is resumed by, come with the answer.
        let (status, _) = get(&mut stream, &at, path, "").await.ok()?;
        Some((status, stream.get_ref().1.handshake_kind()?))
    };
    for version in [&TLS12, &TLS13] {
        // A client that was there comes again, perhaps after a change.
        let again = async |gateway: &Gateway, data: bool, change: Option<Plan>| {
            let client = Arc::new(client(&authority, Some(&ann), &[version]));
            let (at, path) =
                if data { (gateway.listen(), "/up/x") } else { (gateway.admin(), "/health/live") };
            assert_eq!(came(&client, at, path).await, Some((200, Full)), "{path} {version:?}");
            if let Some(plan) = change {
                gateway.reload(plan).unwrap();
            }
            came(&client, at, path).await
        };
        for data in [true, false] {
            let open = asking(None).start();
            assert_eq!(again(&open.gateway, data, None).await, Some((200, Resumed)), "nobody is asked");
            let held = asking(Some(&people)).start();
            assert_eq!(again(&held.gateway, data, None).await, Some((200, Full)), "{version:?}");
            let others = asking(Some(&others)).plan;
            assert_eq!(again(&held.gateway, data, Some(others)).await, None, "{version:?}");
        }
    }
}

#[tokio::test]
async fn a_list_that_has_ended_lets_nobody_in_who_brings_a_certificate() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let (authority, people) = (Authority::new(), Authority::new());
    let ann = people.sign("ann.example", 2060);
    let ask = async |until: i32, own: Option<&Signed>| {
        let revoked = [Arc::from(people.list(&[], until).der().to_vec())];
        let clients = Clients { authorities: people.pem.as_bytes(), required: false, revoked: &revoked };
        let mut rig = Rig::new(&up.url());
        rig.plan.tls = Some(authority.sign("localhost", 2060).tls(Some(clients)));
        let gateway = rig.start();
        let at = address(&gateway);
        let left =
            gateway.metric("seawall_revocation_list_expires_in_seconds{port=\"listen\"}").await.unwrap();
        assert_eq!(left > 0.0, until > 2030, "{left}");
        let mut stream = connect(&at, &authority, own, &[]).await.ok()?;
        Some(get(&mut stream, &at, "/up/x", "").await.ok()?.0).filter(|status| *status > 0)
    };
    assert_eq!(ask(2060, Some(&ann)).await, Some(200));
    assert_eq!(ask(2001, Some(&ann)).await, None);
    assert_eq!(ask(2001, None).await, Some(200), "who brings none was not on any list");
}
