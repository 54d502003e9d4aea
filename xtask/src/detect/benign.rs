//! Text that attacks nobody: jokes and verse, what packages say of themselves, source code, and the JSON of APIs.

use super::packages::{descriptions, entries};
use super::read as text_of;
use super::sample::{Form, Kind, Sample, hash};
use crate::process::answer;
use serde_json::json;
use std::path::Path;

/// One description in so many, and one record's fields in so many, drawn by hash.
const DESCRIPTIONS: u64 = 6;
const RECORDS: u64 = 12;
/// Bodies of each kind, half of them for tuning.
const BODIES: usize = 3_000;
/// Longer blocks of source are cut: a field of a form is not a file.
const LONGEST: usize = 4_000;
/// What is about attacks is not benign text about anything else.
const OURS: [&str; 7] = [
    "crates/security/",
    "crates/cli/src/commands/audit/",
    "crates/cli/tests/audit.rs",
    "xtask/src/detect/",
    "benches/DETECT.md",
    "docs/injection.md",
    "Cargo.lock",
];

/// All of it. A line of a text, or a body it stands in, is in the half of the text.
pub(super) fn read(folder: &Path) -> Result<Vec<Sample>, String> {
    let whole = |corpus, texts: Vec<String>| {
        let sample = |text: String| Sample::new(corpus, Kind::Benign, text.clone(), &text);
        texts.into_iter().map(sample).collect::<Vec<_>>()
    };
    let (long, fields) = descriptions(folder)?;
    let fortunes = whole("fortunes", fortunes(folder)?);
    let described = whole("package descriptions", described(&long));
    let source = whole("source code", source()?);
    let mut samples = lines("fortunes, line by line", &fortunes);
    samples.extend(whole("package fields", recorded(&fields)));
    samples.extend(bodies("JSON of APIs, prose in it", &[&fortunes, &described]));
    samples.extend(bodies("JSON of APIs, source code in it", &[&source]));
    samples.extend([fortunes, described, source].into_iter().flatten());
    Ok(samples)
}

/// Each line by itself.
fn lines(corpus: &'static str, texts: &[Sample]) -> Vec<Sample> {
    let line = |text: &Sample| {
        let lines = text.text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).map(<[u8]>::to_vec);
        let (half, kind, form) = (text.held_out, text.kind, text.form);
        lines.map(move |text| Sample { corpus, kind, form, text, held_out: half }).collect::<Vec<_>>()
    };
    texts.iter().flat_map(line).collect()
}

/// Each joke, verse or quotation as a whole.
fn fortunes(folder: &Path) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for file in entries(&folder.join("tree/usr/share/games/fortunes"))? {
        if file.extension().is_none() {
            all.extend(text_of(&file)?.split("\n%\n").map(|text| text.trim_matches('\n').to_owned()));
        }
    }
    Ok(all)
}

/// The long descriptions of some packages.
fn described(translations: &str) -> Vec<String> {
    let records = translations
        .split("\n\n")
        .filter(|record| hash(record.as_bytes()) >> 8 & 0xffff < 65_536 / DESCRIPTIONS);
    let texts = records.filter_map(|record| record.split_once("Description-en: "));
    texts.map(|(_, text)| unwrapped(text)).collect()
}

/// Paragraphs on one line each, as people fill in forms; lists stay lists.
fn unwrapped(text: &str) -> String {
    let text = text.replace("\n .\n", "\n\n").replace("\n  ", "\u{1}");
    text.replace("\n ", " ").replace('\u{1}', "\n  ").trim().to_owned()
}

/// What some packages need, who keeps them, where they live and what they are tagged with.
fn recorded(records: &str) -> Vec<String> {
    let some =
        records.split("\n\n").filter(|record| hash(record.as_bytes()) >> 8 & 0xffff < 65_536 / RECORDS);
    let wanted = ["Depends: ", "Maintainer: ", "Homepage: ", "Tag: ", "Filename: "];
    let value = |line: &str| wanted.iter().find_map(|key| line.strip_prefix(key)).map(str::to_owned);
    some.flat_map(|record| record.lines().filter_map(value).collect::<Vec<_>>()).collect()
}

