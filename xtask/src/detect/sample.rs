//! One string with what it is, and the half it belongs to.

use std::collections::{BTreeMap, HashSet};

/// What kind of attack a string is, as its authors say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Sql,
    Xss,
    Traversal,
    Command,
    /// A list that does not say.
    Mixed,
    Benign,
}

impl Kind {
    pub(super) const ALL: [Kind; 6] =
        [Kind::Sql, Kind::Xss, Kind::Traversal, Kind::Command, Kind::Mixed, Kind::Benign];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Sql => "SQL",
            Kind::Xss => "XSS",
            Kind::Traversal => "path traversal",
            Kind::Command => "command",
            Kind::Mixed => "mixed",
            Kind::Benign => "benign",
        }
    }
}

/// How a string is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The value of a field.
    Value,
    /// A whole body of JSON.
    Json,
}

/// One string.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) corpus: &'static str,
    pub(super) kind: Kind,
    pub(super) form: Form,
    pub(super) text: Vec<u8>,
    /// Rules were never fitted to it.
    pub(super) held_out: bool,
}

impl Sample {
    /// A field's value, whose half is drawn from `origin`: what came from one origin stays together.
    pub(super) fn new(corpus: &'static str, kind: Kind, text: impl Into<Vec<u8>>, origin: &str) -> Sample {
        let held_out = hash(origin.as_bytes()) & 1 == 1;
        Sample { corpus, kind, form: Form::Value, text: text.into(), held_out }
    }

    pub(super) fn is_attack(&self) -> bool {
        self.kind != Kind::Benign
    }
}

/// FNV-1a, mixed once more so that every bit of it is as good as the others.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let once = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    once ^ (once >> 33)
}

/// Leaves the first of equal strings of a corpus.
pub(super) fn distinct(samples: &mut Vec<Sample>) {
    let mut seen = HashSet::new();
    samples.retain(|sample| !sample.text.is_empty() && seen.insert((sample.corpus, sample.text.clone())));
}

/// How many strings each corpus has, in each half.
pub(super) fn counts(samples: &[Sample]) -> BTreeMap<&'static str, String> {
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for sample in samples {
        counts.entry(sample.corpus).or_default()[usize::from(sample.held_out)] += 1;
    }
    let shown = |[tuning, held_out]: [usize; 2]| format!("{tuning} for tuning, {held_out} held out");
    counts.into_iter().map(|(corpus, count)| (corpus, shown(count))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_are_halves_and_never_change() {
        let held_out = |n: u32| Sample::new("c", Kind::Sql, "x", &format!("line {n}")).held_out;
        let count = (0..10_000).filter(|n| held_out(*n)).count();
        assert!((4_800..5_200).contains(&count), "{count}");
        assert_eq!(hash(b""), hash(b""));
        assert_eq!(hash(b"seawall"), 0x2b30_ac25_75e1_8d91, "the split of a published table must not move");
    }

    #[test]
    fn equal_strings_of_a_corpus_count_once() {
        let sample = |corpus, text: &str| Sample::new(corpus, Kind::Sql, text, text);
        let mut samples = vec![sample("a", "x"), sample("a", "x"), sample("b", "x"), sample("a", "")];
        distinct(&mut samples);
        assert_eq!(samples.len(), 2);
    }
}
