//! The body of a caller's request. What nobody reads of it is read away: a connection that is closed with bytes of its
//! caller unread is reset, and the answer is lost with it.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::EXPECT;
use http::{Request, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use seawall::timeout::within;

use crate::presence::Presence;

/// So much may be left of a body when its answer begins for the connection to be used again.
const SMALL: u64 = 256 * 1024;
/// So much is read away, within this time. Whoever goes on sending after that has not read its answer and will not.
const MOST: u64 = 16 * 1024 * 1024;
const WITHIN: Duration = Duration::from_secs(5);

/// Not known: it is sent in chunks, or the caller waits for leave to send it.
const UNKNOWN: u64 = u64::MAX;
/// So many turns an answer leaves to what is being read away before it says that the connection ends.
const TURNS: u32 = 8;

/// What the answer has to know of a body that may not have been read. Dropped with the answer.
#[derive(Debug)]
pub(crate) struct Rest(Option<Arc<Unread>>);

#[derive(Debug)]
struct Unread {
    left: AtomicU64,
    /// The caller asked for leave to send it: reading gives it, as long as the head of the answer has not been written.
    asked_leave: bool,
    waits: Mutex<Waits>,
    presence: Arc<Presence>,
}

/// A body that nobody wanted, for which no leave was given.
#[derive(Debug, Default)]
struct Waits {
    body: Option<Incoming>,
    answered: bool,
}

impl Rest {
    /// Is so much left that the connection had better end with the answer?
    pub(crate) async fn is_large(&self) -> bool {
        let Some(unread) = &self.0 else { return false };
        let left = || unread.left.load(Ordering::Relaxed);
        for _ in 0..TURNS {
            if left() != UNKNOWN || unread.asked_leave {
                break;
            }
            // A small one in chunks may be there already.
            tokio::task::yield_now().await;
        }
        left() > SMALL
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let Some(unread) = self.0.take() else { return };
        let body = {
            let mut waits = unread.waits();
            waits.answered = true;
            waits.body.take()
        };
        if let Some(body) = body {
            unread.read_away(body);
        }
    }
}

impl Unread {
    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_away(self: Arc<Self>, body: Incoming) {
        let Ok(here) = tokio::runtime::Handle::try_current() else { return };
        let lingers = self.presence.linger();
        here.spawn(async move {
            if read_away(body).await {
                self.left.store(0, Ordering::Relaxed);
            }
            drop(lingers);
        });
    }
}

/// The body of a request, read by whoever answers it.
#[derive(Debug)]
pub(crate) struct Inbound {
    /// None after it was left to be read away.
    body: Option<Incoming>,
    /// None where nothing has to be read away: HTTP/2 has a frame for that, and an empty body nothing to read.
    unread: Option<Arc<Unread>>,
    /// Nobody has read any of it yet.
    untouched: bool,
}

impl Inbound {
    /// Takes the body out of a request.
    pub(crate) fn take(request: Request<Incoming>, presence: &Arc<Presence>) -> (Request<Inbound>, Rest) {
        let lingers = request.version() < Version::HTTP_2 && !request.body().is_end_stream();
        // As the server of hyper sees it.
        let expects = request
            .headers()
            .get(EXPECT)
            .is_some_and(|what| what.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let asked_leave = expects && request.version() == Version::HTTP_11;
        let request = request.map(|body| {
            let unread = lingers.then(|| {
                let left = AtomicU64::new(if asked_leave { UNKNOWN } else { left(&body) });
                Arc::new(Unread { left, asked_leave, waits: Mutex::default(), presence: presence.clone() })
            });
            Inbound { body: Some(body), unread, untouched: true }
        });
        let rest = Rest(request.body().unread.clone());
        (request, rest)
    }
}

fn left(body: &Incoming) -> u64 {
    if body.is_end_stream() { 0 } else { body.size_hint().exact().unwrap_or(UNKNOWN) }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        this.untouched = false;
        let read = ready!(Pin::new(&mut *body).poll_frame(cx));
        if let Some(unread) = &this.unread {
            let goes_on = matches!(&read, Some(Ok(frame)) if frame.is_data());
            unread.left.store(if goes_on { left(body) } else { 0 }, Ordering::Relaxed);
        }
        Poll::Ready(read)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        let (Some(body), Some(unread)) = (self.body.take(), self.unread.take()) else { return };
        if body.is_end_stream() || unread.left.load(Ordering::Relaxed) == 0 {
            return;
        }
        if self.untouched && unread.asked_leave {
            let mut waits = unread.waits();
            if !waits.answered {
                waits.body = Some(body);
                return;
            }
        }
        unread.read_away(body);
    }
}

/// Reads and forgets, so that a caller that is still sending comes to read its answer. Whether that was all.
async fn read_away<B: Body<Data = Bytes>>(body: B) -> bool {
    let mut body = pin!(body);
    let all = async {
        let mut read = 0;
        // Where the answer is whole already hyper does not say that the body has ended: its length does.
        while !body.is_end_stream() {
            match body.frame().await {
                None => return true,
                Some(Err(_)) => return false,
                Some(Ok(frame)) => read += frame.data_ref().map_or(0, |data| data.len() as u64),
            }
            if read > MOST {
                return false;
            }
        }
        true
    };
    within(all, WITHIN).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::StreamBody;
    use tokio::time::Instant;

    use super::*;

    fn piece(bytes: usize) -> Result<Frame<Bytes>, Infallible> {
        Ok(Frame::data(Bytes::from(vec![0; bytes])))
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_is_not_read_for_ever() {
        let began = Instant::now();
        assert!(!read_away(StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>())).await);
        assert_eq!(began.elapsed(), WITHIN);
        let mut pieces = 0;
        let endless = stream::repeat_with(|| {
            pieces += 1;
            piece(1 << 20)
        });
        assert!(!read_away(StreamBody::new(endless)).await);
        assert_eq!((pieces, began.elapsed()), (17, WITHIN), "and not as much as anybody likes");
        assert!(read_away(StreamBody::new(stream::iter([piece(7)]))).await);
    }
}
