//! What one call has done with the keys of the upstreams it asked: which one it must stay with, and which refused it.

use std::sync::{Mutex, PoisonError};

/// One call's keys. Copies that race share it.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    /// It bears the first key of every upstream: what it means to the provider, another account would not know.
    pub(crate) pinned: bool,
    /// It may change something: after an attempt that may have, it stays with that one's key.
    pub(crate) changes: bool,
    at: Mutex<Vec<At>>,
}

/// Of one target.
#[derive(Debug)]
struct At {
    place: usize,
    /// The key it bears, and how many attempts that bore it may have done something or are under way.
    key: usize,
    open: u32,
    /// These keys refused it.
    refused: Vec<usize>,
}

impl Chosen {
    /// Nothing yet, of a call that must bear the first key, or may change something.
    pub(crate) fn new(pinned: bool, changes: bool) -> Self {
        Self { pinned, changes, at: Mutex::default() }
    }

    /// The key it must bear again at the target in `place`.
    pub(super) fn kept(&self, place: usize) -> Option<usize> {
        self.at(place, |at| (at.open > 0).then_some(at.key)).flatten()
    }

    /// An attempt begins.
    pub(super) fn begins(&self, place: usize, key: usize) {
        if !self.changes || self.pinned {
            return;
        }
        let again = self.at(place, |at| (at.key, at.open) = (key, at.open + 1));
        if again.is_none() {
            self.all().push(At { place, key, open: 1, refused: Vec::new() });
        }
    }

    /// One of its attempts has certainly done nothing.
    pub(super) fn did_nothing(&self, place: usize) {
        self.at(place, |at| at.open = at.open.saturating_sub(1));
    }

    /// A key refused it.
    pub(super) fn refuses(&self, place: usize, key: usize) {
        if self.at(place, |at| at.refused.push(key)).is_none() {
            self.all().push(At { place, key, open: 0, refused: vec![key] });
        }
    }

    /// Those that refused it.
    pub(super) fn refused(&self, place: usize) -> Vec<usize> {
        self.at(place, |at| at.refused.clone()).unwrap_or_default()
    }

    fn at<T>(&self, place: usize, look: impl FnOnce(&mut At) -> T) -> Option<T> {
        self.all().iter_mut().find(|at| at.place == place).map(look)
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<At>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Chosen;

    #[test]
    fn a_call_that_may_change_something_keeps_its_key_until_all_its_attempts_did_nothing() {
        let chosen = Chosen::new(false, true);
        assert_eq!(chosen.kept(0), None);
        chosen.begins(0, 2);
        chosen.begins(0, 2);
        assert_eq!((chosen.kept(0), chosen.kept(1)), (Some(2), None), "each target has keys of its own");
        chosen.did_nothing(0);
        assert_eq!(chosen.kept(0), Some(2), "its other copy may have");
        chosen.did_nothing(0);
        assert_eq!(chosen.kept(0), None);
        chosen.begins(0, 1);
        assert_eq!(chosen.kept(0), Some(1));
    }

    #[test]
    fn a_call_that_changes_nothing_keeps_no_key_and_remembers_who_refused_it() {
        let chosen = Chosen::new(false, false);
        chosen.begins(0, 2);
        chosen.refuses(0, 2);
        chosen.refuses(0, 1);
        assert_eq!((chosen.kept(0), chosen.refused(0), chosen.refused(1)), (None, vec![2, 1], vec![]));
    }
}
