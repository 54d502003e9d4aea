//! The socket under a connection: it counts what crosses it, and can be asked and cut from outside.

use std::io;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// What the pool keeps of a connection's socket, while HTTP and TLS own the reading and writing end ([`Socket`]).
///
/// One short, uncontended lock guards the socket and its counters, so that "nothing was written, and nothing will be"
/// is one step and not two.
pub(super) struct Wire {
    state: Mutex<State>,
}

struct State {
    socket: Option<TcpStream>,
    written: u64,
    read: u64,
}

/// What is in the receive buffer of a connection that owes us nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quiet {
    /// Nothing: safe to use.
    Yes,
    /// The peer has closed it, or it broke.
    Closed,
    /// Bytes nobody asked for: the next answer read here would be somebody else's.
    Surplus,
}

impl Wire {
    pub(super) fn new(socket: TcpStream) -> Arc<Self> {
        let state = State { socket: Some(socket), written: 0, read: 0 };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Bytes the kernel took from us, TLS and all.
    pub(super) fn written(&self) -> u64 {
        self.state().written
    }

    /// Bytes the kernel gave us.
    pub(super) fn read(&self) -> u64 {
        self.state().read
    }

    /// Looks into the receive buffer itself (one system call): the runtime learns of a hang-up only when it next polls
    /// the reactor, and a request written before that would be lost, or answered by bytes meant for nobody.
    pub(super) fn quiet(&self) -> Quiet {
        let state = self.state();
        let Some(socket) = &state.socket else { return Quiet::Closed };
        match SockRef::from(socket).peek(&mut [MaybeUninit::uninit()]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Quiet::Yes,
            Ok(0) | Err(_) => Quiet::Closed,
            Ok(_) => Quiet::Surplus,
        }
    }

    /// Whether the runtime knows of bytes or of an end; no system call. Asked only of a connection nobody reads.
    pub(super) fn has_news(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.state().socket.as_ref().is_none_or(|socket| socket.poll_read_ready(&mut cx).is_ready())
    }

    /// Ends the connection now and wakes its task; returns how much had been written, which can no longer grow.
    pub(super) fn cut(&self) -> u64 {
        let state = self.state();
        if let Some(socket) = &state.socket {
            // It fails only on a socket that is not connected any more, which is what we want.
            let _ = SockRef::from(socket).shutdown(Shutdown::Both);
        }
        state.written
    }

    /// Whether its socket is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.state().socket.is_none()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the connections a pool has open; dropping it counts down.
pub(super) struct OpenGuard(Arc<AtomicUsize>);

impl OpenGuard {
    pub(super) fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The reading and writing end of a [`Wire`]; dropping it closes the socket.
pub(super) struct Socket {
    wire: Arc<Wire>,
    _open: OpenGuard,
}

impl Socket {
    pub(super) fn new(wire: Arc<Wire>, open: OpenGuard) -> Self {
        Self { wire, _open: open }
    }

    fn write<W>(&self, write: W) -> Poll<io::Result<usize>>
    where
        W: FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<usize>>,
    {
        let mut state = self.wire.state();
        let Some(socket) = &mut state.socket else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let result = write(Pin::new(socket));
        if let Poll::Ready(Ok(n)) = &result {
            state.written += *n as u64;
        }
        result
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.wire.state().socket = None;
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.wire.state();
        let Some(socket) = &mut state.socket else { return Poll::Ready(Ok(())) };
        let before = buf.filled().len();
        let result = Pin::new(socket).poll_read(cx, buf);
        state.read += (buf.filled().len() - before) as u64;
        result
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(|socket| socket.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(|socket| socket.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    // A TCP socket has nothing to flush.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire.state().socket {
            Some(socket) => Pin::new(socket).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// What HTTP is spoken over.
pub(super) enum Line {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// The same call on whichever line it is.
macro_rules! on_line {
    ($line:expr, $io:ident => $call:expr) => {
        match $line {
            Line::Plain($io) => $call,
            Line::Tls($io) => $call,
        }
    };
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_line!(self.get_mut(), io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_line!(self.get_mut(), io => Pin::new(io).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_line!(self.get_mut(), io => Pin::new(io).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        on_line!(self, io => io.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_line!(self.get_mut(), io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_line!(self.get_mut(), io => Pin::new(io).poll_shutdown(cx))
    }
}
