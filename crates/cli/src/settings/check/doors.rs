//! The addresses, and who may come in.

use seawall_core::Code;

use super::super::finding::Weight;
use super::super::words::Listen;
use super::{Checking, Key, calling};

pub(super) fn check(checking: &mut Checking<'_>) {
    let settings = &checking.loaded.settings;
    if settings.listen.collides(settings.admin) {
        let port = settings.admin.0.port();
        let key = if Key::top("admin").is_written(&checking.loaded.tree) { "admin" } else { "listen" };
        let advice = "write two addresses that differ, such as \"127.0.0.1:7070\" and \"127.0.0.1:7071\"";
        checking.error(&Key::top(key), format!("listen and admin are the same port {port}"), advice);
    }
    door(checking, "listen", settings.listen, ("callers", !settings.callers.is_empty()));
    door(checking, "admin", settings.admin, ("admin_token", settings.admin_token.is_some()));
    if !settings.callers.is_empty() {
        checking.unbuilt(&Key::top("callers"), "callers are not told apart");
    }
    if settings.admin_token.is_some() {
        checking.unbuilt(&Key::top("admin_token"), "the admin port asks for no token");
    }
    calling::invalid(checking, &Key::top("fleet"), settings.fleet.check());
    let vault = &settings.vault;
    for (key, file) in [("file", &vault.file), ("key_file", &vault.key_file)] {
        if file.as_deref().is_some_and(|file| file.as_os_str().is_empty()) {
            let message = "an empty path names no file";
            checking.error(&Key::top("vault").then(key), message, "write a path, or remove it");
        }
    }
}

/// Outside loopback a door needs keys, and keys are not built yet.
fn door(checking: &mut Checking<'_>, name: &str, address: Listen, (key, has_keys): (&str, bool)) {
    let ip = address.0.ip();
    if ip.is_loopback() {
        return;
    }
    if has_keys {
        checking.unbuilt(&Key::top(name), "only loopback addresses are served");
    } else {
        let message = format!("{ip} can be reached from outside, and nobody is asked for a key");
        let advice =
            format!("write a loopback address such as \"127.0.0.1:{}\", or add {key}", address.0.port());
        checking.add(Weight::Error, Code::NotLoopback, &Key::top(name), message, advice);
    }
}
