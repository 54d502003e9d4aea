//! As much of an HTTP client as a bench needs to ask whether a server is there and answers truly.

use crate::process::interrupted;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(5);

/// An address on loopback that nobody listens on right now.
pub(super) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no free port: {error}"))?;
    listener.local_addr().map_err(|error| format!("no free port: {error}"))
}

/// A connection whose reads and writes give up after a few seconds.
pub(super) fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One GET on a connection of its own: the status and the length of the body.
pub(super) fn get(from: SocketAddr, path: &str) -> std::io::Result<(u16, usize)> {
    let mut stream = connect(from)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {from}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = head_length(&answer).ok_or(std::io::ErrorKind::UnexpectedEof)?;
    Ok((status(&answer).ok_or(std::io::ErrorKind::InvalidData)?, answer.len() - head))
}

/// Asks until `path` answers 200, and returns how long that took since `began`.
pub(super) fn ready(name: &str, from: SocketAddr, path: &str, began: Instant) -> Result<Duration, String> {
    let limit = Duration::from_secs(20);
    loop {
        let last = match get(from, path) {
            Ok((200, _)) => return Ok(began.elapsed()),
            Ok((status, _)) => format!("it answers {status}"),
            Err(error) => error.to_string(),
        };
        if interrupted() {
            return Err("interrupted".into());
        }
        if began.elapsed() > limit {
            return Err(format!("{name} was not ready after {} s: {last}", limit.as_secs()));
        }
        sleep(Duration::from_millis(1));
    }
}

/// Where the body begins, once the whole head is there.
pub(super) fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The number in `HTTP/1.1 200 OK`.
pub(super) fn status(head: &[u8]) -> Option<u16> {
    std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = b"HTTP/1.1 503 Busy\r\nA: b\r\n\r\nbody";
        assert_eq!(status(answer), Some(503));
        assert_eq!(head_length(answer), Some(answer.len() - 4));
        assert_eq!(head_length(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(status(b"HTTP"), None);
    }
}
