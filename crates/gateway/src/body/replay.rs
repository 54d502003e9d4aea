//! A request body that is passed on as it comes, and kept, up to a limit, in case it must be sent again.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use seawall::timeout::within;

use super::BodyError;
use crate::compress::Upload;

/// The body of one call; [`Replay::sending`] gives each attempt its own reading of it.
///
/// Frames are reference-counted, so keeping them copies nothing. Beyond the limit they are let go, and the body cannot
/// be sent again.
#[derive(Debug, Clone)]
pub(crate) struct Replay(Option<Arc<Mutex<Kept>>>);

#[derive(Debug)]
struct Kept {
    source: Upload,
    limit: usize,
    frames: Vec<Bytes>,
    kept: usize,
    /// Frames let go because the limit was passed.
    gone: usize,
    trailers: Option<HeaderMap>,
    state: Source,
    /// Which attempt is reading. An older one, whose connection is just being closed, must not take frames or wakers.
    reader: u64,
    moved: u64,
    starving: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Open,
    Ended,
    Failed,
}

impl Replay {
    /// Takes a body in; one that is known to be empty costs nothing.
    pub(crate) fn new(source: Upload, limit: usize) -> Self {
        if source.is_end_stream() {
            return Self(None);
        }
        Self(Some(Arc::new(Mutex::new(Kept {
            source,
            limit,
            frames: Vec::new(),
            kept: 0,
            gone: 0,
            trailers: None,
            state: Source::Open,
            reader: 0,
            moved: 0,
            starving: false,
        }))))
    }

    /// No body at all.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Begins another reading, from the first byte. Ends any reading before it.
    pub(crate) fn sending(&self) -> Sending {
        let Some(kept) = &self.0 else { return Sending { kept: None, reader: 0, next: 0 } };
        let reader = {
            let mut kept = lock(kept);
            kept.reader += 1;
            kept.reader
        };
        Sending { kept: Some(kept.clone()), reader, next: 0 }
    }

    /// Could it be sent again from the beginning?
    pub(crate) fn can_repeat(&self) -> bool {
        self.look(|kept| kept.gone == 0 && kept.state != Source::Failed).unwrap_or(true)
    }

    /// Its bytes: those that came, and those that are announced.
    pub(crate) fn size(&self) -> u64 {
        self.look(|kept| (kept.kept as u64).saturating_add(kept.source.size_hint().lower())).unwrap_or(0)
    }

    /// Has the caller's body broken off?
    pub(crate) fn failed(&self) -> bool {
        self.look(|kept| kept.state == Source::Failed).unwrap_or(false)
    }

    /// May more of it still come, and fit into what is kept?
    pub(crate) fn is_open(&self) -> bool {
        self.look(|kept| kept.state == Source::Open && !kept.is_too_large()).unwrap_or(false)
    }

    /// How much has moved, for whoever wants to know whether it still moves.
    pub(crate) fn moved(&self) -> u64 {
        self.look(|kept| kept.moved).unwrap_or(0)
    }

    /// Is an attempt waiting for the caller's next byte?
    pub(crate) fn starving(&self) -> bool {
        self.look(|kept| kept.starving).unwrap_or(false)
    }

    /// Reads the whole body before anybody sends it. None where that cannot be: it is larger than what is kept, has
    /// trailers, broke off, or did not come within `patience`. What was read is sent on all the same.
    pub(crate) async fn whole(&self, patience: Duration) -> Option<Vec<Bytes>> {
        let Some(kept) = &self.0 else { return Some(Vec::new()) };
        within(poll_fn(|cx| lock(kept).poll_whole(cx)), patience).await.unwrap_or(None)
    }

    /// Reads as much of the body as is kept before anybody sends it: all of it, or its beginning. None where that did not
    /// come within `patience`. What was read is sent on all the same.
    pub(crate) async fn begun(&self, patience: Duration) -> Option<Vec<Bytes>> {
        let Some(kept) = &self.0 else { return Some(Vec::new()) };
        within(poll_fn(|cx| lock(kept).poll_begun(cx)), patience).await.ok()
    }

    /// Has the whole body been read from the caller?
    pub(crate) fn complete(&self) -> bool {
        self.look(|kept| kept.state == Source::Ended).unwrap_or(true)
    }

