//! The metrics for programs that read neither Prometheus nor OpenMetrics: one JSON value, or a table in CSV.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::gather::{Gathered, Sample, Value};
use super::registry::braced;
use super::summary::QUANTILES;

/// What [`QUANTILES`] are called.
const NAMES: [&str; QUANTILES.len()] = ["p50", "p90", "p95", "p99"];

/// What is told of a histogram beside its count and its sum.
const SHARES: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];

/// `{"metrics": [{"name", "kind", "help", "series": [{"labels", "value"}]}]}`; durations have `count`, `sum` and percentiles, in
/// seconds, instead of a value. What is no number is null.
pub(super) fn json(families: &[Gathered]) -> String {
    let metrics: Vec<Json> = families
        .iter()
        .map(|family| {
            let series: Vec<Json> = family.samples.iter().map(|sample| one(family, sample)).collect();
            json!({ "name": family.name, "kind": family.kind.as_str(), "help": &*family.help, "series": series })
        })
        .collect();
    json!({ "metrics": metrics }).to_string()
}

fn one(family: &Gathered, sample: &Sample) -> Json {
    let labels = family.labels.iter().zip(sample.values.iter());
    let labels: Map<String, Json> =
        labels.map(|(name, value)| (name.to_string(), Json::from(&**value))).collect();
    let mut series = Map::from_iter([("labels".to_owned(), Json::Object(labels))]);
    for (field, value) in fields(&sample.value) {
        series.insert(field.to_owned(), value.map_or(Json::Null, Json::from));
    }
    Json::Object(series)
}

/// What is told of a value, by name.
fn fields(value: &Value) -> Vec<(&'static str, Option<f64>)> {
    let number = |number: f64| Some(number).filter(|number| number.is_finite());
    match value {
        Value::Count(count) => vec![("value", Some(*count as f64))],
        Value::Number(value) => vec![("value", number(*value))],
        Value::Durations(snapshot) => {
            let mut all = vec![
                ("count", Some(snapshot.count() as f64)),
                ("sum", Some(snapshot.sum_nanos() as f64 / 1e9)),
            ];
            let quantile = |share| snapshot.quantile(share).map(|span| span.as_secs_f64());
            all.extend(SHARES.map(|(name, share)| (name, quantile(share))));
            all
        }
        Value::Summed(held) => {
            let (count, sum) = (held.count as f64, held.sum_nanos as f64 / 1e9);
            let mut all = vec![("count", Some(count)), ("sum", Some(sum))];
            let told = held.quantiles.iter().map(|(_, span)| span.map(|span| span.as_secs_f64()));
            all.extend(NAMES.into_iter().zip(told));
            all
        }
    }
}

/// A line for each number: `metric,kind,labels,field,value`.
pub(super) fn csv(families: &[Gathered]) -> String {
    let mut out = "metric,kind,labels,field,value\r\n".to_owned();
    for family in families {
        for sample in &family.samples {
            let labels = braced(&family.labels, &sample.values);
            for (field, value) in fields(&sample.value) {
                let value = value.map(|value| value.to_string()).unwrap_or_default();
                // Writing to a string cannot fail.
                let _ = write!(
                    out,
                    "{},{},{},{field},{value}\r\n",
                    family.name,
                    family.kind.as_str(),
                    quoted(&labels)
                );
            }
        }
    }
    out
}

/// A text as one cell (RFC 4180).
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Registry, names};
    use super::*;

    fn registry() -> Registry {
        let registry = Registry::new();
        names::attempts(&registry, "a \"b\"").of(seawall_core::Class::Ok).add(3);
        names::HEALTH_STATUS.with(&registry, ["disk"]).set(f64::NAN);
        names::LIMITER_WAIT.with(&registry, ["up"]).record(std::time::Duration::from_millis(1500));
        registry
    }

    #[test]
    fn as_json_everything_has_its_labels_and_its_numbers() {
        let text = registry().render(Format::Json);
        let all: Json = serde_json::from_str(&text).unwrap();
        let of = |name: &str| {
            let found = all["metrics"].as_array().unwrap().iter().find(|one| one["name"] == name);
            found.unwrap()["series"][0].clone()
        };
        let attempts = of("seawall_attempts_total");
        assert_eq!(attempts["labels"], json!({ "upstream": "a \"b\"", "result": "ok" }));
        assert_eq!((&attempts["value"], &of("seawall_health_status")["value"]), (&json!(3.0), &Json::Null));
        let waits = of("seawall_limiter_wait_seconds");
        assert_eq!((&waits["count"], &waits["sum"]), (&json!(1.0), &json!(1.5)));
        assert!(waits["p95"].as_f64().is_some_and(|p95| (1.0..2.0).contains(&p95)), "{waits}");
    }

    #[test]
    fn as_csv_every_number_is_a_line_and_a_quote_in_a_name_breaks_none() {
        let text = registry().render(Format::Csv);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("metric,kind,labels,field,value"));
        let first = r#"seawall_attempts_total,counter,"{upstream=""a \""b\"""",result=""ok""}",value,3"#;
        assert_eq!(lines.next(), Some(first));
        assert_eq!(lines.next(), Some(r#"seawall_health_status,gauge,"{check=""disk""}",value,"#));
        assert_eq!(lines.count(), 5, "{text}");
    }
}
