//! A socket with what was read ahead from it; the same for both ends.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::framing::{Framing, Headers, Malformed, Step, find};

/// The largest head we read.
pub(crate) const HEAD_LIMIT: usize = 256 * 1024;
/// How far ahead we read while waiting for something else.
const READ_AHEAD: usize = 64 * 1024;
/// How long a closed connection is still read from, so that FIN is not followed by RST.
const LINGER: Duration = Duration::from_secs(1);
/// How long bytes are given to be read before a reset overtakes them.
const BEFORE_RESET: Duration = Duration::from_millis(20);

pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: BytesMut,
}

/// Why a message could not be read.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The peer closed in the middle.
    Eof,
    /// The socket failed, by a reset for instance.
    Io(io::Error),
    /// The bytes are not HTTP.
    Malformed(Malformed),
    /// The head is larger than we read.
    TooLarge,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Malformed> for Broken {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        // Every write is a packet of its own: tests count on it. A socket that refuses the option still works.
        let _ = stream.set_nodelay(true);
        Self { stream, buffer: BytesMut::new() }
    }

    /// Reads more; 0 is the peer's FIN.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(READ_AHEAD);
        self.stream.read_buf(&mut self.buffer).await
    }

    /// A head without its blank line; `None` when the peer closed before it began one.
    pub(crate) async fn head(&mut self) -> Result<Option<Bytes>, Broken> {
        let mut looked = 0;
        loop {
            while looked == 0 && self.buffer.starts_with(b"\r\n") {
                self.buffer.advance(2);
            }
            if let Some(end) = find(&self.buffer, b"\r\n\r\n", looked) {
                let head = self.buffer.split_to(end).freeze();
                self.buffer.advance(4);
                return Ok(Some(head));
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(Broken::TooLarge);
            }
            looked = self.buffer.len().saturating_sub(3);
            if self.fill().await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(Broken::Eof) };
            }
        }
    }

    /// The next piece of a body; `Err` with the trailers when it has ended.
    pub(crate) async fn piece(&mut self, framing: &mut Framing) -> Result<Result<Bytes, Headers>, Broken> {
        loop {
            match framing.step(&mut self.buffer)? {
                Step::Data(data) => return Ok(Ok(data)),
                Step::End(trailers) => return Ok(Err(trailers)),
                Step::More => {
                    if self.fill().await? == 0 {
                        return Err(Broken::Eof);
                    }
                }
            }
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Whether the peer is known to have left. Looks, does not wait.
    pub(crate) fn left(&mut self) -> bool {
        while self.buffer.len() < READ_AHEAD {
            self.buffer.reserve(READ_AHEAD);
            match self.stream.try_read_buf(&mut self.buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    /// Waits; true when the peer left before the time.
    pub(crate) async fn left_within(&mut self, wait: Duration) -> bool {
        let time = sleep(wait);
        tokio::pin!(time);
        while self.buffer.len() < READ_AHEAD {
            tokio::select! {
                () = &mut time => return false,
                read = self.fill() => {
                    if !matches!(read, Ok(1..)) {
                        return true;
                    }
                }
            }
        }
        time.await;
        false
    }

    /// Waits until the peer leaves, dropping what it sends.
    pub(crate) async fn until_left(&mut self) {
        loop {
            self.buffer.clear();
            if !matches!(self.fill().await, Ok(1..)) {
                return;
            }
        }
    }

    /// Echoes everything until the peer leaves.
    pub(crate) async fn echo(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.buffer.split();
            if !bytes.is_empty() {
                self.write(&bytes).await?;
            }
            if self.fill().await? == 0 {
                return Ok(());
            }
        }
    }

    /// FIN, and nothing worse: what still arrives is read and dropped until the peer leaves, for a second at most.
    pub(crate) async fn close(mut self) {
        if self.stream.shutdown().await.is_ok() {
            let _ = timeout(LINGER, self.until_left()).await;
        }
    }

    /// RST.
    pub(crate) async fn reset(self) {
        sleep(BEFORE_RESET).await;
        // Without the option the peer would see FIN: there is nobody to tell, the socket is going either way.
        let _ = self.stream.set_zero_linger();
    }
}
