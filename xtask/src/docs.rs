//! What the documentation promises about the repository, checked: named tests exist, and no page knows this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every source file, by package folder (`crates/core` is `core`).
type Sources = BTreeMap<String, Vec<Source>>;

struct Source {
    path: PathBuf,
    text: String,
    tests: BTreeSet<String>,
}

impl Source {
    /// Whether this file has that test below those modules: each is part of its path or opened in its text.
    fn has(&self, modules: &[&str], test: &str) -> bool {
        let within = |module: &&str| {
            let opened = format!("mod {module} ");
            self.path.with_extension("").iter().any(|part| part == *module) || self.text.contains(&opened)
        };
        self.tests.contains(test) && modules.iter().all(within)
    }
}

/// Rows of `| ID | behaviour | shown by |` whose last cell names, in backticks, a test or file that is not there.
///
/// Understood: `package::module::test_name` (package or folder name), `path/to/file` and `path/to/file::test_name`,
/// and a lone `test_name`. Commands, with a space in them, are left to the reader.
fn missing(coverage: &str, sources: &Sources, root: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    for row in coverage.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [id, .., shown] = cells[..] else { continue };
        for named in shown.split('`').skip(1).step_by(2).filter(|named| !named.contains(' ')) {
            if !exists(named, sources, root) {
                missing.push(format!("{id} names `{named}`, which is nowhere"));
            }
        }
    }
    missing
}

fn exists(named: &str, sources: &Sources, root: &Path) -> bool {
    let parts: Vec<&str> = named.split("::").collect();
    match parts[..] {
        [file] if file.contains(['/', '.']) => root.join(file).exists(),
        [file, test] if file.contains('/') => {
            fs::read_to_string(root.join(file)).is_ok_and(|text| test_names(&text).any(|name| name == test))
        }
        [test] => sources.values().flatten().any(|source| source.has(&[], test)),
        [package, ref modules @ .., test] => {
            let folder = package.strip_prefix("seawall_").unwrap_or(package);
            sources.get(folder).is_some_and(|files| files.iter().any(|source| source.has(modules, test)))
        }
        [] => false,
    }
}

/// The names of functions that carry a test attribute: `#[test]`, `#[tokio::test]`, with or without arguments.
fn test_names(source: &str) -> impl Iterator<Item = String> + '_ {
    let mut marked = false;
    source.lines().map(str::trim).filter_map(move |line| {
        if line.starts_with("#[") {
            marked |= line.contains("test]") || line.contains("test(");
            return None;
        }
        let (_, after) = line.split_once("fn ")?;
        let name = after.split(['(', '<']).next().unwrap_or(after).trim().to_owned();
        std::mem::take(&mut marked).then_some(name)
    })
}

/// Files below `folder` that end in `.ending`, without `target` and hidden folders.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut found = Vec::new();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            found.extend(files(&path, ending));
        } else if name.ends_with(&format!(".{ending}")) {
            found.push(path);
        }
    }
    found
}

/// The Rust sources of every package.
fn sources(root: &Path) -> Sources {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).ok()?;
        let tests = test_names(&text).collect();
        Some(Source { path, text, tests })
    };
    let crates = fs::read_dir(root.join("crates")).into_iter().flatten();
    let folders = crates.filter_map(|entry| Some(entry.ok()?.path())).chain([root.join("xtask")]);
    let named = |folder: &Path| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    folders
        .map(|folder| (named(&folder), files(&folder, "rs").into_iter().filter_map(read).collect()))
        .collect()
}

/// Lines that name a place on somebody's machine: a home, or where this very checkout lies.
fn machine_paths(text: &str, places: &[String]) -> Vec<String> {
    let lines = text.lines().enumerate();
    let known = |line: &&str| places.iter().any(|place| line.contains(place.as_str()));
    lines.filter(|(_, line)| known(line)).map(|(at, line)| format!("{}: {line}", at + 1)).collect()
}

/// Where people's files lie, this person's home, and the folder this checkout is in.
fn machine_places(root: &Path) -> Vec<String> {
    let homes = ["/home/", "/Users/"].map(String::from);
    let own = std::env::var("HOME").ok().map(PathBuf::from);
    let beside = root.parent().map(Path::to_path_buf);
    // `/tmp` and the like are everybody's, so a page may speak of them.
    let telling = |path: &PathBuf| {
        !["/", "/tmp", "/opt", "/srv", "/var", "/usr/src"].map(Path::new).contains(&path.as_path())
    };
    let own = own.into_iter().chain(beside).filter(telling).map(|path| format!("{}/", path.display()));
    homes.into_iter().chain(own).chain([root.display().to_string()]).collect()
}

mod tests {
    use super::*;

    #[test]
    fn every_test_named_in_the_coverage_table_exists() {
        let root = crate::root();
        let sources = sources(&root);
        for page in ["docs/coverage.md", "docs/proof.md"] {
            // The table may not be written yet; once it is, it is held to its word.
            let Ok(table) = fs::read_to_string(root.join(page)) else { continue };
            // Of the other page, the table of tests: elsewhere it speaks of functions.
            let table = table.split("### What else is atomic").next().unwrap_or_default();
            let missing = missing(table, &sources, &root);
            assert!(missing.is_empty(), "{page}:\n{}", missing.join("\n"));
        }
    }

    #[test]
    fn no_page_knows_this_machine() {
        let root = crate::root();
        let places = machine_places(&root);
        let mut known = Vec::new();
        for page in files(&root, "md") {
            let lines = machine_paths(&fs::read_to_string(&page).unwrap(), &places);
            known.extend(lines.iter().map(|line| format!("{}:{line}", page.display())));
        }
        assert!(known.is_empty(), "\n{}", known.join("\n"));
    }

    #[test]
    fn a_coverage_row_whose_test_is_gone_is_found() {
        let root = crate::root();
        let table = "\
| id | behaviour | shown by |
|---|---|---|
| A-1 | here | `xtask::docs::tests::a_coverage_row_whose_test_is_gone_is_found` |
| A-2 | gone | `xtask::docs::no_such_test`, `cargo xtask bench` |
| A-3 | a lone name | `no_page_knows_this_machine` and `not_a_test_anywhere` |
| A-4 | files | `xtask/src/docs.rs`, `xtask/src/gone.rs`, `xtask/src/docs.rs::machine_paths` |
| A-6 | a module that is elsewhere | `xtask::arrows::no_page_knows_this_machine` |
| A-5 | another package's test | `seawall_core::a_coverage_row_whose_test_is_gone_is_found` |";
        let missing = missing(table, &sources(&root), &root);
        let ids: Vec<&str> = missing.iter().map(|line| &line[..3]).collect();
        assert_eq!(ids, ["A-2", "A-3", "A-4", "A-4", "A-6", "A-5"], "{missing:?}");
    }

    #[test]
    fn a_home_folder_in_a_page_is_found() {
        let places = machine_places(Path::new("/srv/checkouts/wall"));
        let page = "fine: target/venv and /tmp/x\nwrong: /home/somebody/wall\nwrong: /srv/checkouts/wall\n";
        assert_eq!(machine_paths(page, &places).len(), 2);
    }
}
