//! What an error of the exchange means for a new order, for a question and for a cancel.

use seawall_core::verdict::{Certainty, Class, Seen, Verdict};

seawall_core::words! {
    /// What was asked of the exchange.
    Op {
        /// Something that places or changes an order.
        Order = "order",
        /// Something that only reads.
        Query = "query",
        /// Something that cancels an order.
        Cancel = "cancel",
    }
}

seawall_core::words! {
    /// What helps, before the same thing is sent again.
    Remedy {
        /// Nothing: it would be refused again, or has happened.
        Never = "never",
        /// A pause.
        Wait = "wait",
        /// The server's time, and a new signature.
        Resign = "re-sign",
        /// Finding out what became of it.
        QueryFirst = "query-first",
    }
}

/// The kinds of error there are. Everything else follows from the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// Something went wrong inside; how far it went is unknown.
    Trouble,
    /// The same, and the exchange asks to try again: what only reads has read nothing.
    Disconnected,
    /// Nobody answered inside in time; how far it went is unknown.
    TimedOut,
    /// Too many requests or orders.
    Pace,
    /// Turned away before anything was done.
    Busy,
    /// The timestamp is out of its window.
    Clock,
    /// The request is wrong.
    Wrong,
    /// The key, its rights or its signature are.
    Key,
    /// There is not enough to pay for it.
    Money,
    /// An order with this id is live: an earlier try went through.
    Exists,
    /// No such order is open: it was never placed, is not seen yet, or has been filled or cancelled.
    Absent,
    /// One half was done and the other was not.
    Half,
    /// The words are not listed: they prove nothing.
    Unlisted,
    /// The address is blocked.
    Banned,
}

impl Means {
    /// The row of the verdict table it falls in.
    pub const fn seen(self) -> Seen {
        match self {
            Means::Trouble | Means::Disconnected => Seen::ServerError,
            Means::TimedOut => Seen::TimedOut,
            Means::Pace => Seen::RateLimited,
            Means::Busy => Seen::UnavailableForNow,
            Means::Clock | Means::Wrong => Seen::Invalid,
            Means::Key => Seen::Denied,
            Means::Money => Seen::QuotaGone,
            Means::Exists => Seen::AlreadyDone,
            Means::Absent | Means::Half | Means::Unlisted => Seen::InDoubt,
            Means::Banned => Seen::Banned,
        }
    }

    /// Its class.
    pub const fn class(self) -> Class {
        Verdict::of(self.seen()).class()
    }

    /// What is known about the order that was placed, cancelled or asked about.
    pub const fn certainty(self, op: Op) -> Certainty {
        match (self, op) {
            (Means::Disconnected, Op::Query) => Certainty::NotDone,
            (Means::Half, _) => Certainty::Partial,
            _ => Verdict::of(self.seen()).row().certainty,
        }
    }

    /// What helps.
    pub const fn remedy(self, op: Op) -> Remedy {
        match (self, op) {
            (Means::Pace | Means::Busy, _) => Remedy::Wait,
            (Means::Clock, _) => Remedy::Resign,
            (
                Means::Trouble | Means::Disconnected | Means::TimedOut | Means::Absent | Means::Unlisted,
                Op::Query,
            ) => Remedy::Wait,
            (Means::Wrong | Means::Key | Means::Money | Means::Banned, _) => Remedy::Never,
            (Means::Exists | Means::Half, Op::Query) => Remedy::Never,
            _ => Remedy::QueryFirst,
        }
    }

    /// May the same thing be sent again, once the remedy was applied, without finding out anything first?
    pub const fn retryable(self, op: Op) -> bool {
        matches!(self.remedy(op), Remedy::Wait | Remedy::Resign)
    }

    /// What to do now.
    pub const fn advice(self, op: Op) -> &'static str {
        match (self, op) {
            (Means::Absent, Op::Query) => {
                "this is no proof that the order does not exist: ask again until timestamp + recvWindow + 10s and a \
                 margin for clocks have passed since it was sent; only then do two such answers, some seconds apart, \
                 mean that it never will"
            }
            (Means::Absent, _) => {
                "the order may have been filled or cancelled before: ask for its state with GET /api/v3/order, and \
                 believe that"
            }
            (Means::Trouble | Means::Disconnected | Means::TimedOut | Means::Unlisted, Op::Query) => {
                "nothing is changed by asking: ask again after a pause"
            }
            (Means::Trouble | Means::Disconnected | Means::TimedOut | Means::Unlisted, Op::Order) => {
                "it may have been executed: do not send it again, not even under the same newClientOrderId; ask GET \
                 /api/v3/order with origClientOrderId, and take -2013 for an answer only after timestamp + recvWindow + \
                 10s and a margin have passed, and only twice"
            }
            (Means::Trouble | Means::Disconnected | Means::TimedOut | Means::Unlisted, Op::Cancel) => {
                "it may have been cancelled: ask GET /api/v3/order for its state before cancelling again"
            }
            (Means::Pace, _) => {
                "nothing was done: wait for Retry-After, or for the window to end where there is none, and sign anew; going \
                 on regardless ends in a ban (418)"
            }
            (Means::Busy, _) => {
                "it was turned away before anything was done: wait, some minutes if it goes on, and sign anew"
            }
            (Means::Clock, _) => {
                "nothing was done: read GET /api/v3/time, correct the clock's offset, and sign again with a new timestamp; \
                 twice at most, then look at the clock and at what holds requests up"
            }
            (Means::Wrong, _) => "nothing was done, and it would be refused again: correct it",
            (Means::Key, _) => "nothing was done: stop, and have somebody look at the key",
            (Means::Money, _) => "nothing was done: add funds, or ask for less",
            (Means::Exists, Op::Order) => {
                "an order with this id is open, so an earlier try went through: ask for it with origClientOrderId and go \
                 on from there"
            }
            (Means::Exists, _) => "it is as it was asked to be: nothing is left to do",
            (Means::Half, _) => {
                "one half was done: ask for both orders, the one that was to go and the one that was to come"
            }
            (Means::Banned, _) => {
                "nothing was done: send nothing more from this address, whatever the key, until Retry-After has passed; \
                 bans last from two minutes to three days and grow with every repetition"
            }
        }
    }
}
