//! Which alert: a rule and a set of labels.

use std::sync::Arc;

use seawall_policy::alert::Labels;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) rule: Arc<str>,
    pub(super) labels: Labels,
}

impl Key {
    /// The name by which people and paths mean it: the rule's, and the values of its labels where it has any. Values that
    /// say the same twice are said once, and what has no place in a path becomes an underscore.
    pub(super) fn id(&self) -> String {
        let mut id = self.rule.to_string();
        let mut said: Vec<&str> = Vec::new();
        for (_, value) in self.labels.iter() {
            if said.contains(&value) {
                continue;
            }
            said.push(value);
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            id.push(':');
            id.extend(value.chars().map(|c| if fits(c) { c } else { '_' }));
        }
        id
    }
}
