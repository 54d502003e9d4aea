//! What an editor may know about quantities: strings with a pattern.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Rate, Share, Size};

/// What a duration is made of: whole numbers with units, longest first, each at most once, and a last one that may have
/// a fraction. Said without looking ahead, so that every editor's engine understands it.
macro_rules! duration {
    () => {
        concat!(
            "([0-9]+(\\.[0-9]+)?d|([0-9]+(\\.0+)?d)?",
            "([0-9]+(\\.[0-9]+)?h|([0-9]+(\\.0+)?h)?",
            "([0-9]+(\\.[0-9]+)?m|([0-9]+(\\.0+)?m)?",
            "([0-9]+(\\.[0-9]+)?s|([0-9]+(\\.0+)?s)?",
            "([0-9]+(\\.[0-9]+)?ms|([0-9]+(\\.0+)?ms)?",
            "([0-9]+(\\.[0-9]+)?(us|µs|μs)|([0-9]+(\\.0+)?(us|µs|μs))?",
            "[0-9]+(\\.0+)?ns))))))",
        )
    };
}

const DURATION: &str = concat!("^", duration!(), "$");

/// The schema of a [`Duration`](std::time::Duration) field; for `#[schemars(schema_with = "…")]`.
pub fn duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": DURATION, "description": "a duration like \"20s\"" })
}

/// The schema of an `Option<Duration>` field; for `#[schemars(schema_with = "…")]`.
pub fn option_duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "pattern": DURATION, "description": "a duration like \"20s\"" })
}

macro_rules! text_schema {
    ($type:ty, $name:literal, $pattern:expr, $description:literal) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $description })
            }
        }
    };
}

text_schema!(
    Rate,
    "Rate",
    concat!("^[0-9]+/(s|sec|second|m|min|minute|h|hour|d|day|", duration!(), ")$"),
    "a rate like \"500/min\""
);
text_schema!(Size, "Size", r"^[0-9]+(\.[0-9]+)?([kKmMgGtT]i?)?[bB]$", "a size like \"64KiB\"");
text_schema!(Share, "Share", r"^[0-9]+(\.[0-9]+)?%$", "a share like \"20%\"");
