//! One call, from the request's head to the answer's head.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::HeaderMap;
use http::{HeaderName, HeaderValue, Method, Request, Response, request};
use hyper::body::Body as _;
use hyper::upgrade::OnUpgrade;
use seawall::bulkhead::Permit;
use seawall::effect::Ticket;
use seawall::fallback::Served;
use seawall::pipeline::Keys;
use seawall::{Certainty, Code, Effects, Priority, Rejection};
use seawall_core::units::{format_duration, parse_duration};
use seawall_core::{CallId, Instant};

use crate::answer::{self, Keeping, WayBack};
use crate::attempt::{Answer, Asked, Asking, Failure, Reading};
use crate::body::{Inbound, Outgoing, Replay, Sending};
use crate::cache;
use crate::compress::{Coding, Reads, Upload};
use crate::decision::Decision;
use crate::entry::{Entry, enter};
use crate::headers;
use crate::house::{Chosen, House, LiveRoute};
use crate::once;
use crate::peer::Peer;
use crate::record::{Record, refused_at_the_door, round};
use crate::refusal;
use crate::story::{Names, Ring};
use crate::upstream::Pool;

/// Shorter waits are not worth telling.
const NOTABLE: std::time::Duration = std::time::Duration::from_millis(1);

/// One worker: its own connections to every upstream, and its own stories.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) house: Arc<House>,
    pub(crate) ring: Arc<Ring>,
    /// Its own, so that no core counts another's references.
    pub(crate) names: Arc<Names>,
    /// Calls in flight here.
    pub(crate) in_flight: Arc<AtomicUsize>,
    /// What most answers say was decided, for each upstream: one attempt, no wait, breaker closed.
    pub(crate) ordinary: Vec<HeaderValue>,
    /// What is said where nothing was decided, because the door stayed shut.
    pub(crate) undecided: HeaderValue,
    /// One for each upstream.
    pub(crate) pools: Vec<Pool<Sending>>,
}

impl Worker {
    /// The worker of that number in a house.
    pub(crate) fn new(house: &Arc<House>, number: usize, pools: Vec<Pool<Sending>>) -> Arc<Self> {
        Arc::new(Self {
            house: house.clone(),
            ring: house.ground.rings[number].clone(),
            names: Arc::new(house.named()),
            in_flight: house.ground.in_flight[number].clone(),
            ordinary: house.ordinary_decisions(),
            undecided: Decision::none(house.plan.generation).header(),
            pools,
        })
    }
}

/// Answers a request. Dropping the future cancels the call, unless it is `once`: that runs on to its end.
///
/// `names` are those of the certificate the caller brought, if any, and `peer` is where it called from.
pub(crate) async fn call(
    worker: Arc<Worker>,
    request: Request<Inbound>,
    names: &[Box<str>],
    peer: Option<Peer>,
) -> Response<Outgoing> {
    let id = CallId::new();
    let house = &worker.house;
    let Admitted { entry, caller } = match admit(&request, names, house) {
        Ok(admitted) => admitted,
        Err(Turned { rejection, caller, addressed }) => {
            let (whose, path) = ((caller, peer), request.uri().path());
            refused_at_the_door(&worker, id, whose, request.method(), path, &rejection);
            let dialect = addressed.map(|place| house.upstreams[place].plan.dialect.clone());
            let mut response = refusal::answer(&rejection, id, dialect.as_deref());
            answer::name(&mut response, id, worker.undecided.clone());
            return response;
        }
    };
    let (mut parts, body) = request.into_parts();
    let upgrade = headers::asks_for_upgrade(&parts.headers);
    let on_upgrade = if upgrade { parts.extensions.remove::<OnUpgrade>() } else { None };
    let mut record = Record::new(worker.clone(), id, entry.route, &parts.method, parts.uri.path());
    (record.caller, record.peer) = (caller, peer);
    let route = &house.routes[entry.route];
    record.effects = effects(&parts, &entry, route, house);
    if record.effects != Effects::Once {
        return run(worker, record, entry, parts, body, on_upgrade).await;
    }
    let undecided = worker.undecided.clone();
    // A caller that goes away does not take an operation with it that must be known to the end.
    match tokio::spawn(run(worker, record, entry, parts, body, on_upgrade)).await {
        Ok(response) => response,
        Err(_) => {
            let rejection = Rejection::new(Code::ReplyLost).certainty(Certainty::Unknown);
            let mut response = refusal::answer(&rejection, id, None);
            answer::name(&mut response, id, undecided);
            response
        }
    }
}

