//! Feeds whoever reads bytes from outside with inputs nobody thought of: the targets in `fuzz/`, from their kept corpus on.
//!
//! libFuzzer, guided by which code an input reaches. It needs no nightly compiler: the instrumentation is asked for by
//! flags that every `rustc` has.

use crate::args::Fuzz;
use crate::process::{Running, answer, run};
use crate::report::{Report, Stop};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

const BUILDING: Duration = Duration::from_secs(2400);
/// What starting, reading the corpus and a paused machine may add.
const BESIDE: Duration = Duration::from_secs(120);
/// One input that takes longer, in seconds, is a finding.
const SLOW: u32 = 5;
/// So is one with which the process takes more, in MB; unspoilt it stays below 100.
const LARGE: u32 = 512;
/// The longest input that is made, in bytes.
const LONG: u32 = 4096;
/// How long each target of [`ROUND`] runs in `test`.
const SHORT: Duration = Duration::from_secs(10);
/// What the instrumentation is asked for by: which code was reached, and what was compared with what.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Part of every full test, two at a time. They are built without the gateway.
const ROUND: [&str; 6] = ["config", "texts", "injection", "vault", "fernet", "versions"];
/// By name only, with the feature they are built with.
const OTHERS: [(&str, Option<&str>); 5] = [
    ("retry_after", None),
    ("decompress", Some("library")),
    ("series", Some("signals")),
    ("pattern", Some("gateway")),
    ("answer", Some("gateway")),
];
/// Makes mistakes on purpose.
const PLANTED: &str = "planted";

/// Is there a target of this name?
pub(crate) fn is_target(name: &str) -> bool {
    targets().any(|target| target == name)
}

/// All of them.
pub(crate) fn targets() -> impl Iterator<Item = &'static str> {
    ROUND.into_iter().chain(OTHERS.into_iter().map(|(name, _)| name))
}

/// What was asked for by name.
pub(crate) fn campaign(report: &mut Report, asked: &Fuzz) {
    let Some(target) = asked.target.as_deref() else {
        return match asked.self_test {
            true => {
                if build(report, &[PLANTED]) {
                    self_test(report);
                }
            }
            false => short(report),
        };
    };
    if !build(report, &[target]) {
        return report.skip(target, "the build failed");
    }
    match &asked.input {
        Some(input) => {
            report.step(target, || {
                let mut command = Command::new(program(target));
                Ok(run(bounded(&mut command, SLOW, LARGE).arg(input), BESIDE)?)
            });
        }
        None => pair(report, &[target], Duration::from_secs(asked.seconds), asked.seed),
    }
}

/// The seed of that round: what it finds is then mostly about what has changed. Other seeds are for longer runs.
const SEED: u32 = 2026;

/// The round that is part of every full test.
pub(crate) fn short(report: &mut Report) {
    let mut built = ROUND.to_vec();
    built.push(PLANTED);
    if !build(report, &built) {
        return report.skip("fuzz", "the build failed");
    }
    ROUND.chunks(2).for_each(|both| pair(report, both, SHORT, Some(SEED)));
    self_test(report);
}

fn build(report: &mut Report, targets: &[&str]) -> bool {
    report.step("fuzz: build", || {
        let mut build = Command::new("cargo");
        build.args(["build", "--release", "--manifest-path"]).arg(crate::root().join("fuzz/Cargo.toml"));
        // With a target of its own, so that build scripts and macros are left without the instrumentation.
        build.args(["--target", &host()?]).arg("--target-dir").arg(home());
        build.env("RUSTFLAGS", COVERAGE).env_remove("CARGO_ENCODED_RUSTFLAGS");
        for target in targets {
            build.args(["--bin", target]);
            let feature = OTHERS.iter().find(|(name, _)| name == target).and_then(|(_, feature)| *feature);
            build.args(feature.iter().flat_map(|feature| ["--features", feature]));
        }
        Ok(run(&mut build, BUILDING)?)
    })
}

