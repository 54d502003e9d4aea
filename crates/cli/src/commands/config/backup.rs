//! An encrypted copy of a configuration, of those before it and of the vault, and the way back from one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use seawall_config::versions::{Kept, Version};
use seawall_core::clock::wall_now;
use seawall_security::vault::{Sources, Trouble, Vault, VaultError, key_file_of};
use serde::{Deserialize, Serialize};

use super::super::{Source, past, report, variable};
use crate::output::{Failure, note, plain};
use crate::settings::{Loaded, Purpose, load};

/// The version of the format.
const FORMAT: u32 = 1;
/// The largest backup that is read: many long configurations.
const MOST: u64 = 256 << 20;

/// Where a copy goes.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The new file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    source: Source,
}

/// Which copy, and whether only to look at it.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The copy
    #[arg(value_name = "FILE")]
    copy: PathBuf,
    /// The file with the vault's key, where it is not where it usually is
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Only see whether it could be restored, and write nothing
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    source: Source,
}

/// A copy as it is in a file. The vault's text is encrypted by itself, and holds what says how its key is come by.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    seawall_backup: u32,
    made: String,
    /// Where the vault was: its key may be beside it.
    at: PathBuf,
    /// The vault's file.
    vault: String,
    /// The rest, as a Fernet token under the vault's key.
    rest: String,
}

/// What is inside the token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rest {
    /// So that no other token of this key is taken for one.
    seawall_backup: u32,
    file: String,
    text: String,
    versions: Vec<Old>,
    /// The vault's text once more: whoever swaps the one outside is found out.
    vault: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Old {
    version: Version,
    text: String,
}

impl Backup {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Some((text, loaded)) = sound(&self.source)? else { return Ok(()) };
        let settings = &loaded.settings;
        let sources = Sources { key_file: settings.vault.key_file.clone(), environment: &variable };
        let vault_file = settings.vault_file();
        let vault = Vault::open(&vault_file, &sources).map_err(|why| match why.trouble {
            Trouble::NoVault => Failure::failed(format_args!(
                "{why}; a backup is encrypted with the vault's key, so there must be one"
            )),
            _ => failed(&why),
        })?;
        let sealed = fs::read_to_string(&vault_file).map_err(|why| unreadable(&vault_file, &why))?;
        let versions = settings.versions();
        let listing = versions.list().map_err(Failure::failed)?;
        for (_, why) in &listing.damaged {
            note(format_args!("seawall: warning: not in the backup: {}", plain(why)));
        }
        let old = |version: &Version| {
            let Kept { version, text } = versions.read(version.number).map_err(Failure::failed)?;
            Ok(Old { version, text })
        };
        let rest = Rest {
            seawall_backup: FORMAT,
            file: past::name_of(&self.source.file()),
            text,
            versions: listing.versions.iter().rev().map(old).collect::<Result<_, Failure>>()?,
            vault: sealed.clone(),
        };
        let count = rest.versions.len();
        let json =
            |why: serde_json::Error| Failure::failed(format_args!("it cannot be written as JSON: {why}"));
        let rest = vault.seal(&serde_json::to_string(&rest).map_err(json)?, wall_now());
        let made = seawall_config::versions::moment(wall_now());
        let document = Document {
            seawall_backup: FORMAT,
            made,
            at: vault_file,
            vault: sealed,
            rest: rest.map_err(|why| failed(&why))?,
        };
        let text = serde_json::to_string_pretty(&document).map_err(json)?;
        write_new(&self.out, text.as_bytes())?;
        note(format_args!(
            "seawall: {} has the configuration, {count} versions and the vault; its key is not in it: keep {} elsewhere too",
            self.out.display(),
            vault.key_place()
        ));
        Ok(())
    }
}