/// Refuses a request whose connection is not to be served any more, whatever it asks.
pub(crate) fn turned_away(
    worker: &Worker,
    request: &Request<Inbound>,
    peer: Peer,
    rejection: &Rejection,
) -> Response<Outgoing> {
    let id = CallId::new();
    refused_at_the_door(worker, id, (None, Some(peer)), request.method(), request.uri().path(), rejection);
    let mut response = refusal::answer(rejection, id, None);
    answer::name(&mut response, id, worker.undecided.clone());
    response
}

/// A request that may pass, and whose it is.
struct Admitted {
    entry: Entry,
    caller: Option<usize>,
}

/// A request that may not pass.
struct Turned {
    rejection: Rejection,
    caller: Option<usize>,
    /// The upstream it wanted, in whose words it is told.
    addressed: Option<usize>,
}

/// Finds the way of a request and whose it is, or refuses it.
fn admit<B>(request: &Request<B>, names: &[Box<str>], house: &House) -> Result<Admitted, Turned> {
    let turned = |rejection| Turned { rejection, caller: None, addressed: None };
    if house.is_draining() {
        let soon = std::time::Duration::from_secs(1);
        return Err(turned(Rejection::new(Code::Draining).after(soon)));
    }
    let way = enter(request, house);
    let Some(callers) = &house.callers else {
        return way.map(|entry| Admitted { entry, caller: None }).map_err(turned);
    };
    let caller = match (callers.identify(request.headers(), names), &way) {
        (Ok(caller), _) => caller,
        // These are told to anybody; what there is to call here is not.
        (Err(_), Err(rejection))
            if matches!(rejection.code, Code::ForeignHost | Code::ForeignOrigin | Code::Malformed) =>
        {
            return Err(turned(rejection.clone()));
        }
        (Err(rejection), way) => {
            house.ground.strangers.fetch_add(1, Ordering::Relaxed);
            let addressed = way.as_ref().ok().map(|entry| house.routes[entry.route].to[0]);
            return Err(Turned { addressed, ..turned(rejection) });
        }
    };
    let known = |rejection| Turned { caller: Some(caller), ..turned(rejection) };
    let entry = way.map_err(known)?;
    callers.of(caller).may_take(entry.route).map_err(|rejection| {
        let addressed = Some(house.routes[entry.route].to[0]);
        Turned { addressed, ..known(rejection) }
    })?;
    Ok(Admitted { entry, caller: Some(caller) })
}

