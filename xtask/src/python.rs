//! Python for tests and benches: venvs that are made once, and the scripts that speak through real SDKs.

use crate::process::{answer, run};
use crate::report::{Report, Stop};
use crate::tools::in_ci;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const INSTALLING: Duration = Duration::from_secs(600);
const SCRIPT: Duration = Duration::from_secs(300);

/// The scripts of `crates/e2e/python`, and a Python that has what they import.
pub(crate) struct Scripts {
    python: PathBuf,
    files: Vec<PathBuf>,
}

/// Finds the scripts and makes their venv; `None`, said aloud, where there is nothing to run or nothing to run it with.
pub(crate) fn prepare(report: &mut Report) -> Option<Scripts> {
    let folder = crate::root().join("crates/e2e/python");
    let files = scripts_in(&folder);
    if files.is_empty() {
        report.skip("python", "no scripts in crates/e2e/python");
        return None;
    }
    let mut python = None;
    report.step("python venv", || {
        if !in_ci() && answer("python3", &["-m", "pip", "--version"]).is_none() {
            return Err(Stop::Skipped("no python3 with pip here; its scripts do not run".into()));
        }
        let requirements = fs::read_to_string(folder.join("requirements.txt"))
            .map_err(|error| format!("crates/e2e/python/requirements.txt: {error}"))?;
        python = Some(venv("venv", &requirements)?);
        Ok(())
    });
    Some(Scripts { python: python?, files })
}

impl Scripts {
    /// Runs each script with `SEAWALL_BIN` set; one step each.
    pub(crate) fn run(&self, report: &mut Report, binary: &Path) {
        for file in &self.files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            report.step(&format!("python {name}"), || {
                let mut script = Command::new(&self.python);
                script.arg(file).env("SEAWALL_BIN", binary).env("PYTHONDONTWRITEBYTECODE", "1");
                Ok(run(&mut script, SCRIPT)?)
            });
        }
    }
}

/// `*.py`, by name; a leading underscore marks a file that others import.
fn scripts_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".py") && !name.starts_with('_')
    });
    files.sort();
    files
}

/// The Python of `target/NAME`, holding exactly these requirements; made anew when they changed.
pub(crate) fn venv(name: &str, requirements: &str) -> Result<PathBuf, String> {
    let folder = crate::target().join(name);
    let (python, stamp) = (folder.join("bin/python"), folder.join("requirements.stamp"));
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|made| made == requirements) {
        eprintln!("   target/{name} is up to date");
        return Ok(python);
    }
    // Without pip inside: the one outside installs into it, so Debian's separate python3-venv is not needed.
    let mut make = Command::new("python3");
    run(make.args(["-m", "venv", "--clear", "--without-pip"]).arg(&folder), INSTALLING)?;
    let list = folder.join("requirements.txt");
    fs::write(&list, requirements).map_err(|error| format!("{}: {error}", list.display()))?;
    let mut fill = Command::new("python3");
    fill.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "--python"]).arg(&python);
    run(fill.args(["install", "--requirement"]).arg(&list), INSTALLING)?;
    fs::write(&stamp, requirements).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_scripts_has_nothing_to_run() {
        assert!(scripts_in(Path::new("no/such/folder")).is_empty());
        assert!(scripts_in(&crate::root().join("xtask/src")).is_empty());
    }
}