/// Runs targets side by side, each from its corpus and from what earlier runs on this machine added to it.
fn pair(report: &mut Report, targets: &[&str], span: Duration, seed: Option<u32>) {
    let seed = seed.unwrap_or_else(|| fastrand::u32(1..));
    report.step(&format!("fuzz: {}", targets.join(", ")), || {
        let begun: Result<Vec<_>, String> =
            targets.iter().map(|target| Turn::begin(target, span, seed)).collect();
        // All of them are heard before any is judged.
        let ended: Vec<_> = begun?.into_iter().map(|turn| turn.end(span + BESIDE)).collect();
        let wrong: Vec<String> = ended.into_iter().filter_map(Result::err).collect();
        if wrong.is_empty() { Ok(()) } else { Err(Stop::Failed(wrong.join("; "))) }
    });
}

/// A target that runs.
struct Turn {
    target: String,
    seed: u32,
    running: Running,
}

impl Turn {
    fn begin(target: &str, span: Duration, seed: u32) -> Result<Turn, String> {
        let [found, grown, scratch] = ["found", "grown", "tmp"].map(|name| home().join(name).join(target));
        for folder in [&found, &grown, &scratch] {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let log = File::create(log(target)).map_err(|error| format!("{}: {error}", log(target).display()))?;
        let mut command = Command::new(program(target));
        bounded(&mut command, SLOW, LARGE).args([
            format!("-max_total_time={}", span.as_secs()),
            format!("-max_len={LONG}"),
            format!("-seed={seed}"),
            format!("-artifact_prefix={}/", found.display()),
            "-print_final_stats=1".to_owned(),
        ]);
        // What is new goes into the first folder.
        command.arg(&grown).arg(corpus(target));
        command.env("TMPDIR", &scratch).stdout(Stdio::null()).stderr(log);
        Ok(Turn { target: target.to_owned(), seed, running: Running::start(target, &mut command)? })
    }

    fn end(self, limit: Duration) -> Result<(), String> {
        let Turn { target, seed, running } = self;
        let status = running.wait(limit, || {});
        // It ends at once, without the destructors that would.
        let _ = fs::remove_dir_all(home().join("tmp").join(&target));
        let said = fs::read(log(&target)).map_err(|error| format!("{}: {error}", log(&target).display()))?;
        let said = Said::read(&String::from_utf8_lossy(&said));
        match status? {
            status if status.success() && said.inputs > 0 => {
                eprintln!(
                    "   {target}: {} inputs, {} places reached, seed {seed}",
                    said.inputs, said.reached
                );
                Ok(())
            }
            status => {
                said.last.iter().for_each(|line| eprintln!("   {target}: {line}"));
                Err(match said.kept {
                    Some(input) => format!("{target}: {input}: cargo xtask fuzz {target} --input {input}"),
                    None => format!("{target}: {status}, see {}", log(&target).display()),
                })
            }
        }
    }
}

/// What libFuzzer wrote.
#[derive(Debug, Default, PartialEq)]
struct Said {
    inputs: u64,
    /// Of the instrumented program, not of the crate alone.
    reached: u64,
    /// The file that the input which failed is kept in.
    kept: Option<String>,
    /// The last lines.
    last: Vec<String>,
}

impl Said {
    fn read(log: &str) -> Said {
        let after = |words: &str| {
            log.lines().rev().find_map(|line| Some(line.split_once(words)?.1.trim().to_owned()))
        };
        let number = |words: &str| {
            after(words).and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or_default()
        };
        let lines: Vec<&str> = log.lines().filter(|line| !line.starts_with('#')).collect();
        Said {
            inputs: number("stat::number_of_executed_units:"),
            reached: number(" cov: "),
            kept: after("Test unit written to "),
            last: lines.iter().rev().take(12).rev().map(|line| (*line).to_owned()).collect(),
        }
    }
}

/// The driver can fail: a panic behind four bytes is searched for and found, and inputs without end or measure are.
fn self_test(report: &mut Report) {
    report.step("fuzz self-test", || {
        let folder = home().join("self-test");
        // Nothing of the last time.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let tried = |words: &[&str], what: &str, code: i32| -> Result<(), String> {
            let mut command = Command::new(program(PLANTED));
            bounded(&mut command, if words == ["endless"] { 1 } else { SLOW }, 100);
            command.args(["-max_total_time=60", "-seed=1", "-artifact_prefix=kept-"]).args(words);
            command.current_dir(&folder).stdout(Stdio::null()).stderr(Stdio::null());
            let status = Running::start(PLANTED, &mut command)?.wait(BESIDE, || {})?;
            let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            let prefix = format!("kept-{what}-");
            let kept =
                entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
            match status.code() == Some(code) && kept {
                true => Ok(()),
                false => Err(format!("the planted {what} was not found: {status}")),
            }
        };
        for name in ["endless", "greedy"] {
            // In a corpus of its own: what is run as a single file is not kept again.
            let corpus = folder.join(name);
            let written = fs::create_dir(&corpus).and_then(|()| fs::write(corpus.join("input"), name));
            written.map_err(|error| format!("{}: {error}", corpus.display()))?;
        }
        tried(&[], "crash", 77)?;
        tried(&["endless"], "timeout", 70)?;
        Ok(tried(&["greedy"], "oom", 71)?)
    });
}

