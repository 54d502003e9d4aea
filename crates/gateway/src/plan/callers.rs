//! Who may call: names, and keys of which only digests are kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use seawall::{Invalid, Priority};
use seawall_core::clock::wall_now;
use seawall_core::secret::Secret;
use seawall_policy::limiter::Queue;

use super::Limit;

/// The shortest key: fewer characters can be guessed over a network.
const SHORTEST: usize = 16;
/// The longest key that is looked at.
const LONGEST: usize = 4096;

/// One who may call.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// How much it may call; what waits, waits before the limits of upstreams.
    pub limits: Vec<Limit>,
    /// Who of its calls may wait for a slot, and for how long.
    pub queue: Queue,
    /// Where it may call.
    pub reach: Reach,
    /// A name that proves it where it stands in a certificate the data port believes.
    pub certificate: Option<Box<str>>,
    /// How its calls stand among those that wait, where they do not say so themselves.
    pub priority: Priority,
    /// In whose name its idempotency keys are: callers of one tenant that bring one key want one thing. None: in its own.
    pub tenant: Option<Arc<str>>,
}

impl Caller {
    /// One that may call everything, as often as it likes.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            limits: Vec::new(),
            queue: Queue::default(),
            reach: Reach::default(),
            certificate: None,
            priority: Priority::default(),
            tenant: None,
        }
    }
}

/// Where a caller may call: by any of the routes, or by a way that leads to the upstreams and to no other. With neither:
/// everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Routes by their names.
    pub routes: Option<Vec<Arc<str>>>,
    /// Upstreams by their names.
    pub upstreams: Option<Vec<Arc<str>>>,
}

impl Reach {
    /// May a call take the route of this name (empty for an upstream's defaults), which leads to these upstreams?
    pub fn covers<'u>(&self, route: &str, mut to: impl Iterator<Item = &'u str>) -> bool {
        let has = |names: &Option<Vec<Arc<str>>>, name: &str| {
            names.iter().flatten().any(|own| !name.is_empty() && **own == *name)
        };
        let everywhere = self.routes.is_none() && self.upstreams.is_none();
        everywhere || has(&self.routes, route) || to.all(|upstream| has(&self.upstreams, upstream))
    }
}

/// What proves that somebody is a caller.
#[derive(Debug, Clone)]
pub struct Key {
    /// What is sent.
    pub secret: Secret,
    /// When it stops being good, if it does.
    pub until: Option<SystemTime>,
}

/// Everybody who may call.
///
/// A key is kept as its HMAC-SHA-256 under a random key that these callers alone have, and what somebody brings is made
/// the same of before it is looked for: how long that takes says nothing about any key.
#[derive(Clone)]
pub struct Callers {
    secret: hmac::Key,
    by_key: HashMap<[u8; 32], (usize, Option<SystemTime>)>,
    by_name: HashMap<Box<str>, usize>,
    all: Vec<Caller>,
}

