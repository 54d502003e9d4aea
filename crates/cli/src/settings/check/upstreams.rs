//! Upstreams: their names, what is sent to them in the clear, and limits that make each other pointless.

use seawall_core::units::Rate;
use seawall_policy::limiter::Quota;

use super::super::state::State;
use super::super::upstream::{Auth, Limit, Upstream};
use super::super::words::Shared;
use super::calling::{self, Calling};
use super::{Checking, Key, is_name};

/// First segments that mean something else.
const RESERVED: [&str; 1] = ["fetch"];

pub(super) fn check(checking: &mut Checking<'_>) {
    let settings = &checking.loaded.settings;
    if settings.upstream.is_empty() {
        let advice = "write [upstream.NAME] with a url";
        checking.warning(&Key::top("upstream"), "no upstream is named: every call is answered 404", advice);
    }
    for (name, upstream) in &settings.upstream {
        let key = Key::top("upstream").named(name);
        if !is_name(name) {
            let message = format!("{name:?} cannot be the first segment of a path");
            checking.error(&key, message, "write a name of a-z, 0-9, _ and -");
        } else if RESERVED.contains(&name.as_str()) {
            checking.error(&key, format!("paths under /{name}/ mean something else"), "write another name");
        }
        doors(checking, &key, upstream);
        keys(checking, &key, upstream);
        limits(checking, &key, &upstream.limits);
        rules(checking, &key, upstream);
        sharing(checking, &key, upstream);
        let Upstream { deadline, attempt, retry, compress, .. } = upstream;
        Calling { deadline: *deadline, attempt, retry, compress }.check(checking, &key);
        calling::breaker(checking, &key, &upstream.breaker);
        if upstream.queue.wait >= upstream.deadline && !upstream.limits.is_empty() {
            let message = "a call may wait for its turn until its deadline, and is then not made";
            checking.warning(&key.then("queue.wait"), message, "write a shorter wait");
        }
    }
}

fn doors(checking: &mut Checking<'_>, key: &Key, upstream: &Upstream) {
    let scheme = upstream.url.0.scheme_str();
    if let (Some((_, auth)), true) = (upstream.credentials(key).first(), upstream.in_the_clear()) {
        let what = if matches!(auth, Auth::Header(..)) { "key" } else { "credential" };
        let of = if upstream.auth.is_some() { "auth" } else { "keys" };
        checking.warning(
            &key.then("url"),
            format!("the {what} of {of} is sent unencrypted"),
            "write an https URL",
        );
    }
    if upstream.ca.is_some() && scheme == Some("http") {
        let message = "certificates are not looked at for an http URL";
        checking.warning(&key.then("ca"), message, "write an https url, or remove it");
    }
    if let Some(through) = &upstream.proxy {
        let at = key.then("proxy.url");
        if through.url.0.scheme_str() != Some("http") {
            checking.error(&at, "a proxy is spoken to over http", "write \"http://host:port\"");
        } else if through.url.0.path() != "/" {
            checking.error(&at, "a proxy has no path", "write \"http://host:port\"");
        }
    }
    if upstream.http2 && scheme == Some("https") {
        let message = "TLS agrees on HTTP/2 by itself";
        checking.warning(&key.then("http2"), message, "remove it; it is for http URLs");
    }
}

/// The most a key can weigh: more than anybody tells apart.
const HEAVIEST: u32 = 1000;

/// Several keys: names that people tell apart, and one way to say who pays.
fn keys(checking: &mut Checking<'_>, key: &Key, upstream: &Upstream) {
    if upstream.keys.is_empty() {
        if key.then("rest").is_written(&checking.loaded.tree) {
            let message = "is not looked at: one key alone never rests";
            checking.warning(&key.then("rest"), message, "write keys, or remove it");
        }
        return;
    }
    calling::invalid(checking, &key.then("rest"), upstream.rest.check());
    let at = key.then("keys");
    if upstream.auth.is_some() {
        let message = "auth and keys both say which credential is sent";
        checking.error(&at, message, "write the one of auth as one of keys, or remove either");
    }
    for (place, own) in upstream.keys.iter().enumerate() {
        let at = at.item(place);
        if !is_name(&own.name) {
            let message = format!("{:?} cannot be a name", own.name);
            checking.error(&at.then("name"), message, "write a name of a-z, 0-9, _ and -");
        } else if upstream.keys[..place].iter().any(|other| other.name == own.name) {
            let message = format!("{:?} is the name of another key", own.name);
            checking.error(&at.then("name"), message, "write a name of its own");
        }
        if own.weight.get() > HEAVIEST {
            let message = format!("{} is out of range", own.weight);
            checking.error(&at.then("weight"), message, "write 1 to 1000");
        }
        if upstream.keys[..place].iter().any(|other| other.auth == own.auth) {
            let message = "is the same secret as another key: when one of them is refused, both are";
            checking.warning(&at, message, "remove it, and give the other its weight");
        }
    }
}

