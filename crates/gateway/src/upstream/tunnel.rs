//! A proxy on the way to an upstream: asked for a tunnel, and from then on only a wire.

use std::fmt;

use http::{HeaderValue, Uri};
use seawall::health::http::Tunnel;
use tokio::net::TcpStream;

use super::connect::ConnectError;
use super::error::SendErrorKind;
use super::origin::{Origin, OriginError};

/// A proxy that opens tunnels (HTTP `CONNECT`). Cloning shares.
#[derive(Clone)]
pub struct Proxy {
    origin: Origin,
    tunnel: Tunnel,
}

impl Proxy {
    /// One at an `http` URL, with what it wants to see in `Proxy-Authorization`.
    ///
    /// # Errors
    /// As [`Origin::from_url`], and a URL that is not `http`.
    pub fn new(url: &Uri, credential: Option<HeaderValue>) -> Result<Self, OriginError> {
        let tunnel = Tunnel::through(url, credential).map_err(OriginError::new)?;
        Ok(Self { origin: Origin::from_url(url)?, tunnel })
    }

    /// Where it is.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Asks for a tunnel to an origin. The proxy resolves its name.
    pub(super) async fn tunnel(&self, socket: &mut TcpStream, to: &Origin) -> Result<(), ConnectError> {
        self.tunnel.open(socket, to.host(), to.port()).await.map_err(|why| ConnectError {
            kind: SendErrorKind::Connect,
            message: format!(
                "the proxy {} opened no tunnel to {}: {why}",
                self.origin.authority(),
                to.authority()
            ),
        })
    }
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        self.tunnel == other.tunnel
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("origin", &self.origin).finish_non_exhaustive()
    }
}
