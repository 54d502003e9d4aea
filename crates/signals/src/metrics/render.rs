//! Writes the metrics as text: classic Prometheus, or OpenMetrics, JSON or CSV for who asks for it.

use std::fmt::Write;

use super::export;
use super::gather::{Gathered, Sample, Value};
use super::registry::{Kind, Registry, braced};
use super::text;

/// A text format for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The classic text format, version 0.0.4, which everything reads.
    #[default]
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// One JSON value.
    Json,
    /// A table, a line for each number.
    Csv,
}

impl Format {
    /// The format for a request's `Accept` header: OpenMetrics, JSON or CSV where it is named and no less welcome than
    /// classic text.
    pub fn negotiate(accept: Option<&str>) -> Self {
        let mut classic = 0.0_f32;
        let (mut open, mut json, mut csv) = (0.0_f32, 0.0_f32, 0.0_f32);
        for item in accept.unwrap_or_default().split(',') {
            let mut parts = item.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let (mut quality, mut version) = (1.0, None);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = value.trim().parse().unwrap_or(0.0),
                    "version" => version = Some(value.trim().trim_matches('"')),
                    _ => {}
                }
            }
            if media.eq_ignore_ascii_case("application/openmetrics-text") {
                if version.is_none_or(|version| version == "1" || version.starts_with("1.")) {
                    open = open.max(quality);
                }
            } else if media.eq_ignore_ascii_case("application/json") {
                json = json.max(quality);
            } else if media.eq_ignore_ascii_case("text/csv") {
                csv = csv.max(quality);
            } else if ["text/plain", "text/*", "*/*"].iter().any(|text| media.eq_ignore_ascii_case(text)) {
                classic = classic.max(quality);
            }
        }
        let best = open.max(json).max(csv);
        match best {
            best if best <= 0.0 || best < classic => Self::Prometheus,
            best if best <= open => Self::OpenMetrics,
            best if best <= json => Self::Json,
            _ => Self::Csv,
        }
    }

    /// The `Content-Type` of a text in this format.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }
}

impl Registry {
    /// Every metric as text, in a stable order: metrics by name, series by their label values.
    pub fn render(&self, format: Format) -> String {
        let gathered = self.gather();
        match format {
            Format::Json => export::json(&gathered),
            Format::Csv => export::csv(&gathered),
            Format::Prometheus | Format::OpenMetrics => render(&gathered, format),
        }
    }
}

fn render(families: &[Gathered], format: Format) -> String {
    let mut out = String::new();
    for family in families {
        head(&mut out, family, format);
        for sample in &family.samples {
            series(&mut out, family, sample);
        }
    }
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

fn head(out: &mut String, family: &Gathered, format: Format) {
    let open = format == Format::OpenMetrics;
    let kind = family.kind.as_str();
    // To OpenMetrics `_total` belongs to a counter's sample, not to its name.
    let name = match family.name.strip_suffix("_total") {
        Some(name) if open && family.kind == Kind::Counter => name,
        _ => &family.name,
    };
    out.push_str("# HELP ");
    out.push_str(name);
    out.push(' ');
    text::help(out, &family.help, open);
    line(out, format_args!("\n# TYPE {name} {kind}"));
    let unit = name.rsplit('_').next().filter(|unit| ["seconds", "bytes", "ratio"].contains(unit));
    if let (true, Some(unit)) = (open, unit) {
        line(out, format_args!("# UNIT {name} {unit}"));
    }
}

fn series(out: &mut String, family: &Gathered, sample: &Sample) {
    let name = &family.name;
    let labels = braced(&family.labels, &sample.values);
    match &sample.value {
        Value::Count(count) => line(out, format_args!("{name}{labels} {count}")),
        Value::Number(number) => line(out, format_args!("{name}{labels} {}", text::number(*number))),
        Value::Durations(snapshot) => {
            // A scrape has thousands of these lines: what they share is made once.
            let before = match labels.strip_suffix('}') {
                Some(open) => format!("{name}_bucket{open},le=\""),
                None => format!("{name}_bucket{{le=\""),
            };
            let mut bucket = |le: &str, count: u64| {
                out.push_str(&before);
                out.push_str(le);
                out.push_str("\"} ");
                line(out, format_args!("{count}"));
            };
            snapshot.spelt().for_each(|(bound, count)| bucket(bound, count));
            // From one reading of the buckets: the last bucket and the count never disagree.
            let count = snapshot.count();
            bucket("+Inf", count);
            line(out, format_args!("{name}_sum{labels} {}", text::seconds(snapshot.sum_nanos())));
            line(out, format_args!("{name}_count{labels} {count}"));
        }
        Value::Summed(held) => {
            let open = labels.strip_suffix('}').map_or_else(|| "{".to_owned(), |open| format!("{open},"));
            for (share, value) in held.quantiles {
                let value = value.map_or(f64::NAN, |span| span.as_secs_f64());
                line(out, format_args!("{name}{open}quantile=\"{share}\"}} {}", text::number(value)));
            }
            line(out, format_args!("{name}_sum{labels} {}", text::seconds(held.sum_nanos)));
            line(out, format_args!("{name}_count{labels} {}", held.count));
        }
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
    out.push('\n');
}

#[cfg(test)]
mod tests;
