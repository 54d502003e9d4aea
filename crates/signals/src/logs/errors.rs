//! Errors grouped by their cause: one is read, ten thousand are counted.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Causes that are remembered. Beyond them the rarest makes room.
const MOST: usize = 256;
/// A group is told again when it has grown to so many times what it was.
const AGAIN: u64 = 10;

/// Errors of one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What the cause is called: the same for the same cause, also in the next run.
    pub id: String,
    /// The first line of it, without secrets.
    pub example: String,
    /// How many there were.
    pub count: u64,
}

#[derive(Debug, Default)]
pub(super) struct Groups(HashMap<u64, (u64, String)>);

/// What errors have in common that should be one group: where they come from and what they say is the cause, or, without
/// that, the message without its numbers.
pub(super) fn cause(target: &str, said: Option<&str>, message: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    match said {
        Some(said) => said.hash(&mut hasher),
        None => {
            // Words with a digit in them are ids, moments, addresses and counts.
            for word in
                message.split_whitespace().filter(|word| !word.bytes().any(|byte| byte.is_ascii_digit()))
            {
                word.hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

impl Groups {
    /// Counts an error. The number it has now, if that is worth a line: the first, the tenth, the hundredth, …
    pub(super) fn count(&mut self, cause: u64, line: &str) -> Option<u64> {
        if !self.0.contains_key(&cause) && self.0.len() >= MOST {
            let rarest = self.0.iter().min_by_key(|(_, (count, _))| *count).map(|(cause, _)| *cause);
            rarest.map(|cause| self.0.remove(&cause));
        }
        let (count, _) = self.0.entry(cause).or_insert_with(|| (0, line.trim_end().to_owned()));
        *count = count.saturating_add(1);
        let mut worth = 1u64;
        while worth < *count {
            worth = worth.saturating_mul(AGAIN);
        }
        (worth == *count).then_some(*count)
    }

    pub(super) fn list(&self) -> Vec<Group> {
        let group = |(cause, (count, example)): (&u64, &(u64, String))| Group {
            id: format!("{cause:016x}"),
            example: example.clone(),
            count: *count,
        };
        let mut groups: Vec<Group> = self.0.iter().map(group).collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.id.cmp(&b.id)));
        groups
    }
}
