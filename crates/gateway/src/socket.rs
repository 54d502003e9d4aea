//! A caller's socket: as it is, or with TLS around it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use seawall::timeout::within;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::plan::tls::Tls;

/// How long a caller may take over its handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Names of a certificate that are looked at.
const NAMES: usize = 16;

/// A caller's socket.
pub(crate) enum Link {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Link {
    /// Shakes hands where the port speaks TLS. None where that fails or takes too long: there is nobody to tell.
    pub(crate) async fn of(stream: TcpStream, tls: Option<&Tls>) -> Option<Self> {
        let Some(tls) = tls else { return Some(Link::Plain(stream)) };
        let shaking = TlsAcceptor::from(tls.config()).accept(stream);
        match within(shaking, HANDSHAKE_WITHIN).await {
            Ok(Ok(stream)) => Some(Link::Tls(Box::new(stream))),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// The socket itself.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Link::Plain(stream) => stream,
            Link::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Did the two agree on HTTP/2? None where nothing was said about it.
    pub(crate) fn agreed_on_http2(&self) -> Option<bool> {
        match self {
            Link::Plain(_) => None,
            Link::Tls(stream) => Some(stream.get_ref().1.alpn_protocol() == Some(b"h2")),
        }
    }

    /// The names in the certificate that the caller brought and the port believes.
    pub(crate) fn names(&self) -> Arc<[Box<str>]> {
        let Link::Tls(stream) = self else { return Arc::default() };
        let certificates = stream.get_ref().1.peer_certificates();
        certificates.and_then(<[_]>::first).map(names).unwrap_or_default()
    }
}

fn names(certificate: &CertificateDer<'_>) -> Arc<[Box<str>]> {
    match webpki::EndEntityCert::try_from(certificate) {
        Ok(certificate) => {
            let names = certificate.valid_dns_names().take(NAMES);
            names.map(|name| name.to_ascii_lowercase().into_boxed_str()).collect()
        }
        Err(_) => Arc::default(),
    }
}

macro_rules! either {
    ($self:ident, $stream:ident => $does:expr) => {
        match $self.get_mut() {
            Link::Plain($stream) => $does,
            Link::Tls($stream) => $does,
        }
    };
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Link::Plain(stream) => stream.is_write_vectored(),
            Link::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
