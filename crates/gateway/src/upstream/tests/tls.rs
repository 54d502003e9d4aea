//! TLS handshakes, good and bad, with an authority made for the test.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::server::*;
use crate::upstream::{Http2, Options, Origin, Pool, Progress, SendErrorKind, Sent, Tls};

/// A server's certificate for `localhost` and the PEM text of who signed it.
pub(super) fn certified(protocols: &[&str]) -> (TlsAcceptor, String) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), pem)
}

/// Accepts TLS connections and runs `each` on them.
pub(super) async fn listen<F, S>(acceptor: TlsAcceptor, each: F) -> String
where
    F: Fn(TlsStream<TcpStream>) -> S + Send + Copy + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    each(stream).await;
                }
            });
        }
    });
    url
}

pub(super) fn trusting(url: &str, ca: &str, options: Options) -> Pool<AnyBody> {
    let origin = Origin::from_url(&url.parse().unwrap()).unwrap();
    Pool::new(origin, options, &Tls::new(Some(ca.as_bytes())).unwrap())
}

async fn answer_all(mut stream: TlsStream<TcpStream>) {
    let mut chunk = [0; 4096];
    while matches!(stream.read(&mut chunk).await, Ok(n) if n > 0) {
        stream.write_all(ok("private").as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
}

#[tokio::test]
async fn http1_over_tls_is_used_again_and_again() {
    let (acceptor, ca) = certified(&["http/1.1"]);
    let url = listen(acceptor, answer_all).await;
    for url in [url.clone(), url.replace("127.0.0.1", "localhost")] {
        let pool = trusting(&url, &ca, Options::default());
        for _ in 0..5 {
            assert_eq!(text(get(&pool, "/").await).await, "private");
        }
        assert_eq!((pool.idle(), pool.open_connections()), (1, 1));
    }
}

#[tokio::test]
async fn a_server_without_alpn_speaks_http1_unless_http2_was_promised() {
    let (acceptor, ca) = certified(&[]);
    let url = listen(acceptor, answer_all).await;
    assert_eq!(text(get(&trusting(&url, &ca, Options::default()), "/").await).await, "private");
    let strict = trusting(&url, &ca, Options { http2: Http2::PriorKnowledge, ..Options::default() });
    let error = get(&strict, "/").await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::No, SendErrorKind::Tls), "{error}");
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused_with_nothing_sent() {
    let (acceptor, _) = certified(&["http/1.1"]);
    let url = listen(acceptor, answer_all).await;
    let mut error = get(&pool_with(&url, Options::default()), "/").await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::No, SendErrorKind::Tls), "{error}");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    assert!(error.take_request().is_some());
}

#[tokio::test]
async fn a_handshake_that_never_ends_runs_out_of_time_with_nothing_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool_with(&format!("https://{}", listener.local_addr().unwrap()), Options::default());
    let progress = Progress::new();
    let error = pool.send(request("GET", "/", full("")), ms(100), &progress).await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::No, SendErrorKind::ConnectTimeout));
    assert!(error.to_string().contains("TLS handshake"), "{error}");
    assert!(!progress.connected());
}

#[tokio::test]
async fn a_body_without_length_over_tls_must_be_ended_properly() {
    let (acceptor, ca) = certified(&["http/1.1"]);
    for (close_notify, whole) in [(true, true), (false, false)] {
        let each = if close_notify { until_close_and_goodbye } else { until_close };
        let url = listen(acceptor.clone(), each).await;
        let answer = get(&trusting(&url, &ca, Options::default()), "/").await.unwrap();
        assert_eq!(read(answer).await.is_ok(), whole, "close_notify: {close_notify}");
    }
}

fn until_close(stream: TlsStream<TcpStream>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(say_and_close(stream, false))
}

fn until_close_and_goodbye(
    stream: TlsStream<TcpStream>,
) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(say_and_close(stream, true))
}

async fn say_and_close(mut stream: TlsStream<TcpStream>, goodbye: bool) {
    let _ = stream.read(&mut [0; 4096]).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nall of it").await.unwrap();
    stream.flush().await.unwrap();
    if goodbye {
        stream.shutdown().await.unwrap();
    }
}

#[test]
fn unusable_authorities_are_refused() {
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(Tls::new(Some(pem.as_bytes())).is_err(), "{pem:?}");
    }
}
