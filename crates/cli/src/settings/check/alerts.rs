//! Alerts: conditions that cannot be read, metrics that nobody counts, channels that lead nowhere.

use seawall_policy::Invalid;
use seawall_policy::alert::{Condition, Options, Quiet};
use seawall_signals::alerts::BUILT_IN;
use seawall_signals::metrics::names;

use super::{Checking, Key, choose, is_name};

pub(super) fn check(checking: &mut Checking<'_>) {
    let loaded = checking.loaded;
    let settings = &loaded.settings;
    for (name, alert) in &settings.alert {
        let key = Key::top("alert").named(name);
        named(checking, &key, name);
        rule(checking, &key, name, alert);
        for (place, channel) in alert.send.iter().enumerate() {
            if !settings.channel.contains_key(channel) {
                let advice = choose(channel, settings.channel.keys(), "channel");
                checking.error(&key.then("send").item(place), format!("no channel {channel:?}"), advice);
            }
        }
    }
    circle(checking);
    for (name, channel) in &settings.channel {
        let key = Key::top("channel").named(name);
        named(checking, &key, name);
        if let Err(invalid) = channel.check() {
            invalid_at(checking, &key, &invalid);
        }
        if channel.webhook.as_ref().is_some_and(|address| address.is_open()) {
            let message = "whoever is on the way can read it";
            checking.warning(&key.then("webhook"), message, "write an https URL");
        }
        let sent = settings.alert.values().any(|alert| alert.send.contains(name));
        if !sent && channel.all.is_none() {
            let advice = format!("write send = [\"{name}\"] on an alert, or all = \"error\" here");
            checking.warning(&key, "no alert is sent there", advice);
        }
    }
}

/// Alerts that make each other quiet: what is wrong with each by itself has been said.
fn circle(checking: &mut Checking<'_>) {
    let written = checking.loaded.settings.alert.iter();
    let written = written.map(|(name, options)| (name.clone(), options.clone()));
    if let Err((name, invalid)) = seawall_signals::alerts::rules(written)
        && invalid.key == "quiet_while"
        && invalid.message.starts_with("leads back")
    {
        invalid_at(checking, &Key::top("alert").named(&name), &invalid);
    }
}

fn named(checking: &mut Checking<'_>, key: &Key, name: &str) {
    if !is_name(name) {
        checking.error(key, format!("{name:?} cannot be a name"), "write a name of a-z, 0-9, _ and -");
    }
}

fn rule(checking: &mut Checking<'_>, key: &Key, name: &str, alert: &Options) {
    if let Err(invalid) = alert.check() {
        return invalid_at(checking, key, &invalid);
    }
    if alert.when.is_none() && !BUILT_IN.contains(&name) {
        let built_in = BUILT_IN.map(str::to_owned);
        let advice = choose(name, built_in.iter(), "alert");
        let message = "there is no condition, and no built-in alert of that name";
        return checking.error(&key.then("when"), message, format!("write when = \"…\", or {advice}"));
    }
    for (place, text) in alert.quiet_while.iter().enumerate() {
        let Ok(quiet) = Quiet::parse(text) else { continue };
        let written = &checking.loaded.settings.alert;
        if !BUILT_IN.contains(&quiet.rule()) && !written.contains_key(quiet.rule()) {
            let all: Vec<String> = written.keys().cloned().chain(BUILT_IN.map(str::to_owned)).collect();
            let advice = choose(quiet.rule(), all.iter(), "alert");
            let message = format!("no alert {:?}", quiet.rule());
            checking.error(&key.then("quiet_while").item(place), message, advice);
        }
    }
    for (at, text) in [("when", &alert.when), ("until", &alert.until)] {
        let needs =
            text.as_deref().and_then(|text| Condition::parse(text).ok()).map(|condition| condition.needs());
        for need in needs.into_iter().flatten() {
            if !names::is_known(&need.metric) {
                let known: Vec<String> = names::ALL.iter().map(|own| own.name.to_owned()).collect();
                let near = choose(&need.metric, known.iter(), "metric");
                let advice = if near.starts_with("write one of") { "see /metrics".to_owned() } else { near };
                checking.warning(&key.then(at), format!("nobody counts {}", need.metric), advice);
            }
        }
    }
}

/// What is wrong and what to write stand in one text, with a colon between them.
fn invalid_at(checking: &mut Checking<'_>, key: &Key, invalid: &Invalid) {
    let (message, advice) = match invalid.message.rsplit_once(": ") {
        Some((message, advice)) => (message.to_owned(), advice.to_owned()),
        None => (invalid.message.to_string(), "write another value".to_owned()),
    };
    checking.error(&key.then(invalid.key), message, advice);
}