/// A caller's place among as many calls as it may have at once, for as long as its answer is under way.
#[derive(Clone)]
pub(crate) struct Place(#[allow(dead_code, reason = "holding it is its whole use")] Arc<Permit>);

/// A request as it goes on: everything that does not change from one attempt, or one target, to the next.
pub(crate) struct Errand {
    pub(crate) entry: Entry,
    pub(crate) method: Method,
    /// Without what stops here.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Replay,
    pub(crate) deadline: Instant,
    pub(crate) priority: Priority,
    /// May a second copy go beside a slow one?
    pub(crate) may_hedge: bool,
    /// How often the client itself has tried already.
    pub(crate) made: u32,
    pub(crate) credential: u64,
    /// It asks to become something else than HTTP.
    pub(crate) once_only: bool,
    /// Of several keys it bears the first: what it means to the provider, another account would not know.
    pub(crate) pinned: bool,
    /// What its caller reads; none where the answer passes as it is.
    pub(crate) reads: Option<Reads>,
    /// When its caller first wanted it, where the caller says so.
    pub(crate) first_seen: Option<HeaderValue>,
}

impl Errand {
    /// How its answer may change its coding.
    pub(crate) fn coding<'a>(&'a self, route: &'a LiveRoute) -> Option<Coding<'a>> {
        Coding::of(route.compress.as_ref(), self.reads.as_ref())
    }
}

async fn run(
    worker: Arc<Worker>,
    mut record: Record,
    entry: Entry,
    parts: request::Parts,
    body: Inbound,
    on_upgrade: Option<OnUpgrade>,
) -> Response<Outgoing> {
    let house = &worker.house;
    let route = &house.routes[entry.route];
    let request::Parts { method, mut headers, version, .. } = parts;
    let deadline = record.began + deadline(&headers, route);
    let (made, priority) = (client_retries(&headers), priority(&headers, route));
    let live =
        house.callers.as_ref().zip(record.caller).map(|(callers, caller)| (callers, callers.of(caller)));
    let priority =
        priority.unwrap_or_else(|| live.map_or_else(Priority::default, |(_, caller)| caller.priority));
    let mut place = None;
    if let Some((callers, caller)) = live {
        // Before its credentials are looked at: this one is ours.
        callers.strip(&mut headers);
        let began = house.now();
        match caller.admit(priority, deadline).await {
            Ok(permit) => place = permit.map(|permit| Place(Arc::new(permit))),
            Err(rejection) => return answer::refused(&worker, record, rejection),
        }
        let waited = house.now().since(began);
        if waited >= NOTABLE {
            record.note(format!("waited {} for a limit of {}", format_duration(round(waited)), caller.name));
        }
    }
    let first_seen = headers.get(headers::FIRST_SEEN).filter(|_| route.allow.first_seen).cloned();
    let credential = headers::credential(&headers, &house.ground.hasher);
    headers::strip_ours(&mut headers);
    headers::strip_hop_by_hop(&mut headers, on_upgrade.is_some());
    record.trace = headers::trace(&mut headers, record.id);
    // What becomes another protocol is nobody's to change, and what is remembered is remembered as it came.
    let once = record.effects == Effects::Once;
    let compress = if on_upgrade.is_none() && !once { route.compress.as_ref() } else { None };
    let reads = Reads::begin(compress, &method, version, &mut headers);
    let (body, packed) = Upload::begin(compress, &mut headers, body);
    if packed.is_some() {
        record.changed(|changed| changed.request = packed);
    }
    // Two copies of a body cannot be read from one caller.
    let may_hedge = route.hedges
        && record.effects == Effects::Repeatable
        && body.is_end_stream()
        && (matches!(method, Method::GET | Method::HEAD) || route.method() == Some(&method));
    let body = Replay::new(body, house.plan.replay);
    record.body = body.clone();
    let once_only = on_upgrade.is_some();
    let pinned = once || route.once.names(&headers);
    let errand = Errand {
        entry,
        method,
        headers,
        body,
        deadline,
        priority,
        may_hedge,
        made,
        credential,
        once_only,
        pinned,
        reads,
        first_seen,
    };
    // Boxed: most calls are on no such route, and its state is large.
    if let Some(inspect) = &route.inspect
        && let Err(rejection) = Box::pin(inspect.look(&record, &errand)).await
    {
        return answer::refused(&worker, record, rejection);
    }
    let mut response = if once {
        Box::pin(once::call(worker, record, errand, on_upgrade)).await
    } else if route.cache.is_some() && cache::covers(route.method(), &errand.method) {
        Box::pin(cache::call(worker, record, errand, on_upgrade)).await
    } else {
        let served = send_as_write(&worker, &record, &errand, None).await;
        let coding = errand.coding(route);
        let back = WayBack { method: &errand.method, on_upgrade, coding: coding.as_ref() };
        answer::answer(&worker, record, served, back, Keeping::Off)
    };
    if let Some(place) = place {
        response.extensions_mut().insert(place);
    }
    response
}

/// The same for whatever may change something: what was kept of its path is not given again, unless nothing happened.
pub(crate) async fn send_as_write<'h>(
    worker: &'h Arc<Worker>,
    record: &Record,
    errand: &Errand,
    right: Option<&Ticket>,
) -> Served<'h, Answer, Failure> {
    let house = &worker.house;
    let writing = match &house.answers {
        Some(answers) if !errand.method.is_safe() => {
            let upstream = &house.upstreams[errand.entry.addressed].plan.name;
            Some(answers.writing(&errand.entry, upstream, &house.ground.hasher))
        }
        _ => None,
    };
    let served = send(worker, record, errand, right).await;
    if let Some(writing) = writing
        && served.certainty == Certainty::NotDone
    {
        writing.not_done();
    }
    served
}

