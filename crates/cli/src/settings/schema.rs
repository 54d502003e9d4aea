//! The JSON Schema of the configuration, made from the types that read it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use seawall::{breaker, bulkhead, compress, retry};
use serde_json::Value;

use super::Settings;

/// The schema an editor checks `seawall.toml` against.
pub(crate) fn schema() -> Value {
    let mut schema = schemars::schema_for!(Settings);
    schema.insert("title".to_owned(), "seawall".into());
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let profiles = serde_json::json!({
            "type": "object",
            "description": "Tables laid over the rest, chosen by --profile or SEAWALL_PROFILE.",
            "additionalProperties": { "type": "object" },
        });
        properties.insert("profile".to_owned(), profiles);
    }
    schema.into()
}

/// A table of retry options, or the name of a preset.
pub(super) fn retry(generator: &mut SchemaGenerator) -> Schema {
    word_or::<retry::Options>(generator, &retry::Options::PRESETS)
}

/// A table of breaker options, or `"off"`.
pub(super) fn breaker(generator: &mut SchemaGenerator) -> Schema {
    word_or::<breaker::Options>(generator, &["off"])
}

/// A table of compression options, or `true` or `false`.
pub(super) fn compress(generator: &mut SchemaGenerator) -> Schema {
    let table = generator.subschema_for::<compress::Options>();
    json_schema!({ "anyOf": [{ "type": "boolean" }, table] })
}

/// A table of options for finding a size, or the name of an algorithm.
pub(super) fn adaptive(generator: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> = bulkhead::Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
    word_or::<bulkhead::Adaptive>(generator, &words)
}

fn word_or<T: JsonSchema>(generator: &mut SchemaGenerator, words: &[&str]) -> Schema {
    let table = generator.subschema_for::<T>();
    json_schema!({ "anyOf": [{ "type": "string", "enum": words }, table] })
}
