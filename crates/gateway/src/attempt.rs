//! One attempt: the request as the upstream gets it, sent, waited for, and its outcome classified once.

use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{HOST, HeaderMap};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, response};
use http_body::Body;
use http_body_util::BodyExt;
use seawall::classify::{Classify, Credential};
use seawall::effect::Ticket;
use seawall::timeout::{self, within};
use seawall::{Code, Cx, Effects, Verdict, compress};
use seawall_core::Instant;
use seawall_core::clock::wall_now;
use seawall_core::provider::{Head, rate_limit};
use seawall_core::verdict::Seen;

use crate::body::{Answered, Replay, Sending};
use crate::compress::{Coding, peek};
use crate::headers;
use crate::house::{Came, Chosen, LiveUpstream};
use crate::record::Record;
use crate::upstream::{Pool, Progress, Reply, SendError, SendErrorKind, Sent};

/// How much of an error's body is read before it is retried, so that its connection can be used again and the last
/// one can still be passed on.
const READ_AHEAD: usize = 64 * 1024;
/// How long that may take.
const READ_AHEAD_WITHIN: Duration = Duration::from_secs(2);

/// An answer, and what it means.
pub(crate) struct Answer {
    pub(crate) head: response::Parts,
    pub(crate) body: Answered,
    pub(crate) verdict: Verdict,
    /// When this attempt began.
    pub(crate) began: Instant,
    /// Whom it concerns what the provider said of the credential.
    pub(crate) credential: Credential,
}

/// No answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) seen: Seen,
    pub(crate) message: String,
    /// Of an answer that came and cannot be given to its caller.
    pub(crate) status: Option<StatusCode>,
    pub(crate) credential: Credential,
    /// When this attempt began; the origin where nothing was begun.
    pub(crate) began: Instant,
}

impl Failure {
    fn new(code: Code, seen: Seen, message: impl Into<String>) -> Self {
        let (message, credential) = (message.into(), Credential::Shared);
        Self { code, seen, message, status: None, credential, began: Instant::ORIGIN }
    }
}

/// What every attempt of one call has in common.
pub(crate) struct Asking<'a> {
    pub(crate) record: &'a Record,
    pub(crate) method: &'a Method,
    /// Without what stops here.
    pub(crate) headers: &'a HeaderMap,
    /// Path and query below the base path.
    pub(crate) path: &'a PathAndQuery,
    /// Nothing is below the base path, not even a slash.
    pub(crate) bare: bool,
    pub(crate) body: &'a Replay,
    pub(crate) effects: Effects,
    pub(crate) patience: &'a timeout::Options,
    /// A second attempt may be under way beside this one.
    pub(crate) may_hedge: bool,
    /// How the answer may change its coding; none where it passes as it is.
    pub(crate) coding: Option<&'a Coding<'a>>,
    /// Stands for the caller's credential.
    pub(crate) credential: u64,
    /// Which of several keys it bears.
    pub(crate) chosen: Chosen,
    /// What must not happen twice is sent by this right alone.
    pub(crate) right: Option<&'a Ticket>,
}

/// Who is asked.
pub(crate) struct Asked<'a> {
    /// Among the targets of the route.
    pub(crate) place: usize,
    pub(crate) upstream: &'a LiveUpstream,
    pub(crate) pool: &'a Pool<Sending>,
    /// The caller addressed this one.
    pub(crate) addressed: bool,
}

