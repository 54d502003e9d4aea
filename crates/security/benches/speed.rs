//! How fast texts are read, in MB of text per second of one core: ordinary ones, and some made to be slow.
//!
//! With an argument, the table is written to the file it names.
#![expect(clippy::unwrap_used, reason = "a bench that cannot read its texts has nothing to measure")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use seawall_security::injection::{Body, Detector, Options, Request};

const MEBIBYTE: usize = 1 << 20;
/// Turns of each; the median is told.
const TURNS: usize = 7;

fn main() {
    let file = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let detector = Detector::new(&Options::default());
    let mut table = String::from("| text | MB/s | attack |\n|---|--:|---|\n");
    for (name, texts) in ordinary().into_iter().chain(hostile()) {
        let scan = |text: &[u8]| detector.scan(text).is_attack();
        row(&mut table, name, &texts, scan);
    }
    let bodies = vec![body()];
    let inspect =
        |body: &[u8]| detector.inspect(&Request { body: Body::Json(body), ..Request::default() }).is_attack();
    row(&mut table, "a body of JSON, 1 MiB of chat", &bodies, inspect);
    let _ = write!(std::io::stdout(), "{table}");
    if let Some(file) = file {
        std::fs::write(file, table).unwrap();
    }
}

fn row(table: &mut String, name: &str, texts: &[Vec<u8>], judge: impl Fn(&[u8]) -> bool) {
    let bytes: usize = texts.iter().map(Vec::len).sum();
    let rounds = (4 * MEBIBYTE / bytes.max(1)).max(1);
    let mut attacks = 0;
    let mut speeds: Vec<f64> = (0..TURNS)
        .map(|_| {
            let began = on_cpu();
            attacks = 0;
            for _ in 0..rounds {
                attacks = texts.iter().filter(|text| judge(text)).count();
            }
            (bytes * rounds) as f64 / 1e6 / (on_cpu() - began)
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    let _ = writeln!(table, "| {name} | {:.0} | {attacks} of {} |", speeds[TURNS / 2], texts.len());
}

/// Seconds this thread has run, as Linux counts them: who else is on the machine does not matter.
fn on_cpu() -> f64 {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    counted.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Pages that show attacks.
const SHOWING: [&str; 2] = ["injection.md", "coverage.md"];

/// The documentation and the sources of this repository.
fn ordinary() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let prose = gathered(&root.join("docs"), "md");
    let source = gathered(&root.join("crates/policy/src"), "rs");
    let pieces = |text: &[u8], size: usize| text.chunks(size).take(4096).map(<[u8]>::to_vec).collect();
    vec![
        ("prose, values of 64 bytes", pieces(&prose, 64)),
        ("prose, values of 1 KiB", pieces(&prose, 1024)),
        ("prose, 1 MiB at once", vec![full(&prose)]),
        ("source code, values of 1 KiB", pieces(&source, 1024)),
        ("source code, 1 MiB at once", vec![full(&source)]),
    ]
}

/// What costs the most for its length.
fn hostile() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let repeated = |piece: &str| vec![full(piece.as_bytes())];
    vec![
        ("hostile: `' or '` again and again", repeated("' or ' ")),
        ("hostile: open comments", repeated("/*")),
        ("hostile: comments of one line", repeated("#\n")),
        ("hostile: open parentheses of queries", repeated("(select ")),
        ("hostile: open tags", repeated("<a ")),
        ("hostile: steps up", repeated("../")),
        ("hostile: separators", repeated(";|&`$(")),
        ("hostile: percent signs, encoded over and over", repeated("%25252525")),
        ("hostile: entities", repeated("&#38;#38;lt;")),
        ("hostile: Base64", repeated("MScgT1IgJzEnPScxJyAtLSBhYmM= ")),
        ("hostile: case when", repeated("case when(")),
    ]
}

fn full(text: &[u8]) -> Vec<u8> {
    text.iter().copied().cycle().take(MEBIBYTE).collect()
}

fn body() -> Vec<u8> {
    let prose = gathered(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs"), "md");
    let text = String::from_utf8_lossy(&full(&prose)).replace(['\\', '"', '\t'], " ").replace('\n', "\\n");
    let messages: Vec<String> = text
        .as_bytes()
        .chunks(2000)
        .map(|piece| {
            format!(
                "{{\"role\":\"user\",\"content\":\"{}\"}}",
                String::from_utf8_lossy(piece).trim_end_matches('\\')
            )
        })
        .collect();
    format!("{{\"model\":\"m\",\"messages\":[{}]}}", messages.join(",")).into_bytes()
}

fn gathered(folder: &Path, ending: &str) -> Vec<u8> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut text = Vec::new();
    for file in files {
        if file.is_dir() {
            text.extend(gathered(&file, ending));
        } else if SHOWING.iter().any(|page| file.ends_with(page)) {
        } else if file.extension().is_some_and(|found| found == ending) {
            text.extend(std::fs::read(file).unwrap());
        }
    }
    text
}