/// The blocks of this repository's files, between their empty lines.
fn source() -> Result<Vec<String>, String> {
    let root = crate::root();
    let listed = answer("git", &["-C", &root.display().to_string(), "ls-files"]);
    let listed = listed.ok_or("git does not list the files of this repository")?;
    let mut blocks = Vec::new();
    for file in listed.lines().filter(|file| !OURS.iter().any(|ours| file.starts_with(ours))) {
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        let whole = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
        blocks.extend(whole.map(|block| block.chars().take(LONGEST).collect::<String>()));
    }
    Ok(blocks)
}

/// Requests in the shapes of well known APIs, with those texts where people's words go.
fn bodies(corpus: &'static str, texts: &[&Vec<Sample>]) -> Vec<Sample> {
    let mut bodies = Vec::new();
    for held_out in [false, true] {
        let half = |text: &&Sample| text.held_out == held_out;
        let lists: Vec<Vec<&Sample>> = texts.iter().map(|list| list.iter().filter(half).collect()).collect();
        for number in 0..BODIES / 2 {
            let seed = hash(format!("{corpus} {number} {held_out}").as_bytes());
            let pick = |turn: u32| {
                let drawn = seed.rotate_left(turn * 11);
                let list = &lists[drawn as usize % lists.len()];
                String::from_utf8_lossy(&list[(drawn >> 8) as usize % list.len()].text).into_owned()
            };
            let text = body(number, seed, [&pick(1), &pick(2), &pick(3)]).into_bytes();
            bodies.push(Sample { corpus, kind: Kind::Benign, form: Form::Json, text, held_out });
        }
    }
    bodies
}

fn body(number: usize, seed: u64, [one, two, three]: [&str; 3]) -> String {
    let word = one.split_whitespace().next().unwrap_or("item");
    let id = format!("{seed:032x}");
    match number % 6 {
        0 => json!({ "model": "gpt-5-mini", "stream": true, "stream_options": { "include_usage": true },
            "messages": [{ "role": "system", "content": one }, { "role": "user", "content": two }] }),
        1 => json!({ "model": "claude-sonnet", "max_tokens": 1024, "temperature": 0.7, "system": one,
            "tools": [{ "name": "lookup", "description": two, "input_schema": { "type": "object",
                "properties": { "query": { "type": "string" } }, "required": ["query"] } }],
            "messages": [{ "role": "user", "content": [{ "type": "text", "text": three }] }] }),
        2 => json!({ "model": "text-embedding-3-small", "encoding_format": "float",
            "input": [one, two, three] }),
        3 => json!({ "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
            "quantity": "0.00100000", "price": format!("{}.50", seed % 90_000), "newClientOrderId": id,
            "timestamp": seed >> 22, "note": word }),
        4 => json!({ "id": id, "object": "event", "type": "payment_intent.succeeded",
            "data": { "object": { "amount": seed % 10_000, "currency": "eur", "description": one,
                "metadata": { "order": word, "comment": two }, "receipt_email": "a.b+c@example.com",
                "url": "https://example.com/a/b?x=1&y=2#z" } } }),
        _ => json!({ "resourceSpans": [{ "resource": { "attributes": [{ "key": "service.name",
            "value": { "stringValue": word } }] }, "scopeSpans": [{ "spans": [{
                "name": "GET /v1/items/{id}", "traceId": id,
                "attributes": [{ "key": "log", "value": { "stringValue": one } }] }] }] }] }),
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_lose_their_line_breaks_and_lists_keep_them() {
        assert_eq!(
            unwrapped("short\n one\n two\n .\n three\n  - item\n  - item"),
            "short one two\n three\n  - item\n  - item"
        );
    }

    #[test]
    fn a_line_and_a_body_are_in_the_half_of_their_text() {
        let texts: Vec<Sample> = (0..40)
            .map(|n| Sample::new("c", Kind::Benign, format!("a {n}\nb {n}"), &format!("{n}")))
            .collect();
        for line in lines("l", &texts) {
            let number = String::from_utf8_lossy(&line.text)[2..].to_owned();
            assert_eq!(line.held_out, Sample::new("c", Kind::Benign, "", &number).held_out);
        }
        for body in bodies("j", &[&texts])
            .iter()
            .filter(|body| !String::from_utf8_lossy(&body.text).contains("BTCUSDT"))
        {
            let held = texts.iter().filter(|text| {
                let text = serde_json::to_string(&String::from_utf8_lossy(&text.text)).unwrap_or_default();
                String::from_utf8_lossy(&body.text).contains(&text)
            });
            assert!(held.clone().count() > 0 && held.clone().all(|text| text.held_out == body.held_out));
        }
    }
}
