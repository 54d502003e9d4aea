//! The way to a value: a dotted key for people, and the place it was written at.

use std::fmt;

use seawall_config::{Node, Origin, Value};

/// A key within keys: `upstream.openai.limits[1].per`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Item(usize),
}

impl Key {
    /// A key at the top.
    pub(crate) fn top(name: &str) -> Self {
        Self(vec![Step::Name(name.to_owned())])
    }

    /// A key inside this one; dots lead further inside.
    pub(crate) fn then(&self, name: &str) -> Self {
        let mut steps = self.0.clone();
        steps.extend(name.split('.').map(|part| Step::Name(part.to_owned())));
        Self(steps)
    }

    /// A key inside this one whose name may have dots of its own.
    pub(crate) fn named(&self, name: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Name(name.to_owned()));
        Self(steps)
    }

    /// An item of this list.
    pub(crate) fn item(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Item(index));
        Self(steps)
    }

    /// Was it written by somebody, or is it our own default?
    pub(crate) fn is_written(&self, tree: &Node) -> bool {
        let mut node = tree;
        for step in &self.0 {
            match step.of(node) {
                Some((_, inner)) => node = inner,
                None => return false,
            }
        }
        !matches!(node.origin, Origin::Builtin(_))
    }

    /// Where its value was written; where it was not, where the table that lacks it was.
    pub(crate) fn value_place(&self, tree: &Node) -> Origin {
        self.walk(tree).1
    }

    /// Where the key itself was written; where it was not, where the table that lacks it was.
    pub(crate) fn place(&self, tree: &Node) -> Origin {
        self.walk(tree).0
    }

    fn walk(&self, tree: &Node) -> (Origin, Origin) {
        let mut places = (tree.origin.clone(), tree.origin.clone());
        let mut node = tree;
        for step in &self.0 {
            let Some((key, inner)) = step.of(node) else { break };
            if !matches!(inner.origin, Origin::Builtin(_)) {
                places = (key.unwrap_or_else(|| inner.origin.clone()), inner.origin.clone());
            }
            node = inner;
        }
        places
    }
}

impl Step {
    fn of<'n>(&self, node: &'n Node) -> Option<(Option<Origin>, &'n Node)> {
        match (self, &node.value) {
            (Step::Name(name), Value::Table(table)) => {
                table.get(name).map(|entry| (Some(entry.key.clone()), &entry.node))
            }
            (Step::Item(index), Value::Array(items)) => items.get(*index).map(|item| (None, item)),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Item(index) => write!(f, "[{index}]")?,
                Step::Name(name) => {
                    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                    f.write_str(if place > 0 { "." } else { "" })?;
                    match !name.is_empty() && name.chars().all(bare) {
                        true => f.write_str(name)?,
                        false => write!(f, "{name:?}")?,
                    }
                }
            }
        }
        Ok(())
    }
}
