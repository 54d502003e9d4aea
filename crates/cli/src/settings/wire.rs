//! From settings to the plan a gateway runs: secrets are fetched, files are read, names become places.

mod doors;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use seawall::fleet;
use seawall_config::SecretRef;
use seawall_core::Code;
use seawall_core::provider::{Http, Provider};
use seawall_core::secret::Secret;
use seawall_gateway::plan::{self, Alerts, Allow, Calling, Credential, Plan};
use seawall_packs::rules::Ruled;
use seawall_policy::Invalid;
use seawall_signals::alerts::{self, channel};
use seawall_signals::logs::Secrets;
use seawall_signals::otlp;
use seawall_store::redis::{Identity, RedisOptions};
use seawall_store::sealed::SealKey;

use super::finding::Weight;
use super::health::origin;
use super::state::State;
use super::upstream::{Auth, Limit, Through, Upstream};
use super::vault::{Opener, Uses};
use super::words::{Listened, Pack, Shared};
use super::{Finding, Findings, Key, Loaded};
use crate::output::{note, plain};

/// Looks up an environment variable.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// How much of a request's body is kept so that it can be sent again.
const REPLAY: usize = 1 << 20;

/// How long a shutdown waits for calls in flight.
const DRAIN: Duration = Duration::from_secs(30);

/// The largest file of certificates that is read: four times the size of the public ones.
const MAX_CA: u64 = 1 << 20;

/// The plan, and what could not be had here and now; a plan with findings that stop serving is not complete.
pub(crate) fn plan(loaded: &Loaded, environment: Environment<'_>) -> (Plan, Findings) {
    let Ready { plan, findings, .. } = ready(loaded, environment, &Secrets::default());
    (plan, findings)
}

/// A plan, and all that is needed to serve it.
pub(crate) struct Ready {
    pub(crate) plan: Plan,
    pub(crate) findings: Findings,
    /// What was fetched from the vault for it.
    pub(crate) uses: Uses,
    pub(crate) memory: Memory,
}

/// Where a gateway remembers, and how.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) place: Place,
    /// What results are sealed with, where they are.
    pub(crate) seal: Option<SealKey>,
}

/// Where, with all that opens it.
#[derive(Debug)]
pub(crate) enum Place {
    /// In a directory.
    Directory(PathBuf),
    /// In a Redis, at a URL.
    Redis(String, Box<RedisOptions>, fleet::Options),
}

/// The same, with all that is needed to serve it. What is secret in it is told to `secrets`.
pub(crate) fn ready(loaded: &Loaded, environment: Environment<'_>, secrets: &Secrets) -> Ready {
    let settings = &loaded.settings;
    let vault = Opener::new(settings, environment);
    let mut wiring = Wiring { loaded, environment, secrets, vault, findings: Findings::default() };
    let upstreams =
        settings.upstream.iter().map(|(name, upstream)| wiring.upstream(name, upstream)).collect();
    let index = |name: &str| settings.upstream.keys().position(|upstream| upstream == name);
    let routes = settings
        .route
        .iter()
        .map(|(name, route)| plan::Route {
            name: Arc::from(name.as_str()),
            method: route.matched.method.as_ref().map(|method| method.0.clone()),
            path: route.matched.path.0.clone(),
            to: route.targets().into_iter().filter_map(index).collect(),
            effects: route.served_as(),
            calling: Calling {
                deadline: route.deadline,
                attempt: route.attempt.clone(),
                retry: route.retry.clone(),
                compress: route.compress.clone(),
            },
            terminal: route.stream.as_ref().and_then(|stream| stream.terminal.as_deref()).map(Arc::from),
            allow: Allow {
                effects: route.allow.contains(&Listened::Effects),
                deadline: route.allow.contains(&Listened::Deadline),
                priority: route.allow.contains(&Listened::Priority),
                first_seen: route.allow.contains(&Listened::FirstSeen),
            },
            once: route.once(),
            cache: route.cache.as_ref().filter(|_| !route.is_once()).map(|cache| plan::Cache {
                life: cache.options().life(),
                max_body: usize::try_from(cache.max_body.0).unwrap_or(usize::MAX),
            }),
            hedge: route.hedge.clone(),
            inspect: route.inspect.clone(),
        })
        .collect();
    let plan = Plan {
        listen: settings.listen.0,
        admin: settings.admin.0,
        operators: wiring.operators(),
        hosts: settings.hosts.iter().map(|host| host.0.clone()).collect(),
        callers: wiring.callers(),
        anomaly: settings.anomaly.clone(),
        tls: wiring.tls("tls", settings.tls.as_ref()),
        admin_tls: wiring.tls("admin_tls", settings.admin_tls.as_ref()),
        state: match &settings.state {
            State::Directory(path) => Some(path.clone()),
            State::Redis(_) => None,
        },
        // What is asked of it before somebody opens the journal is not remembered: nobody asks before it serves.
        journal: plan::Journal {
            store: Arc::new(seawall_store::Memory::new()),
            namespace: Arc::from("seawall"),
            found: Vec::new(),
        },
        workers: 0,
        drain: DRAIN,
        replay: REPLAY,
        generation: 1,
        upstreams,
        routes,
        alerts: wiring.alerts(),
        // Opened with the journal.
        fleet: None,
        health: wiring.health(),
        otlp: wiring.otlp(),
        // Opened by whoever serves.
        logs: None,
    };
    let memory = Memory { place: wiring.place(), seal: wiring.seal() };
    Ready { plan, findings: wiring.findings, uses: wiring.vault.into_uses(), memory }
}

