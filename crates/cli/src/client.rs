//! Asks a running admin port, over HTTP/1.1 and within a few seconds.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use seawall_core::secret::Secret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::output::{Failure, plain};

/// To connect.
const CONNECT: Duration = Duration::from_secs(3);

/// For the whole answer.
const ANSWER: Duration = Duration::from_secs(15);

/// The longest answer that is read.
const MAX_ANSWER: usize = 16 << 20;

/// An admin port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admin {
    authority: String,
    base: String,
    /// What is shown to be let in; no print shows it.
    token: Option<HeaderValue>,
}

impl Admin {
    /// The port at a bound address; an address that means *any* is asked on this machine.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            std::net::IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self { authority: SocketAddr::new(ip, address.port()).to_string(), base: String::new(), token: None }
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

    /// Reads `http://host:port/path` or `host:port`.
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
            (Some("http"), Some(authority)) if !authority.as_str().contains('@') => Ok(Self {
                authority: match authority.port() {
                    Some(_) => authority.to_string(),
                    None => format!("{authority}:80"),
                },
                base: uri.path().trim_end_matches('/').to_owned(),
                token: None,
            }),
            (Some("https"), _) => Err(wrong("is https, and the admin port speaks http")),
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
        let (status, bytes) = answer.unwrap_or_else(|_| {
            Err(Failure::failed(format_args!("no answer from http://{} in time", self.authority)))
        })?;
        let value: Option<Value> = serde_json::from_slice(&bytes).ok();
        match (status.is_success(), value) {
            (true, Some(value)) => Ok(value),
            (true, None) => Err(Failure::failed(format_args!(
                "http://{}{path} did not answer in JSON: is it a seawall's admin port?",
                self.authority
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
                "no seawall answers at http://{} ({why}): is `seawall serve` running? --admin names another",
                self.authority
            ))
        };
        let stream = match timeout(CONNECT, TcpStream::connect(&self.authority)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(why)) => return Err(nobody(&why)),
            Err(_) => return Err(nobody(&"nothing within 3s")),
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|why| nobody(&why))?;
        tokio::spawn(connection);
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
        let answer = sender.send_request(request).await.map_err(|why| nobody(&why))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|why| Failure::failed(format_args!("the answer broke off: {why}")))?;
        Ok((status, body.to_bytes()))
    }
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
        for (text, authority, base) in [
            ("http://127.0.0.1:7071", "127.0.0.1:7071", ""),
            ("127.0.0.1:7071", "127.0.0.1:7071", ""),
            ("http://ops.example/seawall/", "ops.example:80", "/seawall"),
            ("localhost:1", "localhost:1", ""),
        ] {
            assert_eq!(
                Admin::parse(text).unwrap(),
                Admin { authority: authority.into(), base: base.into(), token: None }
            );
        }
        for wrong in ["https://host", "", "ftp://x", "http://user:pw@host"] {
            assert!(Admin::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Admin::at("0.0.0.0:9".parse().unwrap()).authority, "127.0.0.1:9");
    }
}
