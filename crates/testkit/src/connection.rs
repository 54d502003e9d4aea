//! One accepted connection: reads requests, asks the script, plays the reply.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;

use crate::framing::{Framing, header};
use crate::ledger::Ledger;
use crate::reply::{Action, Head, Reply, extend_with_headers};
use crate::request::{Digester, Request};
use crate::script::{Accept, Script};
use crate::upstream::Stage;
use crate::wire::{Broken, Wire};

/// The largest request body we take in.
const BODY_LIMIT: u64 = 256 * 1024 * 1024;

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Continue,
    Close,
    Reset,
    /// The client is gone.
    Left,
}

pub(crate) async fn serve(stage: Arc<Stage>, stream: TcpStream) {
    let mut wire = Wire::new(stream);
    // Before the count: a script that begins in between must not find itself ahead of it.
    let playing = stage.playing();
    let connection = stage.ledger.connected();
    let mut then = match playing.script.accepts(connection - playing.connections_before) {
        Accept::Serve => Then::Continue,
        Accept::Close => Then::Close,
        Accept::Reset => Then::Reset,
        Accept::Ignore => std::future::pending().await,
    };
    drop(playing);
    while then == Then::Continue {
        then = exchange(&stage, &mut wire, connection).await;
    }
    match then {
        Then::Continue | Then::Left => {}
        Then::Close => wire.close().await,
        Then::Reset => wire.reset().await,
    }
}

/// One request and its reply.
async fn exchange(stage: &Stage, wire: &mut Wire, connection: u64) -> Then {
    let head = match wire.head().await {
        Ok(Some(head)) => head,
        Ok(None) | Err(Broken::Eof | Broken::Io(_)) => return Then::Left,
        Err(Broken::TooLarge) => return refuse(stage, wire, 431).await,
        Err(Broken::Malformed(_)) => return refuse(stage, wire, 400).await,
    };
    let parsed = Request::parse(&head, connection)
        .and_then(|request| Framing::of_request(&request.headers).map(|framing| (request, framing)));
    let Ok((mut request, framing)) = parsed else { return refuse(stage, wire, 400).await };
    request.body_complete = framing == Framing::empty();
    // Taken again for every request: the script may have changed since the last.
    let playing = stage.playing();
    let open = stage.ledger.arrived(&mut request);
    let n = request.number - playing.requests_before;
    let (script, ledger) = (&playing.script, &stage.ledger);
    let early = script.at_head(&request, n, ledger);
    let mut exchange = Exchange {
        script,
        ledger,
        wire,
        expects: request.expects_continue(),
        answered: false,
        framing,
        request,
    };
    let reply = match early {
        Some(reply) if reply.unread => reply,
        early => match exchange.read_body().await {
            Then::Continue => early.unwrap_or_else(|| script.with_body(&exchange.request, n, ledger)),
            other => return other,
        },
    };
    let then = exchange.play(reply).await;
    if then == Then::Left {
        stage.ledger.abandoned();
    }
    drop(open);
    then
}

async fn refuse(stage: &Stage, wire: &mut Wire, status: u16) -> Then {
    stage.ledger.not_http();
    let head = Head::new(status).header("content-length", "0").header("connection", "close");
    if wire.write(&head.render()).await.is_ok() { Then::Close } else { Then::Left }
}

struct Exchange<'a> {
    script: &'a Script,
    ledger: &'a Ledger,
    wire: &'a mut Wire,
    request: Request,
    framing: Framing,
    /// The client waits for `100 Continue`.
    expects: bool,
    /// A final head was written.
    answered: bool,
}

