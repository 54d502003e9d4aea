//! An answer that was kept, given as it was: same status, same headers, same bytes, and how old it is.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AGE, HeaderValue};
use http::{Response, StatusCode};
use seawall::cache::Why;
use seawall::pipeline::Held;
use seawall::{Certainty, Class};
use seawall_core::event::{Event, Fact, Sink};
use seawall_core::units::format_duration;
use seawall_signals::view::CacheResult;

use super::Kept;
use crate::answer::{Ended, decision, name};
use crate::body::{Ending, Outgoing, Watch};
use crate::headers;
use crate::proxy::Worker;
use crate::record::{Outcome, Record};
use crate::watch::AtEnd;

/// How it comes to be given.
pub(super) struct Given {
    pub(super) kept: Arc<Kept>,
    /// How long it has been kept.
    pub(super) since: Duration,
    pub(super) result: CacheResult,
    /// Why it is given though it is not fresh.
    pub(super) why: Option<Why>,
    /// What was tried first.
    pub(super) attempts: u32,
    pub(super) waited: Duration,
    /// The target asked last, if one was; else the one that gave the answer.
    pub(super) place: Option<usize>,
}

impl Given {
    pub(super) fn at_once(kept: Arc<Kept>, since: Duration, result: CacheResult, why: Option<Why>) -> Self {
        Self { kept, since, result, why, attempts: 0, waited: Duration::ZERO, place: None }
    }
}

/// Answers a call with it.
pub(super) fn give(worker: &Arc<Worker>, record: Record, given: Given) -> Response<Outgoing> {
    let Given { kept, since, result, why, attempts, waited, place } = given;
    let (house, id) = (&worker.house, record.id);
    let place = place.unwrap_or(kept.place);
    let age = kept.age.saturating_add(since);
    let ended = Ended { place, attempts, waited, cache: Some(result), ..Ended::default() };
    let line = decision(worker, &record, &ended);
    let mut response = Response::new(Outgoing::Whole(kept.body.clone()));
    *response.status_mut() = StatusCode::OK;
    *response.headers_mut() = kept.headers.clone();
    response.headers_mut().insert(AGE, HeaderValue::from(age.as_secs()));
    if let Some(why) = why {
        let told = HeaderValue::from_str(&format!("{}; reason={why}", age.as_secs()));
        if let Ok(told) = told {
            response.headers_mut().insert(headers::STALE, told);
        }
        let name = house.upstreams[house.routes[record.route].to[place]].plan.name.clone();
        record.offer(Event { at: house.now(), name, fact: Fact::ServedStale { age, why: why.as_str() } });
    }
    if result == CacheResult::Joined {
        let waited =
            format_duration(Duration::from_millis(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)));
        record.note(format!("answered with what another call had fetched meanwhile, after {waited}"));
    }
    name(&mut response, id, line.clone());
    let story = record.close(Outcome {
        place,
        status: Some(StatusCode::OK.as_u16()),
        class: Class::Ok,
        certainty: Certainty::Done,
        waited,
        decision: Some(line),
        refusal: None,
        from_cache: (result == CacheResult::Hit).then_some(age),
    });
    let at_end: Box<dyn Watch> =
        Box::new(AtEnd { worker: worker.clone(), story, place, held: Held::default() });
    at_end.ended(Ending::Complete, kept.body.len() as u64);
    response
}