    fn look<T>(&self, look: impl FnOnce(&Kept) -> T) -> Option<T> {
        self.0.as_ref().map(|kept| look(&lock(kept)))
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One attempt's reading of the body.
#[derive(Debug)]
pub(crate) struct Sending {
    kept: Option<Arc<Mutex<Kept>>>,
    reader: u64,
    next: usize,
}

impl Body for Sending {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(shared) = &this.kept else { return Poll::Ready(None) };
        let mut kept = lock(shared);
        if kept.reader != this.reader {
            return Poll::Ready(Some(Err("this attempt is over".into())));
        }
        if this.next < kept.gone {
            return Poll::Ready(Some(Err("the body was too large to be kept for sending it again".into())));
        }
        if let Some(frame) = kept.frames.get(this.next - kept.gone).cloned() {
            this.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        match kept.state {
            Source::Open => {}
            Source::Ended => {
                return Poll::Ready(if this.next == usize::MAX {
                    None
                } else {
                    let trailers = kept.trailers.clone();
                    this.next = usize::MAX;
                    trailers.map(|trailers| Ok(Frame::trailers(trailers)))
                });
            }
            Source::Failed => return Poll::Ready(Some(Err("the caller's body broke off".into()))),
        }
        kept.starving = true;
        let read = ready!(Pin::new(&mut kept.source).poll_frame(cx));
        kept.starving = false;
        kept.moved += 1;
        match read {
            None => {
                kept.state = Source::Ended;
                this.next = usize::MAX;
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                kept.state = Source::Failed;
                Poll::Ready(Some(Err(error)))
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    kept.keep(data.clone());
                    this.next += 1;
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                Err(other) => {
                    kept.state = Source::Ended;
                    kept.trailers = other.into_trailers().ok();
                    this.next = usize::MAX;
                    Poll::Ready(kept.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))))
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kept {
            None => true,
            Some(_) => self.next == usize::MAX,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kept {
            None => SizeHint::with_exact(0),
            Some(kept) => {
                let kept = lock(kept);
                match (self.next, kept.gone, kept.state) {
                    // At the beginning the whole is what was kept and what is still to come.
                    (0, 0, Source::Open) => match kept.source.size_hint().exact() {
                        Some(rest) => SizeHint::with_exact(rest + kept.kept as u64),
                        None => SizeHint::default(),
                    },
                    (0, 0, Source::Ended) if kept.trailers.is_none() => {
                        SizeHint::with_exact(kept.kept as u64)
                    }
                    _ => SizeHint::default(),
                }
            }
        }
    }
}

impl Kept {
    /// As far as is known: what was kept, and what is announced.
    fn is_too_large(&self) -> bool {
        (self.kept as u64).saturating_add(self.source.size_hint().lower()) > self.limit as u64
    }

    fn poll_whole(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<Bytes>>> {
        loop {
            match self.state {
                Source::Ended if self.trailers.is_none() && self.gone == 0 => {
                    return Poll::Ready(Some(self.frames.clone()));
                }
                Source::Ended | Source::Failed => return Poll::Ready(None),
                Source::Open => {}
            }
            if self.is_too_large() {
                return Poll::Ready(None);
            }
            ready!(self.poll_ahead(cx));
        }
    }

    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Bytes>> {
        while self.state == Source::Open && self.kept < self.limit {
            ready!(self.poll_ahead(cx));
        }
        Poll::Ready(self.frames.clone())
    }

    /// Reads one piece that nobody sends yet.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let read = ready!(Pin::new(&mut self.source).poll_frame(cx));
        self.moved += 1;
        match read.map(|frame| frame.map(Frame::into_data)) {
            None => self.state = Source::Ended,
            Some(Err(_)) => self.state = Source::Failed,
            // Not `keep`: nobody has read it yet, so even the piece that is too much must not be let go.
            Some(Ok(Ok(data))) => {
                self.kept += data.len();
                self.frames.push(data);
            }
            Some(Ok(Err(other))) => {
                self.state = Source::Ended;
                self.trailers = other.into_trailers().ok();
            }
        }
        Poll::Ready(())
    }

    fn keep(&mut self, data: Bytes) {
        self.kept += data.len();
        if self.gone == 0 && self.kept <= self.limit {
            self.frames.push(data);
        } else {
            self.gone += self.frames.len() + 1;
            self.frames = Vec::new();
        }
    }
}
