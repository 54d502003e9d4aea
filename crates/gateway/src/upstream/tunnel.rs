//! A proxy on the way to an upstream: asked for a tunnel, and from then on only a wire.

use std::fmt;

use http::{HeaderValue, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::connect::ConnectError;
use super::error::SendErrorKind;
use super::origin::{Origin, OriginError};

/// The longest head of a proxy's answer that is read.
const MOST: usize = 8 * 1024;

/// A proxy that opens tunnels (HTTP `CONNECT`). Cloning shares.
#[derive(Clone)]
pub struct Proxy {
    origin: Origin,
    /// What `Proxy-Authorization` says.
    credential: Option<HeaderValue>,
}

impl Proxy {
    /// One at an `http` URL, with what it wants to see in `Proxy-Authorization`.
    ///
    /// # Errors
    /// As [`Origin::from_url`], and a URL that is not `http`.
    pub fn new(url: &Uri, credential: Option<HeaderValue>) -> Result<Self, OriginError> {
        let origin = Origin::from_url(url)?;
        match origin.https() {
            true => Err(OriginError::new("a proxy is spoken to over http: write http://host:port")),
            false => Ok(Self { origin, credential }),
        }
    }

    /// Where it is.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Asks for a tunnel to an origin. The proxy resolves its name.
    pub(super) async fn tunnel(&self, socket: &mut TcpStream, to: &Origin) -> Result<(), ConnectError> {
        let failed = |why: String| ConnectError {
            kind: SendErrorKind::Connect,
            message: format!(
                "the proxy {} opened no tunnel to {}: {why}",
                self.origin.authority(),
                to.authority()
            ),
        };
        let host = if to.host().contains(':') { format!("[{}]", to.host()) } else { to.host().to_owned() };
        let target = format!("{host}:{}", to.port());
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n").into_bytes();
        if let Some(credential) = &self.credential {
            request.extend_from_slice(b"proxy-authorization: ");
            request.extend_from_slice(credential.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        socket.write_all(&request).await.map_err(|why| failed(why.to_string()))?;
        let head = head(socket).await.map_err(failed)?;
        let mut lines = [httparse::EMPTY_HEADER; 64];
        let mut answer = httparse::Response::new(&mut lines);
        match (answer.parse(&head), answer.code) {
            (Ok(httparse::Status::Complete(_)), Some(200..=299)) => Ok(()),
            (Ok(_), Some(407)) => Err(failed("it wants to know who asks (407): write proxy.auth".to_owned())),
            (Ok(_), Some(status)) => Err(failed(format!("it answered {status}"))),
            _ => Err(failed("it did not answer in HTTP".to_owned())),
        }
    }
}

/// The head of an answer, and not one byte more: what follows is the upstream's.
async fn head(socket: &mut TcpStream) -> Result<Vec<u8>, String> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MOST {
            return Err(format!("its answer is longer than {MOST} bytes"));
        }
        // One at a time, once for each connection: whoever speaks first over the tunnel must not be read here.
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(why) if why.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err("it hung up".to_owned());
            }
            Err(why) => return Err(why.to_string()),
        }
    }
    Ok(head)
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        self.origin.authority() == other.origin.authority() && self.credential == other.credential
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("origin", &self.origin).finish_non_exhaustive()
    }
}
