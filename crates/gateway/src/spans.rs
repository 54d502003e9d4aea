//! What a call was, as spans: one for the call, and one within it for each attempt. No query is ever in them.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::Method;
use seawall_core::Class;
use seawall_core::clock::wall_now;
use seawall_signals::otlp::{Kind, Span, Traced, Value};

use crate::story::{Attempt, Story};

/// A call that is over.
pub(crate) struct Told {
    story: Arc<Story>,
    class: Class,
    /// From its arrival to the end of its body.
    took: Duration,
    paths: bool,
}

impl Told {
    /// What became of it, now.
    pub(crate) fn of(story: &Arc<Story>, class: Class, paths: bool) -> Self {
        let now = wall_now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let took = now.saturating_sub(arrival(story)).max(story.duration);
        Self { story: story.clone(), class, took, paths }
    }

    fn name(&self, names: &[Arc<str>], place: Option<usize>) -> Arc<str> {
        place.and_then(|place| names.get(place)).cloned().unwrap_or_default()
    }
}

/// When it came: its id knows the millisecond.
fn arrival(story: &Story) -> Duration {
    Duration::from_millis(story.id.millis())
}

fn nanos(moment: Duration) -> u64 {
    u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX)
}

/// Of the methods everybody knows, as the conventions want it: others are many.
fn word(method: &Method) -> Value {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::CONNECT,
        Method::OPTIONS,
        Method::TRACE,
        Method::PATCH,
    ];
    if known.contains(method) { method.as_str().to_owned().into() } else { "_OTHER".into() }
}

/// The id of the span of an attempt: others for others, and never zero.
fn span_of(call: u64, attempt: usize) -> u64 {
    let mixed = (call ^ attempt as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).max(1)
}

impl Traced for Told {
    fn spans(&self, into: &mut Vec<Span>) {
        let story = &self.story;
        let (arrived, own) = (arrival(story), story.id.low());
        let (route, upstream) =
            (self.name(&story.names.routes, story.route), self.name(&story.names.upstreams, story.upstream));
        let method = word(&story.method);
        let Value::Text(said) = &method else { return };
        let place = if route.is_empty() { &upstream } else { &route };
        let mut attributes: Vec<(&'static str, Value)> = vec![
            ("http.request.method", method.clone()),
            ("seawall.call.id", story.id.to_string().into()),
            ("seawall.upstream", upstream.to_string().into()),
            ("seawall.outcome", self.class.as_str().into()),
            ("seawall.certainty", story.certainty.as_str().into()),
            ("seawall.effects", story.effects.to_string().into()),
            ("seawall.attempts", Value::Count(story.attempts.len() as u64)),
        ];
        if !route.is_empty() {
            attributes.push(("seawall.route", route.to_string().into()));
        }
        if self.paths {
            attributes.push(("url.path", story.path.to_string().into()));
        }
        if !story.waited.is_zero() {
            attributes.push(("seawall.waited", Value::Number(story.waited.as_secs_f64())));
        }
        if let Some(refusal) = &story.refusal {
            attributes.push(("seawall.refusal.code", refusal.code.to_string().into()));
        }
        if let Some(end) = story.end.get() {
            attributes.push(("http.response.body.size", Value::Count(end.bytes)));
        }
        let failed = fails(story.status, 500, self.class, &mut attributes);
        into.push(Span {
            trace: story.trace.id,
            id: own,
            parent: story.trace.parent,
            name: format!("{said} {place}"),
            kind: Kind::Server,
            began: nanos(arrived),
            ended: nanos(arrived + self.took),
            attributes,
            events: story.moments.iter().map(|own| (nanos(arrived + own.at), own.what.clone())).collect(),
            failed,
        });
        for (number, attempt) in story.attempts.iter().enumerate() {
            let Attempt { upstream, at, duration, status, verdict, .. } = attempt;
            let upstream = self.name(&story.names.upstreams, Some(*upstream));
            let mut attributes: Vec<(&'static str, Value)> = vec![
                ("http.request.method", method.clone()),
                ("seawall.upstream", upstream.to_string().into()),
                ("seawall.outcome", verdict.class().as_str().into()),
                ("seawall.certainty", verdict.certainty(story.effects).as_str().into()),
            ];
            if number > 0 {
                attributes.push(("http.request.resend_count", Value::Count(number as u64)));
            }
            let failed = fails(*status, 400, verdict.class(), &mut attributes);
            let began = arrived + *at;
            into.push(Span {
                trace: story.trace.id,
                id: span_of(own, number + 1),
                parent: own,
                name: format!("{said} {upstream}"),
                kind: Kind::Client,
                began: nanos(began),
                ended: nanos(began + *duration),
                attributes,
                events: Vec::new(),
                failed,
            });
        }
    }
}

/// Notes the status and the kind of an error as the conventions for HTTP want it, and says whether it is one.
fn fails(
    status: Option<u16>,
    from: u16,
    class: Class,
    attributes: &mut Vec<(&'static str, Value)>,
) -> Option<String> {
    if let Some(status) = status {
        attributes.push(("http.response.status_code", Value::Count(status.into())));
    }
    let bad = status.map_or(class != Class::Ok, |status| status >= from);
    if !bad {
        return None;
    }
    attributes.push(("error.type", class.as_str().into()));
    Some(class.as_str().to_owned())
}
