//! Requests that read as attacks: told, and refused where their route says so.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use seawall::{Code, Rejection};
use seawall_policy::penalty::Book;
use seawall_security::injection::{Body, Category, Detector, Inspection, Mode, Options, Part, Request};
use seawall_signals::logs::{Level, Stream};
use seawall_signals::metrics::{Counter, Registry, names};

use crate::headers;
use crate::house::Update;
use crate::proxy::Errand;
use crate::record::Record;

/// Rules and places that are told of one request.
const TOLD: usize = 4;

/// What looks at the requests of a route.
#[derive(Debug)]
pub(crate) struct Inspect {
    detector: Detector,
    mode: Mode,
    /// Who sent an attack by this route and is limited for it, where it limits.
    offenders: Option<Offenders>,
    /// One for each category, in their order.
    counts: Vec<Counter>,
}

/// A short lock around who is limited. Clones share it.
#[derive(Debug, Clone)]
struct Offenders(Arc<Mutex<Book>>);

impl Offenders {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inspect {
    /// By options that have been checked. Whom an older one of the same route limits, stays limited where this one limits
    /// too.
    pub(crate) fn new(
        options: &Options,
        old: Option<&Inspect>,
        registry: &Registry,
        route: &str,
        updates: &mut Vec<Update>,
    ) -> Self {
        let offenders = (options.mode == Mode::Limit).then(|| {
            let before = old.and_then(|old| old.offenders.clone());
            match before {
                Some(same) => {
                    let (going_on, options) = (same.clone(), options.limit.clone());
                    updates.push(Box::new(move || going_on.lock().update(options)));
                    same
                }
                None => Offenders(Arc::new(Mutex::new(Book::new(options.limit.clone())))),
            }
        });
        let result = options.mode.as_str();
        let count =
            |category: &Category| names::INJECTIONS.with(registry, [route, category.as_str(), result]);
        Self {
            detector: Detector::new(options),
            mode: options.mode,
            offenders,
            counts: Category::ALL.iter().map(count).collect(),
        }
    }

    /// Looks at a request before anything is done with it. Of its body as much is read as could be sent again; what is
    /// beyond that is not looked at. Refuses an attack where the route blocks, a body that is not there in time, and whoever
    /// is limited for an earlier attack and has no call left.
    pub(crate) async fn look(&self, record: &Record, errand: &Errand) -> Result<(), Rejection> {
        let blocks = self.mode == Mode::Block;
        if let (Some(offenders), Some(who)) = (&self.offenders, record.who()) {
            // Not to be held during the look.
            let may = offenders.lock().arrive(who, record.worker.house.now());
            may.map_err(|wait| Rejection::new(Code::OffenderLimited).after(wait))?;
        }
        let kind = self.kind(&errand.headers);
        let mut body = Vec::new();
        if kind.is_some() {
            let house = &record.worker.house;
            let patience = house.routes[record.route].attempt.first_byte;
            let begun = errand.body.begun(patience.min(house.now().until(errand.deadline))).await;
            if blocks && begun.is_none() {
                return Err(Rejection::new(Code::BodyStalled)
                    .because("the request's body did not come in time to be looked at"));
            }
            body = begun.map_or_else(Vec::new, |pieces| joined(&pieces));
        }
        let seen = self.inspect(errand, kind, &body);
        if !seen.is_attack() {
            return Ok(());
        }
        let what = told(&seen);
        for category in seen.categories() {
            if let Some(count) = Category::ALL.iter().position(|other| *other == category) {
                self.counts[count].inc();
            }
        }
        let house = &record.worker.house;
        house.ground.attacks.fetch_add(1, Ordering::Relaxed);
        record.note(format!("reads as an attack: {what}{}", if blocks { "" } else { " (let through)" }));
        if let (Some(offenders), Some(who)) = (&self.offenders, record.who()) {
            offenders.lock().offend(who, house.now());
            record.note("its caller is limited from now on".to_owned());
        }
        if let Some(logs) = &house.plan.logs {
            logs.line(Stream::App, Level::Warn, "a request reads as an attack")
                .call(record.id)
                .text("route", &house.routes[record.route].name)
                .text("caller", record.caller().unwrap_or(""))
                .text("result", if blocks { "refused" } else { "let through" })
                .text("mode", self.mode.as_str())
                .text("why", &what)
                .write();
        }
        if blocks {
            return Err(
                Rejection::new(Code::InjectionFound).because(format!("it reads as an attack: {what}"))
            );
        }
        Ok(())
    }

    fn inspect(&self, errand: &Errand, kind: Option<Part>, body: &[u8]) -> Inspection {
        // Credentials are meant to be strange, and cookies come with whatever a site put there.
        let named = |name: &str| !headers::CREDENTIALS.contains(&name) || name == "cookie";
        let pairs: Vec<(&str, &[u8])> = errand
            .headers
            .iter()
            .filter(|(name, _)| named(name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        self.detector.inspect(&Request {
            path: errand.entry.path.path().as_bytes(),
            query: errand.entry.path.query().unwrap_or("").as_bytes(),
            headers: &pairs,
            body: match kind {
                Some(Part::Json) => Body::Json(body),
                Some(Part::Form) => Body::Form(body),
                _ => Body::None,
            },
        })
    }

    /// Which part of a request its body is, where that is read here.
    fn kind(&self, headers: &HeaderMap) -> Option<Part> {
        if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return None;
        }
        let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        let part = match kind.as_str() {
            "application/x-www-form-urlencoded" => Part::Form,
            kind if kind == "application/json" || kind.ends_with("+json") => Part::Json,
            _ => return None,
        };
        self.detector.options().read.contains(&part).then_some(part)
    }
}

fn joined(pieces: &[Bytes]) -> Vec<u8> {
    pieces.concat()
}

/// Rules and places, never what stands there.
fn told(seen: &Inspection) -> String {
    let mut told: Vec<String> = Vec::new();
    for found in seen.places.iter().filter(|found| found.report.is_attack()) {
        for finding in found.report.findings() {
            let what = format!("{} at {}", finding.rule.name, found.place);
            if !told.contains(&what) {
                told.push(what);
            }
        }
    }
    let more = told.len().saturating_sub(TOLD);
    told.truncate(TOLD);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", told.join(", "))
}
