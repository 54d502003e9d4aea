//! The head of the answer: the upstream's own where there is one, else ours, and what was decided on the way.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use seawall::fallback::Served;
use seawall::pipeline::Held;
use seawall::retry::Stop;
use seawall::{Class, Code, Error, Rejection, Verdict};
use seawall_core::CallId;
use seawall_core::verdict::Seen;
use seawall_signals::view::CacheResult;

use crate::attempt::{Answer, Failure};
use crate::body::{Ending, Outgoing, Passing, Watch};
use crate::cache::{self, Captured, Keeper};
use crate::compress::{Coding, Packed};
use crate::decision::Decision;
use crate::headers;
use crate::proxy::Worker;
use crate::record::{Outcome, Record};
use crate::refusal;
use crate::sse::Follower;
use crate::upgrade;
use crate::watch::AtEnd;

/// The way an answer takes back to its caller.
pub(crate) struct WayBack<'a> {
    pub(crate) method: &'a Method,
    pub(crate) on_upgrade: Option<OnUpgrade>,
    /// How it may change its coding; none where it passes as it is.
    pub(crate) coding: Option<&'a Coding<'a>>,
}

/// Turns how a call ended into what its caller reads.
pub(crate) fn answer(
    worker: &Arc<Worker>,
    record: Record,
    served: Served<'_, Answer, Failure>,
    back: WayBack<'_>,
    keeping: Keeping,
) -> Response<Outgoing> {
    let Served { answer, attempts, from, .. } = served;
    let place = from.place;
    let note = note(&answer.result, answer.stop, record.over_budget());
    let (cache, keeper) = match keeping {
        Keeping::Off => (None, None),
        Keeping::Bypass => (Some(CacheResult::Bypass), None),
        Keeping::Miss(keeper) => (Some(CacheResult::Miss), keeper),
    };
    let ending = Ended { place, attempts, waited: answer.waited, stop: answer.stop, note, cache, keeper };
    match answer.result {
        Ok(answered) => pass(worker, record, answered, answer.held, ending, back),
        Err(Error::Rejected(rejection)) => {
            refuse(worker, record, rejection, answer.verdict, answer.held, ending)
        }
        Err(Error::Inner(failure)) => {
            let certainty = answer.verdict.certainty(record.effects);
            let rejection = Rejection::new(failure.code).because(failure.message).certainty(certainty);
            refuse(worker, record, rejection, answer.verdict, answer.held, ending)
        }
    }
}

/// The answer to a call that waited for another until its own deadline.
pub(crate) fn too_late(
    worker: &Arc<Worker>,
    record: Record,
    rejection: Rejection,
    waited: Duration,
) -> Response<Outgoing> {
    let ending = Ended { waited, cache: Some(CacheResult::Miss), ..Ended::default() };
    refuse(worker, record, rejection, Verdict::of(Seen::TimedOut), Held::default(), ending)
}

/// The answer to a call that was refused before anything was asked.
pub(crate) fn refused(worker: &Arc<Worker>, record: Record, rejection: Rejection) -> Response<Outgoing> {
    let house = &worker.house;
    let first = house.routes[record.route].to[0];
    house.upstreams[first].meters.rejections.of(rejection.code).inc();
    refuse(worker, record, rejection, Verdict::of(Seen::Refused), Held::default(), Ended::default())
}

/// What becomes of an answer that passes, beside being passed on.
pub(crate) enum Keeping {
    /// Its route keeps none.
    Off,
    /// Its route does, and the call was left out of it.
    Bypass,
    /// There was none; this one is kept if it may be, and if somebody is there to keep it.
    Miss(Option<Keeper>),
}

/// How a call stands when its answer begins.
#[derive(Default)]
pub(crate) struct Ended {
    pub(crate) place: usize,
    pub(crate) attempts: u32,
    pub(crate) waited: Duration,
    pub(crate) stop: Option<Stop>,
    pub(crate) note: Option<&'static str>,
    /// What the cache had to do with it; none where its route has no cache.
    pub(crate) cache: Option<CacheResult>,
    pub(crate) keeper: Option<Keeper>,
}

