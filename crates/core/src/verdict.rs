//! One outcome, classified once: what it was, how certain we are, and who may send it again.
//!
//! [`TABLE`] is the whole of it. Providers pick rows (and refine them); retry, breaker, limiter, fallback and the
//! gateway read the same [`Verdict`] and none of them classifies anything itself.

use std::time::Duration;

/// A closed list of words: an enum whose values are spelled the same in configuration, metrics and JSON.
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The word people and metrics see.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result { f.pad(self.as_str()) }
        }
    };
}
crate::words! {
    /// What kind of outcome it was.
    Class {
        /// It worked.
        Ok = "ok",
        /// The provider asked for a slower pace.
        RateLimited = "rate-limited",
        /// The provider is there but cannot.
        Overloaded = "overloaded",
        /// No answer in time.
        Timeout = "timeout",
        /// The connection failed.
        Transport = "transport",
        /// The credentials were refused.
        Auth = "auth",
        /// The request itself is wrong.
        Invalid = "invalid",
        /// The account has nothing left to spend: waiting a little will not help.
        QuotaGone = "quota-gone",
        /// The provider blocks this caller.
        Banned = "banned",
        /// The caller went away.
        Cancelled = "cancelled",
        /// One of our own policies said no.
        Rejected = "rejected",
    }
}

crate::words! {
    /// What is known about whether the operation took place.
    Certainty {
        /// It took place.
        Done = "done",
        /// It did not.
        NotDone = "not-done",
        /// It may have.
        Unknown = "unknown",
        /// It took place, and part of the answer was lost on the way.
        Partial = "partial",
        /// It had taken place before.
        AlreadyDone = "already-done",
    }
}

crate::words! {
    /// How safe it is to send an operation again, in one word.
    Effects {
        /// May be sent again on any retryable outcome.
        Repeatable = "repeatable",
        /// Costs money: again, unless a reply was lost.
        Billable = "billable",
        /// Again only when provably not processed. The default for everything that is not known to be safe.
        Guarded = "guarded",
        /// Must not happen twice: journalled before the first byte leaves, again only when provably not processed.
        Once = "once",
    }
}

impl Effects {
    /// The default for an HTTP method: GET, HEAD, OPTIONS, PUT and DELETE are repeatable, every other is guarded.
    pub fn for_method(method: &http::Method) -> Self {
        use http::Method;
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE => {
                Effects::Repeatable
            }
            _ => Effects::Guarded,
        }
    }
}

crate::words! {
    /// What a circuit breaker learns from an outcome.
    Lesson {
        /// The upstream works.
        Success = "success",
        /// The upstream fails.
        Failure = "failure",
        /// The upstream answered; whether the answer pleased the caller says nothing about its health.
        Answered = "answered",
        /// Nothing: it says nothing about the upstream.
        Nothing = "nothing",
    }
}

crate::words! {
    /// What was seen of one attempt: the rows of [`TABLE`].
    Seen {
        /// Resolving, connecting, TLS or the pool failed, or HTTP/2 refused the stream: nothing was processed.
        NotSent = "not-sent",
        /// The provider answered 2xx or 3xx (or an operation returned `Ok`).
        Success = "success",
        /// 429.
        RateLimited = "rate-limited",
        /// 425, or the provider says it did not begin.
        TooEarly = "too-early",
        /// 503 with a Retry-After.
        UnavailableForNow = "unavailable-for-now",
        /// 408, or any other 5xx: somebody answered, nobody knows how far the work went.
        ServerError = "server-error",
        /// The connection was lost, or the answer was garbage, after the first byte had left.
        ReplyLost = "reply-lost",
        /// Time ran out after the first byte had left.
        TimedOut = "timed-out",
        /// The body was cut after its head had been passed on.
        BodyCut = "body-cut",
        /// 401 or 403.
        Denied = "denied",
        /// Any other 4xx.
        Invalid = "invalid",
        /// One of our own policies said no.
        Refused = "refused",
        /// The caller went away before the first byte left.
        CancelledBefore = "cancelled-before",
        /// The caller went away after the first byte had left.
        CancelledAfter = "cancelled-after",
        /// The account's quota is spent (a provider pack knows).
        QuotaGone = "quota-gone",
        /// The provider blocks this caller (a provider pack knows).
        Banned = "banned",
        /// The provider says the operation had already taken place (a provider pack knows).
        AlreadyDone = "already-done",
        /// The provider answered, and its answer leaves open whether it took place, or how much of it did (a provider
        /// pack knows).
        InDoubt = "in-doubt",
    }
}

/// One row of the table: everything that follows from what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What was seen.
    pub seen: Seen,
    /// Its class.
    pub class: Class,
    /// What is known about whether it took place.
    pub certainty: Certainty,
    /// The same for a `once` operation, which believes nobody's word but a proof.
    pub certainty_once: Certainty,
    /// Who may send it again: repeatable, billable, guarded, once.
    pub again: [bool; 4],
    /// What the breaker learns.
    pub lesson: Lesson,
}