/// What one input may take.
fn bounded(command: &mut Command, seconds: u32, megabytes: u32) -> &mut Command {
    command.args([format!("-timeout={seconds}"), format!("-rss_limit_mb={megabytes}")])
}

fn home() -> PathBuf {
    crate::target().join("fuzz")
}

fn corpus(target: &str) -> PathBuf {
    crate::root().join("fuzz/corpus").join(target)
}

fn log(target: &str) -> PathBuf {
    home().join(format!("{target}.log"))
}

fn program(target: &str) -> PathBuf {
    let triple = host().unwrap_or_default();
    home().join(triple).join("release").join(target)
}

/// The machine this compiler builds for.
fn host() -> Result<String, String> {
    let said = answer("rustc", &["-vV"]).ok_or("rustc does not answer")?;
    let line = said.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).ok_or_else(|| "rustc does not say what it builds for".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A corpus is read at every start, and its inputs are what all others are made of.
    const MOST: usize = 60;

    fn manifest() -> toml_edit::DocumentMut {
        fs::read_to_string(crate::root().join("fuzz/Cargo.toml")).unwrap().parse().unwrap()
    }

    #[test]
    fn every_target_is_known_by_name_with_the_feature_it_needs() {
        let manifest = manifest();
        let there: BTreeSet<(String, Option<String>)> = manifest["bin"]
            .as_array_of_tables()
            .unwrap()
            .iter()
            .map(|bin| {
                let feature = bin.get("required-features").and_then(|list| list.as_array()?.get(0)?.as_str());
                (bin["name"].as_str().unwrap().to_owned(), feature.map(str::to_owned))
            })
            .collect();
        let round = ROUND.into_iter().chain([PLANTED]).map(|name| (name, None));
        let known = round.chain(OTHERS).map(|(name, feature)| (name.to_owned(), feature.map(str::to_owned)));
        assert_eq!(there, known.collect());
    }

    #[test]
    fn every_target_has_a_corpus_of_small_files() {
        for target in targets() {
            let files: Vec<PathBuf> =
                fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!((5..=MOST).contains(&files.len()), "{target}: {} files", files.len());
            for file in files {
                assert!(fs::metadata(&file).unwrap().len() <= u64::from(LONG), "{}", file.display());
            }
        }
    }

    #[test]
    fn what_failed_is_known_by_the_file_it_is_kept_in() {
        let well = "#2\tINITED cov: 31 ft: 40\n#90\tDONE   cov: 1204 ft: 9\nDone 90 runs in 1 second(s)\n\
                    stat::number_of_executed_units: 90\n";
        let said = Said::read(well);
        assert_eq!((said.inputs, said.reached, said.kept), (90, 1204, None));
        let wrong = "#2\tINITED cov: 31\nthread panicked\nartifact_prefix='found/'; Test unit written to found/crash-0a\n";
        let said = Said::read(wrong);
        assert_eq!((said.inputs, said.kept.as_deref()), (0, Some("found/crash-0a")));
        assert!(said.last.contains(&"thread panicked".to_owned()));
    }
}
