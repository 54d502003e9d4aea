//! Wrong tokens, counted for each address: a few are answered and written down, the rest are turned away.
//!
//! Only wrong ones are: a right token is let in however many wrong ones came from where it comes from, so nobody can
//! lock out those who share an address or a proxy. That a token cannot be found by trying is for its length to see to.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use seawall_core::Instant;

/// Wrong tokens of one address that are answered in a [`SPAN`].
pub(super) const ANSWERED: u32 = 10;
/// See [`ANSWERED`].
const SPAN: Duration = Duration::from_secs(60);
/// Addresses that are remembered; beyond that all others count as one.
const MOST: usize = 1024;

/// What each address has tried.
#[derive(Default)]
pub(super) struct Guesses(Mutex<HashMap<IpAddr, Tried>>);

struct Tried {
    since: Instant,
    wrong: u32,
}

/// What becomes of a wrong token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    /// It is answered and written down, and so many before it were not.
    Told {
        /// How many were turned away since the last that was written down.
        unheard: u32,
    },
    /// It is turned away for so long.
    Tired(Duration),
}

impl Guesses {
    /// One more wrong token.
    pub(super) fn wrong(&self, from: IpAddr, now: Instant) -> Guess {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = house_of(from);
        if !all.contains_key(&key) && all.len() >= MOST {
            all.retain(|_, tried| now.since(tried.since) < SPAN);
            if all.len() >= MOST {
                key = Ipv6Addr::UNSPECIFIED.into();
            }
        }
        let tried = all.entry(key).or_insert(Tried { since: now, wrong: 0 });
        let mut unheard = 0;
        if now.since(tried.since) >= SPAN {
            unheard = tried.wrong.saturating_sub(ANSWERED);
            *tried = Tried { since: now, wrong: 0 };
        }
        tried.wrong = tried.wrong.saturating_add(1);
        if tried.wrong <= ANSWERED {
            Guess::Told { unheard }
        } else {
            Guess::Tired(SPAN - now.since(tried.since))
        }
    }
}

/// Whoever has one IPv6 address has the 2⁶⁴ beside it too.
fn house_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ten_a_minute_are_answered_and_what_came_beyond_is_told_with_the_next() {
        let (guesses, start) = (Guesses::default(), Instant::ORIGIN);
        for _ in 0..ANSWERED {
            assert_eq!(guesses.wrong(from("10.0.0.7"), start), Guess::Told { unheard: 0 });
        }
        let late = start + Duration::from_secs(20);
        for _ in 0..5 {
            assert_eq!(guesses.wrong(from("::ffff:10.0.0.7"), late), Guess::Tired(Duration::from_secs(40)));
        }
        assert_eq!(guesses.wrong(from("10.0.0.8"), late), Guess::Told { unheard: 0 }, "somebody else");
        assert_eq!(guesses.wrong(from("10.0.0.7"), start + SPAN), Guess::Told { unheard: 5 });
        assert_eq!(guesses.wrong(from("10.0.0.7"), start + SPAN), Guess::Told { unheard: 0 });
    }

    #[test]
    fn a_network_of_addresses_is_one_and_a_flood_of_networks_fills_no_memory() {
        let (guesses, now) = (Guesses::default(), Instant::ORIGIN);
        for n in 0..u32::from(u16::MAX) {
            let tired = guesses.wrong(from(&format!("2001:db8::{n:x}")), now) != Guess::Told { unheard: 0 };
            assert_eq!(tired, n >= ANSWERED, "{n}");
        }
        let told = (0..20_000u32)
            .filter(|n| {
                guesses.wrong(from(&format!("2001:{:x}:{:x}::1", n >> 8, n & 255)), now) != Guess::Tired(SPAN)
            })
            .count();
        assert!(guesses.0.lock().unwrap().len() <= MOST + 1);
        assert!((MOST - 1..=MOST + ANSWERED as usize).contains(&told), "{told}");
        let later = now + SPAN;
        assert_eq!(guesses.wrong(from("2001:5::1"), later), Guess::Told { unheard: 0 });
    }
}
