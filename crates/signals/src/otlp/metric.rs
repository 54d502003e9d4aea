//! Everything the registry knows as `ExportMetricsServiceRequest`.

use super::wire::{Given, Message};
use crate::metrics::{Gathered, Kind, Sample, Value};

/// Sums since the start, and not since the last export: what is lost on the way is made good by the next.
const CUMULATIVE: u64 = 2;

/// From when the sums count, and when they were read, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    pub(super) began: u64,
    pub(super) now: u64,
}

/// The body of a request to `/v1/metrics`.
pub(super) fn request(service: &str, gathered: &[Gathered], when: When) -> Vec<u8> {
    let mut out = Message::default();
    out.inner(1, |resource| {
        resource.ours(service, |scope| {
            for family in gathered {
                scope.inner(2, |metric| write(metric, family, when));
            }
        });
    });
    out.into_bytes()
}

fn write(metric: &mut Message, family: &Gathered, when: When) {
    metric.text(1, &family.name).text(2, &family.help).text(3, unit(&family.name));
    let points = |into: &mut Message| {
        for sample in &family.samples {
            into.inner(1, |point| write_point(point, family, sample, when));
        }
    };
    match family.kind {
        Kind::Gauge => metric.inner(5, points),
        Kind::Counter => metric.inner(7, |sum| {
            points(sum);
            sum.number(2, CUMULATIVE).number(3, 1);
        }),
        Kind::Histogram => metric.inner(9, |histogram| {
            points(histogram);
            histogram.number(2, CUMULATIVE);
        }),
        Kind::Summary => metric.inner(11, points),
    };
}

/// In the words of UCUM.
fn unit(name: &str) -> &'static str {
    match name.trim_end_matches("_total").rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        Some("ratio") => "1",
        _ => "",
    }
}

fn write_point(point: &mut Message, family: &Gathered, sample: &Sample, When { began, now }: When) {
    let labels = |point: &mut Message, field| {
        for (name, value) in family.labels.iter().zip(sample.values.iter()) {
            point.attribute(field, name, &Given::Text(value));
        }
    };
    match &sample.value {
        Value::Count(count) => {
            point.fixed(2, began).fixed(3, now).fixed(6, *count);
            labels(point, 7);
        }
        Value::Number(number) => {
            point.fixed(2, began).fixed(3, now).double(4, *number);
            labels(point, 7);
        }
        Value::Durations(held) => {
            let cumulative = held.cumulative();
            let mut before = 0;
            let mut counts: Vec<u64> = Vec::with_capacity(cumulative.len() + 1);
            for (_, count) in &cumulative {
                counts.push(count.saturating_sub(before));
                before = *count;
            }
            counts.push(held.count().saturating_sub(before));
            let bounds = cumulative.iter().map(|(bound, _)| bound.as_secs_f64().to_bits());
            point.fixed(2, began).fixed(3, now).fixed(4, held.count());
            point.double(5, held.sum_nanos() as f64 / 1e9);
            point.packed(6, counts.into_iter()).packed(7, bounds);
            labels(point, 9);
        }
        Value::Summed(held) => {
            point.fixed(2, began).fixed(3, now).fixed(4, held.count);
            point.double(5, held.sum_nanos as f64 / 1e9);
            for (share, value) in held.quantiles {
                let value = value.map_or(f64::NAN, |span| span.as_secs_f64());
                point.inner(6, |quantile| _ = quantile.double(1, share).double(2, value));
            }
            labels(point, 7);
        }
    }
}
