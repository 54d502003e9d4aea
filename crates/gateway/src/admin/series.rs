//! What the metrics were in the last day, and what can be made of it.

use std::sync::PoisonError;
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::extract::Query;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use seawall::{Code, Rejection};
use seawall_core::clock::wall_now;
use seawall_core::units::{duration_schema, parse_duration};
use seawall_signals::metrics::{names, quoted};
use seawall_signals::series::{Id, Over, POINTS, Point, STEP};
use seawall_signals::view::{Run, Series};
use serde::Deserialize;
use serde_json::json;

mod steps;

use super::openapi::Says;
use super::{Board, refused};

/// What the name of every metric begins with.
const PREFIX: &str = "seawall_";

/// What is asked.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// With or without `seawall_`.
    metric: Option<String>,
    /// How far back.
    span: Option<String>,
    /// What to make of it; without it the points themselves.
    over: Option<String>,
    /// `1m`, `1h` or `1d` from one point to the next.
    step: Option<String>,
    /// `json` or `csv`; without it what is accepted.
    format: Option<String>,
}

/// The query, key by key, as it is described.
pub(super) fn described(says: Says) -> Says {
    let short = names::known().filter_map(|name| Some(name.strip_prefix(PREFIX)?.to_owned()));
    let metrics: Vec<String> = names::known().chain(short).collect();
    let over = "^(avg|sum|min|max|count|last|increase|rate|p(100|[0-9]{1,2}(\\.[0-9]{1,6})?))$";
    let span = duration_schema(&mut schemars::SchemaGenerator::default());
    says.needs("metric", "Its name, with or without `seawall_`.", json!({ "enum": metrics }))
        .asks(
            "span",
            "How far back: \"1s\" to \"1d\", an hour where nothing is said; \"31d\" of hours and \"400d\" of days.",
            span.into(),
        )
        .asks("step", "Minutes, hours or days; minutes where nothing is said.", json!({ "enum": ["1m", "1h", "1d"] }))
        .asks(
            "over",
            "What to make of its points: `p95` is a percentile; the points themselves where nothing is said.",
            json!({ "type": "string", "pattern": over }),
        )
        .asks("format", "What is accepted where nothing is said.", json!({ "enum": ["json", "csv"] }))
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    wall_now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Takes a point of everything, once a minute.
pub(super) fn tick(board: &Board) {
    let house = board.house();
    let mut kept = house.ground.kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.tick(now(), || house.ground.registry.gather());
    drop(kept);
    house.ground.recall.tick();
}

pub(super) async fn series(board: Board, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    let csv = match asked.format.as_deref() {
        Some("csv") => true,
        Some("json") => false,
        None => accept.contains("text/csv"),
        Some(other) => {
            let shown: String = other.chars().take(40).collect();
            return refused(&malformed(format!("format: {shown:?} is none: write json or csv")));
        }
    };
    match steps::wanted(asked.step.as_deref()) {
        Ok(None) => {}
        Ok(Some(step)) => return steps::answer(&board, &asked, step, csv),
        Err(rejection) => return refused(&rejection),
    }
    match found(&board, &asked) {
        Ok(found) if csv => ([(CONTENT_TYPE, "text/csv; charset=utf-8")], table(&found)).into_response(),
        Ok(found) => Json(listed(found)).into_response(),
        Err(rejection) => refused(&rejection),
    }
}

/// What was found: each series with its points, or with the number that was asked for.
struct Found {
    metric: String,
    span: u64,
    over: Option<Over>,
    series: Vec<(Id, Vec<Point>)>,
}

fn malformed(why: String) -> Rejection {
    Rejection::new(Code::Malformed).because(why)
}

/// The metric that is asked for, which somebody counts.
fn metric(asked: &Asked) -> Result<String, Rejection> {
    let missing =
        || malformed("metric is missing: write ?metric=seawall_calls_total, see /metrics".to_owned());
    let metric = asked.metric.as_deref().filter(|metric| !metric.is_empty()).ok_or_else(missing)?;
    let metric = if metric.starts_with(PREFIX) { metric.to_owned() } else { format!("{PREFIX}{metric}") };
    if !names::is_known(&metric) {
        let shown: String = metric.chars().take(80).collect();
        return Err(malformed(format!("metric: nobody counts {shown:?}: see /metrics")));
    }
    Ok(metric)
}

fn found(board: &Board, asked: &Asked) -> Result<Found, Rejection> {
    let metric = metric(asked)?;
    let day = POINTS as u64 * STEP;
    let span = match asked.span.as_deref() {
        None => 3600,
        Some(text) => parse_duration(text).map_err(|why| malformed(format!("span: {why}")))?.as_secs(),
    };
    if !(1..=day).contains(&span) {
        return Err(malformed("span: is out of range: write \"1s\" to \"1d\"".to_owned()));
    }
    let over = asked.over.as_deref().map(Over::parse).transpose();
    let over = over.map_err(|why| malformed(format!("over: {why}")))?;
    let house = board.house();
    let family = metric.trim_end_matches("_sum").trim_end_matches("_count");
    let present = house.ground.registry.gather_some(&|name| name == metric || name == family);
    let kept = house.ground.kept.lock().unwrap_or_else(PoisonError::into_inner);
    let series = kept.series(&metric, span, now(), &present);
    Ok(Found { metric, span, over, series })
}

fn listed(found: Found) -> Series {
    let told = |(id, points): (Id, Vec<Point>)| {
        let labels = id.labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let number = |number: &f64| number.is_finite();
        let listed =
            || points.iter().map(|point| (point.at, Some(point.value).filter(number))).collect::<Vec<_>>();
        Run {
            name: id.name,
            state: "ok".into(),
            labels,
            value: found.over.map(|over| over.of(&points).filter(number)),
            points: found.over.is_none().then(listed),
            steps: None,
        }
    };
    Series {
        metric: found.metric,
        span_seconds: found.span,
        step_seconds: STEP,
        series: found.series.into_iter().map(told).collect(),
    }
}

/// A series in a cell of a table.
fn title(id: &Id) -> String {
    let labels: Vec<String> = id.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    quoted(&format!("{}{{{}}}", id.name, labels.join(",")))
}

/// RFC 4180: a line for each point, or for each series.
fn table(found: &Found) -> String {
    let mut out = if found.over.is_some() { "series,value\r\n" } else { "series,time,value\r\n" }.to_owned();
    for (id, points) in &found.series {
        let name = title(id);
        match found.over {
            Some(over) => {
                let value = over.of(points).map(|value| value.to_string()).unwrap_or_default();
                out.push_str(&format!("{name},{value}\r\n"));
            }
            None => {
                points
                    .iter()
                    .for_each(|point| out.push_str(&format!("{name},{},{}\r\n", point.at, point.value)));
            }
        }
    }
    out
}
