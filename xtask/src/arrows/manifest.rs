//! What one `Cargo.toml` imports, whatever way it spells that.

use std::path::Path;
use toml_edit::{DocumentMut, Item, Table, TableLike};

/// One package and its dependencies, outside ones included.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) package: String,
    pub(super) imports: Vec<(Kind, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Build,
    Dev,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Normal, Kind::Build, Kind::Dev];

    pub(super) fn table(self) -> &'static str {
        match self {
            Kind::Normal => "dependencies",
            Kind::Build => "build-dependencies",
            Kind::Dev => "dev-dependencies",
        }
    }
}

impl Manifest {
    /// Reads a manifest; `workspace` is the root one, where an inherited dependency may have been renamed.
    pub(super) fn parse(text: &str, workspace: &DocumentMut) -> Result<Manifest, String> {
        let document: DocumentMut = text.parse().map_err(|error| format!("{error}"))?;
        let package = document["package"]["name"].as_str().ok_or("no package.name")?.to_owned();
        let mut imports = Vec::new();
        let targets = document.get("target").and_then(Item::as_table_like);
        let under_targets =
            targets.into_iter().flat_map(TableLike::iter).filter_map(|(_, item)| item.as_table_like());
        let everywhere: &Table = document.as_table();
        for tables in std::iter::once(everywhere as &dyn TableLike).chain(under_targets) {
            for kind in Kind::ALL {
                let entries = tables.get(kind.table()).and_then(Item::as_table_like);
                for (key, entry) in entries.into_iter().flat_map(TableLike::iter) {
                    imports.push((kind, real_name(key, entry, workspace)));
                }
            }
        }
        Ok(Manifest { package, imports })
    }
}

/// The root manifest and every member below it.
pub(super) fn workspace(root: &Path) -> Result<Vec<Manifest>, String> {
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let top: DocumentMut = read(&root.join("Cargo.toml"))?.parse().map_err(|error| format!("{error}"))?;
    let crates = std::fs::read_dir(root.join("crates")).map_err(|error| format!("crates: {error}"))?;
    let mut files: Vec<_> = crates.filter_map(|entry| Some(entry.ok()?.path().join("Cargo.toml"))).collect();
    files.push(root.join("xtask/Cargo.toml"));
    files.retain(|file| file.is_file());
    files.sort();
    files
        .iter()
        .map(|file| {
            Manifest::parse(&read(file)?, &top).map_err(|error| format!("{}: {error}", file.display()))
        })
        .collect()
}

/// A key may be a nickname: the package it means is in its own entry or in the workspace's.
fn real_name(key: &str, entry: &Item, workspace: &DocumentMut) -> String {
    let renamed = |entry: &Item| Some(entry.as_table_like()?.get("package")?.as_str()?.to_owned());
    let inherited = || {
        entry.as_table_like()?.get("workspace")?;
        renamed(workspace.get("workspace")?.get("dependencies")?.get(key)?)
    };
    renamed(entry).or_else(inherited).unwrap_or_else(|| key.to_owned())
}
