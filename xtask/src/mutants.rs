//! Breaks the decisions on purpose, one place at a time, and counts what their tests notice.

use crate::args::Mutants;
use crate::process::{Running, answer};
use crate::report::{Report, Stop};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// All of them take hours.
const LIMIT: Duration = Duration::from_secs(24 * 3600);
/// Five times as long as the tests take unbroken, and at least so many seconds: what takes longer was made endless.
const PATIENCE: &str = "60";
/// Fewer noticed than this share is a failure.
const LEAST: f64 = 0.90;

/// Runs cargo-mutants over the policies.
pub(crate) fn run(report: &mut Report, chosen: &Mutants) {
    report.step("mutants", || {
        if answer("cargo", &["mutants", "--version"]).is_none() {
            return Err("there is no cargo-mutants: cargo install cargo-mutants --locked".to_owned().into());
        }
        let folder = crate::target().join("mutants");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut command = command(&folder, chosen);
        // It works in a copy of the tree. The cases that tests draw are fewer, and what is drawn is not kept.
        command
            .env("CARGO_TARGET_DIR", folder.join("build"))
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_TEST_DEBUG", "0")
            .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")
            .env("PROPTEST_MAX_SHRINK_ITERS", "0");
        if std::env::var_os("PROPTEST_CASES").is_none() {
            command.env("PROPTEST_CASES", "32");
        }
        let status = Running::start("cargo mutants", &mut command)?.wait(LIMIT, || {})?;
        // 2: some were missed; 3: some did not end.
        if !matches!(status.code(), Some(0 | 2 | 3)) {
            return Err(Stop::Failed(format!("cargo mutants: {status}")));
        }
        judge(&folder.join("mutants.out"), chosen.shard.is_some())
    });
}

fn command(folder: &Path, chosen: &Mutants) -> Command {
    let mut command = Command::new("cargo");
    command.args(["mutants", "--package", "seawall-policy", "--no-shuffle", "--jobs", "1"]);
    // The run without a mutant builds what they all need, and says how long the tests take on this machine.
    command.args(["--timeout-multiplier", "5", "--minimum-test-timeout", PATIENCE]);
    command.arg("--output").arg(folder);
    if let Some((k, n)) = chosen.shard {
        // Every n-th one: a part is a fair sample of the whole.
        command.args(["--sharding", "round-robin", "--shard", &format!("{k}/{n}")]);
    }
    for file in &chosen.files {
        command.args(["--file", file]);
    }
    if answer("cargo", &["nextest", "--version"]).is_some() {
        command.args(["--test-tool", "nextest"]);
    }
    // Every invocation: what comes after `--` is for running tests only, and the models beside the library cost a build.
    command.arg("--cargo-arg=--lib");
    command
}

/// Says what came of it.
fn judge(results: &Path, sample: bool) -> Result<(), Stop> {
    let tally = Tally::read(&results.join("outcomes.json"))?;
    if tally.all() == 0 {
        return Err(Stop::Failed("there is nothing to break in what was chosen".into()));
    }
    eprintln!("   {}", tally.spelled(sample));
    for survivor in fs::read_to_string(results.join("missed.txt")).unwrap_or_default().lines() {
        eprintln!("   survived: {survivor}");
    }
    if tally.share() < LEAST {
        return Err(Stop::Failed(format!("fewer than {:.0} % were noticed", LEAST * 100.0)));
    }
    Ok(())
}

/// How many were noticed, by a failure or by tests that did not end, and how many not.
#[derive(Debug, PartialEq)]
struct Tally {
    failed: u64,
    endless: u64,
    missed: u64,
    unbuildable: u64,
}

impl Tally {
    fn read(file: &Path) -> Result<Tally, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = fs::read_to_string(file).map_err(|error| wrong(&error))?;
        let said: Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        let count = |name: &str| said[name].as_u64().ok_or_else(|| wrong(&format!("no count of {name}")));
        Ok(Tally {
            failed: count("caught")?,
            endless: count("timeout")?,
            missed: count("missed")?,
            unbuildable: count("unviable")?,
        })
    }

    fn noticed(&self) -> u64 {
        self.failed + self.endless
    }

    fn all(&self) -> u64 {
        self.noticed() + self.missed
    }

    fn share(&self) -> f64 {
        self.noticed() as f64 / self.all() as f64
    }

    /// Wilson's interval: what the share of all may be, where these are a sample. At 95 %.
    fn interval(&self) -> (f64, f64) {
        let (n, p, z) = (self.all() as f64, self.share(), 1.96_f64);
        let middle = p + z * z / (2.0 * n);
        let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        let whole = 1.0 + z * z / n;
        ((middle - spread) / whole, (middle + spread) / whole)
    }

    fn spelled(&self, sample: bool) -> String {
        let (noticed, all, share) = (self.noticed(), self.all(), self.share() * 100.0);
        let Tally { endless, unbuildable, .. } = self;
        let line = format!(
            "{noticed} of {all} noticed, {share:.1} %, {endless} of them by tests that did not end; {unbuildable} more \
             did not even compile"
        );
        if !sample {
            return line;
        }
        let (from, to) = self.interval();
        format!("{line}; of all, {:.1} to {:.1} % (95 %)", from * 100.0, to * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_says_how_far_it_speaks_for_the_whole() {
        let tally = Tally { failed: 268, endless: 2, missed: 30, unbuildable: 7 };
        let line = tally.spelled(true);
        assert_eq!(
            line,
            "270 of 300 noticed, 90.0 %, 2 of them by tests that did not end; 7 more did not even compile; of all, 86.1 \
             to 92.9 % (95 %)"
        );
        assert!(!tally.spelled(false).contains("of all"));
    }

    #[test]
    fn what_did_not_end_was_noticed_and_a_file_without_counts_is_refused() {
        let file = std::env::temp_dir().join(format!("seawall-mutants-{}.json", std::process::id()));
        fs::write(&file, r#"{"caught": 5, "timeout": 2, "missed": 1, "unviable": 3}"#).unwrap();
        assert_eq!(Tally::read(&file), Ok(Tally { failed: 5, endless: 2, missed: 1, unbuildable: 3 }));
        fs::write(&file, r#"{"caught": 5}"#).unwrap();
        let error = Tally::read(&file).unwrap_err();
        fs::remove_file(&file).unwrap();
        assert!(error.contains("no count of timeout"), "{error}");
    }

    #[test]
    fn a_part_is_every_nth_one_and_files_narrow_it() {
        let line = |shard| {
            let chosen = Mutants { shard, files: vec!["retry/step.rs".into()] };
            format!("{:?}", command(Path::new("here"), &chosen))
        };
        assert!(!line(None).contains("--shard"));
        assert!(line(Some((0, 4))).contains(r#""round-robin" "--shard" "0/4""#));
        assert!(line(None).contains(r#""--file" "retry/step.rs""#));
    }
}
