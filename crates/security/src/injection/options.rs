//! What is looked for, where, and what is done about it.

use serde::{Deserialize, Serialize};

use seawall_policy::{Invalid, penalty};

use super::rules::{Category, RULES};

seawall_core::words! {
    /// What is done about a request that reads as an attack.
    Mode {
        /// It is told and let through.
        Shadow = "shadow",
        /// It is let through, and an alert tells of it.
        Alert = "alert",
        /// It is let through, and whoever sent it is limited for a while.
        Limit = "limit",
        /// It is refused.
        Block = "block",
    }
}

seawall_core::words! {
    /// A part of a request that is read.
    Part {
        /// The path.
        Path = "path",
        /// Names and values of the query.
        Query = "query",
        /// Values of headers.
        Headers = "headers",
        /// Keys and texts of a body of JSON.
        Json = "json",
        /// Names and values of a form.
        Form = "form",
    }
}

/// A rule that is not heard in one place, because it is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// The rule's name, `sql/comment`, or a category's with a star, `sql/*`.
    pub rule: String,
    /// The place as reports tell it, `query:q` or `json:/messages/*/content`; a star stands for one step. Default: every
    /// place.
    #[serde(default)]
    pub place: Option<String>,
}

/// How injections are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// What is done about an attack. Default `"shadow"`: see what would be refused before anything is.
    pub mode: Mode,
    /// How whoever sent one is limited, where `mode` is `"limit"`.
    pub limit: penalty::Options,
    /// The score from which a text is an attack. Default 5, range 1–20: one strong reason, or several weak ones that
    /// stand together.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 20)))]
    pub threshold: u8,
    /// What is looked for. Default all of it.
    pub categories: Vec<Category>,
    /// Which parts of a request are read. Default all of them.
    pub read: Vec<Part>,
    /// Rules that are not heard, everywhere or in a place. Default none.
    pub exclude: Vec<Exclusion>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Shadow,
            limit: penalty::Options::default(),
            threshold: 5,
            categories: Category::ALL.to_vec(),
            read: Part::ALL.to_vec(),
            exclude: Vec::new(),
        }
    }
}

/// More exclusions than anybody can answer for.
const MOST: usize = 256;

impl Options {
    /// Refuses what would find nothing, or everything, and names that are no rules.
    pub fn check(&self) -> Result<(), Invalid> {
        if !(1..=20).contains(&self.threshold) {
            let message = format!("{} is out of range: write 1 to 20", self.threshold);
            return Err(Invalid::new("threshold", message));
        }
        self.limit.check().map_err(|Invalid { key, message }| {
            let key = match key {
                "rate" => "limit.rate",
                "for" => "limit.for",
                _ => "limit.callers",
            };
            Invalid::new(key, message)
        })?;
        if self.categories.is_empty() {
            return Err(Invalid::new(
                "categories",
                "nothing is looked for: name at least one, or leave it out",
            ));
        }
        if self.read.is_empty() {
            return Err(Invalid::new("read", "nothing is read: name at least one part, or leave it out"));
        }
        if self.exclude.len() > MOST {
            let message = format!("{} exclusions: write at most {MOST}", self.exclude.len());
            return Err(Invalid::new("exclude", message));
        }
        for Exclusion { rule, place } in &self.exclude {
            if !RULES.iter().any(|known| names(rule, known.name)) {
                let message =
                    format!("{rule:?} is no rule: write one as reports do, \"sql/comment\" or \"sql/*\"");
                return Err(Invalid::new("exclude.rule", message));
            }
            let known =
                |place: &str| Part::ALL.iter().any(|part| place.split(':').next() == Some(part.as_str()));
            if let Some(place) = place.as_deref().filter(|place| !known(place)) {
                let message =
                    format!("{place:?} is no place: write one as reports do, \"query:q\" or \"json:/a/*\"");
                return Err(Invalid::new("exclude.place", message));
            }
        }
        Ok(())
    }
}

/// Does this name or pattern mean the rule of that name?
pub(super) fn names(pattern: &str, rule: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(category) => rule.split('/').next() == Some(category),
        None => pattern == rule,
    }
}

/// Is this the place the pattern means? Steps are compared one by one; a star is any step.
pub(super) fn is_place(pattern: &str, place: &str) -> bool {
    let mut steps = place.split('/');
    let mut patterns = pattern.split('/');
    loop {
        match (patterns.next(), steps.next()) {
            (None, None) => return true,
            (Some(pattern), Some(step)) if pattern == "*" || pattern == step => {}
            (Some(pattern), Some(step)) => match (pattern.strip_suffix(":*"), step.split_once(':')) {
                (Some(part), Some((name, _))) if part == name => {}
                _ => return false,
            },
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_good_and_read_back() {
        let options = Options::default();
        assert_eq!(options.check(), Ok(()));
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<Options>(&text).unwrap(), options);
        assert_eq!(serde_json::from_str::<Options>("{}").unwrap(), options);
    }

    #[test]
    fn options_that_make_no_sense_are_refused_with_what_to_write() {
        let wrong =
            |text: &str| serde_json::from_str::<Options>(text).unwrap().check().unwrap_err().to_string();
        assert_eq!(wrong(r#"{"threshold":0}"#), "threshold: 0 is out of range: write 1 to 20");
        assert!(wrong(r#"{"limit":{"for":"0s"}}"#).starts_with("limit.for: 0ns is out of range"));
        assert!(wrong(r#"{"categories":[]}"#).starts_with("categories: nothing is looked for"));
        assert!(wrong(r#"{"read":[]}"#).starts_with("read: nothing is read"));
        assert!(wrong(r#"{"exclude":[{"rule":"sql/onion"}]}"#).contains("\"sql/onion\" is no rule"));
        assert!(wrong(r#"{"exclude":[{"rule":"sql/*","place":"body"}]}"#).contains("\"body\" is no place"));
        let many = Options {
            exclude: vec![Exclusion { rule: "xss/*".into(), place: None }; 257],
            ..Options::default()
        };
        assert!(many.check().unwrap_err().to_string().starts_with("exclude: 257 exclusions"));
    }

    #[test]
    fn a_star_is_one_step() {
        assert!(is_place("json:/messages/*/content", "json:/messages/3/content"));
        assert!(!is_place("json:/messages/*/content", "json:/messages/3/4/content"));
        assert!(is_place("query:q", "query:q") && !is_place("query:q", "query:qq"));
        assert!(is_place("query:*", "query:anything") && !is_place("query:*", "form:anything"));
    }
}
