//! The configurations that were in force: kept while one is served, and put back into the file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use seawall_config::Format;
use seawall_config::versions::{Cause, Deed, Kept, Version, VersionError, Versions, write_text};
use seawall_core::clock::wall_now;
use seawall_gateway::Past;
use seawall_signals::view;

/// What is put behind the name of a file whose text was written over and is no version.
const REPLACED: &str = ".replaced";

/// The name a text is kept under.
pub(super) fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

/// Keeps a text as what a file says; its number, also where the latest says the same already.
pub(super) fn keep(
    versions: &Versions,
    text: &str,
    file: &Path,
    deed: &Deed<'_>,
) -> Result<u64, VersionError> {
    match versions.keep(text, &name_of(file), deed, wall_now())? {
        Some(version) => Ok(version.number),
        None => Ok(versions.latest().map_or(0, |kept| kept.version.number)),
    }
}

/// A version that can stand in a file: refused where it is not the one that was meant, or is spelled another way.
pub(super) fn fitting(
    versions: &Versions,
    number: u64,
    sha256: Option<&str>,
    file: &Path,
) -> Result<Kept, VersionError> {
    let kept = versions.read(number)?;
    if sha256.is_some_and(|meant| meant != kept.version.sha256) {
        return Err(VersionError::Damaged(format!(
            "version {number} of this instance is not the one that was meant: it is another instance, see --admin"
        )));
    }
    if Format::of(Path::new(&kept.version.file)) != Format::of(file) {
        return Err(VersionError::Damaged(format!(
            "version {number} was in {}, which cannot stand in {}: write its text with `seawall config versions {number}`",
            kept.version.file,
            file.display()
        )));
    }
    Ok(kept)
}

/// Puts a text into a file. What it said, where nobody has kept that, is kept as a version if `sound` says that it is a
/// configuration, and beside the file otherwise: it may hold anything.
pub(super) fn put(
    versions: &Versions,
    file: &Path,
    text: &str,
    in_force: Option<&str>,
    sound: impl FnOnce(&str) -> bool,
) -> io::Result<()> {
    let before = fs::read_to_string(file)?;
    let latest = || versions.latest().is_some_and(|kept| kept.text == before);
    if before == text {
        return Ok(());
    }
    if in_force != Some(before.as_str()) && !latest() {
        if sound(&before) {
            let deed = Deed { cause: Cause::Aside, by: "", reason: "", generation: 0, again: None };
            keep(versions, &before, file, &deed).map_err(io::Error::other)?;
        } else {
            let mut beside = file.as_os_str().to_owned();
            beside.push(REPLACED);
            // With the rights it had.
            fs::copy(file, PathBuf::from(beside))?;
        }
    }
    write_text(file, text)
}

/// What is known, for whoever looks at the admin port.
pub(super) fn known(versions: &Versions, in_force: Option<u64>, warning: Option<String>) -> Past {
    let listing = match versions.list() {
        Ok(listing) => listing,
        Err(why) => return Past { versions: Vec::new(), warning: warning.or(Some(why.to_string())) },
    };
    let damaged = listing.damaged.first().map(|(_, why)| why.clone());
    let versions = listing.versions.into_iter().map(|version| shown(version, in_force)).collect();
    Past { versions, warning: warning.or(damaged) }
}

/// A version as the admin port lists it.
pub(super) fn shown(version: Version, in_force: Option<u64>) -> view::Version {
    let Version { number, at, generation, cause, by, reason, again, file, sha256 } = version;
    let state = if in_force == Some(number) { "in-force" } else { "kept" }.to_owned();
    view::Version {
        name: number.to_string(),
        state,
        number,
        at,
        generation,
        cause,
        by,
        reason,
        again,
        file,
        sha256,
    }
}
