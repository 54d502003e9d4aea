//! Sessions of browsers: who logged in, until when, and what their forms carry.
//!
//! A browser has a number that nobody can guess; what is kept here is its digest. It lives in this process alone: after
//! a restart everybody logs in again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use seawall_core::Instant;

use super::page::secret;
use crate::plan::operators::{Digest, Operator, digest};

/// Without a request for so long it ends.
pub(super) const IDLE: Duration = Duration::from_secs(30 * 60);
/// It ends after so long whatever happens.
pub(super) const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// Sessions at once; whoever has been silent longest makes room.
const MOST: usize = 128;

/// All of them.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<Digest, Session>>);

struct Session {
    operator: Operator,
    form: Arc<str>,
    began: Instant,
    seen: Instant,
}

/// A session that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its name here.
    pub(super) id: Digest,
    /// Who logged in, as they were then.
    pub(super) operator: Operator,
    /// What its forms carry.
    pub(super) form: Arc<str>,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.since(self.seen) >= IDLE || now.since(self.began) >= LONGEST
    }
}

impl Sessions {
    /// Begins one, and gives the number for the browser; none where the system has no randomness.
    pub(super) fn begin(&self, operator: Operator, now: Instant) -> Option<String> {
        let (id, form) = (secret(), secret());
        if id.is_empty() || form.is_empty() {
            return None;
        }
        let mut all = self.lock();
        all.retain(|_, session| !session.is_over(now));
        if all.len() >= MOST {
            let silent = all.iter().min_by_key(|(_, session)| session.seen).map(|(id, _)| *id);
            silent.map(|id| all.remove(&id));
        }
        let session = Session { operator, form: form.into(), began: now, seen: now };
        all.insert(digest(id.as_bytes()), session);
        Some(id)
    }

    /// The session of a number, which goes on from now.
    pub(super) fn find(&self, number: &str, now: Instant) -> Option<Found> {
        let id = digest(number.as_bytes());
        let mut all = self.lock();
        let session = all.get_mut(&id)?;
        if session.is_over(now) {
            all.remove(&id);
            return None;
        }
        session.seen = now;
        Some(Found { id, operator: session.operator.clone(), form: session.form.clone() })
    }

    /// Does it still live? To be asked is no sign of life.
    pub(super) fn lives(&self, id: &Digest, now: Instant) -> bool {
        self.lock().get(id).is_some_and(|session| !session.is_over(now))
    }

    /// Ends it.
    pub(super) fn end(&self, id: &Digest) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use seawall_core::secret::Secret;

    use super::*;
    use crate::plan::operators::{Operators, Role};

    fn ann() -> Operator {
        let (mut operators, token) = (Operators::default(), "ann-0123456789abcdef");
        operators.add("ann", Role::Operator, &Secret::new(token.to_owned())).unwrap();
        operators.whose(token.as_bytes()).unwrap().clone()
    }

    #[test]
    fn a_session_ends_when_nobody_uses_it_and_after_half_a_day_whoever_does() {
        let (sessions, mut now) = (Sessions::default(), Instant::ORIGIN);
        let idle = sessions.begin(ann(), now).unwrap();
        let used = sessions.begin(ann(), now).unwrap();
        let found = sessions.find(&used, now).unwrap();
        assert_eq!((&found.operator, found.form.len()), (&ann(), 32));
        let pause = IDLE - Duration::from_secs(1);
        let mut asked = 0;
        while sessions.find(&used, now).is_some() {
            now = now + pause;
            asked += 1;
            assert!(sessions.lives(&found.id, now) || now.since(Instant::ORIGIN) >= LONGEST);
        }
        assert_eq!(asked, LONGEST.as_secs().div_ceil(pause.as_secs()));
        assert_eq!(sessions.find(&idle, Instant::ORIGIN + IDLE), None, "nobody used it for half an hour");
        assert!(!sessions.lives(&found.id, now));
    }

    #[test]
    fn to_be_looked_at_keeps_no_session_alive_and_its_end_is_its_end() {
        let (sessions, now) = (Sessions::default(), Instant::ORIGIN);
        let number = sessions.begin(ann(), now).unwrap();
        let id = sessions.find(&number, now).unwrap().id;
        assert!(sessions.lives(&id, now + IDLE - Duration::from_secs(1)));
        assert!(!sessions.lives(&id, now + IDLE));
        sessions.end(&id);
        assert_eq!(sessions.find(&number, now), None);
        for other in ["", "x", &number[1..], &number.to_uppercase()] {
            assert_eq!(sessions.find(other, now), None);
        }
    }

    #[test]
    fn there_are_never_more_than_so_many_and_the_one_that_was_silent_longest_makes_room() {
        let sessions = Sessions::default();
        let at = |n: usize| Instant::ORIGIN + Duration::from_secs(n as u64);
        let numbers: Vec<String> = (0..MOST).map(|n| sessions.begin(ann(), at(n)).unwrap()).collect();
        let unlike: std::collections::HashSet<&String> = numbers.iter().collect();
        assert_eq!(unlike.len(), MOST);
        assert!(sessions.find(&numbers[0], at(MOST)).is_some(), "the first speaks up");
        let newest = sessions.begin(ann(), at(MOST)).unwrap();
        assert!(sessions.find(&newest, at(MOST)).is_some() && sessions.find(&numbers[0], at(MOST)).is_some());
        assert_eq!(sessions.find(&numbers[1], at(MOST)), None, "it had been silent longest");
        assert_eq!(sessions.lock().len(), MOST);
    }
}