#[rustfmt::skip]
const fn row(seen: Seen, class: Class, certainty: Certainty, once: Certainty, again: [u8; 4], lesson: Lesson) -> Row {
    let again = [again[0] == 1, again[1] == 1, again[2] == 1, again[3] == 1];
    Row { seen, class, certainty, certainty_once: once, again, lesson }
}

/// How safe it is to repeat, and what a breaker learns: one row for everything that can be seen of an attempt.
#[rustfmt::skip]
pub const TABLE: [Row; Seen::ALL.len()] = {
    use Certainty::{AlreadyDone, Done, NotDone, Partial, Unknown};
    use Lesson::{Answered, Failure, Nothing};
    [
        //                                                                             repeatable, billable, guarded, once
        row(Seen::NotSent,           Class::Transport,   NotDone,     NotDone,     [1, 1, 1, 1], Failure),
        row(Seen::Success,           Class::Ok,          Done,        Done,        [0, 0, 0, 0], Lesson::Success),
        row(Seen::RateLimited,       Class::RateLimited, NotDone,     NotDone,     [1, 1, 1, 1], Nothing),
        row(Seen::TooEarly,          Class::Overloaded,  NotDone,     NotDone,     [1, 1, 1, 0], Answered),
        row(Seen::UnavailableForNow, Class::Overloaded,  NotDone,     Unknown,     [1, 1, 1, 0], Failure),
        row(Seen::ServerError,       Class::Overloaded,  Unknown,     Unknown,     [1, 1, 0, 0], Failure),
        row(Seen::ReplyLost,         Class::Transport,   Unknown,     Unknown,     [1, 0, 0, 0], Failure),
        row(Seen::TimedOut,          Class::Timeout,     Unknown,     Unknown,     [1, 0, 0, 0], Failure),
        row(Seen::BodyCut,           Class::Transport,   Partial,     Partial,     [0, 0, 0, 0], Failure),
        row(Seen::Denied,            Class::Auth,        NotDone,     NotDone,     [0, 0, 0, 0], Answered),
        row(Seen::Invalid,           Class::Invalid,     NotDone,     NotDone,     [0, 0, 0, 0], Answered),
        row(Seen::Refused,           Class::Rejected,    NotDone,     NotDone,     [0, 0, 0, 0], Nothing),
        row(Seen::CancelledBefore,   Class::Cancelled,   NotDone,     NotDone,     [0, 0, 0, 0], Nothing),
        row(Seen::CancelledAfter,    Class::Cancelled,   Unknown,     Unknown,     [0, 0, 0, 0], Nothing),
        row(Seen::QuotaGone,         Class::QuotaGone,   NotDone,     NotDone,     [0, 0, 0, 0], Nothing),
        row(Seen::Banned,            Class::Banned,      NotDone,     NotDone,     [0, 0, 0, 0], Nothing),
        row(Seen::AlreadyDone,       Class::Ok,          AlreadyDone, AlreadyDone, [0, 0, 0, 0], Lesson::Success),
        row(Seen::InDoubt,           Class::Invalid,     Unknown,     Unknown,     [0, 0, 0, 0], Answered),
    ]
};

/// What one outcome means, for every policy at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The row of [`TABLE`] this outcome falls in.
    pub seen: Seen,
    /// How long the provider asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Sending it again is pointless, whatever the row allows: the provider says so, or its user does.
    pub settled: bool,
}

impl Verdict {
    /// The verdict of a row, with no request to wait.
    pub const fn of(seen: Seen) -> Self {
        Self { seen, retry_after: None, settled: false }
    }

