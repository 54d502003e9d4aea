//! Connections to the admin port, with TLS where it speaks it, given up when their other end stops reading.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Sleep, sleep};

use crate::house::House;
use crate::listen::Phase;
use crate::peer::Peer;
use crate::plan::tls::Speaks;
use crate::scene::Scene;
use crate::socket::Link;
use crate::standing::Standing;

/// How long a write may wait for its reader.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the kernel keeps of an answer that nobody reads yet: more would only hide that nobody does.
const UNREAD: usize = 64 * 1024;
/// After a failed accept (out of files, say), a breath before the next.
const BREATH: Duration = Duration::from_millis(50);

/// Handshakes at once. With more, whoever has most of them loses the one that has lasted longest: one that is meant is
/// over in a moment, and nobody has to wait for the others.
const SHAKING: usize = 256;
/// Handshakes of one peer at once.
const SHAKING_EACH: usize = SHAKING / 4;

/// At the end: how long those who were accepted have to say what they want, and how soon that is looked at.
pub(super) const SETTLING: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(10);

/// The listening socket.
pub(super) struct Port {
    listener: TcpListener,
    /// What is in force: the next connection gets the certificate of then.
    scene: Arc<Scene>,
    /// Those who are not in yet. Nobody waits for somebody else's handshake.
    shaking: JoinSet<(Option<Known>, SocketAddr)>,
    /// Whose those are, the oldest first.
    whose: Vec<(Peer, AbortHandle)>,
    phase: watch::Receiver<Phase>,
    /// As many as are accepted and have said nothing yet, and one.
    new: Arc<()>,
    /// Dropped when everybody has, or has had their time.
    settled: Option<oneshot::Sender<()>>,
}

impl Port {
    /// Listens there until the shutdown is over. Then it accepts nobody else, and what comes with it is told once those
    /// who were accepted have asked: connections may be asked to end from then on, and before it some would be closed
    /// unheard.
    pub(super) fn new(
        listener: std::net::TcpListener,
        scene: Arc<Scene>,
        phase: watch::Receiver<Phase>,
    ) -> io::Result<(Self, oneshot::Receiver<()>)> {
        // Those who are accepted inherit it. Without it the port works too, and slow readers are found later.
        let _ = socket2::SockRef::from(&listener).set_send_buffer_size(UNREAD);
        let (settled, hears) = oneshot::channel();
        let port = Self {
            listener: TcpListener::from_std(listener)?,
            scene,
            shaking: JoinSet::new(),
            whose: Vec::new(),
            phase,
            new: Arc::default(),
            settled: Some(settled),
        };
        Ok((port, hears))
    }

    /// Is the shutdown over, or whoever would say so gone?
    fn is_over(&mut self) -> bool {
        *self.phase.borrow_and_update() == Phase::Over || self.phase.has_changed().is_err()
    }

    /// Has everybody who was accepted said something?
    fn is_settled(&self) -> bool {
        self.shaking.is_empty() && Arc::strong_count(&self.new) == 1
    }

    /// Shakes hands with somebody who came, beside all the others.
    fn shake(&mut self, stream: TcpStream, from: SocketAddr, house: Arc<House>) {
        let peer = Peer::new(from.ip(), &house.ground.hasher);
        self.whose.retain(|(_, shaking)| !shaking.is_finished());
        let of = |peer: Peer| self.whose.iter().filter(|(whose, _)| *whose == peer).count();
        let gives_way = if of(peer) >= SHAKING_EACH {
            Some(peer)
        } else if self.whose.len() >= SHAKING {
            // Of several the one whose handshake is the oldest: the last of equals is the greatest.
            self.whose.iter().rev().map(|(whose, _)| *whose).max_by_key(|whose| of(*whose))
        } else {
            None
        };
        if let Some(oldest) = self.whose.iter().position(|(whose, _)| Some(*whose) == gives_way) {
            self.whose.remove(oldest).1.abort();
        }
        let new = self.new.clone();
        let shaking = self.shaking.spawn(async move {
            let tls = house.plan.admin_tls.as_ref().map(|tls| (tls, Speaks::Http1));
            let told = |code| house.ground.rejections.of(code).inc();
            let link = Link::of(stream, tls, told).await;
            (link.map(|link| Known::new(link, &house, new)), from)
        });
        self.whose.push((peer, shaking));
    }
}