impl Asking<'_> {
    /// Sends it to one upstream and waits for the head of the answer, within the patience of one attempt and before the
    /// deadline of the call.
    pub(crate) async fn send(&self, asked: Asked<'_>, cx: Cx) -> Result<Answer, Failure> {
        let (began, place) = (cx.began(), asked.place);
        let keys = asked.upstream.keys.as_ref();
        let used = keys.and_then(|keys| keys.choose(&self.chosen, place, began));
        let asked_with = asked.upstream;
        let outcome = self.ask(asked, used.map(|used| used.key), cx).await;
        let outcome = outcome.map_err(|failure| Failure { began, ..failure });
        let Some((keys, used)) = keys.zip(used) else { return outcome };
        let (verdict, status) = match &outcome {
            Ok(answer) => (answer.verdict, Some(answer.head.status)),
            Err(failure) => (Verdict::of(failure.seen), failure.status),
        };
        let came = Came { verdict, status, certainty: verdict.certainty(self.effects) };
        let (verdict, credential) = keys.heard((&self.chosen, place, used), came, asked_with, self.record);
        match outcome {
            Ok(answer) => Ok(Answer { verdict, credential, ..answer }),
            // What cannot be read is not sent again, with whatever key.
            Err(failure) if credential == Credential::Shared => Err(failure),
            Err(failure) => Err(Failure { credential: Credential::Own, ..failure }),
        }
    }

    async fn ask(&self, asked: Asked<'_>, key: Option<usize>, cx: Cx) -> Result<Answer, Failure> {
        if self.right.is_some_and(|right| !right.may_send()) {
            let message = "the journal did not renew the right to send it";
            return Err(Failure::new(Code::StoreUnavailable, Seen::Refused, message));
        }
        let request = self.request(&asked, key)?;
        let (progress, began) = (Progress::new(), cx.began());
        let Asked { place, upstream, pool, .. } = asked;
        let now = || self.record.worker.house.now();
        let outcome = {
            // Before what it watches, so that it looks after that has been dropped. An attempt that loses a race is dropped too.
            let mut told = Told { asking: self, progress: &progress, began, ended: false };
            let mut send = pin!(pool.send(request, self.patience.connect, &progress));
            let mut moved = self.body.moved();
            let mut patience = self.patience.first_byte_of(cx.attempt(), cx.remaining());
            let outcome = loop {
                let waited = within(send.as_mut(), patience).await;
                let Err(_) = waited else { break waited.map_err(|_| Code::AttemptTimeout) };
                let left = now().until(cx.deadline());
                if left.is_zero() {
                    break Err(Code::DeadlineExceeded);
                }
                patience = self.patience.first_byte_of(cx.attempt(), left);
                if progress.connected() {
                    // A long upload is not a slow answer, as long as it moves. Connecting has a patience of its own.
                    if self.body.moved() == moved || self.body.complete() {
                        break Err(if self.body.starving() {
                            Code::BodyStalled
                        } else {
                            Code::AttemptTimeout
                        });
                    }
                    moved = self.body.moved();
                }
            };
            told.ended = true;
            outcome
        };
        match outcome {
            Ok(Ok(response)) => self.read(upstream, place, key, response, cx).await,
            Ok(Err(error)) => Err(self.failure(&error)),
            Err(code) => Err(self.out_of_time(code, progress.written())),
        }
    }

    fn out_of_time(&self, code: Code, written: bool) -> Failure {
        let (before, after, message) = match code {
            Code::BodyStalled => {
                (Seen::CancelledBefore, Seen::CancelledAfter, "the caller's body stood still for too long")
            }
            Code::DeadlineExceeded => {
                (Seen::NotSent, Seen::TimedOut, "the deadline passed before the answer began")
            }
            _ => (Seen::NotSent, Seen::TimedOut, "no answer within the patience of one attempt"),
        };
        let seen = if written { after } else { before };
        Failure::new(code, seen, message)
    }

    fn request(
        &self,
        &Asked { upstream, pool, addressed, .. }: &Asked<'_>,
        key: Option<usize>,
    ) -> Result<Request<Sending>, Failure> {
        let target = if upstream.base.is_empty() {
            self.path.clone()
        } else {
            let below = if self.bare { &self.path.as_str()[1..] } else { self.path.as_str() };
            let whole = [upstream.base.as_str(), below].concat();
            let unsent = |_| Failure::new(Code::Malformed, Seen::Refused, "the path cannot be sent on");
            PathAndQuery::from_maybe_shared(Bytes::from(whole)).map_err(unsent)?
        };
        let mut headers = self.headers.clone();
        if !addressed {
            headers::strip_credentials(&mut headers);
        }
        if let Some(auth) = upstream.credential(key) {
            headers::strip_keys(&mut headers);
            headers.insert(auth.header.clone(), auth.value.clone());
        }
        headers.insert(HOST, pool.origin().host_header().clone());
        let mut request = Request::new(self.body.sending());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Classifies by the head, and by as much of the body as that takes.
    async fn read(
        &self,
        upstream: &LiveUpstream,
        place: usize,
        key: Option<usize>,
        response: Response<Reply<Sending>>,
        cx: Cx,
    ) -> Result<Answer, Failure> {
        let (mut head, reply) = response.into_parts();
        if upstream.plan.learn
            && let Some(said) = rate_limit(&head.headers, wall_now)
        {
            let house = &self.record.worker.house;
            let payer = upstream.paid_by(self.credential, self.chosen.pinned);
            upstream.learn(&said, (payer, key), house.now(), &house.ground.events);
        }
        let provider = &upstream.plan.provider;
        let classify =
            |body: &[u8]| provider.classify(&Head { status: head.status, headers: &head.headers, body });
        let mut verdict = classify(b"");
        let wanted = provider.peek(head.status);
        let unpacking = self.coding.and_then(|coding| Some((coding, coding.to_unpack(&head)?)));
        // A compressed answer that comes in one go is looked into before its head is passed on.
        let short = unpacking.is_some()
            && reply.size_hint().exact().is_some_and(|size| (1..=READ_AHEAD as u64).contains(&size));
        let again = verdict.may_repeat(self.effects) || key.is_some() && verdict.may_change_key(self.effects);
        let mut body = if wanted > 0 || again || short {
            let left = self.record.worker.house.now().until(cx.deadline());
            // Boxed: reading ahead is rare and its state large.
            let body = Box::pin(read_ahead(reply, left.min(READ_AHEAD_WITHIN))).await;
            if wanted > 0 {
                verdict = classify(&peek(&head.headers, &body.begun, wanted));
            }
            body
        } else {
            Answered::untouched(reply)
        };
        if let Some((coding, algorithm)) = unpacking
            && !body.is_complete()
        {
            let unpacked = coding.unpack(algorithm, place, &mut head.headers);
            body.unpack(unpacked).map_err(|error| unreadable(&error, verdict, head.status))?;
            self.record.changed(|changed| changed.unpacked = Some(algorithm));
        }
        Ok(Answer { head, body, verdict, began: cx.began(), credential: Credential::Shared })
    }

    fn failure(&self, error: &SendError<Sending>) -> Failure {
        let message = error.to_string();
        if error.kind == SendErrorKind::RequestBody || self.body.failed() {
            let seen = if error.sent == Sent::No { Seen::CancelledBefore } else { Seen::CancelledAfter };
            let message = format!("the request's body cannot be read: {message}");
            return Failure::new(Code::Malformed, seen, message);
        }
        let (code, seen) = match (error.sent, error.kind) {
            (Sent::No, _) => (Code::ConnectionFailed, Seen::NotSent),
            (Sent::Maybe, SendErrorKind::Garbage | SendErrorKind::HeadTooLarge) => {
                (Code::UpstreamGarbage, Seen::ReplyLost)
            }
            (Sent::Maybe, _) => (Code::ReplyLost, Seen::ReplyLost),
        };
        Failure::new(code, seen, message)
    }
}

