//! Programs from outside: found, installed where we may, named where we may not.

use crate::process::{answer, find, run};
use crate::report::Stop;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const INSTALLING: Duration = Duration::from_secs(600);

/// The version CI checks with; an older one on PATH does not read today's lock files.
const CARGO_DENY: &str = "0.20.2";

/// A program a job needs, and the Debian package that brings it.
pub(crate) struct Tool {
    pub(crate) package: &'static str,
    /// The program to look for; `None` for pip, which is a module of Python.
    program: Option<&'static str>,
    /// The variable that tells end-to-end tests where the program is.
    variable: Option<&'static str>,
}

const fn tool(program: &'static str, package: &'static str) -> Tool {
    Tool { package, program: Some(program), variable: None }
}

const fn told(program: &'static str, package: &'static str, variable: &'static str) -> Tool {
    Tool { package, program: Some(program), variable: Some(variable) }
}

/// What `test` wants beside Rust.
pub(crate) const FOR_TESTS: &[Tool] = &[
    told("nginx", "nginx", "SEAWALL_E2E_NGINX"),
    told("promtool", "prometheus", "SEAWALL_E2E_PROMTOOL"),
    told("curl", "curl", "SEAWALL_E2E_CURL"),
    told("chromium", "chromium", "SEAWALL_E2E_CHROMIUM"),
    told("chromedriver", "chromium-driver", "SEAWALL_E2E_CHROMEDRIVER"),
    tool("redis-server", "redis-server"),
    tool("strace", "strace"),
    // libFuzzer is C++.
    tool("c++", "g++"),
    tool("python3", "python3"),
    Tool { package: "python3-pip", program: None, variable: None },
];

/// What `bench` wants beside Rust; Envoy comes from PyPI.
pub(crate) const FOR_BENCHES: &[Tool] = &[
    tool("nginx", "nginx"),
    tool("wrk", "wrk"),
    tool("python3", "python3"),
    Tool { package: "python3-pip", program: None, variable: None },
];

/// What `peers` wants beside Rust; the contestants come from PyPI.
pub(crate) const FOR_PEERS: &[Tool] = &[
    tool("redis-server", "redis-server"),
    tool("python3", "python3"),
    Tool { package: "python3-pip", program: None, variable: None },
];

impl Tool {
    fn present(&self) -> bool {
        match self.program {
            Some(program) => find(program).is_some(),
            None => answer("python3", &["-m", "pip", "--version"]).is_some(),
        }
    }
}

/// Whether this is CI: then what cannot run is a failure, not a skip.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !matches!(value.to_str(), Some("" | "0" | "false")))
}

/// Installs what is missing, as root or in CI; elsewhere prints the line to run and skips.
pub(crate) fn ensure(wanted: &[Tool]) -> Result<(), Stop> {
    let missing: Vec<&str> = wanted.iter().filter(|tool| !tool.present()).map(|tool| tool.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let root = rustix::process::geteuid().is_root();
    if !root && !in_ci() {
        let line = format!("apt-get install -y {}", missing.join(" "));
        return Err(Stop::Skipped(format!(
            "tools are missing, and tests that need them skip themselves; as root: {line}"
        )));
    }
    for package in &missing {
        eprintln!("   installing the Debian package {package}");
    }
    run(apt_get(root).arg("update"), INSTALLING)?;
    run(apt_get(root).args(["install", "-y", "--no-install-recommends"]).args(&missing), INSTALLING)?;
    match wanted.iter().find(|tool| !tool.present()) {
        Some(tool) => Err(Stop::Failed(format!("{} is installed and still not found", tool.package))),
        None => Ok(()),
    }
}

fn apt_get(root: bool) -> Command {
    let mut command = match root {
        true => Command::new("apt-get"),
        false => {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", "apt-get"]);
            sudo
        }
    };
    command.arg("-qq").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// `SEAWALL_E2E_…` for each program that is here. A test whose variable is missing skips aloud, or fails in CI.
pub(crate) fn variables(wanted: &[Tool]) -> Vec<(&'static str, PathBuf)> {
    let known = |tool: &Tool| Some((tool.variable?, find(tool.program?)?));
    wanted.iter().filter_map(known).collect()
}

/// `cargo-deny`, from PATH if it is recent, else built once into `target/tools`.
pub(crate) fn cargo_deny() -> Result<PathBuf, Stop> {
    let ours = crate::target().join("tools");
    let built = ours.join("bin/cargo-deny");
    for candidate in [find("cargo-deny"), Some(built.clone())].into_iter().flatten() {
        if answer(&candidate, &["--version"]).is_some_and(|version| recent(&version)) {
            return Ok(candidate);
        }
    }
    eprintln!("   building cargo-deny {CARGO_DENY} once, about a minute");
    // Unoptimised: it checks a few hundred packages in under a second either way, and builds three times faster.
    let mut install = Command::new("cargo");
    install.args([
        "install",
        "cargo-deny",
        "--version",
        CARGO_DENY,
        "--locked",
        "--debug",
        "--quiet",
        "--root",
    ]);
    run(install.arg(&ours).env("CARGO_PROFILE_DEV_DEBUG", "0"), INSTALLING)?;
    Ok(built)
}

/// `cargo-deny 0.20.2` and later; 0.14 panics on a version 4 lock file.
fn recent(version: &str) -> bool {
    let mut numbers = version.trim_start_matches("cargo-deny ").split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (0, 20),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cargo_deny_that_reads_our_lock_file_is_used() {
        assert!(recent("cargo-deny 0.20.2"));
        assert!(recent("cargo-deny 1.0.0"));
        assert!(!recent("cargo-deny 0.14.2"));
        assert!(!recent("something else"));
    }

    #[test]
    fn every_variable_leads_to_a_program() {
        for (name, path) in variables(FOR_TESTS) {
            assert!(name.starts_with("SEAWALL_E2E_") && path.is_file(), "{name}={}", path.display());
        }
    }
}
