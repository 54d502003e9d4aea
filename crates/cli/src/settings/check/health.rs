//! Health checks: what cannot be looked at, and keys that travel in the clear.

use super::{Checking, Key, is_name};
use crate::settings::health::origin;

pub(super) fn check(checking: &mut Checking<'_>) {
    let loaded = checking.loaded;
    let settings = &loaded.settings;
    for (name, health) in &settings.health {
        let key = Key::top("health").named(name);
        if !is_name(name) {
            checking.error(&key, format!("{name:?} cannot be a name"), "write a name of a-z, 0-9, _ and -");
        }
        let upstream = settings.upstream.get(name);
        if let Err(invalid) = health.check(upstream.is_some()) {
            let (message, advice) = match invalid.message.rsplit_once(": ") {
                Some((message, advice)) => (message.to_owned(), advice.to_owned()),
                None => (invalid.message.to_string(), "write another value".to_owned()),
            };
            checking.error(&key.then(invalid.key), message, advice);
            continue;
        }
        let Some((at, page)) = health.page() else { continue };
        let inherits = upstream.is_some_and(|upstream| {
            upstream.has_own_credential()
                && upstream.url.0.to_string().starts_with("http://")
                && origin(&upstream.url.0) == page.origin()
        });
        if page.in_the_clear() && (health.auth.is_some() || inherits) {
            checking.warning(
                &key.then(at),
                "the credential of auth is sent unencrypted",
                "write an https URL",
            );
        }
    }
    let most = 1024;
    let checks = settings.health.len() + settings.upstream.len();
    if checks > most {
        let message = format!("{checks} checks are more than anybody reads");
        checking.error(&Key::top("health"), message, format!("write at most {most}, upstreams included"));
    }
}
