//! Says which metric hit the limit, and which of its labels is to blame.

use std::collections::BTreeSet;
use std::fmt;

/// A metric whose new series are no longer exported. Their handles still work, and nobody sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The metric that was refused a series.
    pub metric: String,
    /// How many handles, or at each scrape observed values, it was refused.
    pub count: u64,
    /// The metric that takes up the room: itself, or another one where the limit of the whole registry was hit.
    pub crowded_by: String,
    /// The label of `crowded_by` with the most values.
    pub label: String,
    /// How many values that was.
    pub distinct: usize,
    /// The labels of the first series that was refused.
    pub refused: String,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, count, crowded_by, label, distinct, refused } = self;
        write!(
            f,
            "{metric} was refused {count} series, {refused} first: {crowded_by} has {distinct} values of \
             {label}; take that label's values from configuration, not from traffic"
        )
    }
}

/// The label with the most distinct values, and how many those are.
pub(super) fn widest<'a>(
    labels: &[Box<str>],
    series: &(impl Iterator<Item = &'a [Box<str>]> + Clone),
) -> (String, usize) {
    let distinct =
        |n: usize| series.clone().filter_map(|values| values.get(n)).collect::<BTreeSet<_>>().len();
    let widest =
        labels.iter().enumerate().map(|(n, name)| (distinct(n), name)).max_by_key(|(count, _)| *count);
    widest.map_or_else(Default::default, |(count, name)| (name.to_string(), count))
}
