//! From a file, a profile and the environment to settings that know where each of their values was written.

use std::ffi::OsString;
use std::path::Path;

use seawall_config::{Format, Node, Problem, Problems, from_node_all, load_str};

use super::inherit::inherit;
use super::{Findings, Settings, age, check};

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
    // Said before anything else: every key of another version may mean something else.
    let (tree, aged) = age::of_today(tree, age::STEPS)?;
    // Once as it was written, so that a slip in [defaults] is named there and nowhere else; then as it is inherited.
    typed(&tree)?;
    let tree = inherit(tree);
    let settings = typed(&tree)?;
    let loaded = Loaded { settings, tree };
    let mut findings = check::check(&loaded);
    aged.into_iter().for_each(|finding| findings.add(finding));
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