impl Exchange<'_> {
    /// Reads the body to its end, once. A client that waits for leave to send one, and was answered instead, will not
    /// send it: then the connection ends here.
    async fn read_body(&mut self) -> Then {
        if self.request.body_complete {
            return Then::Continue;
        }
        if std::mem::take(&mut self.expects) {
            if self.answered {
                return Then::Close;
            }
            if self.script.send_continue && self.wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
                self.ledger.received(&self.request);
                return Then::Left;
            }
        }
        let then = self.receive().await;
        self.ledger.received(&self.request);
        then
    }

    async fn receive(&mut self) -> Then {
        let (mut digester, mut kept) = (Digester::default(), Vec::new());
        let then = loop {
            match self.wire.piece(&mut self.framing).await {
                Ok(Ok(piece)) => {
                    digester.add(&piece);
                    self.request.body_len += piece.len() as u64;
                    if self.request.body_len > BODY_LIMIT {
                        break Then::Reset;
                    }
                    if self.script.keep_bodies {
                        kept.push(piece);
                    }
                }
                Ok(Err(_trailers)) => {
                    self.request.body_complete = true;
                    break Then::Continue;
                }
                Err(Broken::Malformed(_) | Broken::TooLarge) => break Then::Reset,
                Err(Broken::Eof | Broken::Io(_)) => break Then::Left,
            }
        };
        self.request.body = joined(kept);
        self.request.body_digest = digester.finish();
        then
    }

    async fn play(&mut self, reply: Reply) -> Then {
        let mut keep = self.request.wants_keep_alive();
        for action in reply.actions {
            if let Action::Head(head) = &action {
                keep &= !header(&head.headers, "connection")
                    .is_some_and(|value| value.eq_ignore_ascii_case("close"));
                self.answered |= head.status >= 200;
            }
            let then = self.act(action).await;
            if then != Then::Continue {
                return then;
            }
        }
        // A body nobody read would be taken for the next request.
        if keep && self.request.body_complete { Then::Continue } else { Then::Close }
    }

    async fn act(&mut self, action: Action) -> Then {
        match action {
            Action::Delay(delay) => {
                return if self.wire.left_within(delay).await { Then::Left } else { Then::Continue };
            }
            Action::ReadBody => {
                // A client that leaves its body unfinished after its answer has had that answer.
                return match self.read_body().await {
                    Then::Left => Then::Close,
                    other => other,
                };
            }
            Action::Execute(label) => {
                self.ledger.execute(&label, &self.request);
                return Then::Continue;
            }
            Action::DripBytes { bytes, every, piece } => return self.drip(&bytes, every, piece.max(1)).await,
            Action::Close => return Then::Close,
            Action::Reset => return Then::Reset,
            Action::Stall => {
                self.wire.until_left().await;
                return Then::Left;
            }
            Action::UpgradeEcho => return self.upgrade().await,
            _ => {}
        }
        if self.wire.left() {
            return Then::Left;
        }
        let bytes = self.render(action);
        if self.wire.write(&bytes).await.is_ok() { Then::Continue } else { Then::Left }
    }

    fn render(&self, action: Action) -> Bytes {
        let bodyless = self.request.method == "HEAD";
        match action {
            Action::Head(head) => head.render(),
            Action::Raw(bytes) => bytes,
            Action::Continue100 => Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n"),
            _ if bodyless => Bytes::new(),
            Action::Body(bytes) => bytes,
            Action::Chunk(bytes) => chunk(bytes.len(), &bytes, "\r\n"),
            Action::OpenChunk { declared, bytes } => chunk(declared, &bytes, ""),
            Action::EndChunks => Bytes::from_static(b"0\r\n\r\n"),
            Action::Trailers(trailers) => {
                let mut wire = BytesMut::from(&b"0\r\n"[..]);
                extend_with_headers(&mut wire, &trailers);
                wire.extend_from_slice(b"\r\n");
                wire.freeze()
            }
            _ => Bytes::new(),
        }
    }

    async fn drip(&mut self, bytes: &[u8], every: std::time::Duration, piece: usize) -> Then {
        for (nth, part) in bytes.chunks(piece).enumerate() {
            if nth > 0 && self.wire.left_within(every).await {
                return Then::Left;
            }
            if self.wire.left() || self.wire.write(part).await.is_err() {
                return Then::Left;
            }
        }
        Then::Continue
    }

    async fn upgrade(&mut self) -> Then {
        let token = self.request.header("upgrade").unwrap_or("echo");
        let head = Head::new(101).header("connection", "upgrade").header("upgrade", token).render();
        if self.wire.write(&head).await.is_err() {
            return Then::Left;
        }
        // The peer's leaving is how an upgraded connection ends, not an aborted answer.
        if self.wire.echo().await.is_ok() { Then::Close } else { Then::Left }
    }
}

fn chunk(declared: usize, bytes: &[u8], end: &str) -> Bytes {
    let mut wire = BytesMut::with_capacity(bytes.len() + 20);
    wire.extend_from_slice(format!("{declared:x}\r\n").as_bytes());
    wire.extend_from_slice(bytes);
    wire.extend_from_slice(end.as_bytes());
    wire.freeze()
}

fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        0 => Bytes::new(),
        1 => pieces.swap_remove(0),
        _ => Bytes::from(pieces.concat()),
    }
}
