//! The socket of whoever connects: as it is, or with TLS around it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use seawall::timeout::within;
use seawall::{Code, Rejection};
use seawall_core::CallId;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::plan::tls::{Speaks, Tls};
use crate::{door, refusal};

/// How long a caller may take over its handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long, and for how much of what it still sends, whoever is turned away is listened to: closed at once, what they
/// were told might never reach them.
const PART_WITHIN: Duration = Duration::from_secs(1);
const PART_AFTER: u64 = 64 * 1024;
/// Names of a certificate that are looked at.
const NAMES: usize = 16;

/// A caller's socket.
pub(crate) enum Link {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Link {
    /// Shakes hands where the port speaks TLS. None where that fails or takes too long; whoever came with plain HTTP is
    /// told what to do, and `told` counts it.
    pub(crate) async fn of(
        stream: TcpStream,
        tls: Option<(&Tls, Speaks)>,
        told: impl FnOnce(Code),
    ) -> Option<Self> {
        let Some((tls, speaks)) = tls else { return Some(Link::Plain(stream)) };
        let acceptor = TlsAcceptor::from(tls.config(speaks));
        let shaking = async {
            if !is_plain(&stream).await {
                return acceptor.accept(stream).into_fallible().await.map_err(|(_, stream)| stream);
            }
            told(Code::SpeaksTls);
            let mut stream = stream;
            let why =
                "this port speaks TLS, and the request came in the clear: write https:// in place of http://";
            let rejection = Rejection::new(Code::SpeaksTls).because(why);
            let words = door::said(refusal::answer(&rejection, CallId::new(), None));
            let _ = stream.write_all(&words).await;
            Err(stream)
        };
        match within(shaking, HANDSHAKE_WITHIN).await {
            Ok(Ok(stream)) => Some(Link::Tls(Box::new(stream))),
            Ok(Err(stream)) => {
                let _ = within(part(stream), PART_WITHIN).await;
                None
            }
            Err(_) => None,
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

    /// Can nobody on the way read it?
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Link::Tls(_))
    }

    /// The certificates that were brought and believed: their owner's first, then those between it and an authority.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        match self {
            Link::Plain(_) => Vec::new(),
            Link::Tls(stream) => stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec(),
        }
    }

    /// The names in the certificate that the caller brought and the port believes.
    pub(crate) fn names(&self) -> Arc<[Box<str>]> {
        let Link::Tls(stream) = self else { return Arc::default() };
        let certificates = stream.get_ref().1.peer_certificates();
        certificates.and_then(<[_]>::first).map(names).unwrap_or_default()
    }
}

/// Is that HTTP in the clear? A handshake begins with the number 22, every method with a letter.
async fn is_plain(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1) if first[0].is_ascii_alphabetic())
}

/// Ends a connection so that what was said last is heard.
async fn part(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let _ = tokio::io::copy(&mut stream.take(PART_AFTER), &mut tokio::io::sink()).await;
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
