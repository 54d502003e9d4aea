//! What an editor may know about quantities: strings with a pattern.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Rate, Share, Size};

const DURATION: &str = r"^([0-9]+(\.[0-9]+)?(d|h|ms|m|s|us|µs|ns))+$";

/// The schema of a [`Duration`](std::time::Duration) field; for `#[schemars(schema_with = "…")]`.
pub fn duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": DURATION, "description": "a duration like \"20s\"" })
}

/// The schema of an `Option<Duration>` field; for `#[schemars(schema_with = "…")]`.
pub fn option_duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "pattern": DURATION, "description": "a duration like \"20s\"" })
}

macro_rules! text_schema {
    ($type:ty, $name:literal, $pattern:literal, $description:literal) => {
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
    r"^[0-9]+/(s|sec|second|m|min|minute|h|hour|d|day|([0-9]+(\.[0-9]+)?(d|h|ms|m|s|us|µs|ns))+)$",
    "a rate like \"500/min\""
);
text_schema!(Size, "Size", r"^[0-9]+(\.[0-9]+)?([kKmMgGtT]i?)?[bB]$", "a size like \"64KiB\"");
text_schema!(Share, "Share", r"^[0-9]+(\.[0-9]+)?%$", "a share like \"20%\"");
