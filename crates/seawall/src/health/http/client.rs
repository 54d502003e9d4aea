//! A small client of HTTP/1.1 for probes: one connection for each, for what a probe asks is whether one can connect.

use std::fmt;
use std::sync::Arc;

use ::http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use ::http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::{Get, GetError, Getting, LONGEST, Tunnel};

/// Fetches over HTTP/1.1, and over TLS 1.2 and 1.3 with Mozilla's authorities. Clones share the settings. No
/// redirects, no cookies, no connection is kept.
#[derive(Clone)]
pub struct Client {
    config: Arc<ClientConfig>,
    tunnel: Option<Tunnel>,
}

/// Certificates that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError(String);

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ClientError {}

impl Client {
    /// Believes Mozilla's authorities, and those of a PEM text beside them. Refuses a text without a certificate in it.
    pub fn new(extra_ca_pem: Option<&[u8]>) -> Result<Self, ClientError> {
        let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let known = roots.len();
        for certificate in extra_ca_pem.into_iter().flat_map(CertificateDer::pem_slice_iter) {
            let certificate =
                certificate.map_err(|error| ClientError(format!("not a PEM certificate: {error}")))?;
            roots
                .add(certificate)
                .map_err(|error| ClientError(format!("not an authority's certificate: {error}")))?;
        }
        if extra_ca_pem.is_some() && roots.len() == known {
            return Err(ClientError(
                "no certificate found: give PEM text with -----BEGIN CERTIFICATE-----".into(),
            ));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ClientError(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), tunnel: None })
    }

    /// Every connection goes through a proxy, also where nothing is encrypted. Without this none does: variables like
    /// `HTTPS_PROXY` are not looked at.
    pub fn through(self, tunnel: Tunnel) -> Self {
        Self { tunnel: Some(tunnel), ..self }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Get for Client {
    fn get(&self, request: Request<()>) -> Getting {
        let Self { config, tunnel } = self.clone();
        Box::pin(async move {
            let (https, host, port) = place(request.uri())?;
            let socket = connect(tunnel.as_ref(), host, port).await?;
            if !https {
                return exchange(socket, request).await;
            }
            let name = ServerName::try_from(host.to_owned())
                .map_err(|_| GetError::new("no certificate can name that host"))?;
            let secured = TlsConnector::from(config).connect(name, socket).await;
            exchange(secured.map_err(|error| GetError::new(format_args!("no TLS: {error}")))?, request).await
        })
    }
}

/// A wire to the host, straight or through a proxy.
async fn connect(tunnel: Option<&Tunnel>, host: &str, port: u16) -> Result<TcpStream, GetError> {
    let Some(tunnel) = tunnel else {
        let socket = TcpStream::connect((host, port)).await;
        return socket.map_err(|error| GetError::new(format_args!("cannot connect: {error}")));
    };
    let socket = TcpStream::connect(tunnel.place()).await;
    let mut socket =
        socket.map_err(|error| GetError::new(format_args!("cannot connect to the proxy: {error}")))?;
    let opened = tunnel.open(&mut socket, host, port).await;
    opened.map_err(|why| GetError::new(format_args!("the proxy opened no tunnel: {why}")))?;
    Ok(socket)
}

/// Over TLS or not, the host and the port.
fn place(url: &Uri) -> Result<(bool, &str, u16), GetError> {
    let https = url.scheme_str() == Some("https");
    let written = url.host().ok_or_else(|| GetError::new("the URL has no host"))?;
    let host = written.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(written);
    Ok((https, host, url.port_u16().unwrap_or(if https { 443 } else { 80 })))
}

async fn exchange<S>(socket: S, request: Request<()>) -> Result<Response<Vec<u8>>, GetError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let broken = |error: hyper::Error| GetError::new(format_args!("no answer: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(broken)?;
    // Dropped with this future, and the connection with it.
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // What breaks it is told to whoever waits for the answer.
        let _ = connection.await;
    });
    let answer = sender.send_request(ready(request)).await.map_err(broken)?;
    let (head, mut body) = answer.into_parts();
    let mut read = Vec::new();
    while read.len() < LONGEST {
        let Some(frame) = body.frame().await else { break };
        if let Ok(data) = frame.map_err(broken)?.into_data() {
            read.extend_from_slice(&data[..data.len().min(LONGEST - read.len())]);
        }
    }
    Ok(Response::from_parts(head, read))
}

/// The request as it goes over the wire: path and query, and the headers every server wants.
fn ready(request: Request<()>) -> Request<Empty<Bytes>> {
    let (mut head, ()) = request.into_parts();
    let authority = head.uri.authority().map(|authority| authority.as_str());
    if let Some(host) = authority.and_then(|authority| HeaderValue::from_str(authority).ok()) {
        head.headers.insert(HOST, host);
    }
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    head.headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    let name = HeaderValue::from_static(concat!("seawall/", env!("CARGO_PKG_VERSION")));
    head.headers.entry(USER_AGENT).or_insert(name);
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    // What was part of a URI is one.
    head.uri = path.parse().unwrap_or_else(|_| Uri::from_static("/"));
    Request::from_parts(head, Empty::new())
}
