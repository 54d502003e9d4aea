//! The body of a caller's request. What nobody reads of it is read away: a connection that is closed with bytes of its
//! caller unread is reset, and the answer is lost with it.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::EXPECT;
use http::{Request, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use seawall::timeout::within;

/// So much may be left of a body when its answer begins for the connection to be used again.
const SMALL: u64 = 256 * 1024;
/// So much is read away, within this time. Whoever goes on sending after that has not read its answer and will not.
const MOST: u64 = 16 * 1024 * 1024;
const WITHIN: Duration = Duration::from_secs(5);

/// How much of a body its caller has not sent, or nobody has read.
#[derive(Debug, Clone)]
pub(crate) struct Rest(Option<Arc<AtomicU64>>);

/// Not known: it is sent in chunks, or the caller waits for leave to send it.
const UNKNOWN: u64 = u64::MAX;

impl Rest {
    /// Is so much left that the connection had better end with the answer?
    pub(crate) fn is_large(&self) -> bool {
        self.0.as_ref().is_some_and(|left| left.load(Ordering::Relaxed) > SMALL)
    }
}

/// The body of a request, read by whoever answers it.
#[derive(Debug)]
pub(crate) struct Inbound {
    /// None after it was left to be read away.
    body: Option<Incoming>,
    /// None where nothing has to be read away: HTTP/2 has a frame for that, and an empty body nothing to read.
    left: Option<Arc<AtomicU64>>,
    /// The caller waits for leave to send it, which reading it would give.
    asks_leave: bool,
}

impl Inbound {
    /// Takes the body out of a request.
    pub(crate) fn take(request: Request<Incoming>) -> (Request<Inbound>, Rest) {
        let lingers = request.version() < Version::HTTP_2 && !request.body().is_end_stream();
        let asks_leave = lingers && request.headers().contains_key(EXPECT);
        let request = request.map(|body| {
            let left =
                lingers.then(|| Arc::new(AtomicU64::new(if asks_leave { UNKNOWN } else { left(&body) })));
            Inbound { body: Some(body), left, asks_leave }
        });
        let rest = Rest(request.body().left.clone());
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
        this.asks_leave = false;
        let read = ready!(Pin::new(&mut *body).poll_frame(cx));
        if let Some(known) = &this.left {
            let goes_on = matches!(&read, Some(Ok(frame)) if frame.is_data());
            known.store(if goes_on { left(body) } else { 0 }, Ordering::Relaxed);
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
        let over = self.left.as_ref().is_none_or(|left| left.load(Ordering::Relaxed) == 0);
        if let Some(body) = self.body.take().filter(|body| !over && !self.asks_leave && !body.is_end_stream())
            && let Ok(here) = tokio::runtime::Handle::try_current()
        {
            here.spawn(read_away(body));
        }
    }
}

/// Reads and forgets, so that a caller that is still sending comes to read its answer.
async fn read_away<B: Body<Data = Bytes>>(body: B) {
    let mut body = pin!(body);
    let all = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, |data| data.len() as u64);
            if read > MOST {
                break;
            }
        }
    };
    let _ = within(all, WITHIN).await;
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
        read_away(StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>())).await;
        assert_eq!(began.elapsed(), WITHIN);
        let mut pieces = 0;
        let endless = stream::repeat_with(|| {
            pieces += 1;
            piece(1 << 20)
        });
        read_away(StreamBody::new(endless)).await;
        assert_eq!((pieces, began.elapsed()), (17, WITHIN), "and not as much as anybody likes");
    }
}
