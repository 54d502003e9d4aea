//! Hours and days of a metric: what it was over weeks and months, before restarts too.

use std::sync::PoisonError;

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use seawall::Rejection;
use seawall_core::units::parse_duration;
use seawall_signals::series::{Id, Over, STEP, Step, Stretch};
use seawall_signals::view;

use super::{Asked, Board, malformed, metric, now, refused, title};

/// What is told of each step that is not asked for one number.
const COLUMNS: [(&str, Over); 10] = [
    ("count", Over::Count),
    ("avg", Over::Avg),
    ("sum", Over::Sum),
    ("min", Over::Min),
    ("max", Over::Max),
    ("last", Over::Last),
    ("increase", Over::Increase),
    ("p50", Over::Percentile(0.5)),
    ("p95", Over::Percentile(0.95)),
    ("p99", Over::Percentile(0.99)),
];

/// The step that is asked for; none where it is the minute of every other answer.
pub(super) fn wanted(step: Option<&str>) -> Result<Option<Step>, Rejection> {
    let Some(text) = step else { return Ok(None) };
    let seconds = parse_duration(text).map_err(|why| malformed(format!("step: {why}")))?.as_secs();
    match seconds {
        STEP => Ok(None),
        3600 => Ok(Some(Step::Hour)),
        86_400 => Ok(Some(Step::Day)),
        _ => Err(malformed("step: there are no such steps: write \"1m\", \"1h\" or \"1d\"".to_owned())),
    }
}

pub(super) fn answer(board: &Board, asked: &Asked, step: Step, csv: bool) -> Response {
    match found(board, asked, step) {
        Ok(found) if csv => ([(CONTENT_TYPE, "text/csv; charset=utf-8")], found.table()).into_response(),
        Ok(found) => Json(found.listed()).into_response(),
        Err(rejection) => refused(&rejection),
    }
}

struct Found {
    metric: String,
    span: u64,
    step: Step,
    over: Option<Over>,
    series: Vec<(Id, Vec<Stretch>)>,
}

fn found(board: &Board, asked: &Asked, step: Step) -> Result<Found, Rejection> {
    let metric = metric(asked)?;
    let span = match asked.span.as_deref() {
        None => step.reach(),
        Some(text) => parse_duration(text).map_err(|why| malformed(format!("span: {why}")))?.as_secs(),
    };
    if span > step.reach() {
        let most = match step {
            Step::Hour => "31d",
            Step::Day => "400d",
        };
        return Err(malformed(format!("span: is out of range: write \"{most}\" or less")));
    }
    // A step is told whole.
    let span = span.max(step.seconds());
    let over = asked.over.as_deref().map(Over::parse).transpose();
    let over = over.map_err(|why| malformed(format!("over: {why}")))?;
    let house = board.house();
    let kept = house.ground.kept.lock().unwrap_or_else(PoisonError::into_inner);
    let series = kept.steps(&metric, step, span, now());
    Ok(Found { metric, span, step, over, series })
}

impl Found {
    /// Points of what was asked for, or everything that is known of each step.
    fn listed(self) -> view::Series {
        let told = |(id, steps): (Id, Vec<Stretch>)| {
            let labels =
                id.labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            let point = |step: &Stretch, over| (step.at, finite(step.over(over)));
            view::Run {
                name: id.name,
                state: "ok".into(),
                labels,
                value: None,
                points: self.over.map(|over| steps.iter().map(|step| point(step, over)).collect()),
                steps: self.over.is_none().then(|| steps.iter().map(whole).collect()),
            }
        };
        view::Series {
            metric: self.metric,
            span_seconds: self.span,
            step_seconds: self.step.seconds(),
            series: self.series.into_iter().map(told).collect(),
        }
    }

    /// RFC 4180: a line for each step.
    fn table(&self) -> String {
        let mut out = "series,time,".to_owned();
        let columns: Vec<&str> = COLUMNS.map(|(name, _)| name).to_vec();
        out.push_str(&if self.over.is_some() { "value".to_owned() } else { columns.join(",") });
        out.push_str("\r\n");
        for (id, steps) in &self.series {
            let name = title(id);
            for step in steps {
                let overs =
                    self.over.map_or_else(|| COLUMNS.map(|(_, over)| over).to_vec(), |over| vec![over]);
                let numbers: Vec<String> =
                    overs.into_iter().map(|over| step.over(over).to_string()).collect();
                out.push_str(&format!("{name},{},{}\r\n", step.at, numbers.join(",")));
            }
        }
        out
    }
}

fn whole(step: &Stretch) -> view::Stretch {
    let [count, avg, sum, min, max, last, increase, p50, p95, p99] =
        COLUMNS.map(|(_, over)| finite(step.over(over)));
    view::Stretch { at: step.at, count, avg, sum, min, max, last, increase, p50, p95, p99 }
}

/// A number as JSON can say it.
fn finite(number: f64) -> Option<f64> {
    Some(number).filter(|number| number.is_finite())
}
