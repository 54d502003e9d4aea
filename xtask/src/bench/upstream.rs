//! An upstream for the memory bench: swallows big bodies slowly, sends big ones, and streams events on a beat.

use super::http::head_length;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// One body, big enough that holding it would show.
pub(super) const BODY: usize = 64 << 20;
/// Events of one stream, before its `[DONE]`.
pub(super) const EVENTS: u32 = 50;
/// The beat they come in.
pub(super) const BEAT: Duration = Duration::from_millis(100);
/// Both ends of a big body stop reading once for this long, so that what lies between could pile up if it would.
pub(super) const PAUSE: Duration = Duration::from_millis(500);
/// Room for threads that hold a block and little else.
pub(super) const STACK: usize = 256 << 10;

const BLOCK: usize = 64 << 10;

/// Listens on loopback until this program ends.
pub(super) fn start() -> Result<SocketAddr, String> {
    let listen = || {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let accept = move || {
            for stream in listener.incoming().flatten() {
                // A connection that breaks is the far side's to notice; the bench counts what arrived.
                let serve = move || drop(serve(stream));
                let _ = thread::Builder::new().stack_size(STACK).spawn(serve);
            }
        };
        thread::Builder::new().spawn(accept)?;
        Ok(address)
    };
    listen().map_err(|error: std::io::Error| format!("cannot start an upstream: {error}"))
}

/// Answers one request after another until the connection ends.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut early = Vec::new();
    loop {
        let head = read_head(&mut stream, &mut early)?;
        let path = head.split(' ').nth(1).unwrap_or("");
        match path.rsplit('/').next() {
            Some("sink") => sink(&mut stream, &head, &mut early)?,
            Some("source") => source(&mut stream)?,
            Some("events") => events(&mut stream)?,
            _ => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?,
        }
    }
}

/// The request's head; what came behind it stays in `early`.
fn read_head(stream: &mut TcpStream, early: &mut Vec<u8>) -> std::io::Result<String> {
    loop {
        if let Some(length) = head_length(early) {
            let head = early.drain(..length).collect::<Vec<u8>>();
            return Ok(String::from_utf8_lossy(&head).to_lowercase());
        }
        let mut block = [0; 4096];
        match stream.read(&mut block)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => early.extend_from_slice(&block[..count]),
        }
    }
}

/// Reads the whole body, with a pause after its first block, and answers how much there was.
fn sink(stream: &mut TcpStream, head: &str, early: &mut Vec<u8>) -> std::io::Result<()> {
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let length = length.ok_or(ErrorKind::InvalidData)?;
    let mut got = early.len();
    early.clear();
    let mut block = vec![0; BLOCK];
    let mut paused = false;
    while got < length {
        match stream.read(&mut block)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => got += count,
        }
        if !std::mem::replace(&mut paused, true) {
            sleep(PAUSE);
        }
    }
    let text = got.to_string();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

fn source(stream: &mut TcpStream) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {BODY}\r\n\r\n"
    )?;
    let block = vec![b'x'; BLOCK];
    (0..BODY / BLOCK).try_for_each(|_| stream.write_all(&block))
}

/// One event a beat, on time whatever the last one cost, then `[DONE]` and the closing chunk.
fn events(stream: &mut TcpStream) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )?;
    let began = Instant::now();
    for number in 1..=EVENTS {
        sleep((began + BEAT * number).saturating_duration_since(Instant::now()));
        chunk(stream, &format!("data: {number}\n\n"))?;
    }
    chunk(stream, "data: [DONE]\n\n")?;
    stream.write_all(b"0\r\n\r\n")
}

fn chunk(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
}
