//! Measures the injection detector on other people's attack strings and benign text, beside ModSecurity with the Core
//! Rule Set on the same data.
//!
//! Every string belongs to one of two halves by its hash. Rules are written while looking at the tuning half alone
//! (`--tune`, which shows it); what is reported is the held-out half, which nothing here ever prints.

mod attacks;
mod benign;
mod crs;
mod judge;
mod packages;
mod page;
mod sample;
mod sqlmap;
mod twist;

use crate::process::run;
use crate::report::{Report, Stop};
use sample::Sample;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const BUILDING: Duration = Duration::from_secs(1800);

/// Measures; with `tune`, only on the half the rules may be fitted to, and shows what is missed there.
pub(crate) fn detect(report: &mut Report, tune: bool) {
    let mut folder = None;
    report.step("packages", || {
        folder = Some(packages::fetch()?);
        Ok(())
    });
    let Some(folder) = folder else {
        return report.skip("measure", "there is nothing to measure with");
    };
    let mut samples = Vec::new();
    report.step("corpora", || {
        samples = corpora(&folder)?;
        Ok(())
    });
    if samples.is_empty() {
        return report.skip("measure", "there is nothing to measure with");
    }
    if tune {
        report.step("tuning half", || Ok(judge::tune(&samples, &folder)?));
        return;
    }
    let mut ours = Vec::new();
    report.step("our detector", || {
        ours = judge::ours(&samples);
        Ok(())
    });
    let mut theirs = Vec::new();
    report.step("ModSecurity with the Core Rule Set", || {
        theirs = crs::judge(&folder, &samples).map_err(Stop::Skipped)?;
        Ok(())
    });
    let mut speed = String::new();
    report.step("speed", || {
        speed = measured_speed()?;
        Ok(())
    });
    report.step("page", || Ok(page::write(&folder, &samples, (&ours, &theirs), &speed)?));
}

/// Every string, attacks first.
fn corpora(folder: &Path) -> Result<Vec<Sample>, String> {
    let mut samples = attacks::read(folder)?;
    samples.extend(sqlmap::read(folder)?);
    samples.extend(twist::encoded(&samples));
    samples.extend(benign::read(folder)?);
    sample::distinct(&mut samples);
    for (corpus, count) in sample::counts(&samples) {
        eprintln!("   {corpus}: {count}");
    }
    Ok(samples)
}

/// What the bench of the detector's crate says.
fn measured_speed() -> Result<String, String> {
    let output = folder()?.join("speed.txt");
    let mut bench = Command::new("cargo");
    bench.args(["bench", "--package", "seawall-security", "--bench", "speed", "--quiet", "--"]).arg(&output);
    run(&mut bench, BUILDING)?;
    read(&output)
}

/// Where everything fetched and made lies.
fn folder() -> Result<PathBuf, String> {
    let folder = crate::target().join("detect");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
