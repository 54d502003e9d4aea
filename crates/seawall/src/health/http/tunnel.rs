//! A proxy on the way: asked for a tunnel (HTTP `CONNECT`), and from then on only a wire.

use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;

use ::http::{HeaderValue, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest head of a proxy's answer that is read.
const MOST: usize = 8 * 1024;

/// A proxy that opens tunnels. Clones are the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Tunnel {
    host: Arc<str>,
    port: u16,
    /// What `Proxy-Authorization` says.
    credential: Option<HeaderValue>,
}

impl Tunnel {
    /// Through the proxy at an `http` URL, with what it wants to see in `Proxy-Authorization`. Refuses any other URL.
    pub fn through(url: &Uri, credential: Option<HeaderValue>) -> Result<Self, String> {
        match (url.scheme_str(), url.host()) {
            (Some("http"), Some(host)) if !host.is_empty() => {
                let host = host.trim_matches(['[', ']']).into();
                Ok(Self { host, port: url.port_u16().unwrap_or(80), credential })
            }
            _ => Err("a proxy is spoken to over http: write http://host:port".to_owned()),
        }
    }

    /// Where the proxy is.
    pub fn place(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Asks for a tunnel, on a connection to the proxy, which resolves the name. Says why there is none.
    pub async fn open(&self, socket: &mut TcpStream, host: &str, port: u16) -> Result<(), String> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n").into_bytes();
        if let Some(credential) = &self.credential {
            request.extend_from_slice(b"proxy-authorization: ");
            request.extend_from_slice(credential.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        socket.write_all(&request).await.map_err(|why| why.to_string())?;
        match status(&head(socket).await?) {
            Some(200..=299) => Ok(()),
            Some(407) => Err("it wants to know who asks (407): write proxy.auth".to_owned()),
            Some(status) => Err(format!("it answered {status}")),
            None => Err("it did not answer in HTTP".to_owned()),
        }
    }
}

/// The status of an answer that begins as HTTP/1 does.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?;
    let [b'0' | b'1', b' ', digits @ ..] = line else { return None };
    let (digits, rest) = digits.split_at_checked(3)?;
    let ends = rest.first().is_some_and(|byte| matches!(byte, b' ' | b'\r'));
    let status: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (ends && digits.iter().all(u8::is_ascii_digit)).then_some(status)
}

/// The head of an answer, and not one byte more: what follows is the other side's.
async fn head(socket: &mut TcpStream) -> Result<Vec<u8>, String> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MOST {
            return Err(format!("its answer is longer than {MOST} bytes"));
        }
        // One at a time, once for each connection: whoever speaks first over the tunnel must not be read here.
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(why) if why.kind() == ErrorKind::UnexpectedEof => return Err("it hung up".to_owned()),
            Err(why) => return Err(why.to_string()),
        }
    }
    Ok(head)
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_or_there_is_none() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Some(200)),
            ("HTTP/1.0 407\r\n\r\n", Some(407)),
            ("HTTP/1.1 +20 \r\n\r\n", None),
            ("HTTP/1.1 2000\r\n\r\n", None),
            ("HTTP/2 200\r\n\r\n", None),
            ("SSH-2.0-x\r\n\r\n", None),
            ("\r\n\r\n", None),
        ] {
            assert_eq!(status(head.as_bytes()), expected, "{head:?}");
        }
    }

    #[test]
    fn a_proxy_is_http_and_its_credential_is_not_shown() {
        let at =
            |url: &str| Tunnel::through(&url.parse().unwrap(), Some(HeaderValue::from_static("hunter2")));
        assert_eq!(at("http://[::1]:3128").unwrap().place(), ("::1", 3128));
        assert_eq!(at("http://proxy").unwrap().place(), ("proxy", 80));
        assert!(at("https://proxy").is_err() && at("/proxy").is_err());
        assert!(!format!("{:?}", at("http://proxy")).contains("hunter2"));
    }
}
