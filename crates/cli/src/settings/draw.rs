//! The way a call takes, on one line, in the order it happens.

use seawall::{breaker, compress, retry, timeout};
use seawall_core::units::format_duration;
use serde::Serialize;
use std::time::Duration;

use seawall_gateway::plan::Once;

use super::Settings;
use super::route::Cache;
use super::upstream::{Limit, Upstream};
use super::words::{Shared, Word};

/// One route, or an upstream's defaults, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Drawn {
    /// Its name.
    pub(crate) name: String,
    /// The method it is for, or `*`.
    pub(crate) method: String,
    /// The path it is for.
    pub(crate) path: String,
    /// The upstreams in the order they are tried.
    pub(crate) to: Vec<String>,
    /// How safe its calls are to repeat.
    pub(crate) effects: String,
    /// What a call passes.
    pub(crate) pipeline: String,
}

/// Every route, and then what holds for calls no route is for: each upstream's defaults.
pub(crate) fn draw(settings: &Settings) -> (Vec<Drawn>, Vec<Drawn>) {
    let routes = settings.route.iter().map(|(name, route)| {
        let to: Vec<String> = route.targets().into_iter().map(str::to_owned).collect();
        let first = to.first().and_then(|first| settings.upstream.get(first));
        let effects = if route.is_once() { Word::Once } else { route.effects }.as_str().to_owned();
        Drawn {
            name: name.clone(),
            method: route.matched.method.as_ref().map_or("*".to_owned(), |method| method.0.to_string()),
            path: route.matched.path.0.to_string(),
            effects,
            pipeline: first.map_or_else(String::new, |first| {
                let cache = route.cache.as_ref().filter(|_| !route.is_once());
                let order = pipeline(route.deadline, cache, &route.attempt, &route.retry, first, to.len());
                let order = match &route.inspect {
                    Some(inspect) => inspected(&order, inspect.mode.as_str()),
                    None => order,
                };
                match route.is_once() {
                    true => journalled(&order, &route.once()),
                    false => compressed(order, &route.compress),
                }
            }),
            to,
        }
    });
    let upstreams = settings.upstream.iter().map(|(name, upstream)| Drawn {
        name: name.clone(),
        method: "*".to_owned(),
        path: format!("/{name}/**"),
        to: vec![name.clone()],
        effects: Word::Auto.as_str().to_owned(),
        pipeline: compressed(
            pipeline(upstream.deadline, None, &upstream.attempt, &upstream.retry, upstream, 1),
            &upstream.compress,
        ),
    });
    (routes.collect(), upstreams.collect())
}

/// The journal stands before everything that waits: a replay never queues.
fn journalled(order: &str, once: &Once) -> String {
    let keep = format_duration(once.keep);
    let end = match (&once.keyed, &once.probe) {
        (Some(window), _) => format!("keyed for {}", format_duration(*window)),
        (None, Some(probe)) => format!("asked by {} {}", probe.method, probe.path),
        (None, None) => "doubts for a person".to_owned(),
    };
    let (deadline, rest) = order.split_once(" → ").unwrap_or((order, "call"));
    format!("{deadline} → journal ({keep}, {end}) → {rest}")
}

/// What comes in is looked at before anything is done with it.
fn inspected(order: &str, mode: &str) -> String {
    let (deadline, rest) = order.split_once(" → ").unwrap_or((order, "call"));
    format!("{deadline} → inspect ({mode}) → {rest}")
}

fn pipeline(
    deadline: Duration,
    cache: Option<&Cache>,
    attempt: &timeout::Options,
    retry: &retry::Options,
    upstream: &Upstream,
    targets: usize,
) -> String {
    let mut order = vec![format!("deadline {}", format_duration(deadline))];
    order.extend(cache.map(cache_words));
    if targets > 1 {
        order.push(format!("each of {targets} targets"));
    }
    if retry.attempts > 1 {
        let (base, cap) = (format_duration(retry.base), format_duration(retry.cap));
        order.push(format!("retry ×{} ({base}..{cap}, budget {})", retry.attempts, retry.budget));
    }
    let shared = |what| if upstream.shares(what) { " shared" } else { "" };
    order.extend(breaker_words(&upstream.breaker, shared(Shared::Breaker)));
    let wait = format_duration(upstream.queue.wait);
    // Rates are asked before the places: nobody holds a place while waiting for a rate.
    for limit in &upstream.limits {
        if let Limit::Requests { quota, per } = limit {
            let per = per.as_ref().map(|per| format!(" per {}", per.0)).unwrap_or_default();
            let burst = quota.burst.map(|burst| format!(" burst {burst}")).unwrap_or_default();
            order.push(format!("limit {}{per}{burst}{} (wait {wait})", quota.rate, shared(Shared::Limits)));
        }
    }
    for limit in &upstream.limits {
        if let Limit::Concurrent(size, adaptive) = limit {
            let size = adaptive.as_ref().map_or_else(
                || size.to_string(),
                |adaptive| {
                    let (min, max) = adaptive.bounds(size.get());
                    format!("{min}..{max} by {}", adaptive.algorithm)
                },
            );
            order.push(format!("bulkhead {size} (wait {wait})"));
        }
    }
    let (connect, first_byte) = (format_duration(attempt.connect), format_duration(attempt.first_byte));
    let more =
        if attempt.escalate > 1.0 { format!(" ×{} each time", attempt.escalate) } else { String::new() };
    order.push(format!("attempt (connect {connect}, first byte {first_byte}{more})"));
    order.push("call".to_owned());
    order.join(" → ")
}

/// Which bodies change their coding, beside it all.
fn compressed(order: String, options: &compress::Options) -> String {
    match (options.requests, options.responses) {
        (false, false) => order,
        (true, false) => format!("{order}, requests compressed"),
        (false, true) => format!("{order}, answers compressed"),
        (true, true) => format!("{order}, requests and answers compressed"),
    }
}

fn cache_words(cache: &Cache) -> String {
    let spans = [("while revalidating", cache.stale_while_revalidate), ("if an error", cache.stale_if_error)];
    let stale = spans.into_iter().filter(|(_, span)| !span.is_zero());
    let stale: Vec<_> =
        stale.map(|(when, span)| format!(", stale {when} {}", format_duration(span))).collect();
    format!("cache ({}{})", format_duration(cache.ttl), stale.concat())
}

fn breaker_words(options: &breaker::Options, shared: &str) -> Option<String> {
    let window = options.window;
    let row = (options.consecutive > 0).then(|| format!("{} in a row", options.consecutive));
    let many = (options.failures > 0).then(|| format!("{} in {window}", options.failures));
    let rate = (options.min_calls > 0)
        .then(|| format!("{} of {} in {window}", options.failure_rate, options.min_calls));
    let slow = options.slow.filter(|_| options.min_calls > 0).map(|slow| {
        format!("{} of {} over {} in {window}", options.slow_rate, options.min_calls, format_duration(slow))
    });
    let opens: Vec<String> = row.into_iter().chain(many).chain(rate).chain(slow).collect();
    let mode = if options.mode == breaker::Mode::MetricsOnly { "metrics-only: " } else { "" };
    (!opens.is_empty()).then(|| format!("breaker{shared} ({mode}{})", opens.join(" or ")))
}
