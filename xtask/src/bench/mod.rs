//! Measures the real binary beside its peers, on the machine it runs on, and keeps what it saw.
//!
//! Differences under a tenth are noise on a shared machine: ratios and CPU per request are what to read.

mod contenders;
mod gateway;
mod http;
mod inspect;
mod load;
mod memory;
pub(crate) mod observe;
pub(crate) mod results;
mod signals;
mod upstream;

use crate::process::run;
use crate::report::{Report, Stop};
use crate::{args, tools};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const BUILDING: Duration = Duration::from_secs(1800);

/// Runs the benches that were asked for.
pub(crate) fn run_all(report: &mut Report, wanted: &args::Bench) {
    if wanted.gateway || wanted.memory || wanted.inspect {
        let mut binary = None;
        report.step("release build", || {
            binary = Some(release()?);
            Ok(())
        });
        match binary {
            Some(binary) => {
                if wanted.gateway || wanted.inspect {
                    report.step("bench tools", || tools::ensure(tools::FOR_BENCHES));
                }
                if wanted.gateway {
                    report.step("bench gateway", || gateway::compare(&binary, wanted.rounds, wanted.seconds));
                }
                if wanted.memory {
                    report.step("bench memory", || memory::measure(&binary));
                }
                if wanted.inspect {
                    report.step("bench inspect", || inspect::measure(&binary, wanted.rounds, wanted.seconds));
                }
            }
            None => {
                let all = [
                    ("bench gateway", wanted.gateway),
                    ("bench memory", wanted.memory),
                    ("bench inspect", wanted.inspect),
                ];
                for (name, wanted) in all {
                    if wanted {
                        report.skip(name, "there is no release build");
                    }
                }
            }
        }
    }
    if wanted.pipeline {
        report.step("bench pipeline", pipeline);
    }
    if wanted.signals {
        report.step("bench signals", signals::measure);
    }
}

/// The program under measurement.
struct Binary {
    path: PathBuf,
    /// Built from this tree just now; otherwise its figures are shown and not kept.
    fresh: bool,
}

/// A release build, or the one `SEAWALL_BIN` names instead.
fn release() -> Result<Binary, String> {
    if let Some(chosen) = std::env::var_os("SEAWALL_BIN") {
        eprintln!("   measuring SEAWALL_BIN instead of a fresh build");
        return Ok(Binary { path: PathBuf::from(chosen), fresh: false });
    }
    run(Command::new("cargo").args(["build", "--release", "--package", "seawall-cli"]), BUILDING)?;
    Ok(Binary { path: crate::target().join("release/seawall"), fresh: true })
}

/// The in-process benches, where the package that holds them exists.
fn pipeline() -> Result<(), Stop> {
    if !crate::root().join("crates/bench/Cargo.toml").is_file() {
        return Err(Stop::Skipped("there is no package seawall-bench (crates/bench)".into()));
    }
    Ok(run(Command::new("cargo").args(["bench", "--package", "seawall-bench"]), BUILDING)?)
}

/// An empty folder below `target/bench` for one bench's servers.
pub(crate) fn workshop(name: &str) -> Result<PathBuf, String> {
    let folder = crate::target().join("bench").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}
