//! What our detector says of each string, and, on the tuning half alone, where it is wrong.

use super::sample::{Form, Kind, Sample};
use seawall_security::injection::{Body, Category, Detector, Finding, Options, Report, Request};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What was said of one string.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) attack: bool,
    pub(super) categories: Vec<Category>,
    reasons: Vec<String>,
}

/// Every string, judged with the defaults.
pub(super) fn ours(samples: &[Sample]) -> Vec<Said> {
    let detector = Detector::new(&Options::default());
    samples.iter().map(|sample| said(&detector, sample)).collect()
}

fn said(detector: &Detector, sample: &Sample) -> Said {
    match sample.form {
        Form::Value => {
            let report = detector.scan(&sample.text);
            let reasons = reasons(&report, &sample.text);
            Said { attack: report.is_attack(), categories: report.categories().collect(), reasons }
        }
        Form::Json => {
            let request = Request { body: Body::Json(&sample.text), ..Request::default() };
            let seen = detector.inspect(&request);
            let reasons = seen.places.iter().flat_map(|place| reasons(&place.report, &[])).collect();
            Said { attack: seen.is_attack(), categories: seen.categories().collect(), reasons }
        }
    }
}

/// Each rule that spoke, and of which bytes.
fn reasons(report: &Report, text: &[u8]) -> Vec<String> {
    let said = |found: &Finding| {
        let piece = String::from_utf8_lossy(text.get(found.bytes.clone()).unwrap_or_default());
        format!("{} {} {piece:?}", found.rule.name, found.rule.weight)
    };
    report.findings().iter().map(said).collect()
}

/// Whether the category is the one the list's authors gave.
pub(super) fn right(kind: Kind, said: &Said) -> bool {
    let wanted = match kind {
        Kind::Sql => Category::Sql,
        Kind::Xss => Category::Xss,
        Kind::Traversal => Category::Traversal,
        Kind::Command => Category::Command,
        Kind::Mixed | Kind::Benign => return said.attack,
    };
    said.categories.contains(&wanted)
}

/// The tuning half: rates per corpus, and files that show each miss and each false alarm.
pub(super) fn tune(samples: &[Sample], folder: &Path) -> Result<(), String> {
    let half: Vec<Sample> = samples.iter().filter(|sample| !sample.held_out).cloned().collect();
    let mut wrong: BTreeMap<&str, String> = BTreeMap::new();
    let mut counts: BTreeMap<(bool, &str), (usize, usize)> = BTreeMap::new();
    for (sample, said) in half.iter().zip(ours(&half)) {
        let count = counts.entry((sample.is_attack(), sample.corpus)).or_default();
        count.1 += 1;
        if said.attack {
            count.0 += 1;
        }
        if said.attack != sample.is_attack() {
            let shown = String::from_utf8_lossy(&sample.text);
            let shown: String = shown.chars().take(400).collect();
            let line = format!("{}   {shown:?}\n", said.reasons.join("; "));
            wrong.entry(sample.corpus).or_default().push_str(&line);
        }
    }
    let place = folder.join("tune");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    for (corpus, text) in wrong {
        let file = place.join(format!("{corpus}.txt"));
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let mut table = String::new();
    for ((attack, corpus), (said, all)) in counts {
        let what = if attack { "recall" } else { "false alarms" };
        let _ = writeln!(
            table,
            "   {corpus:28} {what:13} {:8.3} %  ({said} of {all})",
            100.0 * said as f64 / all as f64
        );
    }
    eprint!("{table}");
    Ok(())
}