    /// The same verdict with the provider's request to wait.
    pub const fn after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }

    /// The same verdict, not to be sent again by anybody. It narrows what the row allows; nothing widens it.
    pub const fn settled(self) -> Self {
        Self { settled: true, ..self }
    }

    /// The row everything follows from.
    pub const fn row(self) -> &'static Row {
        &TABLE[self.seen as usize]
    }

    /// The class of the outcome.
    pub const fn class(self) -> Class {
        self.row().class
    }

    /// What is known about whether the operation took place.
    pub const fn certainty(self, effects: Effects) -> Certainty {
        match effects {
            Effects::Once => self.row().certainty_once,
            _ => self.row().certainty,
        }
    }

    /// May the operation be sent again (by retry, fallback, failover or hedge alike)?
    pub const fn may_repeat(self, effects: Effects) -> bool {
        !self.settled && self.row().again[effects as usize]
    }

    /// May the operation be sent again with another credential, where this one is what was refused? Each of these outcomes
    /// is a proof that it did not take place; a `once` operation keeps the credential it was first sent with.
    pub const fn may_change_key(self, effects: Effects) -> bool {
        let of_the_key = matches!(self.seen, Seen::RateLimited | Seen::Denied | Seen::QuotaGone);
        of_the_key && !self.settled && !matches!(effects, Effects::Once)
    }

    /// What a breaker learns from it.
    pub const fn lesson(self) -> Lesson {
        self.row().lesson
    }

    /// Did it work?
    pub const fn is_ok(self) -> bool {
        matches!(self.class(), Class::Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_at_its_own_place() {
        for (place, row) in TABLE.iter().enumerate() {
            assert_eq!(row.seen as usize, place);
            assert_eq!(Seen::ALL[place], row.seen);
        }
    }

    /// The published table, written out once more by hand: outcome, class, certainty, who repeats, the breaker.
    #[test]
    fn the_table_is_the_published_one() {
        let published = [
            ("not-sent", "transport", "not-done", "not-done", "RBGO", "failure"),
            ("success", "ok", "done", "done", "", "success"),
            ("rate-limited", "rate-limited", "not-done", "not-done", "RBGO", "nothing"),
            ("too-early", "overloaded", "not-done", "not-done", "RBG", "answered"),
            ("unavailable-for-now", "overloaded", "not-done", "unknown", "RBG", "failure"),
            ("server-error", "overloaded", "unknown", "unknown", "RB", "failure"),
            ("reply-lost", "transport", "unknown", "unknown", "R", "failure"),
            ("timed-out", "timeout", "unknown", "unknown", "R", "failure"),
            ("body-cut", "transport", "partial", "partial", "", "failure"),
            ("denied", "auth", "not-done", "not-done", "", "answered"),
            ("invalid", "invalid", "not-done", "not-done", "", "answered"),
            ("refused", "rejected", "not-done", "not-done", "", "nothing"),
            ("cancelled-before", "cancelled", "not-done", "not-done", "", "nothing"),
            ("cancelled-after", "cancelled", "unknown", "unknown", "", "nothing"),
            ("quota-gone", "quota-gone", "not-done", "not-done", "", "nothing"),
            ("banned", "banned", "not-done", "not-done", "", "nothing"),
            ("already-done", "ok", "already-done", "already-done", "", "success"),
            ("in-doubt", "invalid", "unknown", "unknown", "", "answered"),
        ];
        assert_eq!(published.len(), TABLE.len());
        for ((seen, class, certainty, once, again, lesson), row) in published.into_iter().zip(TABLE) {
            let verdict = Verdict::of(row.seen);
            assert_eq!(row.seen.as_str(), seen);
            assert_eq!(verdict.class().as_str(), class, "{seen}");
            assert_eq!(verdict.certainty(Effects::Guarded).as_str(), certainty, "{seen}");
            assert_eq!(verdict.certainty(Effects::Once).as_str(), once, "{seen}");
            assert_eq!(verdict.lesson().as_str(), lesson, "{seen}");
            let letters: String = Effects::ALL
                .iter()
                .zip("RBGO".chars())
                .filter(|(effects, _)| verdict.may_repeat(**effects))
                .map(|(_, letter)| letter)
                .collect();
            assert_eq!(letters, again, "{seen}");
        }
    }

    #[test]
    fn nobody_repeats_more_than_somebody_less_careful() {
        for row in TABLE {
            let [repeatable, billable, guarded, once] = row.again;
            assert!(repeatable >= billable && billable >= guarded && guarded >= once, "{:?}", row.seen);
        }
    }

    #[test]
    fn a_guarded_or_once_operation_is_repeated_only_when_it_was_not_done() {
        for row in TABLE {
            for effects in [Effects::Guarded, Effects::Once] {
                let verdict = Verdict::of(row.seen);
                assert!(!verdict.may_repeat(effects) || verdict.certainty(effects) == Certainty::NotDone);
            }
        }
    }

    #[test]
    fn another_key_is_tried_only_after_a_proof_that_it_was_not_done() {
        for row in TABLE {
            for effects in Effects::ALL {
                let verdict = Verdict::of(row.seen);
                let may = verdict.may_change_key(*effects);
                assert!(!may || verdict.certainty(*effects) == Certainty::NotDone, "{}", row.seen);
                assert!(!may || *effects != Effects::Once && !verdict.settled().may_change_key(*effects));
            }
        }
        assert!(Verdict::of(Seen::Denied).may_change_key(Effects::Guarded));
    }

    #[test]
    fn what_is_settled_is_repeated_by_nobody_and_means_the_same() {
        for row in TABLE {
            let (verdict, settled) = (Verdict::of(row.seen), Verdict::of(row.seen).settled());
            assert!(Effects::ALL.iter().all(|effects| !settled.may_repeat(*effects)), "{}", row.seen);
            assert_eq!((settled.row(), settled.lesson()), (verdict.row(), verdict.lesson()));
        }
    }

    #[test]
    fn methods_have_their_default_word() {
        for (method, word) in
            [("GET", "repeatable"), ("PUT", "repeatable"), ("POST", "guarded"), ("BREW", "guarded")]
        {
            let method = http::Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(Effects::for_method(&method).as_str(), word);
        }
    }
}
