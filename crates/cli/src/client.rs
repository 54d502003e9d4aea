//! Asks a running admin port, over HTTP/1.1, with TLS where it speaks it, and within a few seconds.

mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use seawall_core::secret::Secret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::output::{Failure, plain};

pub(crate) use tls::{Identity, Trust};

/// To connect.
const CONNECT: Duration = Duration::from_secs(3);

/// For the whole answer.
const ANSWER: Duration = Duration::from_secs(15);

/// The longest answer that is read.
const MAX_ANSWER: usize = 16 << 20;

/// An admin port.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    authority: String,
    base: String,
    /// It is asked for by https.
    secure: bool,
    /// How, where it is.
    tls: Option<Arc<ClientConfig>>,
    /// What is shown to be let in; no print shows it.
    token: Option<HeaderValue>,
}

impl fmt::Display for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

impl Admin {
    /// The port at a bound address; an address that means *any* is asked on this machine.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            std::net::IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let authority = SocketAddr::new(ip, address.port()).to_string();
        Self { authority, base: String::new(), secure: false, tls: None, token: None }
    }

    /// The same, by https.
    pub(crate) fn secured(self) -> Self {
        Self { secure: true, ..self }
    }

    /// Is it asked for by https?
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Does what it is told travel to another machine in the clear?
    pub(crate) fn is_overheard(&self) -> bool {
        let host = self.authority.rsplit_once(':').map_or(&*self.authority, |(host, _)| host);
        let address: Result<std::net::IpAddr, _> = host.trim_matches(['[', ']']).parse();
        let here = address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback());
        !self.secure && !here
    }

    /// The same, believing these and showing that. Refuses certificates and keys that are none.
    pub(crate) fn believing(self, trust: &Trust, identity: Option<&Identity>) -> Result<Self, Failure> {
        let config = tls::config(trust, identity).map_err(|why| {
            let what = match trust {
                _ if why.starts_with("--") => "",
                Trust::Public => "TLS: ",
                Trust::Authorities(_) => "--ca: ",
                Trust::Itself(_) => "admin_tls.cert: ",
            };
            Failure::bad_input(format_args!("{what}{why}"))
        })?;
        Ok(Self { tls: Some(config), ..self })
    }

    /// The same, shown a token.
    pub(crate) fn shown(self, token: &Secret) -> Result<Self, Failure> {
        let value = HeaderValue::from_str(&format!("Bearer {}", token.expose().trim()));
        let mut value = value.map_err(|_| {
            Failure::bad_input("the token for the admin port holds characters a header cannot carry")
        })?;
        value.set_sensitive(true);
        Ok(Self { token: Some(value), ..self })
    }

    /// Reads `https://host:port/path`, `http://host:port/path` or `host:port`.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::bad_input(format_args!(
                "--admin: {:?} {why}: write \"http://127.0.0.1:7071\"",
                plain(text)
            ))
        };
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = full.parse().map_err(|_| wrong("is not a URL"))?;
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        match (uri.scheme_str(), authority) {
            (Some(scheme @ ("http" | "https")), Some(authority)) if !authority.as_str().contains('@') => {
                Ok(Self {
                    authority: match authority.port() {
                        Some(_) => authority.to_string(),
                        None => format!("{authority}:{}", if scheme == "https" { 443 } else { 80 }),
                    },
                    base: uri.path().trim_end_matches('/').to_owned(),
                    secure: scheme == "https",
                    tls: None,
                    token: None,
                })
            }
            _ => Err(wrong("is not the URL of an admin port")),
        }
    }

    /// Is somebody there? Whoever it is: the question itself finds that out.
    pub(crate) fn answers(&self) -> bool {
        use std::net::ToSocketAddrs as _;
        let addresses = self.authority.to_socket_addrs().into_iter().flatten();
        addresses.into_iter().any(|address| std::net::TcpStream::connect_timeout(&address, CONNECT).is_ok())
    }

    /// Reads a value.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, Vec::new())
    }

    /// Pulls a lever.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, body.to_string().into_bytes())
    }

    fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Value, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| Failure::failed(format_args!("cannot start: {why}")))?;
        runtime.block_on(self.exchange(method, path, body))
    }

    /// Reads a value, for whoever has a runtime already.
    pub(crate) async fn look(&self, path: &str) -> Result<Value, Failure> {
        self.exchange(Method::GET, path, Vec::new()).await
    }

    async fn exchange(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Value, Failure> {
        let answer = timeout(ANSWER, self.send(method, path, body)).await;
        let (status, bytes) =
            answer.unwrap_or_else(|_| Err(Failure::failed(format_args!("no answer from {self} in time"))))?;
        let value: Option<Value> = serde_json::from_slice(&bytes).ok();
        match (status.is_success(), value) {
            (true, Some(value)) => Ok(value),
            (true, None) => Err(Failure::failed(format_args!(
                "{self}{path} did not answer in JSON: is it a seawall's admin port?"
            ))),
            (false, value) if status == StatusCode::UNAUTHORIZED => {
                let refusal = refused(status, value.as_ref(), path);
                Err(Failure::bad_input(format_args!(
                    "{refusal}: give this command one with --token-file FILE or in SEAWALL_ADMIN_TOKEN"
                )))
            }
            (false, value) => Err(refused(status, value.as_ref(), path)),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Result<(StatusCode, Bytes), Failure> {
        let nobody = |why: &dyn std::fmt::Display| {
            Failure::failed(format_args!(
                "no seawall answers at {self} ({why}): is `seawall serve` running? --admin names another"
            ))
        };
        let failed = |why: &(dyn std::error::Error + 'static)| match tls::trouble(why, &self.authority) {
            Some(why) => Failure::failed(format_args!("{self}: {why}")),
            None => nobody(&why),
        };
        let stream = match timeout(CONNECT, TcpStream::connect(&self.authority)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(why)) => return Err(nobody(&why)),
            Err(_) => return Err(nobody(&"nothing within 3s")),
        };
        let mut sender = match &self.tls {
            None if self.secure => {
                // Never in the clear instead.
                return Err(Failure::failed(format_args!(
                    "{self} is asked by https, and whose certificate to believe was not said"
                )));
            }
            Some(config) if self.secure => {
                let host = self.authority.rsplit_once(':').map_or("", |(host, _)| host);
                let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|_| {
                    Failure::bad_input(format_args!("{self}: no certificate can be for {:?}", plain(host)))
                })?;
                let connecting = TlsConnector::from(config.clone()).connect(name, stream);
                let stream = match timeout(CONNECT, connecting).await {
                    Ok(stream) => stream.map_err(|why| failed(&why))?,
                    Err(_) => return Err(nobody(&"no handshake within 3s")),
                };
                begun(TokioIo::new(stream)).await
            }
            _ => begun(TokioIo::new(stream)).await,
        }
        .map_err(|why| failed(&why))?;
        let mut request = Request::builder();
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::HOST, &self.authority)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|why| Failure::bad_input(format_args!("{path} cannot be asked for: {why}")))?;
        let answer = sender.send_request(request).await.map_err(|why| failed(&why))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|why| Failure::failed(format_args!("the answer broke off: {why}")))?;
        Ok((status, body.to_bytes()))
    }
}

