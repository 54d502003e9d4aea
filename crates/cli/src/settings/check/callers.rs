//! Who may call: names that can be told, routes and upstreams that are there, limits that can be kept.

use super::super::callers::Table;
use super::super::upstream::Limit;
use super::calling::invalid;
use super::{Checking, Key, choose, is_name, upstreams};

pub(super) fn check(checking: &mut Checking<'_>) {
    let settings = &checking.loaded.settings;
    invalid(checking, &Key::top("anomaly"), settings.anomaly.check());
    for (name, caller) in &settings.callers {
        let key = Key::top("callers").named(name);
        if !is_name(name) {
            checking.error(&key, format!("{name:?} cannot be a name"), "write a name of a-z, 0-9, _ and -");
        }
        let Table { key: secret, certificate, limits, routes, upstreams, tenant, .. } = &caller.table;
        let asked = settings.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        match (secret, certificate) {
            (None, None) => {
                let message = "nothing proves that it is this caller";
                checking.error(&key, message, "write key = \"vault:NAME\", or certificate = \"NAME\"");
            }
            (_, Some(_)) if !asked => {
                let message = "nobody is asked for a certificate";
                checking.error(&key.then("certificate"), message, "write tls.client_ca, or remove it");
            }
            _ => {}
        }
        if let Some(tenant) = tenant.as_deref().filter(|tenant| !is_name(tenant)) {
            let message = format!("{tenant:?} cannot be a name");
            checking.error(&key.then("tenant"), message, "write a name of a-z, 0-9, _ and -");
        }
        reach(checking, &key, "routes", routes.as_deref(), &settings.route, "route");
        reach(checking, &key, "upstreams", upstreams.as_deref(), &settings.upstream, "upstream");
        upstreams::limits(checking, &key, limits);
        alone(checking, &key, limits);
    }
}

fn reach<T>(
    checking: &mut Checking<'_>,
    key: &Key,
    list: &str,
    written: Option<&[String]>,
    known: &std::collections::BTreeMap<String, T>,
    make: &str,
) {
    let key = key.then(list);
    let Some(written) = written else { return };
    if written.is_empty() {
        checking.error(&key, "an empty list lets it call nothing", format!("name {list}, or remove it"));
    }
    for (place, name) in written.iter().enumerate() {
        if !known.contains_key(name) {
            let advice = choose(name, known.keys(), make);
            checking.error(&key.item(place), format!("no {make} {name:?}"), advice);
        }
    }
}

/// A caller's limits are its own: nothing tells parts of it apart, and nothing shows whether it is well.
fn alone(checking: &mut Checking<'_>, key: &Key, limits: &[Limit]) {
    let mut places = 0;
    for (place, limit) in limits.iter().enumerate() {
        let at = key.then("limits").item(place);
        match limit {
            Limit::Requests { per: Some(_), .. } => {
                let message = "is counted for the caller as a whole";
                checking.error(&at.then("per"), message, "remove it, or write the limit on an upstream");
            }
            Limit::Concurrent(_, Some(_)) => {
                let message = "finds what an upstream can bear, and this is no upstream";
                checking.error(&at.then("adaptive"), message, "remove it, or write the limit on an upstream");
            }
            Limit::Concurrent(_, None) => places += 1,
            Limit::Requests { .. } | Limit::Later(_) => {}
        }
    }
    if places > 1 {
        let message = "calls at once are limited twice";
        checking.error(&key.then("limits"), message, "write concurrent once");
    }
}