/// An answer came that cannot be given to its caller. An error stays the error it was; what worked has worked, and the
/// same bomb would come back.
fn unreadable(error: &compress::Error, verdict: Verdict, status: StatusCode) -> Failure {
    let seen = if verdict.is_ok() { Seen::BodyCut } else { verdict.seen };
    Failure { status: Some(status), ..Failure::new(error.code(), seen, error.to_string()) }
}

/// Tells the record whether something left, even of an attempt that is dropped because its caller went away.
struct Told<'a> {
    asking: &'a Asking<'a>,
    progress: &'a Progress,
    began: Instant,
    ended: bool,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let Asking { record, may_hedge, .. } = *self.asking;
        if self.progress.written() {
            record.something_left();
        }
        if may_hedge && !self.ended {
            // The upstream has borne it all the same.
            let seen = if self.progress.written() { Seen::CancelledAfter } else { Seen::CancelledBefore };
            let why = "given up: the other copy was faster, or the caller went away";
            record.attempt_ended(self.began, None, Verdict::of(seen), Some(why.into()));
        }
    }
}

/// Reads an error's body as far as it may be needed later.
async fn read_ahead(mut reply: Reply<Sending>, patience: Duration) -> Answered {
    let mut begun = BytesMut::new();
    let mut answered =
        Answered { begun: Bytes::new(), rest: None, trailers: None, cut: false, unpacked: None };
    let whole = within(
        async {
            while begun.len() < READ_AHEAD {
                match reply.frame().await {
                    None => return true,
                    Some(Err(_)) => {
                        answered.cut = true;
                        return true;
                    }
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => begun.extend_from_slice(&data),
                        Err(other) => answered.trailers = other.into_trailers().ok(),
                    },
                }
            }
            reply.is_end_stream()
        },
        patience,
    )
    .await
    .unwrap_or(false);
    answered.begun = begun.freeze();
    answered.rest = (!whole).then_some(reply);
    answered
}

/// Reads outcomes as the attempt classified them, and takes note of each exactly once.
pub(crate) struct Reading<'a> {
    pub(crate) record: &'a Record,
    pub(crate) body: &'a Replay,
}

impl Classify<Answer, Failure> for Reading<'_> {
    fn classify(&self, outcome: &Result<Answer, Failure>) -> Verdict {
        match outcome {
            Ok(answer) => {
                let Answer { head, verdict, began, .. } = answer;
                self.record.attempt_ended(*began, Some(head.status.as_u16()), *verdict, None);
                answer.verdict
            }
            Err(failure) => {
                let verdict = Verdict::of(failure.seen);
                self.record.attempt_ended(failure.began, None, verdict, Some(failure.message.clone()));
                verdict
            }
        }
    }

    fn can_repeat(&self) -> bool {
        self.body.can_repeat()
    }

    fn credential(&self, outcome: Result<&Answer, &Failure>) -> Credential {
        outcome.map_or_else(|failure| failure.credential, |answer| answer.credential)
    }
}