impl Callers {
    /// Nobody yet: nobody may call.
    pub fn new() -> Result<Self, Invalid> {
        let secret = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| Invalid::new("callers", "the system gives no random numbers to keep keys by"))?;
        Ok(Self { secret, by_key: HashMap::new(), by_name: HashMap::new(), all: Vec::new() })
    }

    /// One more, with the keys it may bring: two of them while one takes over from the other.
    ///
    /// Refuses a name that is there, a key that no header can carry, that is shorter than 16 characters, or that
    /// somebody else has.
    pub fn add(&mut self, caller: Caller, keys: &[Key]) -> Result<(), Invalid> {
        if self.all.iter().any(|other| other.name == caller.name) {
            return Err(Invalid::new(
                "name",
                format!("{:?} is there twice: write another name", caller.name),
            ));
        }
        let place = self.all.len();
        for Key { secret, until } in keys {
            let key = secret.expose().as_bytes();
            if !(SHORTEST..=LONGEST).contains(&key.len()) {
                let message = format!(
                    "the key has {} characters: give it {SHORTEST} to {LONGEST}, such as those of `openssl rand -hex 32`",
                    key.len()
                );
                return Err(Invalid::new("key", message));
            }
            if !key.iter().all(u8::is_ascii_graphic) {
                let message = "the key holds characters a header cannot carry: give it letters and digits";
                return Err(Invalid::new("key", message));
            }
            let before = self.by_key.insert(self.digest(key), (place, *until));
            if let Some((other, _)) = before.filter(|(other, _)| *other != place) {
                let message = format!("{} has the same key: give each their own", self.all[other].name);
                return Err(Invalid::new("key", message));
            }
        }
        if let Some(name) = &caller.certificate {
            let before = self.by_name.insert(name.to_ascii_lowercase().into_boxed_str(), place);
            if let Some(other) = before {
                let message = format!("{} has the same name: give each their own", self.all[other].name);
                return Err(Invalid::new("certificate", message));
            }
        }
        self.all.push(caller);
        Ok(())
    }

    /// All of them, in the order they were added.
    pub fn all(&self) -> &[Caller] {
        &self.all
    }

    /// Whose key that is, as a place among all of them.
    pub fn whose(&self, key: &[u8]) -> Option<usize> {
        if !(SHORTEST..=LONGEST).contains(&key.len()) {
            return None;
        }
        let (place, until) = self.by_key.get(&self.digest(key))?;
        until.is_none_or(|until| wall_now() < until).then_some(*place)
    }

    /// Whose certificate has this name in it, in lower case.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    fn digest(&self, key: &[u8]) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.secret, key).as_ref());
        digest
    }
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers").field("all", &self.all).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ANN: &str = "ann-0123456789abcdef";
    const BOB: &str = "bob-0123456789abcdef";

    fn secret(text: &str) -> Key {
        Key { secret: Secret::new(text.to_owned()), until: None }
    }

    #[test]
    fn a_key_is_known_by_its_digest_alone_and_a_caller_may_have_two() {
        let mut callers = Callers::new().unwrap();
        callers.add(Caller::new("ann"), &[secret(ANN), secret("ann-fedcba9876543210")]).unwrap();
        callers.add(Caller::new("bob"), &[secret(BOB)]).unwrap();
        assert_eq!(callers.whose(ANN.as_bytes()), Some(0));
        assert_eq!(callers.whose(b"ann-fedcba9876543210"), Some(0));
        assert_eq!(callers.whose(BOB.as_bytes()), Some(1));
        for other in ["", "ann", "ann-0123456789abcdeg", &"x".repeat(5000)] {
            assert_eq!(callers.whose(other.as_bytes()), None, "{other}");
        }
        let shown = format!("{callers:?}");
        assert!(shown.contains("ann") && !shown.contains("0123456789"), "{shown}");
    }

    #[test]
    fn a_key_whose_time_is_over_is_nobodys() {
        let mut callers = Callers::new().unwrap();
        let (past, future) = (wall_now() - Duration::from_secs(1), wall_now() + Duration::from_secs(3600));
        let keys = [Key { until: Some(past), ..secret(ANN) }, Key { until: Some(future), ..secret(BOB) }];
        callers.add(Caller::new("ann"), &keys).unwrap();
        assert_eq!((callers.whose(ANN.as_bytes()), callers.whose(BOB.as_bytes())), (None, Some(0)));
    }

    #[test]
    fn keys_that_can_be_guessed_sent_by_nobody_or_shared_are_refused_without_being_repeated() {
        let wrong = |keys: &[&str]| {
            let mut callers = Callers::new().unwrap();
            callers.add(Caller::new("ann"), &[secret(ANN)]).unwrap();
            let keys: Vec<Key> = keys.iter().map(|key| secret(key)).collect();
            callers.add(Caller::new("bob"), &keys).unwrap_err().to_string()
        };
        assert!(wrong(&["hunter2"]).starts_with("key: the key has 7 characters: give it 16 to 4096"));
        assert!(wrong(&["0123456789 abcdef"]).contains("characters a header cannot carry"));
        assert!(wrong(&["0123456789abcdéf"]).contains("characters a header cannot carry"));
        let same = wrong(&[BOB, ANN]);
        assert!(same.contains("ann has the same key") && !same.contains("0123456789"), "{same}");
        let mut callers = Callers::new().unwrap();
        callers.add(Caller::new("ann"), &[]).unwrap();
        assert!(callers.add(Caller::new("ann"), &[]).unwrap_err().to_string().contains("there twice"));
    }

    #[test]
    fn a_reach_is_a_route_by_name_or_a_way_to_nothing_but_the_upstreams() {
        let names = |names: &[&str]| Some(names.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>());
        let covers = |reach: &Reach, route: &str, to: &[&str]| reach.covers(route, to.iter().copied());
        assert!(covers(&Reach::default(), "", &["a"]));
        let routes = Reach { routes: names(&["chat"]), upstreams: None };
        assert!(covers(&routes, "chat", &["a", "b"]) && !covers(&routes, "", &["a"]));
        let upstreams = Reach { routes: None, upstreams: names(&["a"]) };
        assert!(covers(&upstreams, "", &["a"]) && covers(&upstreams, "chat", &["a"]));
        assert!(!covers(&upstreams, "chat", &["a", "b"]) && !covers(&upstreams, "", &["b"]));
        let both = Reach { routes: names(&["chat"]), upstreams: names(&["b"]) };
        assert!(covers(&both, "chat", &["a"]) && covers(&both, "", &["b"]) && !covers(&both, "", &["a"]));
        let neither = Reach { routes: names(&[]), upstreams: None };
        assert!(!covers(&neither, "chat", &["a"]) && !covers(&neither, "", &["a"]));
    }
}
