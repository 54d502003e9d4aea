//! Routes: targets that do not exist, and paths that two routes want equally.

use http::Method;
use seawall_config::Origin;
use seawall_core::units::Size;

use super::super::route::Route;
use super::super::upstream::Upstream;
use super::super::words::{Listened, Verb};
use super::calling::{Calling, invalid};
use super::{Checking, Key, choose, is_name};

/// The largest body a cache keeps: a few larger ones would be all that 64 MiB hold.
const LARGEST_KEPT: u64 = 16 << 20;

pub(super) fn check(checking: &mut Checking<'_>) {
    let loaded = checking.loaded;
    for (name, route) in &loaded.settings.route {
        let key = Key::top("route").named(name);
        if !is_name(name) {
            checking.error(&key, format!("{name:?} cannot be a name"), "write a name of a-z, 0-9, _ and -");
        }
        targets(checking, &key, route);
        let Route { deadline, attempt, retry, compress, .. } = route;
        Calling { deadline: *deadline, attempt, retry, compress }.check(checking, &key);
        if route.stream.as_ref().and_then(|stream| stream.terminal.as_deref()).is_some_and(str::is_empty) {
            let message = "an empty text ends no stream";
            checking.error(
                &key.then("stream.terminal"),
                message,
                "write the data of the last event, such as \"[DONE]\"",
            );
        }
        hedge(checking, &key, route);
        cache(checking, &key, route);
        if let Some(inspect) = &route.inspect {
            invalid(checking, &key.then("inspect"), inspect.check());
        }
        once(checking, &key, route);
        later(checking, &key, route);
    }
    ties(checking);
}

/// A second copy is sent at once or not at all, and a limit that gateways share has to be asked.
fn hedge(checking: &mut Checking<'_>, key: &Key, route: &Route) {
    let upstreams = &checking.loaded.settings.upstream;
    let limited = |name: &&str| upstreams.get(*name).is_some_and(Upstream::shares_limits);
    if route.hedge.is_some()
        && let Some(name) = route.targets().into_iter().find(limited)
    {
        let message =
            format!("no second copy goes to {name:?}: there is no time to ask for a limit that is shared");
        checking.warning(&key.then("hedge"), message, "remove it, or do not share the limits");
    }
}

fn targets(checking: &mut Checking<'_>, key: &Key, route: &Route) {
    let upstreams = &checking.loaded.settings.upstream;
    let first = route.matched.path.0.first();
    let targets = route.targets();
    if route.to.is_empty() && !targets.iter().any(|target| upstreams.contains_key(*target)) {
        let message = "it says nobody to call, and its path begins with no upstream";
        let advice = match upstreams.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ") {
            all if all.is_empty() => format!("write [upstream.{}] first", first.unwrap_or("NAME")),
            all => format!("write to = [{all}], or some of them"),
        };
        checking.error(&key.then("to"), message, advice);
        return;
    }
    for (place, target) in route.to.iter().enumerate() {
        let at = key.then("to").item(place);
        if !upstreams.contains_key(target) {
            let advice = choose(target, upstreams.keys(), "upstream");
            checking.error(&at, format!("no upstream {target:?}"), advice);
        } else if route.to[..place].contains(target) {
            checking.error(&at, format!("{target:?} is named twice"), "write each upstream once");
        }
    }
    if let Some(first) = first
        && upstreams.contains_key(first)
        && !targets.contains(&first)
    {
        let message = format!("its path begins with the upstream {first:?}, which it does not call");
        let advice = format!("write a path under /{}/, or add {first:?} to `to`", targets[0]);
        checking.warning(&key.then("match.path"), message, advice);
    }
    let without = |name: &&&str| upstreams.get(**name).is_some_and(|upstream| !upstream.has_own_credential());
    if let Some(lonely) = targets[1..].iter().find(without)
        && targets.first().is_some_and(|first| without(&first))
    {
        let message = format!(
            "the caller's credentials are sent to {:?} alone, and {lonely:?} has none of its own",
            targets[0]
        );
        checking.warning(&key.then("to"), message, format!("write upstream.{lonely}.auth"));
    }
}

