//! The steps as the server runs them, and where it keeps what they are about.

use redis::Cmd;
use seawall_core::effect::Key;

/// So many parts has a namespace. The keys of a part are in one slot of a cluster, and a step touches one part.
pub(super) const SHARDS: usize = 256;

macro_rules! script {
    ($flags:literal, $($part:literal),+) => {
        concat!("#!lua", $flags, "\n", $(include_str!(concat!("scripts/", $part, ".lua"))),+)
    };
}

/// Somebody wants to run. The server refuses it when its memory is full.
const BEGIN: &str = script!("", "open", "begin", "close");
/// Everything else. Run even then: what has happened must be written down.
const REST: &str = script!(" flags=allow-oom", "open", "rest", "close");
/// A cell of text. Refused when the server's memory is full.
const CELL: &str = script!("", "cell");
/// A limit, a lease, a group: small, and gone by themselves. Refused when the server's memory is full.
const LIMIT: &str = script!("", "limit");
const LEASE: &str = script!("", "lease");
const PRESENCE: &str = script!("", "presence");
/// A breaker. Run even when the server's memory is full: it is small, and somebody may have to pull its lever.
const BREAKER: &str = script!(" flags=allow-oom", "breaker");
/// Changes what is trusted of a part.
pub(super) const STANDING: &str = script!(" flags=allow-oom", "standing");

/// The names of everything in a namespace.
#[derive(Debug)]
pub(super) struct Names(Vec<Box<str>>);

impl Names {
    pub(super) fn of(namespace: &str) -> Self {
        Self((0..SHARDS).map(|shard| format!("sw:{{{namespace}:{shard:02x}}}:").into()).collect())
    }

    /// A record: `sw:{prod:7f}:e:…`.
    pub(super) fn record(&self, key: Key) -> String {
        self.one("e:", key)
    }

    /// What is remembered of a job, or of a type of jobs: `sw:{prod:7f}:j:…`.
    pub(super) fn cell(&self, key: Key) -> String {
        self.one("j:", key)
    }

    /// The one key of something: `sw:{prod:7f}:l:…`.
    pub(super) fn one(&self, what: &str, key: Key) -> String {
        let shard = &self.0[shard_of(key)];
        let mut name = String::with_capacity(shard.len() + 34);
        name.push_str(shard);
        name.push_str(what);
        for byte in key.as_bytes() {
            name.push(char::from(HEX[usize::from(byte >> 4)]));
            name.push(char::from(HEX[usize::from(byte & 15)]));
        }
        name
    }

    /// A part's records by when time will change them: `sw:{prod:7f}:x`.
    pub(super) fn index(&self, shard: usize) -> String {
        format!("{}x", self.0[shard])
    }

    /// What is noted of a move, for the whole namespace: `sw:{prod:00}:w`.
    pub(super) fn moving(&self) -> String {
        format!("{}w", self.0[0])
    }

    /// Whether a part is trusted, what was lost, and the latest time it told: `sw:{prod:7f}:s`.
    pub(super) fn standing(&self, shard: usize) -> String {
        format!("{}s", self.0[shard])
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Which part an effect belongs to.
pub(super) fn shard_of(key: Key) -> usize {
    usize::from(key.as_bytes()[15])
}

/// A script the server is asked to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Begin,
    Rest,
    Cell,
    Limit,
    Lease,
    Presence,
    Breaker,
}

/// All of them, in their order.
pub(super) const ALL: [&str; 7] = [BEGIN, REST, CELL, LIMIT, LEASE, PRESENCE, BREAKER];

/// What the server calls the scripts: the digests it gave when they were loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digests(pub(super) [String; ALL.len()]);

impl Digests {
    pub(super) fn of(&self, script: Script) -> &str {
        &self.0[script as usize]
    }
}

/// One step, on its way.
pub(super) fn step(digest: &str, names: &Names, key: Key, arguments: &[&[u8]]) -> Cmd {
    let shard = shard_of(key);
    let mut command = redis::cmd("EVALSHA");
    command.arg(digest).arg(3).arg(names.record(key)).arg(names.index(shard)).arg(names.standing(shard));
    for argument in arguments {
        command.arg(*argument);
    }
    command
}
