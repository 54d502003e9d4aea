//! Who answers what: a script gives every request its reply.

use serde_json::json;

use crate::ledger::Ledger;
use crate::reply::Reply;
use crate::request::Request;

/// Chooses a reply for each request. `n` is always the number of the request since this script began to play, counted
/// from 1, over all connections.
pub struct Script {
    decide: Decide,
    early: Option<Box<Early>>,
    accept: Option<Box<dyn Fn(u64) -> Accept + Send + Sync>>,
    pub(crate) keep_bodies: bool,
    pub(crate) send_continue: bool,
}

/// What happens to a connection before anything was read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// It is served.
    Serve,
    /// It is closed, FIN.
    Close,
    /// It is reset.
    Reset,
    /// It is held and never read from.
    Ignore,
}

type Seeing = dyn Fn(&Request, u64, &Ledger) -> Reply + Send + Sync;
type Early = dyn Fn(&Request, u64, &Ledger) -> Option<Reply> + Send + Sync;

enum Decide {
    /// Needs no request to decide, so the reply may forgo reading the body.
    Blind(Box<dyn Fn(u64) -> Reply + Send + Sync>),
    Sequence(Vec<Reply>, Option<Reply>),
    /// Wants to see the body.
    Seeing(Box<Seeing>),
}

impl Script {
    /// The same reply for ever.
    pub fn always(reply: Reply) -> Self {
        Self::new(Decide::Sequence(Vec::new(), Some(reply)))
    }

    /// These replies, in order of arrival; then, unless [`then`](Self::then) says otherwise, 500 `script exhausted`.
    pub fn sequence(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::new(Decide::Sequence(replies.into_iter().collect(), None))
    }

    /// What follows a [`sequence`](Self::sequence). Without effect on other scripts.
    pub fn then(mut self, reply: Reply) -> Self {
        if let Decide::Sequence(_, rest) = &mut self.decide {
            *rest = Some(reply);
        }
        self
    }

    /// Asks for each request, once its body is there. A reply that wants to come before the body comes too late here:
    /// give that from [`before_body`](Self::before_body).
    pub fn per_path(choose: impl Fn(&Request, u64) -> Reply + Send + Sync + 'static) -> Self {
        Self::with_ledger(move |request, n, _| choose(request, n))
    }

    /// The same, with the ledger at hand: for answers that depend on what was executed.
    pub fn with_ledger(choose: impl Fn(&Request, u64, &Ledger) -> Reply + Send + Sync + 'static) -> Self {
        Self::new(Decide::Seeing(Box::new(choose)))
    }

    /// Draws a reply for each request by weight. The draw depends on the seed and `n` alone.
    pub fn random(seed: u64, weighted: impl IntoIterator<Item = (u32, Reply)>) -> Self {
        let weighted: Vec<(u32, Reply)> = weighted.into_iter().collect();
        let total: u64 = weighted.iter().map(|(weight, _)| u64::from(*weight)).sum();
        Self::new(Decide::Blind(Box::new(move |n| {
            let mut drawn = if total == 0 { 0 } else { rng(seed, n).u64(..total) };
            for (weight, reply) in &weighted {
                match drawn.checked_sub(u64::from(*weight)) {
                    Some(left) => drawn = left,
                    None => return reply.clone(),
                }
            }
            exhausted(n)
        })))
    }

    /// Asks first when only the head is there (the request shows an empty body); `None` leaves the choice to the
    /// script. The reply given here is the only one that may forgo the body, with [`Reply::before_body`].
    pub fn before_body(
        self,
        choose: impl Fn(&Request, u64, &Ledger) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self { early: Some(Box::new(choose)), ..self }
    }

    /// Decides about each connection, counted from 1 since this script began to play.
    pub fn on_accept(self, choose: impl Fn(u64) -> Accept + Send + Sync + 'static) -> Self {
        Self { accept: Some(Box::new(choose)), ..self }
    }

    /// Closes the nth connection at once; earlier rules hold for the others.
    pub fn close_on_accept(self, nth: u64) -> Self {
        self.accepting(nth, Accept::Close)
    }

    /// Resets the nth connection at once; earlier rules hold for the others.
    pub fn reset_on_accept(self, nth: u64) -> Self {
        self.accepting(nth, Accept::Reset)
    }

    /// Counts and digests request bodies without keeping them: an upload of any size costs no memory. Keys inside JSON
    /// bodies are not seen then.
    pub fn discard_bodies(self) -> Self {
        Self { keep_bodies: false, ..self }
    }

    /// Never sends `100 Continue` of its own accord; waits for the body that the client may never send.
    pub fn without_continue(self) -> Self {
        Self { send_continue: false, ..self }
    }

    /// The reply for a head, if it can be chosen without the body.
    pub(crate) fn at_head(&self, request: &Request, n: u64, ledger: &Ledger) -> Option<Reply> {
        if let Some(reply) = self.early.as_ref().and_then(|early| early(request, n, ledger)) {
            return Some(reply);
        }
        match &self.decide {
            Decide::Seeing(_) => None,
            Decide::Blind(choose) => Some(choose(n)),
            Decide::Sequence(replies, rest) => {
                let listed = usize::try_from(n).ok().and_then(|n| replies.get(n.checked_sub(1)?));
                Some(listed.or(rest.as_ref()).cloned().unwrap_or_else(|| exhausted(n)))
            }
        }
    }

    /// The reply for a whole request that [`at_head`](Self::at_head) left open.
    pub(crate) fn with_body(&self, request: &Request, n: u64, ledger: &Ledger) -> Reply {
        match &self.decide {
            Decide::Seeing(choose) => choose(request, n, ledger),
            _ => exhausted(n),
        }
    }

    pub(crate) fn accepts(&self, connection: u64) -> Accept {
        self.accept.as_ref().map_or(Accept::Serve, |choose| choose(connection))
    }

    fn accepting(self, nth: u64, what: Accept) -> Self {
        let others = self.accept;
        let rule = move |connection| match &others {
            _ if connection == nth => what,
            Some(choose) => choose(connection),
            None => Accept::Serve,
        };
        Self { accept: Some(Box::new(rule)), ..self }
    }

    fn new(decide: Decide) -> Self {
        Self { decide, early: None, accept: None, keep_bodies: true, send_continue: true }
    }
}

impl From<Reply> for Script {
    fn from(reply: Reply) -> Self {
        Self::always(reply)
    }
}

fn exhausted(n: u64) -> Reply {
    Reply::json(500, json!({ "error": format!("script exhausted: it has no reply for request {n}") }))
}

/// A generator for the nth request: the same for the same seed and n, whatever was drawn before.
pub(crate) fn rng(seed: u64, n: u64) -> fastrand::Rng {
    let mut mixer = fastrand::Rng::with_seed(seed);
    let salt = mixer.u64(..);
    fastrand::Rng::with_seed(salt ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[cfg(test)]
mod tests;