/// Sends it to each target in turn, where trying again is safe, and as long as `right` holds.
pub(crate) async fn send<'h>(
    worker: &'h Arc<Worker>,
    record: &Record,
    errand: &Errand,
    right: Option<&Ticket>,
) -> Served<'h, Answer, Failure> {
    let house = &worker.house;
    let route = &house.routes[record.route];
    let Errand { entry, method, headers, body, deadline, priority, may_hedge, .. } = errand;
    let Errand { made, credential, once_only, pinned, .. } = errand;
    let coding = errand.coding(route);
    let caller = Caller(headers);
    let reading = || Reading { record, body };
    let asking = Asking {
        record,
        method,
        headers,
        path: &entry.path,
        bare: entry.bare,
        body,
        effects: record.effects,
        patience: &route.attempt,
        may_hedge: *may_hedge,
        coding: coding.as_ref(),
        credential: *credential,
        chosen: Chosen::new(*pinned, !method.is_safe()),
        right,
    };
    route
        .chain
        .run(
            record.effects,
            *deadline,
            Some(record),
            |_| reading(),
            |place, call| {
                let upstream = &house.upstreams[route.to[place]];
                let fewer = if *once_only { u32::MAX } else { *made };
                let credential = upstream.paid_by(*credential, *pinned);
                let call = call.fewer_attempts(fewer).credential(credential).keeps_time();
                let call = call.priority(*priority).may_hedge(*may_hedge);
                let call = if place == 0 { call.began(record.began) } else { call };
                if upstream.keyed_by.is_empty() { call } else { call.keys(&caller) }
            },
            |place, cx| {
                let upstream = route.to[place];
                if !cx.is_hedge() {
                    record.attempt_begins(place);
                }
                let asked = Asked {
                    place,
                    upstream: &house.upstreams[upstream],
                    pool: &worker.pools[upstream],
                    addressed: upstream == entry.addressed,
                };
                asking.send(asked, cx)
            },
        )
        .await
}

/// The keys of a call under limits that are per header.
struct Caller<'a>(&'a HeaderMap);

impl Keys for Caller<'_> {
    fn key(&self, per: &str) -> Option<Cow<'_, str>> {
        let name = HeaderName::from_bytes(per.as_bytes()).ok()?;
        Some(String::from_utf8_lossy(self.0.get(name)?.as_bytes()))
    }
}

/// How safe repeating is: what an allowed caller says, else the route, else the key, else the provider, else the method.
fn effects(parts: &request::Parts, entry: &Entry, route: &LiveRoute, house: &House) -> Effects {
    if route.allow.effects
        && let Some(word) = text(&parts.headers, &headers::EFFECTS)
        && let Some(effects) = Effects::ALL.iter().find(|effects| effects.as_str() == word)
    {
        return *effects;
    }
    if let Some(effects) = route.effects {
        return effects;
    }
    let by_method = Effects::for_method(&parts.method);
    if by_method == Effects::Guarded && once::carries_key(&parts.headers, &route.once.plan.key) {
        return Effects::Once;
    }
    let upstream = &house.upstreams[route.to[0]];
    upstream.plan.provider.effects(&parts.method, entry.path.path()).unwrap_or(by_method)
}

/// The patience of the whole call; an allowed caller may ask for less.
fn deadline(headers: &HeaderMap, route: &LiveRoute) -> std::time::Duration {
    let asked = if route.allow.deadline { text(headers, &headers::DEADLINE) } else { None };
    asked.and_then(|text| parse_duration(text).ok()).map_or(route.deadline, |asked| asked.min(route.deadline))
}

/// Who goes first where calls wait: what an allowed caller says.
fn priority(headers: &HeaderMap, route: &LiveRoute) -> Option<Priority> {
    let asked = if route.allow.priority { text(headers, &headers::PRIORITY) } else { None };
    let word = |priority: &&Priority| asked == Some(priority.as_str());
    Priority::ALL.iter().find(word).copied()
}

/// How often the client's own SDK has tried already.
fn client_retries(headers: &HeaderMap) -> u32 {
    text(headers, &headers::CLIENT_RETRIES).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}
