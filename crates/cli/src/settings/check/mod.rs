//! What only shows when everything is looked at together: names that lead nowhere, routes that tie, times that contradict.

mod alerts;
mod callers;
mod calling;
mod doors;
mod health;
mod routes;
mod unbuilt;
mod upstreams;

use seawall_core::Code;

use super::finding::Weight;
use super::{Finding, Findings, Key, Loaded};

/// Cross-checks settings. Reads nothing but them.
pub(super) fn check(loaded: &Loaded) -> Findings {
    let mut checking = Checking { loaded, findings: Findings::default() };
    doors::check(&mut checking);
    callers::check(&mut checking);
    calling::defaults(&mut checking);
    upstreams::check(&mut checking);
    routes::check(&mut checking);
    health::check(&mut checking);
    alerts::check(&mut checking);
    unbuilt::check(&mut checking);
    checking.findings
}

/// A check under way: what is looked at, and what was found.
struct Checking<'l> {
    loaded: &'l Loaded,
    findings: Findings,
}

impl Checking<'_> {
    /// Something is wrong with a value.
    fn error(&mut self, key: &Key, message: impl Into<String>, advice: impl Into<String>) {
        self.add(Weight::Error, Code::ConfigurationInvalid, key, message.into(), advice.into());
    }

    /// A value may not mean what somebody thinks.
    fn warning(&mut self, key: &Key, message: impl Into<String>, advice: impl Into<String>) {
        self.add(Weight::Warning, Code::ConfigurationInvalid, key, message.into(), advice.into());
    }

    /// A part is not built yet; `what` says what that means.
    fn unbuilt(&mut self, key: &Key, what: &str) {
        let finding = self.at_key(Weight::Unready, key, format!("not available yet: {what}"));
        self.findings.add(finding.code(Code::NotAvailableYet).advise("remove it to serve"));
    }

    fn at_key(&self, weight: Weight, key: &Key, message: String) -> Finding {
        let origin = key.place(&self.loaded.tree);
        Finding {
            weight,
            code: Code::ConfigurationInvalid,
            origin,
            key: key.to_string(),
            message,
            advice: None,
        }
    }

    fn add(&mut self, weight: Weight, code: Code, key: &Key, message: String, advice: String) {
        let origin = key.value_place(&self.loaded.tree);
        let finding = Finding { weight, code, origin, key: key.to_string(), message, advice: Some(advice) };
        self.findings.add(finding);
    }
}

/// What a name is made of.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    !name.is_empty() && name.len() <= 64 && name.chars().all(fits)
}

/// The name somebody probably meant, or all there are.
fn choose<'n>(wrong: &str, names: impl Iterator<Item = &'n String> + Clone, make: &str) -> String {
    let near = names
        .clone()
        .map(|name| (strsim::damerau_levenshtein(&wrong.to_lowercase(), name), name))
        .min()
        .filter(|(distance, name)| *distance <= (name.len().max(wrong.len()) / 3).max(1));
    match near {
        Some((_, name)) => format!("write \"{name}\""),
        None => match names.map(String::as_str).collect::<Vec<_>>().join(", ") {
            all if all.is_empty() => format!("write [{make}.{wrong}] first"),
            all => format!("write one of: {all}"),
        },
    }
}