/// Names the answer: every one carries its call's id, and what was decided.
pub(crate) fn name(response: &mut Response<Outgoing>, id: CallId, decision: HeaderValue) {
    let mut buffer = [0; 36];
    if let Ok(value) = HeaderValue::from_str(id.encode(&mut buffer)) {
        response.headers_mut().insert(headers::CALL, value);
    }
    response.headers_mut().insert(headers::DECISION, decision);
}

/// The line that says what was decided.
pub(crate) fn decision(worker: &Worker, record: &Record, ended: &Ended) -> HeaderValue {
    let house = &worker.house;
    let place = house.routes[record.route].to[ended.place];
    let upstream = &house.upstreams[place];
    let decision = Decision {
        upstream: &upstream.plan.name,
        attempts: ended.attempts,
        waited: ended.waited,
        breaker: upstream.breaker.state().as_str(),
        cache: ended.cache.map_or("none", CacheResult::as_str),
        effect: record.effect.as_str(),
        generation: house.plan.generation,
        caller: record.caller(),
        note: ended.note,
    };
    if decision.is_ordinary() { worker.ordinary[place].clone() } else { decision.header() }
}

/// An upstream's answer passes through, whatever it says; at most its coding changes.
fn pass(
    worker: &Arc<Worker>,
    record: Record,
    answered: Answer,
    held: Held,
    mut ended: Ended,
    back: WayBack<'_>,
) -> Response<Outgoing> {
    let house = &worker.house;
    let Answer { mut head, body, verdict, .. } = answered;
    let switching = head.status == StatusCode::SWITCHING_PROTOCOLS;
    // Nobody can tell whether a body without an end of its own was whole. An answer to HEAD has none at all.
    let bare = *back.method == Method::HEAD;
    let whole = bare || cache::is_delimited(&head) || record.is_unpacked();
    let keepable = verdict.is_ok() && !body.cut && whole;
    headers::strip_hop_by_hop(&mut head.headers, switching);
    // How old the upstream's HTTP is, is between the two of us.
    head.version = http::Version::default();
    let id = record.id;
    let route = &house.routes[record.route];
    let upstream = &house.upstreams[route.to[ended.place]];
    let line = decision(worker, &record, &ended);
    let follower = follower(&head.headers, back.method, route.terminal.as_deref(), upstream, record.path());
    let packing = back.coding.and_then(|coding| Some((coding, coding.pack(&mut head, body.size())?)));
    if let Some((_, algorithm)) = packing {
        record.changed(|changed| changed.packed = Some(algorithm));
    }
    let certainty = record.certainty(verdict.certainty(record.effects));
    let capture = match ended.keeper.take() {
        Some(keeper) if keepable => keeper.begin(house, record.route, ended.place, &head, bare),
        Some(keeper) => {
            keeper.give_up();
            None
        }
        None => None,
    };
    let story = record.close(Outcome {
        place: ended.place,
        status: Some(head.status.as_u16()),
        class: verdict.class(),
        certainty,
        waited: ended.waited,
        decision: Some(line.clone()),
        refusal: None,
        from_cache: None,
    });
    let at_end = Box::new(AtEnd { worker: worker.clone(), story, place: ended.place, held });
    let body = if switching {
        upgrade::join(back.on_upgrade, &mut head.extensions, at_end);
        Outgoing::Empty
    } else {
        let patience = &route.attempt;
        let mut passing = Passing::new(body, follower, patience.idle, patience.max_body_time, at_end);
        passing.settle_if_empty();
        let body = match packing {
            Some((coding, algorithm)) => {
                let (encoder, stages) = (coding.encoder(algorithm), coding.stages(ended.place));
                Outgoing::Packed(Box::new(Packed::new(passing, encoder, stages)))
            }
            None => Outgoing::Passing(Box::new(passing)),
        };
        match capture {
            Some(capture) => Captured::of(body, capture),
            None => body,
        }
    };
    let mut response = Response::from_parts(head, body);
    let hopeless = matches!(verdict.class(), Class::QuotaGone | Class::Banned);
    if hopeless || (!verdict.is_ok() && (ended.attempts > 1 || ended.stop == Some(Stop::OverBudget))) {
        headers::do_not_retry(response.headers_mut());
    }
    name(&mut response, id, line);
    response
}

