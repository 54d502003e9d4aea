//! From a file, a profile and the environment to settings that know where each of their values was written.

use std::ffi::OsString;
use std::path::Path;

use seawall_config::{Format, Node, Problem, Problems, from_node_all, load_str};

use super::inherit::inherit;
use super::{Findings, Key, Settings, check};

/// Settings, and the tree they were read from.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// What was read, everything inherited in its place.
    pub(crate) settings: Settings,
    /// The same with the origin of every value.
    pub(crate) tree: Node,
}

/// The tree of a file's text with its profile and the environment laid over it.
pub(crate) fn tree_of(
    text: &str,
    file: &Path,
    profile: Option<&str>,
    environment: Vec<(OsString, OsString)>,
) -> Result<Node, Findings> {
    load_str(text, &file.to_string_lossy(), Format::of(file), profile, environment).map_err(Findings::from)
}

/// Reads settings and cross-checks them: settings with what is worth knowing about them, or what is wrong.
pub(crate) fn load(tree: Node) -> Result<(Loaded, Findings), Findings> {
    match tree.get("version").map(|version| &version.value) {
        None | Some(seawall_config::Value::Int(1)) => {}
        Some(other) => {
            // Said before anything else: every key of another version may mean something else.
            let kind = match other {
                seawall_config::Value::Int(number) => format!("version {number} is not known"),
                other => format!("expected a whole number, found {}", other.kind()),
            };
            let place = Key::top("version").value_place(&tree);
            return Err(Problem::error(place, "version", kind).advise("write version = 1").into());
        }
    }
    // Once as it was written, so that a slip in [defaults] is named there and nowhere else; then as it is inherited.
    typed(&tree)?;
    let tree = inherit(tree);
    let settings = typed(&tree)?;
    let loaded = Loaded { settings, tree };
    let findings = check::check(&loaded);
    match findings.stop(super::Purpose::Check) {
        true => Err(findings),
        false => Ok((loaded, findings)),
    }
}

fn typed(tree: &Node) -> Result<Settings, Findings> {
    from_node_all(tree).map_err(|problems| {
        // A table that lacks what was wrong in it is not wrong once more for lacking it.
        let inside =
            |outer: &str, key: &str| key.strip_prefix(outer).is_some_and(|rest| rest.starts_with(['.', '[']));
        let keys: Vec<String> = problems.0.iter().map(|problem| problem.key.clone()).collect();
        let first = |problem: &Problem| !keys.iter().any(|key| inside(&problem.key, key));
        Findings::from(Problems(problems.0.into_iter().filter(first).collect()))
    })
}
