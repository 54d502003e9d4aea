//! One request on a shared HTTP/2 connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::client::conn::http2::SendRequest;
use tokio::time::Instant;

use super::error::{SendError, SendErrorKind, Sent, causes, chain};
use super::framing;
use super::progress::Progress;
use super::reply::Reply;
use super::wire::Wire;
use super::{Failure, Inner, RequestBody};

/// A connection many requests run on at once. It closes when the pool and every answer have let go of it.
pub(super) struct Shared<B> {
    requests: SendRequest<B>,
    wire: Arc<Wire>,
}

impl<B> Shared<B> {
    pub(super) fn new(requests: SendRequest<B>, wire: Arc<Wire>) -> Arc<Self> {
        Arc::new(Self { requests, wire })
    }
}

/// The pool's one connection for new requests.
pub(super) struct Slot<B>(Mutex<Option<Current<B>>>);

struct Current<B> {
    shared: Arc<Shared<B>>,
    used: Instant,
}

impl<B> Slot<B> {
    pub(super) fn empty() -> Self {
        Self(Mutex::new(None))
    }

    pub(super) fn get(&self, idle_for: Duration, now: Instant) -> Option<Arc<Shared<B>>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = slot.as_mut()?;
        // One count is the slot's own.
        let unused = Arc::strong_count(&current.shared) == 1;
        if current.shared.requests.is_closed() || (unused && now.duration_since(current.used) >= idle_for) {
            *slot = None;
            return None;
        }
        current.used = now;
        Some(Arc::clone(&current.shared))
    }

    /// Takes a new connection in, unless a live one is there already: then that is the one to use. One that is not
    /// `fresh` serves whoever opened it, and nobody else.
    pub(super) fn offer(
        &self,
        shared: Arc<Shared<B>>,
        fresh: impl FnOnce() -> bool,
        now: Instant,
    ) -> Arc<Shared<B>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *slot {
            Some(current) if !current.shared.requests.is_closed() => Arc::clone(&current.shared),
            // Asked under the lock: a reconnect counts before it clears.
            _ if !fresh() => shared,
            slot => {
                *slot = Some(Current { shared: Arc::clone(&shared), used: now });
                shared
            }
        }
    }

    /// No new requests on this one; those it carries go on.
    fn retire(&self, shared: &Arc<Shared<B>>) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|current| Arc::ptr_eq(&current.shared, shared)) {
            *slot = None;
        }
    }

    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn is_idle(&self) -> bool {
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().is_some_and(|current| {
            Arc::strong_count(&current.shared) == 1 && !current.shared.requests.is_closed()
        })
    }
}

/// A request without an answer yet. Given up while the connection said nothing at all, it takes the connection out of
/// use: one that died without a word would otherwise swallow every request until the kernel notices.
struct Waiting<'a, B> {
    slot: &'a Slot<B>,
    shared: &'a Arc<Shared<B>>,
    read: u64,
    over: bool,
}

impl<B> Drop for Waiting<'_, B> {
    fn drop(&mut self) {
        if !self.over && self.shared.wire.read() == self.read {
            self.slot.retire(self.shared);
        }
    }
}

pub(super) async fn exchange<B: RequestBody>(
    pool: &Inner<B>,
    shared: Arc<Shared<B>>,
    mut request: Request<B>,
    progress: &Progress,
) -> Result<Response<Reply<B>>, Failure<B>> {
    framing::for_http2(&mut request, &pool.origin);
    let written = shared.wire.written();
    let mut waiting = Waiting { slot: &pool.shared, shared: &shared, read: shared.wire.read(), over: false };
    progress.handed_over();
    let result = shared.requests.clone().try_send_request(request).await;
    waiting.over = true;
    drop(waiting);
    let mut failed = match result {
        Ok(answer) => return Ok(answer.map(|body| Reply::http2(body, shared))),
        Err(failed) => failed,
    };
    let message = chain(failed.error());
    if let Some(mut request) = failed.take_message() {
        progress.nothing_written();
        framing::for_http1(&mut request);
        return Err(Failure::Unsent { kind: SendErrorKind::Closed, message, request: Box::new(request) });
    }
    let mut verdict = verdict(failed.error());
    if shared.wire.written() == written && shared.wire.is_closed() {
        // Nothing at all left, and nothing will.
        verdict.sent = Sent::No;
    }
    if verdict.retire {
        pool.shared.retire(&shared);
    }
    if verdict.sent == Sent::No {
        progress.nothing_written();
    }
    Err(Failure::Final(SendError::new(verdict.sent, verdict.kind, message)))
}

struct Verdict {
    sent: Sent,
    kind: SendErrorKind,
    retire: bool,
}

fn verdict(error: &hyper::Error) -> Verdict {
    let say = |sent, kind, retire| Verdict { sent, kind, retire };
    let Some(cause) = causes(error).find_map(|cause| cause.downcast_ref::<h2::Error>()) else {
        return say(Sent::Maybe, SendErrorKind::Closed, false);
    };
    if cause.is_remote() && cause.is_go_away() {
        // h2 gives this to streams above the GOAWAY's last id only; those below live on until the connection ends.
        say(Sent::No, SendErrorKind::Refused, true)
    } else if cause.is_remote() && cause.reason() == Some(h2::Reason::REFUSED_STREAM) {
        say(Sent::No, SendErrorKind::Refused, false)
    } else if cause.is_remote() {
        say(Sent::Maybe, SendErrorKind::Reset, false)
    } else if cause.is_io() {
        say(Sent::Maybe, SendErrorKind::Closed, true)
    } else if cause.reason().is_none() {
        // h2 would not open a stream for it: malformed headers, or no stream ids left on this connection.
        say(Sent::No, SendErrorKind::Closed, true)
    } else if cause.is_library() {
        say(Sent::Maybe, SendErrorKind::Garbage, false)
    } else {
        // We reset it ourselves, and that happens when the caller's body fails.
        say(Sent::Maybe, SendErrorKind::RequestBody, false)
    }
}