/// Our own words, in the dialect of the upstream that was addressed.
fn refuse(
    worker: &Arc<Worker>,
    record: Record,
    rejection: Rejection,
    verdict: Verdict,
    held: Held,
    mut ended: Ended,
) -> Response<Outgoing> {
    match ended.keeper.take() {
        // Those who wait may have more time.
        Some(keeper) if rejection.code == Code::DeadlineExceeded => drop(keeper),
        Some(keeper) => keeper.give_up(),
        None => {}
    }
    let certainty = record.certainty(rejection.certainty);
    let rejection = rejection.certainty(certainty);
    let house = &worker.house;
    let id = record.id;
    let route = &house.routes[record.route];
    let dialect = house.upstreams[route.to[0]].plan.dialect.clone();
    let line = decision(worker, &record, &ended);
    let mut response = refusal::answer(&rejection, id, Some(dialect.as_ref()));
    if ended.attempts > 1 {
        // What could be mended by repeating was repeated here: the caller's SDK need not do it all again.
        headers::do_not_retry(response.headers_mut());
    }
    name(&mut response, id, line.clone());
    let upstream = &house.upstreams[route.to[ended.place]];
    if verdict.class() != Class::Rejected {
        // Refusals of policies were counted when they were made.
        upstream.meters.rejections.of(rejection.code).inc();
    }
    let story = record.close(Outcome {
        place: ended.place,
        status: Some(response.status().as_u16()),
        class: verdict.class(),
        certainty: rejection.certainty,
        waited: ended.waited,
        decision: Some(line),
        refusal: Some(rejection),
        from_cache: None,
    });
    let at_end: Box<dyn Watch> = Box::new(AtEnd { worker: worker.clone(), story, place: ended.place, held });
    at_end.ended(Ending::Complete, 0);
    response
}

/// Why it was not sent again though that might have helped.
fn note(
    result: &Result<Answer, Error<Failure>>,
    stop: Option<Stop>,
    over_budget: bool,
) -> Option<&'static str> {
    let worked = result.as_ref().is_ok_and(|answer| answer.verdict.is_ok());
    match stop {
        _ if worked => None,
        Some(Stop::Consumed) => Some("body-not-replayable"),
        Some(Stop::OverBudget) => Some("retry-budget"),
        Some(Stop::Late) => Some("deadline"),
        Some(Stop::Unsafe) => Some("not-safe-to-repeat"),
        _ if over_budget => Some("retry-budget"),
        _ => None,
    }
}

/// Event streams are followed: to their last event where the provider or the route knows one, to an open end otherwise.
fn follower(
    headers: &HeaderMap,
    method: &Method,
    terminal: Option<&str>,
    upstream: &crate::house::LiveUpstream,
    path: &str,
) -> Option<Follower> {
    let kind = headers.get(CONTENT_TYPE)?.as_bytes();
    let events = kind.len() >= 17 && kind[..17].eq_ignore_ascii_case(b"text/event-stream");
    // Nothing can be read in, or added to, a stream that is compressed or whose length is fixed.
    let plain = headers.get(CONTENT_ENCODING).is_none_or(|coding| coding == "identity");
    if !events || !plain || headers.contains_key(CONTENT_LENGTH) {
        return None;
    }
    Some(match terminal {
        Some(terminal) => Follower::new([terminal]),
        None => Follower::new(upstream.plan.provider.terminal(method, path).iter().copied()),
    })
}