pub(super) struct Wiring<'w> {
    pub(super) loaded: &'w Loaded,
    environment: Environment<'w>,
    secrets: &'w Secrets,
    vault: Opener<'w>,
    findings: Findings,
}

impl Wiring<'_> {
    fn seal(&mut self) -> Option<SealKey> {
        let key = Key::top("effects").then("encrypt");
        let secret = self.secret(&key, self.loaded.settings.effects.encrypt.as_ref()?)?;
        SealKey::new(&secret).map_err(|why| self.unready(&key, Code::SecretMissing, why)).ok()
    }

    fn place(&mut self) -> Place {
        let settings = &self.loaded.settings;
        let server = match &settings.state {
            State::Directory(path) => return Place::Directory(path.clone()),
            State::Redis(server) => server,
        };
        let key = Key::top("state");
        let mut secret = |own: &str, reference: &Option<SecretRef>| {
            reference.as_ref().and_then(|reference| self.secret(&key.then(own), reference))
        };
        let (password, own_key) = (secret("password", &server.password), secret("key", &server.key));
        let mut file = |own: &str, path: &Option<PathBuf>| {
            path.as_deref().and_then(|path| self.certificates(&key.then(own), path))
        };
        let (ca, chain) = (file("ca", &server.ca), file("certificate", &server.certificate));
        let options = RedisOptions {
            username: server.user.clone(),
            password,
            ca,
            identity: chain.zip(own_key).map(|(chain, key)| Identity { chain, key }),
            ..RedisOptions::default()
        };
        Place::Redis(server.url.0.clone(), Box::new(options), settings.fleet.clone())
    }

    fn upstream(&mut self, name: &str, upstream: &Upstream) -> plan::Upstream {
        let key = Key::top("upstream").named(name);
        let spoken = provider(upstream.provider);
        let ruled = || Arc::new(Ruled::new(spoken.clone(), upstream.rules.clone())) as Arc<dyn Provider>;
        plan::Upstream {
            name: Arc::from(name),
            url: upstream.url.0.clone(),
            dialect: upstream.errors.map_or_else(|| spoken.clone(), provider),
            provider: if upstream.rules.is_empty() { spoken.clone() } else { ruled() },
            auth: upstream.auth.as_ref().and_then(|auth| self.credential(&key.then("auth"), auth)),
            keys: self.keys(&key, upstream),
            limits: planned(&upstream.limits),
            queue: upstream.queue.clone(),
            learn: upstream.learn,
            breaker: upstream.breaker.clone(),
            share: plan::Share {
                limits: upstream.shares(Shared::Limits),
                breaker: upstream.shares(Shared::Breaker),
            },
            defaults: Calling {
                deadline: upstream.deadline,
                attempt: upstream.attempt.clone(),
                retry: upstream.retry.clone(),
                compress: upstream.compress.clone(),
            },
            shadow: upstream.shadow,
            ca: upstream.ca.as_deref().and_then(|path| self.certificates(&key.then("ca"), path)),
            http2_prior_knowledge: upstream.http2,
            proxy: upstream.proxy.as_ref().and_then(|through| self.proxy(&key.then("proxy"), through)),
        }
    }

    fn proxy(&mut self, key: &Key, through: &Through) -> Option<plan::Proxy> {
        let url = through.url.0.clone();
        let Some(reference) = &through.auth else { return Some(plan::Proxy { url, credential: None }) };
        let key = key.then("auth");
        let secret = self.secret(&key, reference)?;
        if !secret.expose().contains(':') {
            self.unready(&key, Code::SecretMissing, "is not of the form user:password".to_owned());
            return None;
        }
        let word = base64(secret.expose().as_bytes());
        // As it is sent.
        self.secrets.learn(&Secret::new(word.clone()));
        let mut value = HeaderValue::from_str(&format!("Basic {word}")).ok()?;
        value.set_sensitive(true);
        Some(plan::Proxy { url, credential: Some(value) })
    }

    /// All of several keys, or none where one of them cannot be had.
    fn keys(&mut self, key: &Key, upstream: &Upstream) -> Option<plan::Keys> {
        let mut keys = Vec::with_capacity(upstream.keys.len());
        for (place, own) in upstream.keys.iter().enumerate() {
            let at = key.then("keys").item(place);
            let credential = self.credential(&at, &own.auth)?;
            if self.secrets.hide(&own.name) != own.name {
                let message = "has a secret in it: write a name that may be shown".to_owned();
                self.unready(&at.then("name"), Code::ConfigurationInvalid, message);
                return None;
            }
            keys.push(plan::Key { name: Arc::from(own.name.as_str()), weight: own.weight, credential });
        }
        (!keys.is_empty()).then(|| plan::Keys { keys, rest: upstream.rest.clone() })
    }

    fn credential(&mut self, key: &Key, auth: &Auth) -> Option<Credential> {
        let (form, reference) = auth.secret();
        let key = key.then(form);
        let secret = self.secret(&key, reference)?;
        let (header, text) = match auth {
            Auth::Bearer(_) => (http::header::AUTHORIZATION, format!("Bearer {}", secret.expose())),
            Auth::Basic(_) if !secret.expose().contains(':') => {
                self.unready(&key, Code::SecretMissing, "is not of the form user:password".to_owned());
                return None;
            }
            Auth::Basic(_) => {
                (http::header::AUTHORIZATION, format!("Basic {}", base64(secret.expose().as_bytes())))
            }
            Auth::Header(name, _) => (HeaderName::clone(&name.0), secret.expose().to_owned()),
        };
        if let Some((_, word)) = text.split_once(' ') {
            // As it is sent.
            self.secrets.learn(&Secret::new(word.to_owned()));
        }
        match HeaderValue::from_str(&text) {
            Ok(mut value) => {
                value.set_sensitive(true);
                Some(Credential { header, value })
            }
            Err(_) => {
                let message = "holds characters a header cannot carry, such as a line break".to_owned();
                self.unready(&key, Code::SecretMissing, message);
                None
            }
        }
    }

    /// The checks that are written; one of an upstream's name asks at that upstream's own address as the upstream is asked.
    fn health(&mut self) -> Vec<plan::health::Check> {
        let settings = &self.loaded.settings;
        let mut checks = Vec::with_capacity(settings.health.len());
        for (name, health) in &settings.health {
            let key = Key::top("health").named(name);
            let same = |upstream: &&Upstream| {
                health.page().is_some_and(|(_, page)| page.origin() == origin(&upstream.url.0))
            };
            let upstream = settings.upstream.get(name).filter(same);
            // Of several the first: it is the one that is always there.
            let inherited = upstream.and_then(|upstream| {
                upstream.credentials(&Key::top("upstream").named(name)).into_iter().next()
            });
            let auth = match (&health.auth, inherited) {
                (Some(auth), _) => self.credential(&key.then("auth"), auth),
                (None, Some((at, auth))) => self.credential(&at, auth),
                (None, None) => None,
            };
            let ca = match (&health.ca, upstream.and_then(|upstream| upstream.ca.as_ref())) {
                (Some(path), _) => self.certificates(&key.then("ca"), path),
                (None, Some(path)) => self.certificates(&Key::top("upstream").named(name).then("ca"), path),
                (None, None) => None,
            };
            let through = upstream.and_then(|upstream| upstream.proxy.as_ref());
            let at = Key::top("upstream").named(name).then("proxy");
            let proxy = through.and_then(|through| self.proxy(&at, through));
            let check = health.plan(name, auth.as_ref(), ca.as_ref(), proxy.as_ref());
            match check.and_then(|check| check.build().map(|_| check)) {
                Ok(check) => checks.push(check),
                Err(invalid) => self.invalid(&key, &invalid),
            }
        }
        checks
    }

    /// Where traces and metrics are sent, if every secret could be had.
    fn otlp(&mut self) -> Option<otlp::Options<Secret>> {
        let options = self.loaded.settings.otlp.clone()?;
        let key = Key::top("otlp");
        let headers = key.then("headers");
        let options = options.resolve(|name, secret| self.secret(&headers.named(name), &secret))?;
        if let Err(invalid) = options.authorities() {
            self.invalid(&key, &invalid);
            return None;
        }
        Some(options)
    }

    /// The rules of everybody and those that were written, and the channels whose secrets could be had.
    fn alerts(&mut self) -> Alerts {
        let settings = &self.loaded.settings;
        let written = settings.alert.iter().map(|(name, options)| (name.clone(), options.clone()));
        let rules = alerts::rules(written).unwrap_or_else(|(name, invalid)| {
            self.invalid(&Key::top("alert").named(&name), &invalid);
            Vec::new()
        });
        let say: channel::Say = Arc::new(|line: &str| note(format_args!("seawall: {}", plain(line))));
        let mut outlets = Vec::new();
        for (name, options) in &settings.channel {
            let key = Key::top("channel").named(name);
            let found = options.clone().resolve(|own, secret| self.secret(&key.then(own), &secret));
            match found.map(|options| options.outlet(name, &say)) {
                Some(Ok(outlet)) => outlets.push(outlet),
                Some(Err(invalid)) => self.invalid(&key, &invalid),
                None => {}
            }
        }
        Alerts { rules, outlets }
    }

    fn invalid(&mut self, key: &Key, invalid: &Invalid) {
        self.unready(&key.then(invalid.key), Code::ConfigurationInvalid, invalid.message.to_string());
    }

    pub(super) fn secret(
        &mut self,
        key: &Key,
        reference: &SecretRef,
    ) -> Option<seawall_core::secret::Secret> {
        match reference.resolve_with(self.environment, &|name| self.vault.fetch(name)) {
            Ok(resolved) => {
                if let Some(warning) = resolved.warning {
                    self.note(Weight::Warning, key, Code::ConfigurationInvalid, warning);
                }
                self.secrets.learn(&resolved.secret);
                Some(resolved.secret)
            }
            Err(why) => {
                self.unready(key, Code::SecretMissing, why.message);
                None
            }
        }
    }

    fn certificates(&mut self, key: &Key, path: &Path) -> Option<Arc<[u8]>> {
        match read_bounded(path, MAX_CA) {
            Ok(bytes) => Some(Arc::from(bytes)),
            Err(why) => {
                self.unready(key, Code::FileUnreadable, format!("{} cannot be read: {why}", path.display()));
                None
            }
        }
    }

    fn unready(&mut self, key: &Key, code: Code, message: String) {
        self.note(Weight::Unready, key, code, message);
    }

    /// Messages of secrets and files say themselves what to write.
    pub(super) fn note(&mut self, weight: Weight, key: &Key, code: Code, message: String) {
        let (message, advice) = match message.split_once(": ") {
            Some((message, advice)) if code != Code::FileUnreadable => {
                (message.to_owned(), Some(advice.to_owned()))
            }
            _ => (message, None),
        };
        let origin = key.value_place(&self.loaded.tree);
        self.findings.add(Finding { weight, code, origin, key: key.to_string(), message, advice });
    }
}

fn planned(limits: &[Limit]) -> Vec<plan::Limit> {
    let planned = limits.iter().filter_map(|limit| match limit {
        Limit::Requests { quota, per } => {
            Some(plan::Limit::Requests { quota: *quota, per: per.as_ref().map(|per| per.0.clone()) })
        }
        Limit::Concurrent(size, adaptive) => Some(plan::Limit::Concurrent(size.get(), adaptive.clone())),
        Limit::Later(_) => None,
    });
    planned.collect()
}

fn provider(pack: Pack) -> Arc<dyn Provider> {
    seawall_packs::provider(pack.as_str()).unwrap_or_else(|| Arc::new(Http))
}

fn read_bounded(path: &Path, largest: u64) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is not a plain file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(largest + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > largest {
        true => Err(std::io::Error::other(format!("it is larger than {} MiB", largest >> 20))),
        false => Ok(bytes),
    }
}

/// RFC 4648, with padding: what `Basic` credentials are written in.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
