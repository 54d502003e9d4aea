//! An answer's body on its way to the caller: watched for standing still and for being cut.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use seawall::{Code, compress};
use tokio::time::{Instant, Sleep};

use super::{Answered, BodyError};
use crate::sse::{Follower, error_event};

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As it should.
    Complete,
    /// Cut by the upstream, or without the ending its kind of stream has.
    Cut,
    /// It stood still, or took longer than it may.
    Stalled,
    /// Compressed, and made to expand too far.
    Swollen,
    /// The caller went away.
    Abandoned,
}

/// Tells whoever keeps the record how the body ended, exactly once.
pub(crate) trait Watch: Send {
    fn ended(self: Box<Self>, ending: Ending, bytes: u64);
}

/// The body as the caller reads it.
pub(crate) struct Passing {
    answered: Answered,
    follower: Option<Follower>,
    /// An incomplete event at the end of what came: passed on with what completes it, dropped if nothing does.
    tail: BytesMut,
    /// An incomplete event was too large to be kept back: it has to be ended before ours begins.
    open: bool,
    idle: Duration,
    ends_by: Option<Instant>,
    /// When the last piece came, as far as anybody had a reason to look.
    moved: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    state: State,
    bytes: u64,
    watch: Option<Box<dyn Watch>>,
}

enum State {
    Flowing,
    /// What came before the cut, an error event perhaps, gets a moment to leave before the connection breaks.
    Goodbye(Pin<Box<Sleep>>),
    Over,
}

/// An event larger than this is passed on in pieces.
const LONGEST_TAIL: usize = 64 * 1024;
/// What was passed on gets so long to reach the socket: the server drops what it has not flushed when the body fails,
/// be it the whole answer with its head.
const TO_LEAVE: Duration = Duration::from_millis(25);

impl Passing {
    pub(crate) fn new(
        answered: Answered,
        follower: Option<Follower>,
        idle: Duration,
        longest: Option<Duration>,
        watch: Box<dyn Watch>,
    ) -> Self {
        Self {
            answered,
            follower,
            tail: BytesMut::new(),
            open: false,
            idle,
            ends_by: longest.map(|longest| Instant::now() + longest),
            moved: None,
            timer: None,
            state: State::Flowing,
            bytes: 0,
            watch: Some(watch),
        }
    }

    fn finish(&mut self, ending: Ending) {
        self.state = State::Over;
        self.answered.rest = None;
        self.answered.unpacked = None;
        if let Some(watch) = self.watch.take() {
            watch.ended(ending, self.bytes);
        }
    }

    /// The body is cut: say so in the stream where there is a way to, then break the connection.
    fn cut(
        &mut self,
        cx: &mut Context<'_>,
        ending: Ending,
        why: &str,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.finish(ending);
        let mut moment = Box::pin(tokio::time::sleep(TO_LEAVE));
        if self.follower.is_none() {
            // Asks to be woken; nothing is ready the first time.
            let _ = moment.as_mut().poll(cx);
            self.state = State::Goodbye(moment);
            return Poll::Pending;
        }
        self.state = State::Goodbye(moment);
        let code = match ending {
            Ending::Stalled => Code::BodyStalled,
            Ending::Swollen => Code::Swollen,
            _ => Code::StreamCut,
        };
        let event = error_event("stream_cut", why, &code.to_string());
        let event = if self.open { format!("\n\n{event}") } else { event };
        Poll::Ready(Some(Ok(Frame::data(event.into()))))
    }

    /// Ready when the body has stood still for too long, or lasts too long.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The clock is read when there is something to wait for, not for every piece.
        let idle_by = *self.moved.get_or_insert_with(Instant::now) + self.idle;
        let until = self.ends_by.map_or(idle_by, |ends_by| ends_by.min(idle_by));
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        loop {
            ready!(timer.as_mut().poll(cx));
            // The timer is not touched while frames flow; it finds out here that there was no need to ring.
            if until <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
    }

    /// Of an event stream, what may leave now; the rest waits for its event to be complete.
    fn events(&mut self, data: Bytes) -> Option<Bytes> {
        let Some(follower) = &mut self.follower else { return Some(data) };
        let complete = follower.read(&data);
        if complete == 0 {
            self.tail.extend_from_slice(&data);
            let too_large = self.tail.len() > LONGEST_TAIL;
            self.open |= too_large;
            return too_large.then(|| self.tail.split().freeze());
        }
        self.open = false;
        if complete == data.len() && self.tail.is_empty() {
            return Some(data);
        }
        let mut leaving = std::mem::take(&mut self.tail);
        leaving.extend_from_slice(&data[..complete]);
        self.tail.extend_from_slice(&data[complete..]);
        Some(leaving.freeze())
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match &mut this.state {
            State::Flowing => {}
            State::Goodbye(moment) => {
                ready!(moment.as_mut().poll(cx));
                this.state = State::Over;
                return Poll::Ready(Some(Err("the upstream's answer was cut".into())));
            }
            State::Over => return Poll::Ready(None),
        }
        loop {
            let Poll::Ready(frame) = this.answered.poll_frame(cx) else {
                if this.poll_patience(cx).is_ready() {
                    return this.cut(cx, Ending::Stalled, "the upstream's body stood still for too long");
                }
                return Poll::Pending;
            };
            this.moved = None;
            match frame {
                Some(Ok(frame)) if frame.is_data() => {
                    let Ok(data) = frame.into_data() else { continue };
                    if let Some(leaving) = this.events(data) {
                        this.bytes += leaving.len() as u64;
                        if this.is_complete() {
                            this.finish(Ending::Complete);
                        }
                        return Poll::Ready(Some(Ok(Frame::data(leaving))));
                    }
                }
                Some(Ok(trailers)) => {
                    this.finish(Ending::Complete);
                    return Poll::Ready(Some(Ok(trailers)));
                }
                Some(Err(error)) => {
                    let swollen = error
                        .downcast_ref()
                        .is_some_and(|error| matches!(error, compress::Error::Swollen { .. }));
                    let ending = if swollen { Ending::Swollen } else { Ending::Cut };
                    let why = format!("the upstream's answer was cut: {error}");
                    return this.cut(cx, ending, &why);
                }
                None if this.follower.as_ref().is_some_and(|follower| !follower.said_goodbye()) => {
                    return this.cut(cx, Ending::Cut, "the upstream's stream ended without its last event");
                }
                None => {
                    let tail = this.tail.split().freeze();
                    this.bytes += tail.len() as u64;
                    this.finish(Ending::Complete);
                    return Poll::Ready((!tail.is_empty()).then(|| Ok(Frame::data(tail))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.state, self.answered.size()) {
            (State::Flowing, Some(size)) if self.follower.is_none() => SizeHint::with_exact(size),
            _ => SizeHint::default(),
        }
    }
}

impl Passing {
    /// Known to be at its end, without asking once more.
    fn is_complete(&self) -> bool {
        self.follower.is_none() && self.answered.is_complete()
    }

    /// A body that has nothing to pass: ends it at once.
    pub(crate) fn settle_if_empty(&mut self) {
        if self.is_complete() {
            self.finish(Ending::Complete);
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.ended(Ending::Abandoned, self.bytes);
        }
    }
}
