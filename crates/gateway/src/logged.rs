//! What the log is told of calls: a line for each call, one more where it failed, and one for each attempt where somebody
//! wants to know that much.

use std::fmt;
use std::time::Duration;

use http::Method;
use seawall_core::{CallId, Class, Rejection, Verdict};
use seawall_signals::logs::{Level, Line, Logs, Stream};

use crate::story::Story;

/// The id of a trace as it stands in `traceparent`; none where there is no trace.
struct Trace(u128);

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

fn traced(line: Line<'_>, trace: u128) -> Line<'_> {
    if trace == 0 { line } else { line.shown("trace_id", Trace(trace)) }
}

fn millis(span: Duration) -> f64 {
    // Three digits after the point: microseconds.
    (span.as_secs_f64() * 1e6).round() / 1e3
}

/// An attempt ended.
pub(crate) fn attempt(
    logs: &Logs,
    (id, trace): (CallId, u128),
    (upstream, number): (&str, usize),
    (status, verdict): (Option<u16>, Verdict),
    failure: Option<&str>,
) {
    let line = logs.line(Stream::App, Level::Debug, "an attempt ended").call(id);
    let mut line = traced(line, trace).text("upstream", upstream).count("attempt", number as u64);
    if let Some(status) = status {
        line = line.count("status", status.into());
    }
    line = line.text("class", verdict.class().as_str());
    match failure {
        Some(why) => line.text("why", why).write(),
        None => line.write(),
    }
}

/// A call is over, as far as its body.
pub(crate) fn ended(logs: &Logs, story: &Story, class: Class) {
    let name = |names: &[std::sync::Arc<str>], place: Option<usize>| {
        place.and_then(|place| names.get(place)).cloned().unwrap_or_default()
    };
    let (upstream, route) =
        (name(&story.names.upstreams, story.upstream), name(&story.names.routes, story.route));
    let line = logs.line(Stream::Performance, Level::Info, "a call ended").call(story.id);
    let mut line = traced(line, story.trace.id)
        .text("upstream", &upstream)
        .text("route", &route)
        .text("method", story.method.as_str())
        .text("path", &story.path)
        .text("class", class.as_str())
        .text("certainty", story.certainty.as_str())
        .count("attempts", story.attempts.len() as u64)
        .number("head_ms", millis(story.duration))
        .number("waited_ms", millis(story.waited));
    if let Some(caller) = story.caller() {
        line = line.text("caller", caller);
    }
    if let Some(status) = story.status {
        line = line.count("status", status.into());
    }
    if let Some(end) = story.end.get() {
        line = line.count("bytes", end.bytes);
    }
    line.write();
    let (level, what) = match class {
        Class::Ok | Class::Cancelled => return,
        Class::Rejected => (Level::Warn, "a call was refused"),
        _ => (Level::Error, "a call failed"),
    };
    let line = traced(logs.line(Stream::App, level, what).call(story.id), story.trace.id);
    let line = line.text("upstream", &upstream).text("class", class.as_str());
    match (&story.refusal, story.attempts.last().and_then(|last| last.failure.as_deref())) {
        (Some(refusal), _) => {
            line.caused_by(&format!("{} at {upstream}", refusal.code)).text("why", &refusal.reason).write();
        }
        (None, Some(why)) => line.caused_by(&format!("{class} at {upstream}")).text("why", why).write(),
        (None, None) => line.caused_by(&format!("{class} at {upstream}")).write(),
    }
}

/// A request was refused before it had an upstream.
pub(crate) fn refused(logs: &Logs, id: CallId, method: &Method, path: &str, rejection: &Rejection) {
    logs.line(Stream::App, Level::Warn, "a request was refused at the door")
        .call(id)
        .text("method", method.as_str())
        .text("path", path)
        .shown("code", rejection.code)
        .text("why", &rejection.reason)
        .write();
}
