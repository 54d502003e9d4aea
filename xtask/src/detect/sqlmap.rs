//! What sqlmap would send: its payload templates inside its boundaries, plain and through its evasion scripts.

use super::packages::entries;
use super::read as text_of;
use super::sample::{Kind, Sample, hash};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const HOME: &str = "tree/usr/share/sqlmap";
/// Boundaries each template is put into: more would count one template many times.
const EACH: usize = 3;
/// Scripts that change something else than the string: headers, the number of fields.
const NO_STRING: [&str; 4] = ["__init__", "luanginx", "varnish", "xforwardedfor"];

/// Every payload, and most of them once more after an evasion script. Halves are drawn by template.
pub(super) fn read(folder: &Path) -> Result<Vec<Sample>, String> {
    let home = folder.join(HOME);
    let boundaries = blocks(&text_of(&home.join("data/xml/boundaries.xml"))?, "boundary");
    let boundaries: Vec<Boundary> = boundaries.iter().map(|block| Boundary::read(block)).collect();
    let mut samples = Vec::new();
    for file in entries(&home.join("data/xml/payloads"))? {
        for test in blocks(&text_of(&file)?, "test") {
            let origin = tag(&test, "title").unwrap_or_default();
            for text in payloads(&test, &boundaries) {
                samples.push(Sample::new("sqlmap", Kind::Sql, text, &origin));
            }
        }
    }
    let twisted = evaded(&home, &samples)?;
    samples.extend(twisted);
    Ok(samples)
}

struct Boundary {
    clause: String,
    place: String,
    prefix: String,
    suffix: String,
}

impl Boundary {
    fn read(block: &str) -> Boundary {
        let get = |name| tag(block, name).unwrap_or_default();
        Boundary { clause: get("clause"), place: get("where"), prefix: get("prefix"), suffix: get("suffix") }
    }

    fn fits(&self, clause: &str, place: &str) -> bool {
        let meet = |ours: &str, theirs: &str| {
            let has = |list: &str, one: &str| list.split(',').any(|other| other.trim() == one);
            has(ours, "0") || has(theirs, "0") || theirs.split(',').any(|one| has(ours, one.trim()))
        };
        meet(&self.clause, clause) && self.place.split(',').any(|one| one.trim() == place)
    }
}

/// One template in a few of the boundaries it fits into, drawn by its hash.
fn payloads(test: &str, boundaries: &[Boundary]) -> Vec<String> {
    let Some(request) = tag_raw(test, "request") else { return Vec::new() };
    let request = without_comments(&request);
    let get = |from: &str, name| tag(from, name).unwrap_or_default();
    let comment = get(&request, "comment");
    let payload = match (get(&request, "payload"), get(&request, "columns")) {
        (payload, _) if !payload.is_empty() => payload,
        (_, columns) if !columns.is_empty() => union(&get(&request, "char"), &columns),
        _ => return Vec::new(),
    };
    let clause = get(test, "clause");
    let mut made = Vec::new();
    for place in get(test, "where").split(',').map(str::trim) {
        let mut fitting: Vec<&Boundary> = boundaries.iter().filter(|one| one.fits(&clause, place)).collect();
        let draw = |one: &&Boundary| hash(format!("{payload}{}{}", one.prefix, one.suffix).as_bytes());
        fitting.sort_by_key(draw);
        for Boundary { prefix, suffix, .. } in fitting.into_iter().take(EACH) {
            let value = match place {
                "1" => "1",
                "2" => "-[RANDNUM]",
                _ => "",
            };
            let end = if comment.is_empty() { suffix } else { &comment };
            let gap = if prefix.is_empty() && value.is_empty() { "" } else { " " };
            made.push(filled(&format!("{value}{prefix}{gap}{payload}{end}")));
        }
    }
    made
}

/// `UNION ALL SELECT` with as many columns as the middle of the range it tries.
fn union(cell: &str, columns: &str) -> String {
    let cell = if cell.is_empty() || cell == "[CHAR]" { "NULL" } else { cell };
    let (from, to) = columns.split_once('-').unwrap_or((columns, columns));
    let number = |text: &str| text.trim().parse::<usize>().unwrap_or(3);
    let count = usize::midpoint(number(from), number(to)).clamp(1, 12);
    format!("UNION ALL SELECT {}", vec![cell; count].join(","))
}