impl axum::serve::Listener for Port {
    type Io = Patient<Known>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let over = self.is_over();
            if over && self.is_settled() {
                self.settled = None;
            }
            tokio::select! {
                accepted = self.listener.accept(), if !over => match accepted {
                    Ok((stream, from)) => {
                        // Without this a small answer waits for the caller's delayed acknowledgement: 40 ms.
                        let _ = stream.set_nodelay(true);
                        let house = self.scene.house.load_full();
                        if house.plan.admin_tls.is_none() {
                            let known = Known::new(Link::Plain(stream), &house, self.new.clone());
                            return (Patient::new(known), from);
                        }
                        self.shake(stream, from, house);
                    }
                    Err(_) => sleep(BREATH).await,
                },
                Some(shaken) = self.shaking.join_next() => {
                    if let Ok((Some(known), from)) = shaken {
                        return (Patient::new(known), from);
                    }
                }
                _ = self.phase.changed(), if !over => {}
                () = sleep(LOOK), if over => {}
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Where a connection comes from, and how.
#[derive(Debug, Clone)]
pub(super) struct From {
    pub(super) address: SocketAddr,
    pub(super) standing: Arc<Standing>,
}

impl Connected<IncomingStream<'_, Port>> for From {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        Self { address: *stream.remote_addr(), standing: stream.io().stream.standing.clone() }
    }
}

/// A connection, and what is known of whoever began it.
pub(super) struct Known {
    link: Link,
    standing: Arc<Standing>,
    /// Held until they say something.
    new: Option<Arc<()>>,
}

impl Known {
    fn new(link: Link, house: &House, new: Arc<()>) -> Self {
        let standing = Arc::new(Standing::new(&link, house.plan.admin_tls.as_ref(), house.now()));
        Self { link, standing, new: Some(new) }
    }
}

impl AsyncRead for Known {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.link).poll_read(cx, buffer);
        if read.is_ready() {
            self.new = None;
        }
        read
    }
}

impl AsyncWrite for Known {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.link).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.link).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.link.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.link).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.link).poll_shutdown(cx)
    }
}

/// A stream whose writes fail once one has waited for longer than ten seconds.
///
/// A page that listens and never reads would otherwise keep its place, and what it was told, for ever.
pub(super) struct Patient<S> {
    stream: S,
    /// Taken by the first write that has to wait.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    fn new(stream: S) -> Self {
        Self { stream, waiting: None }
    }
}

impl<S: AsyncWrite + Unpin> Patient<S> {
    fn write<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(written) = write(Pin::new(&mut self.stream), cx) {
            self.waiting = None;
            return Poll::Ready(written);
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the reader stopped reading")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(cx, |stream, cx| stream.poll_shutdown(cx))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_reading_is_given_up_after_ten_seconds() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let mut ours = std::pin::pin!(Patient::new(ours));
        let began = Instant::now();
        // Slow is not stopped: what is read now and then is written in the end.
        for _ in 0..20 {
            let mut read = [0; 1024];
            let (wrote, _) = tokio::join!(ours.write_all(&[1; 1024]), async {
                sleep(PATIENCE - Duration::from_secs(1)).await;
                theirs.read_exact(&mut read).await
            });
            wrote.unwrap();
        }
        let since = began.elapsed();
        let gave_up = ours.write_all(&[1; 4096]).await.unwrap_err();
        assert_eq!(gave_up.kind(), io::ErrorKind::TimedOut);
        assert_eq!((began.elapsed() - since).as_secs(), PATIENCE.as_secs());
    }
}
