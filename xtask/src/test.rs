//! Every test: Rust's own, the documentation's, and other people's clients against the real binary.

use crate::process::{answer, run};
use crate::report::Report;
use crate::{chaos, fuzz, lint, python, tools};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(2400);

/// The inner loop: format and unit tests, no servers, no Python.
pub(crate) fn quick(report: &mut Report) {
    lint::format(report);
    report.step("unit tests", || Ok(run(runner().args(["--workspace", "--lib", "--bins"]), LIMIT)?));
}

/// Everything, in the order in which a failure is cheapest to see.
pub(crate) fn full(report: &mut Report) {
    report.step("tools", || tools::ensure(tools::FOR_TESTS));
    let scripts = python::prepare(report);
    let built = report.step("build", || {
        // The whole workspace's programs, as the tests will want them: building one alone would settle on other features.
        Ok(run(Command::new("cargo").args(["build", "--workspace", "--bins"]), LIMIT)?)
    });
    if !built {
        let python = scripts.is_some().then_some("python");
        for name in ["tests", "doc tests", "chaos", "fuzz"].into_iter().chain(python) {
            report.skip(name, "the build failed");
        }
        return;
    }
    let world =
        World { binary: crate::target().join("debug/seawall"), programs: tools::variables(tools::FOR_TESTS) };
    report.step("tests", || {
        let mut tests = runner();
        tests.args(["--workspace", "--tests"]);
        Ok(run(world.shown_to(&mut tests), LIMIT)?)
    });
    report.step("doc tests", || {
        let mut tests = Command::new("cargo");
        Ok(run(tests.args(["test", "--doc", "--workspace"]), LIMIT)?)
    });
    chaos::short(report);
    fuzz::short(report);
    if let Some(scripts) = scripts {
        scripts.run(report, &world.binary);
    }
}

/// What tests may know about the machine.
struct World {
    binary: PathBuf,
    programs: Vec<(&'static str, PathBuf)>,
}

impl World {
    fn shown_to<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let programs = self.programs.iter().map(|(name, path)| (*name, Path::new(path)));
        command.env("SEAWALL_BIN", &self.binary).envs(programs)
    }
}

/// `cargo nextest run` where it is installed, `cargo test` where it is not.
fn runner() -> Command {
    let mut command = Command::new("cargo");
    match answer("cargo", &["nextest", "--version"]) {
        Some(_) => command.args(["nextest", "run"]),
        None => command.arg("test"),
    };
    command
}