/// What sqlmap draws when it runs, fixed.
fn filled(template: &str) -> String {
    let seed = hash(template.as_bytes());
    let number = |turn: u32| (1000 + (seed >> (turn * 7)) % 9000).to_string();
    let mut text = template.replace("[RANDNUM]", &number(0)).replace("[ORIGVALUE]", "1");
    for turn in 1..=5 {
        text = text.replace(&format!("[RANDNUM{turn}]"), &number(turn));
        text = text.replace(
            &format!("[RANDSTR{turn}]"),
            ["KxQt", "ZrWe", "hGbN", "PoLm", "uYvC"][turn as usize - 1],
        );
    }
    [
        ("[RANDSTR]", "TqWv"),
        ("[DELIMITER_START]", "qvkzq"),
        ("[DELIMITER_STOP]", "qbxpq"),
        ("[SLEEPTIME]", "5"),
        ("[GENERIC_SQL_COMMENT]", "-- wXyZ"),
        ("[ORIGINAL]", "1"),
        ("[SPACE_REPLACE]", "qxq"),
        ("[DOLLAR_REPLACE]", "qdq"),
        ("[HASH_REPLACE]", "qhq"),
        ("[AT_REPLACE]", "qaq"),
    ]
    .iter()
    .fold(text, |text, (word, meaning)| text.replace(word, meaning))
}

/// Each string through one evasion script that changes it, drawn by its hash.
fn evaded(home: &Path, samples: &[Sample]) -> Result<Vec<Sample>, String> {
    let name = |file: &Path| file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut scripts: Vec<String> =
        entries(&home.join("tamper"))?.iter().filter_map(|file| name(file)).collect();
    scripts.retain(|script| !NO_STRING.contains(&script.as_str()));
    let mut command = Command::new("python3");
    command.args(["-c", include_str!("evade.py")]).arg(home).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("python3: {error}"))?;
    let mut asked = String::new();
    for sample in samples {
        let payload = String::from_utf8_lossy(&sample.text);
        // Several are asked, since many leave most strings as they are.
        for turn in 0..4 {
            let drawn = hash(&sample.text).rotate_left(turn * 16) as usize % scripts.len();
            asked.push_str(&format!("{}\n", json!({ "script": scripts[drawn], "payload": payload })));
        }
    }
    let mut stdin = child.stdin.take().ok_or("python3 has no stdin")?;
    let writer = std::thread::spawn(move || stdin.write_all(asked.as_bytes()));
    let output = child.wait_with_output().map_err(|error| format!("python3: {error}"))?;
    writer.join().map_err(|_| "the writer ended badly")?.map_err(|error| format!("python3: {error}"))?;
    let answers = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<Value> = answers.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if answers.len() != samples.len() * 4 {
        return Err(format!("the evasion scripts answered {} of {} times", answers.len(), samples.len() * 4));
    }
    let changed = samples.iter().zip(answers.chunks(4)).filter_map(|(sample, answers)| {
        let made = answers.iter().filter_map(Value::as_str);
        let text = made.map(str::as_bytes).find(|made| *made != sample.text.as_slice())?;
        Some(Sample { corpus: "sqlmap, evasive", text: text.to_vec(), ..sample.clone() })
    });
    Ok(changed.collect())
}

/// The insides of every `<name>…</name>`, comments left out.
fn blocks(xml: &str, name: &str) -> Vec<String> {
    let xml = without_comments(xml);
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let insides = xml.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
    insides.map(|(inside, _)| inside.to_owned()).collect()
}

fn tag_raw(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
}

fn tag(xml: &str, name: &str) -> Option<String> {
    let text = tag_raw(xml, name)?;
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(plain.iter().fold(text, |text, (entity, meaning)| text.replace(entity, meaning)))
}

fn without_comments(xml: &str) -> String {
    let mut pieces = xml.split("<!--");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once("-->").map_or("", |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_put_into_the_boundaries_it_fits() {
        let boundary = |place: &str, prefix: &str| Boundary {
            clause: "1,2".into(),
            place: place.into(),
            prefix: prefix.into(),
            suffix: "AND '1'='1".into(),
        };
        let test = "<clause>1</clause><where>1</where><request><!-- <payload>no</payload> -->\
                    <payload>AND [RANDNUM]&lt;2</payload></request>";
        let made = payloads(test, &[boundary("1,2", "'"), boundary("3", "no")]);
        assert_eq!(made.len(), 1);
        assert!(made[0].starts_with("1' AND ") && made[0].ends_with("<2AND '1'='1"), "{made:?}");
    }

    #[test]
    fn a_union_has_as_many_columns_as_the_middle_of_its_range() {
        assert_eq!(union("[CHAR]", "1-5"), "UNION ALL SELECT NULL,NULL,NULL");
        assert_eq!(union("7", "[COLSTART]-[COLSTOP]"), "UNION ALL SELECT 7,7,7");
        assert_eq!(blocks("<a>x<!-- <a>y</a> --></a><a>z</a>", "a"), ["x", "z"]);
    }
}