impl Restore {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (document, rest) = self.open()?;
        let file = self.source.file();
        let tree = self.source.tree_of(&rest.text, &file);
        let (loaded, findings) = match tree.and_then(load) {
            Ok(good) => good,
            Err(findings) => return report(findings, Purpose::Check),
        };
        report(findings, Purpose::Check)?;
        let (versions, vault) = (loaded.settings.versions(), loaded.settings.vault_file());
        let kept = versions.list().map_err(Failure::failed)?;
        let taken = [(&file, file.exists()), (&vault, vault.exists())].into_iter();
        let directory = versions.directory().to_path_buf();
        let taken = taken.chain([(&directory, !kept.versions.is_empty())]);
        let taken: Vec<String> =
            taken.filter(|(_, there)| *there).map(|(path, _)| path.display().to_string()).collect();
        let count = rest.versions.len();
        if self.verify {
            note(format_args!(
                "seawall: {} is whole: a sound configuration of {}, {count} versions and the vault",
                self.copy.display(),
                plain(&document.made)
            ));
            return Ok(());
        }
        if !taken.is_empty() {
            return Err(Failure::failed(format_args!(
                "nothing is written over: {} is there already, move it away first",
                taken.join(" and ")
            )));
        }
        for Old { version, text } in &rest.versions {
            versions.lay_back(version, text).map_err(Failure::failed)?;
        }
        make_room(&vault)?;
        write_new(&vault, document.vault.as_bytes())?;
        write_new(&file, rest.text.as_bytes())?;
        note(format_args!(
            "seawall: {} is back, with {count} versions and the vault {}",
            file.display(),
            vault.display()
        ));
        Ok(())
    }

    /// What is in the copy, held to its seals.
    fn open(&self) -> Result<(Document, Rest), Failure> {
        let shown = self.copy.display();
        let size = fs::metadata(&self.copy).map_err(|why| unreadable(&self.copy, &why))?.len();
        if size > MOST {
            return Err(Failure::bad_input(format_args!("{shown} is larger than any backup")));
        }
        let text = fs::read_to_string(&self.copy).map_err(|why| unreadable(&self.copy, &why))?;
        let foreign =
            || Failure::bad_input(format_args!("{shown} is no backup of a configuration, or was cut"));
        let document: Document = serde_json::from_str(&text).map_err(|_| foreign())?;
        if document.seawall_backup != FORMAT {
            return Err(Failure::bad_input(format_args!(
                "{shown} has format {}, and this seawall knows {FORMAT}",
                document.seawall_backup
            )));
        }
        let vault = self.vault(&document)?;
        let inside = vault.read_token(&document.rest).map_err(|why| failed(&why))?;
        let rest: Rest = serde_json::from_str(inside.expose()).map_err(|_| foreign())?;
        let whole = rest.versions.iter().all(|old| old.version.is_of(&old.text));
        if rest.seawall_backup != FORMAT || rest.vault != document.vault || !whole {
            return Err(Failure::failed(format_args!(
                "{shown} was changed since it was made: it is not used"
            )));
        }
        Ok((document, rest))
    }

    /// The vault of the copy, opened with the key that is here.
    fn vault(&self, document: &Document) -> Result<Vault, Failure> {
        let place = tempfile::tempdir()
            .map_err(|why| Failure::failed(format_args!("no temporary directory: {why}")))?;
        let copy = place.path().join("vault");
        write_new(&copy, document.vault.as_bytes())?;
        let open =
            |key_file: Option<PathBuf>| Vault::open(&copy, &Sources { key_file, environment: &variable });
        let opened = match open(self.key_file.clone()) {
            Err(why) if why.trouble == Trouble::NoKey && self.key_file.is_none() => {
                // Beside the place where the vault usually is.
                let usual = key_file_of(&document.at);
                if usual.exists() { open(Some(usual)) } else { Err(why) }
            }
            opened => opened,
        };
        opened.map_err(|why| match why.trouble {
            Trouble::NoKey => Failure::failed("the key of the vault in it is not here: name its file with --key-file, or set SEAWALL_VAULT_KEY"),
            _ => failed(&why),
        })
    }
}

/// The text and the settings; nothing where they are not sound, which is said.
fn sound(source: &Source) -> Result<Option<(String, Loaded)>, Failure> {
    let read = source.text().and_then(|text| {
        let (loaded, _) = source.tree_of(&text, &source.file()).and_then(load)?;
        Ok((text, loaded))
    });
    match read {
        Ok(good) => Ok(Some(good)),
        Err(findings) => report(findings, Purpose::Check).map(|()| None),
    }
}

fn failed(why: &VaultError) -> Failure {
    Failure::failed(why)
}

fn unreadable(path: &Path, why: &io::Error) -> Failure {
    Failure::bad_input(format_args!("{} cannot be read: {why}", path.display()))
}

fn make_room(file: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty());
    let Some(directory) = directory else { return Ok(()) };
    fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(directory)
        .map_err(|why| Failure::failed(format_args!("{} cannot be made: {why}", directory.display())))
}

/// Writes a file for its owner alone where there is none.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|why| match why.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::failed(format_args!("{} is there already: nothing is written over", path.display()))
        }
        _ => Failure::failed(format_args!("{} cannot be written: {why}", path.display())),
    })
}
