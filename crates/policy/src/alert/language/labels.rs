//! The labels of a series: names and values, in order, none of them empty.

use std::fmt;
use std::sync::Arc;

/// Labels, sorted by name. A label whose value is empty is not there. Clones are cheap and share.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Labels {
    /// These labels, in order, without those that are empty; of a name that comes twice the first counts.
    pub fn new<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut pairs: Vec<(Arc<str>, Arc<str>)> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, earlier| later.0 == earlier.0);
        pairs.retain(|(_, value)| !value.is_empty());
        Self(pairs.into())
    }

    /// The value of a label; empty where it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0.binary_search_by(|(own, _)| (**own).cmp(name)).map_or("", |place| &*self.0[place].1)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These of them alone.
    pub(super) fn only(&self, names: &[String]) -> Self {
        Self(self.0.iter().filter(|(name, _)| names.iter().any(|own| **own == **name)).cloned().collect())
    }

    /// Do both say the same of every label that both have?
    pub fn agrees(&self, other: &Self) -> bool {
        self.0.iter().all(|(name, value)| matches!(other.get(name), "") || other.get(name) == &**value)
    }
}

/// As in the exposition: `{upstream="exchange"}`, and nothing where there are none.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name}={value:?}", if place == 0 { "{" } else { "," })?;
        }
        f.write_str(if self.is_empty() { "" } else { "}" })
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Labels({self})")
    }
}
