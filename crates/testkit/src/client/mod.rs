//! A raw HTTP/1.1 client that hides nothing: it says how each answer ended, and when each piece came.

mod answer;
mod request;
mod stream;

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::framing::find;
use crate::wire::Wire;

pub use answer::{Answer, AnswerHead, Ended};
pub use request::Request;
pub use stream::{Piece, Stream};

/// One connection. Never retries, never pools, never follows anything; a request goes out exactly as written. Requests
/// may be sent one behind the other; answers come in that order.
pub struct Client {
    wire: Wire,
    authority: String,
    /// Methods whose answers are still to come: an answer to HEAD has no body.
    awaited: std::collections::VecDeque<String>,
    sent: Instant,
}

impl Client {
    /// Opens a connection to `host:port`.
    pub async fn connect(authority: impl ToString) -> io::Result<Self> {
        let authority = authority.to_string();
        let wire = Wire::new(TcpStream::connect(&authority).await?);
        Ok(Self { wire, authority, awaited: Default::default(), sent: Instant::now() })
    }

    /// Sends these bytes and nothing else. The answer, if any, is taken for one to GET.
    pub async fn send_raw(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.sent = Instant::now();
        self.wire.write(bytes.as_ref()).await
    }

    /// Sends a request; reads along while it writes, and stops writing once an answer has come, as good clients do. A
    /// connection that breaks meanwhile is not an error yet: an answer may have arrived before.
    pub async fn send(&mut self, request: &Request) -> io::Result<()> {
        let (head, body) = request.render(&self.authority);
        self.sent = Instant::now();
        self.awaited.push_back(request.method.clone());
        self.upload(&head).await?;
        if request.expects_continue() && !self.may_continue().await? {
            return Ok(());
        }
        self.upload(&body).await
    }

    /// Sends a request and reads its answer.
    pub async fn call(&mut self, request: &Request) -> io::Result<Answer> {
        self.send(request).await?;
        self.answer().await
    }

    /// Reads the next answer, however it ends. An error only if no head came: `UnexpectedEof` when the connection was
    /// closed, `ConnectionReset` when it was reset, `InvalidData` when the bytes are not HTTP.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        let method = self.awaited.pop_front();
        let sent = self.sent;
        answer::read(&mut self.wire, method.as_deref().unwrap_or("GET"), sent).await
    }

    /// Bytes that arrived beyond the answers read so far.
    pub fn surplus(&self) -> &[u8] {
        &self.wire.buffer
    }

    /// Everything until the connection ends, and whether it ended by FIN (`UntilClose`) or RST (`Reset`).
    pub async fn rest(mut self) -> (Vec<u8>, Ended) {
        loop {
            match self.wire.fill().await {
                Ok(0) => return (self.wire.buffer.to_vec(), Ended::UntilClose),
                Ok(_) => {}
                Err(_) => return (self.wire.buffer.to_vec(), Ended::Reset),
            }
        }
    }

    /// Waits for more bytes; how many came. 0 is FIN.
    pub async fn more(&mut self) -> io::Result<usize> {
        self.wire.fill().await
    }

    /// Leaves by RST.
    pub async fn reset(self) {
        self.wire.reset().await;
    }

    /// Whether the body may be sent: true for an interim answer, false for a final one. Either stays in the buffer.
    async fn may_continue(&mut self) -> io::Result<bool> {
        while find(&self.wire.buffer, b"\r\n\r\n", 0).is_none() {
            if self.wire.fill().await? == 0 {
                return Ok(false);
            }
        }
        Ok(answer::is_interim(&self.wire.buffer))
    }

    async fn upload(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut readable = true;
        while !bytes.is_empty() {
            let answered =
                find(&self.wire.buffer, b"\r\n\r\n", 0).is_some() && !answer::is_interim(&self.wire.buffer);
            if answered && self.awaited.len() <= 1 {
                return Ok(());
            }
            self.wire.buffer.reserve(4096);
            let (mut reader, mut writer) = self.wire.stream.split();
            tokio::select! {
                biased;
                written = writer.write(bytes) => match written {
                    Ok(count) => bytes = &bytes[count..],
                    Err(_) => return Ok(()),
                },
                read = reader.read_buf(&mut self.wire.buffer), if readable => readable = matches!(read, Ok(1..)),
            }
        }
        Ok(())
    }
}

/// GETs a URL.
pub async fn get(url: &str) -> io::Result<Answer> {
    request(url, Request::get("")).await
}

/// POSTs JSON to a URL.
pub async fn post_json(url: &str, value: impl Into<Value>) -> io::Result<Answer> {
    request(url, Request::post("").json(&value.into())).await
}

/// Sends a request on a connection of its own; the request's own target is appended to the URL's path. `TimedOut` when
/// the whole exchange takes longer than the request allows, 30 s unless it says otherwise.
pub async fn request(url: &str, request: Request) -> io::Result<Answer> {
    let (authority, path) = split(url)?;
    let request = request.below(path);
    within(request.timeout, async { Client::connect(authority).await?.call(&request).await }).await
}

/// Sends a request and gives its answer piece by piece. The timeout covers everything up to the head.
pub async fn stream(url: &str, request: Request) -> io::Result<Stream> {
    let (authority, path) = split(url)?;
    let request = request.below(path);
    within(request.timeout, async {
        let mut client = Client::connect(authority).await?;
        client.send(&request).await?;
        Stream::begin(client.wire, &request.method, client.sent).await
    })
    .await
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn split(url: &str) -> io::Result<(&str, &str)> {
    let Some(rest) = url.strip_prefix("http://") else {
        let why = format!("not a plain http url: {url:?}, write http://host:port/path");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    Ok((authority, path))
}

#[cfg(test)]
mod tests;
