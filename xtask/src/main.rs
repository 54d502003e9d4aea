//! Every chore of this repository, by name: `cargo xtask test`, `lint`, `bench`, `peers`, `mutants`, `chaos`,
//! `fuzz`, `detect`.
//!
//! Stands outside the house: it drives cargo and real servers, and no crate may depend on it. Here too are the
//! tests that hold the house's shape: the arrows between crates (`arrows`) and the promises of the docs (`docs`).
#![expect(clippy::disallowed_methods, reason = "a task runner measures and waits for real processes")]

mod args;
mod bench;
mod chaos;
mod detect;
mod fuzz;
mod lint;
mod mutants;
mod peers;
mod process;
mod python;
mod report;
mod test;
mod tools;

#[cfg(test)]
mod arrows;
#[cfg(test)]
mod docs;

use args::Job;
use report::Report;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let job = match args::parse(std::env::args().skip(1)) {
        Ok(job) => job,
        Err(wrong) => {
            eprintln!("xtask: {wrong}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    if let Err(error) = process::listen_for_interrupts() {
        eprintln!("xtask: cannot listen for Ctrl-C: {error}");
        return ExitCode::FAILURE;
    }
    let mut report = Report::begin();
    match job {
        Job::Help => {
            let shown = writeln!(std::io::stdout(), "{}", args::USAGE);
            return if shown.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        Job::Lint => lint::lint(&mut report),
        Job::Deny => lint::deny(&mut report),
        Job::Test { quick: true } => test::quick(&mut report),
        Job::Test { quick: false } => test::full(&mut report),
        Job::Fuzz(asked) => fuzz::campaign(&mut report, &asked),
        Job::Chaos(asked) => chaos::campaign(&mut report, &asked),
        Job::Bench(options) => bench::run_all(&mut report, &options),
        Job::Peers(options) => peers::run_all(&mut report, &options),
        Job::Mutants(chosen) => mutants::run(&mut report, &chosen),
        Job::Detect { tune } => detect::detect(&mut report, tune),
    }
    report.close()
}

/// The workspace's own folder.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies one folder below the workspace").to_path_buf()
}

/// Where cargo puts what it builds, and where we put tools, venvs and bench files.
fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(chosen) => root().join(chosen),
        None => root().join("target"),
    }
}
