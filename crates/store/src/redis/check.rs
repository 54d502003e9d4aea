//! Is this server fit to remember what must not happen twice? Read from what it says about itself.

use std::collections::HashMap;
use std::fmt;

use seawall_core::effect::Nature;
use seawall_core::store::Promise;

use super::wire::wary;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// Could it throw records away when its memory is full?
    Eviction,
    /// Does it keep what it acknowledged on disk?
    Persistence,
    /// Does it let us see how it is set?
    Settings,
    /// Is there room?
    Memory,
    /// Could a replica take over that lacks the last grants?
    Failover,
    /// Has it forgotten?
    Forgotten,
    /// Can this machine note which memory it trusts?
    Known,
}

impl Check {
    /// The word people see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Check::Eviction => "eviction",
            Check::Persistence => "persistence",
            Check::Settings => "settings",
            Check::Memory => "memory",
            Check::Failover => "failover",
            Check::Forgotten => "forgotten",
            Check::Known => "known",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much it weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weight {
    /// To be told.
    Warn,
    /// Effects that could happen twice are not begun; others are, with a warning.
    Refuse,
}

/// Something about the server that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// What was looked at.
    pub check: Check,
    /// How much it weighs.
    pub weight: Weight,
    /// What is wrong, and what to do about it.
    pub text: String,
}

impl Concern {
    /// Does it keep effects of this nature from being begun?
    pub const fn refuses(&self, nature: Nature) -> bool {
        matches!(self.weight, Weight::Refuse) && wary(nature)
    }

    pub(super) fn warn(check: Check, text: impl Into<String>) -> Self {
        Self { check, weight: Weight::Warn, text: text.into() }
    }

    pub(super) fn refuse(check: Check, text: impl Into<String>) -> Self {
        Self { check, weight: Weight::Refuse, text: text.into() }
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Warn => "warning",
            Weight::Refuse => "refused",
        };
        write!(f, "{weight}: {}: {}", self.check, self.text)
    }
}

/// What a server says about itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Says<'a> {
    info: HashMap<&'a str, &'a str>,
    /// None where it does not let us see.
    config: Option<HashMap<&'a str, &'a str>>,
}

/// What we want of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wants {
    pub(super) replicas: u32,
    pub(super) memory_budget: u64,
    /// Keys it had evicted when it was looked at before; none at first.
    pub(super) evicted: Option<u64>,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) concerns: Vec<Concern>,
    pub(super) promise: Promise,
    /// Drawn by the server each time it starts.
    pub(super) run: String,
    pub(super) evicted: u64,
}

impl<'a> Says<'a> {
    pub(super) fn new(info: &'a str, config: Option<&[(&'a str, &'a str)]>) -> Self {
        let line = |line: &'a str| line.trim_end().split_once(':');
        Self {
            info: info.lines().filter_map(line).collect(),
            config: config.map(|pairs| pairs.iter().copied().collect()),
        }
    }

