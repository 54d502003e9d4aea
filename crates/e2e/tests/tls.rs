//! The data port with TLS: who it is, who may come, and what becomes of it when its files change.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use seawall_core::secret::Secret;
use seawall_e2e::binary::{Seawall, binary, configured_with};
use seawall_e2e::{Rig, Running, eventually};
use seawall_gateway::plan::callers::{Caller, Callers, Key};
use seawall_gateway::plan::tls::{Clients, Tls};
use seawall_testkit::{Reply, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority, and what it signs.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, both PEM.
struct Signed {
    chain: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(parameters, key) }
    }

    fn sign(&self, name: &str, until: i32) -> Signed {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_after = date_time_ymd(until, 1, 1);
        let chain = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        Signed { chain, key: key.serialize_pem() }
    }
}

impl Signed {
    fn tls(&self, clients: Option<Clients<'_>>) -> Tls {
        Tls::new(self.chain.as_bytes(), &Secret::new(self.key.clone()), clients).unwrap()
    }
}

/// Connects to an address as `localhost`, believing this authority, offering these protocols.
async fn connect(
    address: &str,
    authority: &Authority,
    own: Option<&Signed>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let chain =
                CertificateDer::pem_slice_iter(own.chain.as_bytes()).collect::<Result<_, _>>().unwrap();
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The status, and everything else, that a GET of this path comes to.
async fn get(
    stream: &mut TlsStream<TcpStream>,
    address: &str,
    headers: &str,
) -> std::io::Result<(u16, String)> {
    let request = format!("GET /up/x HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // An end without its announcement would be an error here.
    stream.read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, text))
}

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
        let (status, text) = get(&mut stream, &at, "").await.unwrap();
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
    assert_eq!(get(&mut stream, "evil.example", "").await.unwrap().0, 403);
    // Somebody who speaks plain HTTP is told nothing, and nobody else waits for them.
    let mut plain = TcpStream::connect(&at).await.unwrap();
    plain.write_all(format!("GET /up/x HTTP/1.1\r\nhost: {at}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
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
        let clients = Clients { authorities: authority.pem.as_bytes(), required };
        rig.plan.tls = Some(port.tls(Some(clients)));
        rig.plan.callers = callers(&[("ann", None, Some("Ann.example")), ("bob", Some(BOB), None)]);
        rig.start()
    };
    let ask = async |gateway: &Running, own: Option<&Signed>, headers: &str| {
        let at = address(gateway);
        let mut stream = connect(&at, &authority, own, &[]).await.ok()?;
        // With TLS 1.3 a refusal comes after the client believes that all is well.
        get(&mut stream, &at, headers).await.ok().filter(|(status, _)| *status > 0)
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

fn put(home: &Path, signed: &Signed) {
    // As whoever renews them does: each written beside, then put in its place.
    for (name, text) in [("tls.crt", &signed.chain), ("tls.key", &signed.key)] {
        std::fs::write(home.join("new"), text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(home.join("new"), mode).unwrap();
        std::fs::rename(home.join("new"), home.join(name)).unwrap();
    }
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
    put(home.path(), &first.sign("localhost", 2060));
    let mut gateway = Seawall::start(&binary, &home).await;
    let at = gateway.listen.clone();
    let status = async |authority: &Authority| {
        let mut stream = connect(&at, authority, None, &[]).await.ok()?;
        Some(get(&mut stream, &at, "").await.ok()?.0)
    };
    // One connection from before, that is used on.
    let mut before = connect(&at, &first, None, &[]).await.unwrap();
    assert_eq!(status(&first).await, Some(200));
    std::fs::write(home.path().join("tls.crt"), "broken").unwrap();
    assert!(gateway.said("tls.cert: ").await.contains("holds no certificate"));
    gateway.said("the configuration before stays in force").await;
    assert_eq!(status(&first).await, Some(200));
    put(home.path(), &second.sign("localhost", 2060));
    eventually("the new certificate is shown", async || {
        status(&second).await.filter(|status| *status == 200)
    })
    .await;
    assert_eq!(status(&first).await, None);
    assert_eq!(get(&mut before, &at, "").await.unwrap().0, 200, "it was trusted when it was made");
}
