//! Which bodies become smaller: text does; what is compressed already only becomes slower.

/// Is a body of this `Content-Type` worth compressing?
///
/// Text, JSON, XML, JavaScript and their kin. Never pictures, sound, archives, or what nobody named; and never an event
/// stream, whose events would wait for each other.
pub fn is_worth_it(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let Ok(essence) = std::str::from_utf8(essence) else { return false };
    // Long enough for every type that has a name.
    if essence.len() > 128 {
        return false;
    }
    let essence = essence.to_ascii_lowercase();
    let Some((kind, name)) = essence.split_once('/') else { return false };
    match kind {
        "text" => !name.is_empty() && name != "event-stream",
        "application" => {
            APPLICATION.contains(&name)
                || name.ends_with("+json")
                || name.ends_with("+xml")
                || name.ends_with("+yaml")
        }
        "image" => name == "svg+xml",
        _ => false,
    }
}

/// Applications that are text by another name.
const APPLICATION: &[&str] = &[
    "ecmascript",
    "graphql",
    "javascript",
    "json",
    "json-seq",
    "json5",
    "jsonl",
    "jsonlines",
    "ndjson",
    "rtf",
    "sql",
    "toml",
    "wasm",
    "x-javascript",
    "x-jsonlines",
    "x-ndjson",
    "x-www-form-urlencoded",
    "xml",
    "yaml",
];
