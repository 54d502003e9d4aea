//! One request on one HTTP/1 connection.

use std::sync::{Arc, Weak};

use http::header::UPGRADE;
use http::{Method, Request, Response};
use hyper::client::conn::http1::SendRequest;

use super::error::{SendError, SendErrorKind, Sent, chain};
use super::framing::{self, Asked, Ending};
use super::progress::{Flight, Progress};
use super::reply::Reply;
use super::wire::{Outgoing, Quiet, Wire};
use super::{Failure, Inner, RequestBody};

/// The sending end of a connection. Dropping an idle one closes it.
pub(super) struct Conn<B> {
    requests: SendRequest<Outgoing<B>>,
    wire: Arc<Wire>,
    /// [`Pool::reconnect`](super::Pool::reconnect)s before it was opened.
    pub(super) generation: u64,
}

/// What an idle connection is good for.
pub(super) enum Condition {
    /// The next request.
    Ready,
    /// Nothing yet: its task has not come to rest.
    Settling,
    /// Nothing any more: closed, or it holds bytes nobody asked for.
    Dead,
}

impl<B> Conn<B> {
    pub(super) fn new(requests: SendRequest<Outgoing<B>>, wire: Arc<Wire>, generation: u64) -> Self {
        Self { requests, wire, generation }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    pub(super) fn condition(&self) -> Condition {
        if self.requests.is_closed() {
            Condition::Dead
        } else if !self.requests.is_ready() {
            Condition::Settling
        } else if self.wire.quiet() == Quiet::Yes {
            Condition::Ready
        } else {
            Condition::Dead
        }
    }

    /// Whether a connection whose answer is over may wait for the next request. Not when our own body is still on its
    /// way: a server that answered early may take the rest of it for the next request.
    pub(super) fn rests(&self) -> bool {
        !self.is_closed() && (self.requests.is_ready() || !self.holds_body())
    }

    pub(super) fn holds_body(&self) -> bool {
        self.wire.holds_body()
    }

    pub(super) fn cut(&self) {
        self.wire.cut();
    }

    /// For a connection that was never used: whether the server waited to be asked.
    pub(super) fn greeting(&self) -> Result<(), (SendErrorKind, &'static str)> {
        match self.wire.quiet() {
            Quiet::Yes => Ok(()),
            Quiet::Closed => Err((SendErrorKind::Closed, "connection closed before anything was sent on it")),
            Quiet::Surplus => {
                Err((SendErrorKind::Garbage, "the upstream spoke before it was asked anything"))
            }
        }
    }
}

pub(super) async fn exchange<B: RequestBody>(
    pool: &Arc<Inner<B>>,
    mut conn: Conn<B>,
    mut request: Request<B>,
    progress: &Progress,
) -> Result<Response<Reply<B>>, Failure<B>> {
    framing::for_http1(&mut request);
    let asked =
        Asked { head: *request.method() == Method::HEAD, upgrade: request.headers().contains_key(UPGRADE) };
    let flight = Flight::begin(&conn.wire, progress);
    let request = request.map(|body| Outgoing::on(&conn.wire, body));
    match conn.requests.try_send_request(request).await {
        Ok(answer) => {
            flight.land();
            let (mut parts, body) = answer.into_parts();
            match framing::judge(&mut parts, asked) {
                Ok(Ending::Framed) => {
                    Ok(Response::from_parts(parts, Reply::http1(body, conn, Arc::downgrade(pool))))
                }
                Ok(Ending::UntilClose) => {
                    Ok(Response::from_parts(parts, Reply::http1(body, conn, Weak::new())))
                }
                Ok(Ending::Upgrade) => Ok(Response::from_parts(parts, Reply::free(body))),
                Err(why) => {
                    conn.cut();
                    let message = format!("the answer's length is ambiguous: {why}");
                    Err(Failure::Final(SendError::new(Sent::Maybe, SendErrorKind::Garbage, message)))
                }
            }
        }
        Err(mut failed) => {
            let sent = flight.fail();
            let message = chain(failed.error());
            if let Some(request) = failed.take_message() {
                // Never begun: whatever the socket carried, it was none of this.
                progress.nothing_written();
                let request = Box::new(request.map(Outgoing::into_inner));
                return Err(Failure::Unsent { kind: SendErrorKind::Closed, message, request });
            }
            let kind = kind(failed.error(), conn.wire.body_failed());
            Err(Failure::Final(SendError::new(sent, kind, message)))
        }
    }
}

fn kind(error: &hyper::Error, body_failed: bool) -> SendErrorKind {
    if body_failed || error.is_body_write_aborted() {
        SendErrorKind::RequestBody
    } else if error.is_parse_too_large() {
        SendErrorKind::HeadTooLarge
    } else if error.is_parse() {
        SendErrorKind::Garbage
    } else {
        SendErrorKind::Closed
    }
}
