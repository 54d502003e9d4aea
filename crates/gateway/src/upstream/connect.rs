//! Opening a connection: resolve, connect, prove who is there, agree on a protocol.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::error::{SendErrorKind, chain};
use super::origin::Origin;
use super::wire::{Line, OpenGuard, Socket, Wire};
use super::{Http2, Options, Proxy, RequestBody, Tls, http1, http2};

/// What no request was sent on, because it did not come to be.
pub(super) struct ConnectError {
    pub(super) kind: SendErrorKind,
    pub(super) message: String,
}

/// A connection nobody has used yet.
pub(super) enum Opened<B> {
    Http1(http1::Conn),
    Http2(Arc<http2::Shared<B>>),
}

/// Knows how to reach one origin.
pub(super) struct Connector {
    origin: Origin,
    proxy: Option<Proxy>,
    tls: Option<TlsConnector>,
    always_http2: bool,
    http2: hyper::client::conn::http2::Builder<TokioExecutor>,
    open: Arc<AtomicUsize>,
}

impl Connector {
    pub(super) fn new(
        origin: Origin,
        proxy: Option<Proxy>,
        options: &Options,
        tls: &Tls,
        open: Arc<AtomicUsize>,
    ) -> Self {
        let offered: &[&[u8]] = match options.http2 {
            Http2::Auto => &[b"h2", b"http/1.1"],
            Http2::PriorKnowledge => &[b"h2"],
            Http2::Off => &[b"http/1.1"],
        };
        let mut http2 = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        http2.max_header_list_size(u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX));
        Self {
            tls: origin.https().then(|| TlsConnector::from(tls.offering(offered))),
            always_http2: options.http2 == Http2::PriorKnowledge,
            origin,
            proxy,
            http2,
            open,
        }
    }

    /// Opens one. Dropping the future closes what was begun.
    pub(super) async fn open<B: RequestBody>(
        &self,
        generation: u64,
        deadline: Instant,
        stage: &mut Stage,
    ) -> Result<Opened<B>, ConnectError> {
        let addresses = self.addresses(stage).await?;
        stage.enter("connection to");
        let (mut socket, open) = self.reach(&addresses, deadline).await?;
        // Fails only on a socket that is gone, which the first write will tell.
        let _ = socket.set_nodelay(true);
        if let Some(proxy) = &self.proxy {
            stage.enter("tunnel of its proxy to");
            proxy.tunnel(&mut socket, &self.origin).await?;
        }
        let wire = Wire::new(socket);
        let socket = Socket::new(Arc::clone(&wire), open);
        let (line, http2) = self.secure(socket, stage).await?;
        stage.enter("HTTP handshake with");
        let failed =
            |error: hyper::Error| ConnectError { kind: SendErrorKind::Connect, message: chain(&error) };
        if http2 {
            let (requests, connection) = self.http2.handshake(TokioIo::new(line)).await.map_err(failed)?;
            tokio::spawn(connection);
            Ok(Opened::Http2(http2::Shared::new(requests, wire)))
        } else {
            Ok(Opened::Http1(http1::Conn::new(line, wire, generation)))
        }
    }

    async fn addresses(&self, stage: &mut Stage) -> Result<Vec<SocketAddr>, ConnectError> {
        // The proxy, where there is one: it finds the origin itself.
        let origin = self.proxy.as_ref().map_or(&self.origin, Proxy::origin);
        if let Some(address) = origin.address() {
            return Ok(vec![SocketAddr::new(address, origin.port())]);
        }
        stage.enter("address for");
        let failed = |why: String| ConnectError {
            kind: SendErrorKind::Resolve,
            message: format!("no address for {}: {why}", origin.host()),
        };
        let found: Vec<SocketAddr> = lookup_host((origin.host(), origin.port()))
            .await
            .map_err(|error| failed(error.to_string()))?
            .collect();
        if found.is_empty() { Err(failed("the name has none".into())) } else { Ok(interleaved(found)) }
    }

    /// The first address that answers. Each gets an equal share of the time that is left, so a dead one cannot use up
    /// what the next would need.
    async fn reach(
        &self,
        addresses: &[SocketAddr],
        deadline: Instant,
    ) -> Result<(TcpStream, OpenGuard), ConnectError> {
        let mut last = None;
        for (tried, address) in addresses.iter().enumerate() {
            let now = Instant::now();
            let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let share = now + deadline.saturating_duration_since(now) / left;
            let open = OpenGuard::new(&self.open);
            last = Some(match timeout_at(share, TcpStream::connect(address)).await {
                Ok(Ok(socket)) => return Ok((socket, open)),
                Ok(Err(error)) => ConnectError {
                    kind: SendErrorKind::Connect,
                    message: format!("could not connect to {address}: {error}"),
                },
                Err(_) => ConnectError {
                    kind: SendErrorKind::ConnectTimeout,
                    message: format!("no connection to {address} in time"),
                },
            });
        }
        Err(last.unwrap_or_else(|| ConnectError {
            kind: SendErrorKind::Resolve,
            message: format!("no address for {}", self.origin.host()),
        }))
    }

    /// TLS where the origin asks for it; and whether HTTP/2 was agreed on.
    async fn secure(&self, socket: Socket, stage: &mut Stage) -> Result<(Line, bool), ConnectError> {
        let Some(tls) = &self.tls else { return Ok((Line::Plain(socket), self.always_http2)) };
        stage.enter("TLS handshake with");
        let failed = |why: String| ConnectError {
            kind: SendErrorKind::Tls,
            message: format!("TLS with {} failed: {why}", self.origin.authority()),
        };
        let Some(name) = self.origin.server_name() else {
            return Err(failed("no certificate can name it".into()));
        };
        let stream = tls.connect(name.clone(), socket).await.map_err(|error| failed(chain(&error)))?;
        let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if self.always_http2 && !agreed {
            return Err(failed(
                "it does not speak HTTP/2, which http2 = \"prior-knowledge\" asks for".into(),
            ));
        }
        Ok((Line::Tls(Box::new(stream)), agreed))
    }
}

/// What a connect that runs out of time was waiting for.
pub(super) struct Stage(&'static str);

impl Stage {
    pub(super) fn new() -> Self {
        Self("turn to connect to")
    }

    fn enter(&mut self, what: &'static str) {
        self.0 = what;
    }

    pub(super) fn awaited(&self) -> &'static str {
        self.0
    }
}

/// IPv6 and IPv4 by turns, the resolver's first choice first, so that one broken family costs one attempt.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (ours, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_v6);
    let mut merged = Vec::with_capacity(ours.len() + other.len());
    let (mut ours, mut other) = (ours.into_iter(), other.into_iter());
    loop {
        let (a, b) = (ours.next(), other.next());
        if a.is_none() && b.is_none() {
            return merged;
        }
        merged.extend(a);
        merged.extend(b);
    }
}