pub(super) fn limits(checking: &mut Checking<'_>, key: &Key, limits: &[Limit]) {
    let key = key.then("limits");
    for (place, limit) in limits.iter().enumerate() {
        let at = key.item(place);
        if let Limit::Requests { quota, .. } = limit
            && let Err(invalid) = quota.check()
        {
            checking.error(&at.then("requests"), invalid.message, "write a rate like \"50/s\"");
            continue;
        }
        if let Limit::Concurrent(size, Some(adaptive)) = limit
            && !calling::invalid(checking, &at, adaptive.check(size.get()))
        {
            continue;
        }
        let others = limits.iter().enumerate().filter(|(other, _)| *other != place);
        for (other, tighter) in others {
            // Of two that are equal the later one is pointless.
            if implies(tighter, limit) && (!implies(limit, tighter) || other < place) {
                let message = format!("never holds anything back: limits[{other}] is always reached first");
                checking.warning(&at, message, "remove one of them");
                break;
            }
        }
        if let Limit::Later(unit) = limit {
            checking.unbuilt(&at, &format!("no {} are counted", unit.as_str()));
        }
    }
}

/// What is shared needs a memory that more than one process has, and an order that more than one process knows.
fn sharing(checking: &mut Checking<'_>, key: &Key, upstream: &Upstream) {
    if upstream.share.is_empty() {
        return;
    }
    let at = key.then("share");
    if let State::Directory(_) = checking.loaded.settings.state {
        let message = "the state is a directory, which one process owns: nobody else can share what is in it";
        checking.error(&at, message, "write state = \"redis://host:6379/0?namespace=prod\", or remove it");
    }
    if upstream.shares(Shared::Breaker)
        && let Err(invalid) = seawall_policy::fleet::breaker::rules(&upstream.breaker)
    {
        calling::invalid(checking, &key.then("breaker"), Err(invalid));
    }
    let own =
        at.place(&checking.loaded.tree) != Key::top("defaults").then("share").place(&checking.loaded.tree);
    if upstream.shares(Shared::Limits) && !upstream.shares_limits() && own {
        let message = "there is no limit to share: calls at once are each gateway's own";
        checking.warning(&at, message, "write a limit of requests, or remove \"limits\"");
    }
    if upstream.learn && upstream.shares_limits() {
        let message = "the provider's pace is not shared: calls only wait while it says that nothing is left";
        checking.warning(&key.then("learn"), message, "remove it, or do not share the limits");
    }
}

fn rules(checking: &mut Checking<'_>, key: &Key, upstream: &Upstream) {
    let key = key.then("rules");
    for (place, rule) in upstream.rules.iter().enumerate() {
        let at = key.item(place);
        if let Err(invalid) = rule.check() {
            let at = if invalid.key.is_empty() { at } else { at.then(invalid.key) };
            checking.error(&at, invalid.message, invalid.advice);
        }
    }
}

/// Does whatever passes the first always pass the second?
fn implies(first: &Limit, second: &Limit) -> bool {
    match (first, second) {
        (Limit::Concurrent(first, adaptive), Limit::Concurrent(second, None)) => {
            let most = adaptive.as_ref().map_or(first.get(), |adaptive| adaptive.bounds(first.get()).1);
            most <= second.get()
        }
        (Limit::Requests { quota: first, per: None }, Limit::Requests { quota: second, .. }) => {
            tighter(first, second)
        }
        (Limit::Requests { quota: first, per: Some(a) }, Limit::Requests { quota: second, per: Some(b) })
            if a == b =>
        {
            tighter(first, second)
        }
        _ => false,
    }
}

fn tighter(first: &Quota, second: &Quota) -> bool {
    // A bucket lets its burst pass beside its rate; only windows, and what is the same, can be compared simply.
    match (first.burst, second.burst) {
        (None, None) => most_in(first.rate, second.rate) <= u128::from(second.rate.count.get()),
        _ => first == second,
    }
}

/// The most a sliding window lets through in the span of another rate.
fn most_in(rate: Rate, other: Rate) -> u128 {
    other.per.as_nanos().div_ceil(rate.per.as_nanos().max(1)) * u128::from(rate.count.get())
}
