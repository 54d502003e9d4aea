//! Names that are safe to export, and the escapes of the text format.

use std::borrow::Cow;
use std::time::Duration;

use super::registry::Kind;

/// A metric name of this kind that scrapers accept. A name that had to be mended is a bug of ours: it shows in tests.
pub(super) fn metric_name(name: &str, kind: Kind) -> Cow<'_, str> {
    let mended = mend_metric_name(name, kind);
    debug_assert!(mended == name, "{name:?} is no name for a {kind:?}: write {mended:?}");
    mended
}

/// A label name that scrapers accept, likewise.
pub(super) fn label_name(name: &str) -> Cow<'_, str> {
    let mended = mend_label_name(name);
    debug_assert!(mended == name, "{name:?} is no label name: write {mended:?}");
    mended
}

fn mend_metric_name(name: &str, kind: Kind) -> Cow<'_, str> {
    let name = mend(name, ":");
    match kind {
        Kind::Counter if !name.ends_with("_total") => Cow::Owned(format!("{name}_total")),
        _ => name,
    }
}

fn mend_label_name(name: &str) -> Cow<'_, str> {
    match mend(name, "") {
        // The format keeps these for itself.
        name if name == "le" || name == "quantile" || name.starts_with("__") => {
            Cow::Owned(format!("label_{name}"))
        }
        name => name,
    }
}

fn mend<'a>(name: &'a str, also: &str) -> Cow<'a, str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || also.contains(c);
    let starts_well = name.starts_with(|c: char| allowed(c) && !c.is_ascii_digit());
    if starts_well && name.chars().all(allowed) {
        return Cow::Borrowed(name);
    }
    let mut mended = String::with_capacity(name.len() + 1);
    if !starts_well {
        mended.push('_');
    }
    mended.extend(name.chars().map(|c| if allowed(c) { c } else { '_' }));
    Cow::Owned(mended)
}

/// Appends a label value, escaped. Quotes in help are escaped too, but in OpenMetrics alone: see [`help`].
pub(super) fn label_value(out: &mut String, value: &str) {
    escaped(out, value, true);
}

/// Appends a help text, escaped.
pub(super) fn help(out: &mut String, text: &str, quotes: bool) {
    escaped(out, text, quotes);
}

fn escaped(out: &mut String, text: &str, quotes: bool) {
    if !text.contains(['\\', '\n', '"']) {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

/// Seconds, exact to the nanosecond, always with a fraction: `0.0025`, `1.0`. The spelling of a bound is part of a
/// series' name, so both formats share it.
pub(super) fn seconds(nanos: u128) -> String {
    const SECOND: u128 = Duration::from_secs(1).as_nanos();
    let mut text = format!("{}.{:09}", nanos / SECOND, nanos % SECOND);
    while text.ends_with('0') && !text.ends_with(".0") {
        text.pop();
    }
    text
}

/// A value as the formats spell it.
pub(super) fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        // `{}` of a float neither rounds nor uses an exponent, and spells NaN as the formats do.
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