    fn told(&self, name: &str) -> Option<&'a str> {
        self.info.get(name).copied()
    }

    fn number(&self, name: &str) -> u64 {
        self.told(name).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    fn set(&self, name: &str) -> Option<&'a str> {
        self.config.as_ref()?.get(name).copied()
    }

    /// What is thought of it; an error where it cannot be used at all.
    pub(super) fn judged(&self, wants: Wants) -> Result<Seen, String> {
        self.usable()?;
        let mut concerns = Vec::new();
        if self.config.is_none() {
            concerns.push(Concern::refuse(
                Check::Settings,
                "CONFIG GET is forbidden, so appendfsync and later changes cannot be seen: allow it to this user, or \
                 acknowledge \"settings\" once you have made sure of appendonly yes, appendfsync always or everysec, \
                 and maxmemory-policy noeviction",
            ));
        }
        self.eviction(wants, &mut concerns);
        let promise = self.persistence(&mut concerns);
        self.memory(wants, &mut concerns);
        self.failover(wants, &mut concerns);
        let run = self.told("run_id").unwrap_or_default().to_owned();
        Ok(Seen { concerns, promise, run, evicted: self.number("evicted_keys") })
    }

    fn usable(&self) -> Result<(), String> {
        let version = self.told("redis_version").unwrap_or("of no version");
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or(0);
        if major < 7 {
            return Err(format!("the server is Redis {version}: version 7 or later is needed"));
        }
        if self.told("cluster_enabled") == Some("1") {
            return Err(
                "the server is part of a cluster, which is not spoken yet: give a server of its own".into()
            );
        }
        match self.told("role") {
            Some("master") => Ok(()),
            Some("slave" | "replica") => {
                let host = self.told("master_host").unwrap_or("unknown");
                let port = self.told("master_port").unwrap_or("unknown");
                Err(format!("the server is a replica of {host}:{port}: give the primary's address"))
            }
            role => Err(format!("the server's role is {role:?}: give a primary's address")),
        }
    }

    fn eviction(&self, wants: Wants, concerns: &mut Vec<Concern>) {
        let limit = self.set("maxmemory").or(self.told("maxmemory"));
        let limited = limit.is_none_or(|limit| limit != "0");
        let policy = self.set("maxmemory-policy").or(self.told("maxmemory_policy")).unwrap_or("unknown");
        if limited && policy != "noeviction" {
            concerns.push(Concern::refuse(
                Check::Eviction,
                format!(
                    "maxmemory-policy is {policy}: the server may throw away the record of an effect and let it run \
                     again; set maxmemory-policy noeviction"
                ),
            ));
        }
        let evicted = self.number("evicted_keys");
        match wants.evicted {
            Some(before) if evicted > before => concerns.push(Concern::refuse(
                Check::Eviction,
                format!(
                    "{} keys were thrown away since the last look; set maxmemory-policy noeviction",
                    evicted - before
                ),
            )),
            None if evicted > 0 => concerns.push(Concern::warn(
                Check::Eviction,
                format!(
                    "{evicted} keys were thrown away since the server started: records may be among them"
                ),
            )),
            _ => {}
        }
    }

    fn persistence(&self, concerns: &mut Vec<Concern>) -> Promise {
        let append = self.set("appendonly").map_or(self.told("aof_enabled") == Some("1"), |set| set == "yes");
        if !append {
            concerns.push(Concern::refuse(
                Check::Persistence,
                "appendonly is no: what was acknowledged is gone when the server ends; set appendonly yes and \
                 appendfsync always (or everysec)",
            ));
            return Promise::Process;
        }
        if self.told("aof_last_write_status").is_some_and(|status| status != "ok") {
            concerns.push(Concern::refuse(
                Check::Persistence,
                "the server could not write its append-only file: make room on its disk",
            ));
        }
        match self.set("appendfsync") {
            Some("always") => Promise::Power,
            Some("no") => {
                concerns.push(Concern::warn(
                    Check::Persistence,
                    "appendfsync is no: a loss of power may take half a minute with it; set appendfsync always or \
                     everysec",
                ));
                Promise::Restart
            }
            _ => Promise::Restart,
        }
    }

    fn memory(&self, wants: Wants, concerns: &mut Vec<Concern>) {
        let (used, limit) = (self.number("used_memory"), self.number("maxmemory"));
        if used > wants.memory_budget {
            let mega = |bytes: u64| bytes.div_ceil(1 << 20);
            concerns.push(Concern::warn(
                Check::Memory,
                format!(
                    "the server uses {} MiB, over the budget of {} MiB: shorten keep, or raise memory_budget",
                    mega(used),
                    mega(wants.memory_budget)
                ),
            ));
        }
        if limit > 0 && used > limit / 5 * 4 {
            concerns.push(Concern::warn(
                Check::Memory,
                format!(
                    "the server uses {} % of its maxmemory: when it is full, nothing is begun",
                    used.saturating_mul(100) / limit
                ),
            ));
        }
    }

    fn failover(&self, wants: Wants, concerns: &mut Vec<Concern>) {
        let replicas = self.number("connected_slaves");
        if wants.replicas == 0 && replicas > 0 {
            concerns.push(Concern::warn(
                Check::Failover,
                format!("{replicas} replicas and no wait: one that takes over may lack the last grants, and each of those may run twice; set wait"),
            ));
        }
        if u64::from(wants.replicas) > replicas {
            concerns.push(Concern::warn(
                Check::Failover,
                format!("{replicas} of the {} replicas to wait for are connected: nothing is granted until they are", wants.replicas),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n# Memory\r\nused_memory:1000\r\nmaxmemory:0\r\n\
        maxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\naof_last_write_status:ok\r\n# Stats\r\n\
        evicted_keys:0\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n# Cluster\r\ncluster_enabled:0\r\n";
    const SETTINGS: [(&str, &str); 4] = [
        ("maxmemory", "0"),
        ("maxmemory-policy", "noeviction"),
        ("appendonly", "yes"),
        ("appendfsync", "always"),
    ];
    const WANTS: Wants = Wants { replicas: 0, memory_budget: 100 << 20, evicted: None };

    fn judged(info: &str, config: Option<&[(&str, &str)]>, wants: Wants) -> Seen {
        Says::new(info, config).judged(wants).expect("usable")
    }

    fn checks(seen: &Seen) -> Vec<(Check, Weight)> {
        seen.concerns.iter().map(|concern| (concern.check, concern.weight)).collect()
    }

    fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
        SETTINGS.iter().map(|&(set, was)| if set == name { (set, value) } else { (set, was) }).collect()
    }

    #[test]
    fn a_server_that_is_fit_raises_no_concern() {
        let seen = judged(GOOD, Some(&SETTINGS), WANTS);
        assert_eq!((checks(&seen), seen.promise, seen.run.as_str()), (vec![], Promise::Power, "abc"));
    }

    #[test]
    fn each_way_to_be_unfit_is_refused_or_warned_of() {
        for (name, value, expected, promise) in [
            ("appendfsync", "everysec", vec![], Promise::Restart),
            ("appendfsync", "no", vec![(Check::Persistence, Weight::Warn)], Promise::Restart),
            ("appendonly", "no", vec![(Check::Persistence, Weight::Refuse)], Promise::Process),
            // Without a limit nothing is ever thrown away, whatever the policy.
            ("maxmemory-policy", "allkeys-lru", vec![], Promise::Power),
        ] {
            let seen = judged(GOOD, Some(&with(name, value)), WANTS);
            assert_eq!((checks(&seen), seen.promise), (expected, promise), "{name} {value}");
        }
        let mut evicting = with("maxmemory-policy", "volatile-ttl");
        evicting[0].1 = "1000000";
        let seen = judged(GOOD, Some(&evicting), WANTS);
        assert_eq!(checks(&seen), [(Check::Eviction, Weight::Refuse)]);
        assert!(seen.concerns[0].refuses(Nature::Opaque) && seen.concerns[0].refuses(Nature::Queryable));
        assert!(!seen.concerns[0].refuses(Nature::Idempotent));
    }

    #[test]
    fn a_server_that_hides_its_settings_is_read_from_what_it_tells() {
        let seen = judged(GOOD, None, WANTS);
        assert_eq!(
            (checks(&seen), seen.promise),
            (vec![(Check::Settings, Weight::Refuse)], Promise::Restart)
        );
        let lossy = GOOD.replace("aof_enabled:1", "aof_enabled:0").replace("maxmemory:0", "maxmemory:9");
        let lossy = lossy.replace("noeviction", "allkeys-lfu").replace("used_memory:1000", "used_memory:1");
        let expected =
            [Check::Settings, Check::Eviction, Check::Persistence].map(|check| (check, Weight::Refuse));
        assert_eq!(checks(&judged(&lossy, None, WANTS)), expected);
    }

    #[test]
    fn room_evictions_and_replicas_are_watched() {
        let full = GOOD
            .replace("used_memory:1000", "used_memory:200000000")
            .replace("maxmemory:0", "maxmemory:210000000");
        assert_eq!(
            checks(&judged(&full, Some(&SETTINGS), WANTS)),
            [(Check::Memory, Weight::Warn), (Check::Memory, Weight::Warn)]
        );
        let evicted = GOOD.replace("evicted_keys:0", "evicted_keys:7");
        assert_eq!(checks(&judged(&evicted, Some(&SETTINGS), WANTS)), [(Check::Eviction, Weight::Warn)]);
        let since = Wants { evicted: Some(3), ..WANTS };
        assert_eq!(checks(&judged(&evicted, Some(&SETTINGS), since)), [(Check::Eviction, Weight::Refuse)]);
        let replicated = GOOD.replace("connected_slaves:0", "connected_slaves:1");
        for (replicas, concerned) in [(0, true), (1, false), (2, true)] {
            let seen = judged(&replicated, Some(&SETTINGS), Wants { replicas, ..WANTS });
            assert_eq!(!seen.concerns.is_empty(), concerned, "{replicas}");
        }
    }

    #[test]
    fn a_replica_a_cluster_and_an_old_server_cannot_be_used_at_all() {
        for (was, is, says) in [
            (
                "role:master",
                "role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379",
                "replica of 10.0.0.1:6379",
            ),
            ("cluster_enabled:0", "cluster_enabled:1", "cluster"),
            ("redis_version:7.0.15", "redis_version:6.2.14", "version 7"),
            ("redis_version:7.0.15", "nothing:known", "version 7"),
            ("role:master", "role:sentinel", "primary"),
        ] {
            let info = GOOD.replace(was, is);
            let error = Says::new(&info, Some(&SETTINGS)).judged(WANTS).expect_err(is);
            assert!(error.contains(says), "{error}");
        }
    }
}
