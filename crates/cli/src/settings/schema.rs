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

/// Whether a key's type says that it is a secret: the names that lead to it, as they are written.
pub(crate) fn is_secret(schema: &Value, names: &[String]) -> bool {
    follow(schema, schema, names, 0)
}

/// Follows names through a schema, by whatever branch has them.
fn follow(root: &Value, at: &Value, names: &[String], depth: usize) -> bool {
    // A schema may refer to itself.
    if depth > 32 {
        return false;
    }
    let deeper = |at: &Value, names: &[String]| follow(root, at, names, depth + 1);
    let referred = at["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?));
    let branches = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| at[key].as_array()).flatten();
    if referred.into_iter().chain(branches).any(|branch| deeper(branch, names)) {
        return true;
    }
    if at["items"].is_object() && deeper(&at["items"], names) {
        return true;
    }
    let Some((first, rest)) = names.split_first() else {
        return at["pattern"].as_str().is_some_and(|pattern| pattern.starts_with("^(vault:"));
    };
    match at["properties"].get(first) {
        Some(property) => deeper(property, rest),
        None => at["additionalProperties"].is_object() && deeper(&at["additionalProperties"], rest),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_secret_by_their_type() {
        let schema = schema();
        let secret = |key: &str| is_secret(&schema, &key.split('.').map(str::to_owned).collect::<Vec<_>>());
        for key in [
            "callers.ann",
            "admin_token",
            "tls.key",
            "admin_tls.key",
            "admin_tokens.ann.token",
            "effects.encrypt",
            "state.password",
            "state.key",
            "upstream.a.auth.bearer",
            "upstream.a.auth.basic",
            "upstream.a.auth.value",
            "upstream.a.keys.bearer",
            "upstream.a.keys.value",
            "channel.ops.secret",
            "channel.ops.slack",
            "otlp.headers.authorization",
            "health.vectors.auth.value",
            "carbon.electricity_maps.token",
        ] {
            assert!(secret(key), "{key}");
        }
        for key in [
            "listen",
            "callers",
            "admin_tokens.ann.role",
            "upstream.a.url",
            "upstream.a.auth.header",
            "upstream.a.keys.name",
            "route.r.once.key",
            "vault.key_file",
            "state",
            "state.url",
            "state.user",
            "",
        ] {
            assert!(!secret(key), "{key}");
        }
    }
}