/// Begins HTTP on a connection.
async fn begun<S>(stream: TokioIo<S>) -> hyper::Result<SendRequest<Full<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// A refusal in the admin port's own words, where it gave some.
fn refused(status: StatusCode, problem: Option<&Value>, path: &str) -> Failure {
    let text = |key: &str| problem.and_then(|problem| problem.get(key)).and_then(Value::as_str).map(plain);
    let detail =
        text("detail").or_else(|| text("title")).unwrap_or_else(|| format!("{path} answered {status}"));
    match text("code").filter(|code| !detail.starts_with(code.as_str())) {
        Some(code) => Failure::failed(format_args!("{code} {detail}")),
        None => Failure::failed(detail),
    }
}

/// Reads an answer as the type it should be of.
pub(crate) fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|why| {
        Failure::failed(format_args!(
            "the answer is not as expected ({why}): is that seawall of this version?"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, whole, base, overheard) in [
            ("http://127.0.0.1:7071", "http://127.0.0.1:7071", "", false),
            ("127.0.0.1:7071", "http://127.0.0.1:7071", "", false),
            ("http://ops.example/seawall/", "http://ops.example:80", "/seawall", true),
            ("https://ops.example/seawall/", "https://ops.example:443", "/seawall", false),
            ("https://[::1]:7071", "https://[::1]:7071", "", false),
            ("http://[::1]:7071", "http://[::1]:7071", "", false),
            ("10.0.0.5:7071", "http://10.0.0.5:7071", "", true),
            ("localhost:1", "http://localhost:1", "", false),
        ] {
            let admin = Admin::parse(text).unwrap();
            assert_eq!((admin.to_string().as_str(), admin.base.as_str()), (whole, base));
            assert_eq!(admin.is_overheard(), overheard, "{text}");
        }
        for wrong in ["", "ftp://x", "http://user:pw@host", "https://user:pw@host"] {
            assert!(Admin::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Admin::at("0.0.0.0:9".parse().unwrap()).authority, "127.0.0.1:9");
    }
}
