//! A server that wants to know who speaks to it, and one that proves who it is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use seawall_core::secret::Secret;
use seawall_core::store::StoreError;
use seawall_store::redis::{Identity, Redis, RedisOptions};
use tempfile::TempDir;

use crate::server::{ALWAYS, NOTHING, Server, free, server};
use crate::{back, careless, end, open, run, wish};

const PASSWORD: &str = "hunter2-canary";

/// On a busy machine a handshake may take long.
fn patient() -> RedisOptions {
    RedisOptions { timeout: Duration::from_secs(10), ..careless() }
}

fn known_as(user: Option<&str>, password: &str) -> RedisOptions {
    let password = Some(Secret::new(password.to_owned()));
    RedisOptions { username: user.map(str::to_owned), password, ..patient() }
}

async fn refused(url: &str, options: RedisOptions) -> String {
    let shown = format!("{options:?}");
    let error = Redis::open(url, options).await.expect_err("it is refused");
    let said = format!("{error} {error:?} {shown}");
    assert!(!said.contains(PASSWORD), "{said}");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    said
}

#[tokio::test]
async fn a_password_is_given_again_whenever_it_connects_and_a_wrong_one_is_named_and_never_shown() {
    let Some(server) = server(ALWAYS).await else { return };
    let url = server.url();
    server.tell(&["CONFIG", "SET", "requirepass", PASSWORD]);
    let said = refused(&url, patient()).await;
    assert!(said.contains("asks for a password"), "{said}");
    let said = refused(&url, known_as(None, "hunter2-canary-other")).await;
    assert!(said.contains("another user or password"), "{said}");
    let said = refused(&url, known_as(Some("ann"), PASSWORD)).await;
    assert!(said.contains("another user or password"), "{said}");

    let store = Redis::open(&url, known_as(None, PASSWORD)).await.expect("it opens").store;
    let token = run(&store, wish(1)).await;
    end(&store, wish(1).key, token, b"done").await;
    assert!(!format!("{store:?}").contains(PASSWORD));
    // It is said on every connection.
    server.cut(PASSWORD);
    back(&store).await;
    run(&store, wish(2)).await;
}

#[tokio::test]
async fn a_user_of_the_documented_rights_can_do_all_of_it() {
    let Some(server) = server(ALWAYS).await else { return };
    let rights = format!(">{PASSWORD}");
    let rights = [
        "ACL",
        "SETUSER",
        "seawall",
        "on",
        &rights,
        "~sw:*",
        "+@read",
        "+@write",
        "+@scripting",
        "+@connection",
    ];
    server.tell(&[&rights[..], &["+info", "+time", "+wait", "+config|get"]].concat());
    let store = Redis::open(&server.url(), known_as(Some("seawall"), PASSWORD)).await.expect("it opens");
    assert_eq!(store.findings, []);
    let token = run(&store.store, wish(1)).await;
    end(&store.store, wish(1).key, token, b"done").await;
    // One that may not even look.
    let rights = format!(">{PASSWORD}");
    server.tell(&["ACL", "SETUSER", "nobody", "on", &rights, "~other:*", "+@connection"]);
    let said = refused(&server.url(), known_as(Some("nobody"), PASSWORD)).await;
    assert!(said.contains("allows this user too little"), "{said}");
}

/// Certificates of an authority of the test's own, in files of a directory.
struct Authority {
    directory: TempDir,
    pem: Arc<[u8]>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let key = KeyPair::generate().expect("a key");
        let mut ca = CertificateParams::new(Vec::new()).expect("no names");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = ca.self_signed(&key).expect("signed").pem();
        std::fs::write(directory.path().join("ca.pem"), &pem).expect("written");
        Self { directory, pem: pem.into_bytes().into(), issuer: Issuer::new(ca, key) }
    }

    /// A certificate and its key, as PEM.
    fn signs(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        // Another name than its authority's, which would make it one that signed itself.
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        (certificate.pem(), key.serialize_pem())
    }

    fn path(&self, name: &str) -> String {
        Path::join(self.directory.path(), name).display().to_string()
    }

    /// A server of TLS at 127.0.0.1, and its address.
    async fn server(&self, callers: &str) -> Option<(Server, String)> {
        let (certificate, key) = self.signs("127.0.0.1");
        std::fs::write(self.path("server.pem"), certificate).expect("written");
        std::fs::write(self.path("server.key"), key).expect("written");
        let port = free().to_string();
        let [ca, own, key] = ["ca.pem", "server.pem", "server.key"].map(|name| self.path(name));
        let files = ["--tls-ca-cert-file", &ca, "--tls-cert-file", &own, "--tls-key-file", &key];
        let settings = [NOTHING, &["--tls-port", &port, "--tls-auth-clients", callers], &files].concat();
        Some((server(&settings).await?, format!("rediss://127.0.0.1:{port}/0?namespace=test")))
    }
}

#[tokio::test]
async fn over_tls_a_server_is_believed_by_its_certificate_and_by_nothing_else() {
    let authority = Authority::new();
    let Some((mut server, url)) = authority.server("no").await else { return };
    let trusting = RedisOptions { ca: Some(authority.pem.clone()), ..patient() };
    let store = open(&url, trusting.clone()).await;
    let token = run(&store, wish(1)).await;
    end(&store, wish(1).key, token, b"done").await;
    server.kill();
    server.start().await;
    back(&store).await;

    let said = refused(&url, patient()).await;
    assert!(said.contains("certificate"), "nobody vouches for it: {said}");
    let said = refused(&url.replace("127.0.0.1", "localhost"), trusting.clone()).await;
    assert!(said.contains("certificate"), "it is somebody else's: {said}");
    let hurried = RedisOptions { timeout: Duration::from_millis(200), ..trusting.clone() };
    let said = refused(&server.url().replace("redis://", "rediss://"), hurried).await;
    assert!(said.contains("does it speak TLS?"), "no TLS there: {said}");
    let said = refused(&server.url(), trusting.clone()).await;
    assert!(said.contains("write rediss://"), "{said}");
    let odd = RedisOptions { ca: Some(b"-----BEGIN".as_slice().into()), ..patient() };
    let said = refused(&url, odd).await;
    assert!(said.contains("ca: "), "{said}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_one() {
    let authority = Authority::new();
    let Some((_server, url)) = authority.server("yes").await else { return };
    let trusting = RedisOptions { ca: Some(authority.pem.clone()), ..patient() };
    refused(&url, trusting.clone()).await;
    let (chain, key) = authority.signs("seawall");
    let identity =
        |chain: &str, key: String| Identity { chain: chain.as_bytes().into(), key: Secret::new(key) };
    let known = RedisOptions { identity: Some(identity(&chain, key)), ..trusting.clone() };
    run(&open(&url, known).await, wish(1)).await;
    let (_, another) = authority.signs("seawall");
    for key in [another, PASSWORD.to_owned()] {
        let wrong = RedisOptions { identity: Some(identity(&chain, key)), ..trusting.clone() };
        refused(&url, wrong).await;
    }
}
