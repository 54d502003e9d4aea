//! What a machine can say about the code without running it.

use crate::process::run;
use crate::report::{Report, Stop};
use crate::tools;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1800);
const ADVISORIES: &str = "https://github.com/rustsec/advisory-db";

/// Format, clippy, deny.
pub(crate) fn lint(report: &mut Report) {
    format(report);
    report.step("clippy", || {
        let mut clippy = Command::new("cargo");
        clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
        Ok(run(&mut clippy, LIMIT)?)
    });
    deny(report);
}

/// `rustfmt` agrees with every file.
pub(crate) fn format(report: &mut Report) {
    report.step("rustfmt", || Ok(run(Command::new("cargo").args(["fmt", "--all", "--check"]), LIMIT)?));
}

/// Licences, bans and sources always; advisories where their database can be reached.
pub(crate) fn deny(report: &mut Report) {
    let mut found = None;
    report.step("cargo deny", || {
        let program = found.insert(tools::cargo_deny()?);
        Ok(run(
            Command::new(program).args(["--all-features", "check", "bans", "licenses", "sources"]),
            LIMIT,
        )?)
    });
    let Some(program) = found else {
        return report.skip("advisories", "there is no cargo-deny to ask");
    };
    report.step("advisories", || {
        if !reachable() {
            return Err(Stop::Skipped(format!("{ADVISORIES} cannot be reached from here")));
        }
        Ok(run(Command::new(program).args(["--all-features", "check", "advisories"]), LIMIT)?)
    });
}

fn reachable() -> bool {
    let mut question = Command::new("git");
    question.args([
        "-c",
        "http.lowSpeedLimit=1",
        "-c",
        "http.lowSpeedTime=10",
        "ls-remote",
        ADVISORIES,
        "HEAD",
    ]);
    question.env("GIT_TERMINAL_PROMPT", "0").stdout(Stdio::null()).stderr(Stdio::null());
    run(&mut question, Duration::from_secs(20)).is_ok()
}
