//! `seawall audit scan`: reads texts, one a line, and says which of them look like attacks.

use std::io::BufRead;
use std::process::ExitCode;

use clap::Args;
use seawall_security::injection::{Detector, Finding, LONGEST, Options, Report};
use serde_json::{Value, json};

use crate::output::{Failure, data, plain};

/// Read texts, one a line, for injections: exit 0, attack or not
#[derive(Debug, Args)]
pub(super) struct Scan {
    /// Read the texts from stdin
    #[arg(long, required = true)]
    stdin: bool,
    /// Answer in one JSON array, with an object for each line
    #[arg(long)]
    json: bool,
    /// The score from which a text is an attack
    #[arg(long, value_name = "1-20", default_value_t = Options::default().threshold)]
    threshold: u8,
    /// Exit with 1 if there is an attack
    #[arg(long)]
    fail: bool,
}

/// So much is gathered before it is written.
const GATHERED: usize = 64 * 1024;

impl Scan {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let options = Options { threshold: self.threshold, ..Options::default() };
        options.check().map_err(Failure::bad_input)?;
        let attacks = self.read(&Detector::new(&options), std::io::stdin().lock(), data)?;
        Ok(ExitCode::from(u8::from(self.fail && attacks > 0)))
    }

    /// Reads every line, and writes what is to be said of it as it comes: there may be more lines than memory.
    fn read(
        &self,
        detector: &Detector,
        mut lines: impl BufRead,
        mut write: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let (mut number, mut attacks) = (0u64, 0u64);
        let mut text = String::from(if self.json { "[" } else { "" });
        while let Some(line) = next(&mut lines).map_err(|why| unreadable(&why))? {
            number += 1;
            let report = detector.scan(&line);
            attacks += u64::from(report.is_attack());
            if self.json {
                text.push_str(if number > 1 { ",\n" } else { "\n" });
                text.push_str(&element(number, &report).to_string());
            } else if report.is_attack() {
                text.push_str(&told(number, &report));
            }
            if text.len() > GATHERED {
                write(&std::mem::take(&mut text))?;
            }
        }
        if self.json {
            text.push_str("\n]\n");
        } else {
            text.push_str(&format!("{attacks} of {number} lines look like attacks\n"));
        }
        write(&text)?;
        Ok(attacks)
    }
}

fn unreadable(why: &std::io::Error) -> Failure {
    Failure::failed(format_args!("stdin cannot be read: {why}"))
}

/// The next line without its end. Of one that is longer than is read, the rest is passed over.
fn next(lines: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut any = false;
    loop {
        let piece = match lines.fill_buf() {
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => continue,
            piece => piece?,
        };
        if piece.is_empty() {
            return Ok(any.then_some(line));
        }
        any = true;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(piece.len(), |end| end + 1);
        // One byte more than is read, so that the report says that there was more.
        let room = (LONGEST + 1).saturating_sub(line.len());
        line.extend_from_slice(&piece[..end.unwrap_or(piece.len()).min(room)]);
        lines.consume(used);
        if end.is_some() {
            line.pop_if(|last| *last == b'\r');
            return Ok(Some(line));
        }
    }
}

fn element(number: u64, report: &Report) -> Value {
    let categories: Vec<_> = report.categories().collect();
    let rules: Vec<_> = report
        .findings()
        .iter()
        .filter(|found| categories.contains(&found.rule.category))
        .map(|found| found.rule.name)
        .collect();
    let score =
        seawall_security::injection::Category::ALL.iter().map(|category| report.score(*category)).max();
    json!({
        "line": number,
        "attack": report.is_attack(),
        "score": score,
        "categories": categories,
        "rules": rules,
        "findings": report.findings().iter().map(finding).collect::<Vec<_>>(),
        "cut": report.cut,
    })
}

fn finding(found: &Finding) -> Value {
    json!({
        "rule": found.rule.name,
        "category": found.rule.category,
        "weight": found.rule.weight,
        "start": found.bytes.start,
        "end": found.bytes.end,
        "encodings": found.encodings.names().collect::<Vec<_>>(),
        "why": found.rule.why,
    })
}

/// One attack in words: a line for each category, with its reasons.
fn told(number: u64, report: &Report) -> String {
    let mut text = String::new();
    for category in report.categories() {
        let reasons: Vec<String> = report
            .findings()
            .iter()
            .filter(|found| found.rule.category == category)
            .map(|found| {
                let encodings: Vec<&str> = found.encodings.names().collect();
                let through = if encodings.is_empty() {
                    String::new()
                } else {
                    format!(" through {}", encodings.join(", "))
                };
                format!(
                    "{} at {}-{}{through}: {}",
                    found.rule.name, found.bytes.start, found.bytes.end, found.rule.why
                )
            })
            .collect();
        let line =
            format!("line {number}: {category}, score {}: {}", report.score(category), reasons.join("; "));
        text.push_str(&format!("{}\n", plain(&line)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(json: bool, input: &[u8]) -> (u64, String) {
        let scan = Scan { stdin: true, json, threshold: 5, fail: false };
        let mut out = String::new();
        let detector = Detector::new(&Options::default());
        let attacks = scan.read(&detector, input, |text| {
            out.push_str(text);
            Ok(())
        });
        (attacks.unwrap(), out)
    }

    #[test]
    fn every_line_has_its_object_in_order() {
        let (attacks, out) =
            scan(true, b"O'Brien\n1' UNION SELECT 1,2--\r\n\n<svg onload=alert(1)>\n\xff\xfe");
        assert_eq!(attacks, 2);
        let all: Vec<Value> = serde_json::from_str(&out).unwrap();
        let attack: Vec<bool> = all.iter().map(|one| one["attack"].as_bool().unwrap()).collect();
        assert_eq!(attack, [false, true, false, true, false]);
        assert_eq!(all[1]["categories"], json!(["sql"]));
        assert!(all[1]["rules"].as_array().unwrap().contains(&json!("sql/union")), "{out}");
        assert_eq!((&all[3]["line"], &all[3]["categories"]), (&json!(4), &json!(["xss"])));
        assert_eq!((&all[0]["rules"], &all[0]["score"]), (&json!([]), &json!(0)));
        let found = &all[1]["findings"][0];
        assert!(found["start"].is_u64() && found["end"].is_u64() && found["why"].is_string(), "{found}");
    }

    #[test]
    fn nothing_is_an_empty_array() {
        assert_eq!(serde_json::from_str::<Vec<Value>>(&scan(true, b"").1).unwrap().len(), 0);
        assert_eq!(scan(false, b"").1, "0 of 0 lines look like attacks\n");
    }

    #[test]
    fn people_are_told_the_line_and_the_reason() {
        let (_, out) = scan(false, b"fine\n1%27%20UNION%20SELECT%201,2--\n");
        assert!(out.starts_with("line 2: sql, score "), "{out}");
        assert!(out.contains("sql/union at 7-21 through url: a second SELECT"), "{out}");
        assert!(out.ends_with("\n1 of 2 lines look like attacks\n"), "{out}");
    }

    #[test]
    fn a_line_longer_than_is_read_says_so_and_the_next_one_is_read() {
        let mut input = vec![b'a'; LONGEST + 5];
        input.extend_from_slice(b"\n../../../etc/passwd");
        let all: Vec<Value> = serde_json::from_str(&scan(true, &input).1).unwrap();
        assert_eq!(
            (&all[0]["cut"], &all[1]["cut"], &all[1]["attack"]),
            (&json!(true), &json!(false), &json!(true))
        );
    }
}