/// Answers that are given again though they must not be, or never are.
fn cache(checking: &mut Checking<'_>, key: &Key, route: &Route) {
    let Some(cache) = &route.cache else { return };
    let key = key.then("cache");
    invalid(checking, &key, cache.options().check());
    if !(1..=LARGEST_KEPT).contains(&cache.max_body.0) {
        let message = format!("{} is out of range", cache.max_body);
        let advice = format!("write \"1B\" to \"{}\"", Size(LARGEST_KEPT));
        checking.error(&key.then("max_body"), message, advice);
    }
    if route.is_once() {
        let message = "is not looked at: what must happen once is never answered from memory";
        checking.warning(&key, message, "remove it, or write other effects");
    }
    if let Some(Verb(method)) = &route.matched.method
        && [Method::PUT, Method::DELETE, Method::PATCH].contains(method)
    {
        let message = format!("a {method} that is repeated is answered from memory and not done");
        checking.warning(&key, message, "remove it, or match GET");
    }
}

/// What must not happen twice: how long it is remembered, and what ends a doubt.
fn once(checking: &mut Checking<'_>, key: &Key, route: &Route) {
    if !route.is_once() {
        let table = match (&route.once, &route.unknown) {
            (Some(_), _) => "once",
            (None, Some(_)) => "unknown",
            (None, None) => return,
        };
        let message = format!("is not looked at: the effects of this route are {:?}", route.effects.as_str());
        checking.warning(&key.then(table), message, "write effects = \"once\"");
        return;
    }
    let plan = route.once();
    invalid(checking, &key.then("once"), plan.options(route.deadline).check());
    if plan.keyed.is_some() && !plan.forward {
        let message = "the provider recognises no key that is not sent to it";
        checking.error(&key.then("once.forward"), message, "write forward = true, or remove keyed");
    }
    if plan.keyed.is_some() && plan.probe.is_some() {
        let message = "is not asked: where the provider recognises the key, a doubt ends by sending it again";
        checking.warning(&key.then("unknown"), message, "remove it, or remove keyed");
        return;
    }
    let upstreams = &checking.loaded.settings.upstream;
    let bare = |name: &&&str| upstreams.get(**name).is_some_and(|upstream| !upstream.has_own_credential());
    if plan.probe.is_some()
        && let Some(name) = route.targets().iter().find(bare)
    {
        let message =
            format!("is asked without a credential: callers' own are not remembered, and {name} has none");
        checking.warning(
            &key.then("unknown.probe"),
            message,
            format!("write upstream.{name}.auth if it wants one"),
        );
    }
}

fn later(checking: &mut Checking<'_>, key: &Key, route: &Route) {
    if !route.model.is_empty() {
        checking.unbuilt(&key.then("model"), "every target gets the caller's model");
    }
    for (place, header) in route.allow.iter().enumerate() {
        if !matches!(
            header,
            Listened::Effects | Listened::Deadline | Listened::Priority | Listened::FirstSeen
        ) {
            checking
                .unbuilt(&key.then("allow").item(place), &format!("{} is not listened to", header.as_str()));
        }
    }
}

/// Two routes that want one path equally: nobody could say which is taken.
fn ties(checking: &mut Checking<'_>) {
    let loaded = checking.loaded;
    let mut routes: Vec<_> = loaded
        .settings
        .route
        .iter()
        .map(|(name, route)| {
            let path = Key::top("route").named(name).then("match.path");
            (path.value_place(&loaded.tree), path, name, &route.matched)
        })
        .collect();
    routes.sort_by_key(|(place, ..)| match place {
        Origin::File { line, column, .. } => (*line, *column),
        _ => (u32::MAX, 0),
    });
    for (index, (_, path, _, later)) in routes.iter().enumerate() {
        let rank = |matched: &super::super::route::Match| {
            matched.path.0.specificity(matched.method.as_ref().map(|method| &method.0))
        };
        let tie = routes[..index].iter().find(|(_, _, _, earlier)| {
            earlier.method == later.method
                && earlier.path.0.overlaps(&later.path.0)
                && rank(earlier) == rank(later)
        });
        if let Some((place, _, name, earlier)) = tie {
            let message = format!("ties with route.{name} ({place}), whose path is \"{}\"", earlier.path.0);
            checking.error(path, message, "write one of them with more exact segments, or with a method");
        }
    }
}
