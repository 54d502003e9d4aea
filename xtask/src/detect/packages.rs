//! Debian packages, downloaded and unpacked into a folder of ours: nothing is installed, nothing is started.

use super::folder;
use crate::process::{find, run};
use crate::report::Stop;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Attack strings and benign text.
const DATA: [&str; 4] = ["sqlmap", "wfuzz", "wapiti", "fortunes"];
/// The rules to compare with, and what runs them. Libraries that a system may have already do no harm.
const PEER: [&str; 8] = [
    "modsecurity-crs",
    "libapache2-mod-security2",
    "apache2-bin",
    "libapr1",
    "libaprutil1",
    "liblua5.1-0",
    "liblua5.3-0",
    "libyajl2",
];
const FETCHING: Duration = Duration::from_secs(300);

/// Fetches what is not there yet; the folder with everything unpacked.
pub(super) fn fetch() -> Result<PathBuf, Stop> {
    for program in ["apt-get", "apt-cache", "dpkg-deb"] {
        if find(program).is_none() {
            return Err(Stop::Skipped(format!("{program} is missing: this runs on Debian and its kin")));
        }
    }
    let folder = folder()?;
    let (debs, tree) = (folder.join("debs"), folder.join("tree"));
    let done = folder.join("unpacked");
    if done.is_file() {
        return Ok(folder);
    }
    let lists = folder.join("lists");
    for made in [&debs, &tree, &lists.join("partial"), &folder.join("cache/archives/partial")] {
        fs::create_dir_all(made).map_err(|error| format!("{}: {error}", made.display()))?;
    }
    run(apt(&folder, "apt-get").arg("update"), FETCHING).map_err(Stop::Skipped)?;
    let mut download = apt(&folder, "apt-get");
    download.arg("download").args(DATA).args(PEER).current_dir(&debs);
    run(&mut download, FETCHING).map_err(Stop::Skipped)?;
    for deb in entries(&debs)? {
        run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&tree), FETCHING)?;
    }
    fs::write(&done, "").map_err(|error| format!("{}: {error}", done.display()))?;
    Ok(folder)
}

/// What apt knows of every package: long descriptions, and the fields of its record.
pub(super) fn descriptions(folder: &Path) -> Result<(String, String), String> {
    let lists = entries(&folder.join("lists"))?;
    let translations = lists.iter().filter(|file| file.to_string_lossy().contains("_i18n_Translation-en"));
    let mut long = String::new();
    for file in translations {
        let helper = Path::new("/usr/lib/apt/apt-helper");
        long.push_str(&spoken(Command::new(helper).arg("cat-file").arg(file))?);
    }
    let fields = spoken(apt(folder, "apt-cache").arg("dumpavail"))?;
    Ok((long, fields))
}

/// With lists and caches of ours: the system's are left alone.
fn apt(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    for (key, place) in [("Dir::State::Lists", "lists"), ("Dir::Cache", "cache")] {
        command.arg("-o").arg(format!("{key}={}", folder.join(place).display()));
    }
    command.args(["-qq", "-o", "Acquire::Languages=en", "-o", "APT::Sandbox::User=root"]);
    command
}

fn spoken(command: &mut Command) -> Result<String, String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{}: {}", command.get_program().display(), output.status)),
    }
}

/// The files of a folder, in the order of their names.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let read = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.is_file() && !file.is_symlink());
    files.sort();
    Ok(files)
}
