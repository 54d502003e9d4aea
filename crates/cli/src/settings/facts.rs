//! What a configuration says about security, as facts to be judged.

use seawall_config::SecretRef;
use seawall_security::audit::{Facts, KeptFile, Role, UpstreamFact};

use super::state::State;
use super::{Key, Settings};

/// What settings say; the files they name are looked at.
pub(crate) fn facts(settings: &Settings) -> Facts {
    let mut facts = Facts {
        listen: Some((settings.listen.0.ip(), !settings.callers.is_empty())),
        admin: Some((settings.admin.0.ip(), settings.asks_operators())),
        ..Facts::default()
    };
    for (port, address, tls) in [
        ("listen", settings.listen, settings.tls.is_some()),
        ("admin", settings.admin, settings.admin_tls.is_some()),
    ] {
        if !address.0.ip().is_loopback() {
            facts.outside.push((port.to_owned(), tls));
        }
    }
    for (name, upstream) in &settings.upstream {
        facts.upstreams.push(UpstreamFact {
            name: name.clone(),
            in_the_clear: upstream.in_the_clear(),
            credential: upstream.has_own_credential(),
            limited: !upstream.limits.is_empty(),
        });
    }
    for (key, reference) in references(settings) {
        let key = key.to_string();
        match reference {
            SecretRef::Vault(_) => facts.secrets.vault.push(key),
            SecretRef::Env(_) => facts.secrets.environment.push(key),
            SecretRef::File(path) => {
                facts.files.extend(KeptFile::look(Role::Secret, path));
                facts.secrets.files.push(key);
            }
        }
    }
    if let State::Directory(path) = &settings.state {
        facts.files.extend(KeptFile::look(Role::State, path));
    }
    facts
}

/// Every place where a secret is named.
fn references(settings: &Settings) -> Vec<(Key, &SecretRef)> {
    let mut all: Vec<(Key, &SecretRef)> = Vec::new();
    for (name, upstream) in &settings.upstream {
        for (key, auth) in upstream.credentials(&Key::top("upstream").named(name)) {
            let (form, reference) = auth.secret();
            all.push((key.then(form), reference));
        }
    }
    for (name, health) in &settings.health {
        if let Some((form, reference)) = health.auth.as_ref().map(super::upstream::Auth::secret) {
            all.push((Key::top("health").named(name).then("auth").then(form), reference));
        }
    }
    for (name, caller) in &settings.callers {
        all.extend(caller.table.key.iter().map(|reference| (caller.place(name), reference)));
    }
    all.extend(settings.tls_of_ports().map(|(port, tls)| (port.then("key"), &tls.key)));
    if let State::Redis(server) = &settings.state {
        let key = Key::top("state");
        all.extend(server.password.iter().map(|reference| (key.then("password"), reference)));
        all.extend(server.key.iter().map(|reference| (key.then("key"), reference)));
    }
    let encrypt = settings.effects.encrypt.iter();
    all.extend(encrypt.map(|reference| (Key::top("effects").then("encrypt"), reference)));
    all.extend(settings.operators().map(|(key, _, _, reference)| (key, reference)));
    for (name, channel) in &settings.channel {
        let key = Key::top("channel").named(name);
        all.extend(channel.secret.iter().map(|reference| (key.then("secret"), reference)));
        all.extend(channel.password.iter().map(|reference| (key.then("password"), reference)));
        all.extend(channel.slack.iter().map(|reference| (key.then("slack"), reference)));
    }
    if let Some(otlp) = &settings.otlp {
        let key = Key::top("otlp").then("headers");
        all.extend(otlp.headers.iter().map(|(name, reference)| (key.named(name), reference)));
    }
    if let Some(carbon) = &settings.carbon {
        let sources = [("electricity_maps", &carbon.electricity_maps), ("uk", &carbon.uk)];
        for (name, source) in sources {
            let token = source.as_ref().and_then(|source| source.token.as_ref());
            all.extend(token.map(|token| (Key::top("carbon").then(name).then("token"), token)));
        }
    }
    all
}
