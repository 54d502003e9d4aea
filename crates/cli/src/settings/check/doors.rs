//! The addresses, and who may come in.

use seawall_core::Code;

use super::super::finding::Weight;
use super::super::state::State;
use super::super::words::Listen;
use super::{Checking, Key, calling, is_name};

pub(super) fn check(checking: &mut Checking<'_>) {
    let settings = &checking.loaded.settings;
    if settings.listen.collides(settings.admin) {
        let port = settings.admin.0.port();
        let key = if Key::top("admin").is_written(&checking.loaded.tree) { "admin" } else { "listen" };
        let advice = "write two addresses that differ, such as \"127.0.0.1:7070\" and \"127.0.0.1:7071\"";
        checking.error(&Key::top(key), format!("listen and admin are the same port {port}"), advice);
    }
    data_port(checking);
    admin(checking);
    for (port, tls) in settings.tls_of_ports() {
        if tls.client_ca.is_none() && !tls.crl.is_empty() {
            let message = "nobody is asked for a certificate that could have been taken back";
            checking.error(&port.then("crl"), message, "write client_ca beside it, or remove it");
        }
    }
    calling::invalid(checking, &Key::top("fleet"), settings.fleet.check());
    server(checking);
    if let Some(Err(invalid)) = settings.logs.as_ref().map(seawall_signals::logs::Options::check) {
        let (message, advice) = match invalid.message.rsplit_once(": ") {
            Some((message, advice)) => (message.to_owned(), advice.to_owned()),
            None => (invalid.message.to_string(), "write another value".to_owned()),
        };
        checking.error(&Key::top("logs").then(invalid.key), message, advice);
    }
    if let Err((key, message, advice)) = settings.reload.check() {
        checking.error(&Key::top("reload").then(key), message, advice);
    }
    if let Some(otlp) = &settings.otlp {
        calling::invalid(checking, &Key::top("otlp"), otlp.check());
        if otlp.endpoint.is_open() && !otlp.headers.is_empty() {
            let message = "whoever is on the way can read its headers";
            checking.warning(&Key::top("otlp").then("endpoint"), message, "write an https URL");
        }
    }
    let vault = &settings.vault;
    for (key, file) in [("file", &vault.file), ("key_file", &vault.key_file)] {
        if file.as_deref().is_some_and(|file| file.as_os_str().is_empty()) {
            let message = "an empty path names no file";
            checking.error(&Key::top("vault").then(key), message, "write a path, or remove it");
        }
    }
}

/// The admin port: outside loopback it wants tokens, and to be asked by a name that it knows.
fn admin(checking: &mut Checking<'_>) {
    let settings = &checking.loaded.settings;
    if !settings.asks_operators() {
        return door(checking, "admin", settings.admin, ("admin_token", false));
    }
    for name in settings.admin_tokens.keys().filter(|name| !is_name(name)) {
        let message = format!("{name:?} is no name");
        let advice = "write lower-case letters, digits, - and _, at most 64 of them";
        checking.error(&Key::top("admin_tokens").named(name), message, advice);
    }
    let address = settings.admin.0;
    if address.ip().is_unspecified() && settings.hosts.is_empty() {
        let message = format!("{address} is every address of this machine, and none of them is a known name");
        let advice = "write hosts = [\"NAME\"] with the names and addresses it is asked by";
        checking.warning(&Key::top("admin"), message, advice);
    }
    if !address.ip().is_loopback() && settings.admin_tls.is_none() {
        let message = "tokens, and all that is read and moved with them, can be read on the way";
        let advice = "write admin_tls = { cert = \"PATH\", key = \"file:PATH\" }";
        checking.warning(&Key::top("admin"), message, advice);
    }
}

/// A Redis: what goes together, and what travels to it in the clear.
fn server(checking: &mut Checking<'_>) {
    let State::Redis(server) = &checking.loaded.settings.state else { return };
    let key = Key::top("state");
    if server.user.is_some() && server.password.is_none() {
        let advice = "write password = \"vault:redis\" beside it";
        checking.error(&key.then("user"), "a user without a password is nobody", advice);
    }
    let url = key.then("url");
    if server.password.is_some() && server.in_the_clear() {
        let advice = "write a rediss:// url";
        checking.warning(&url, "the password is sent unencrypted", advice);
    }
    match (&server.certificate, &server.key) {
        (Some(_), None) => {
            let advice = "write key = \"file:PATH\" beside it";
            checking.error(&key.then("certificate"), "a certificate without its key proves nothing", advice);
        }
        (None, Some(_)) => {
            let advice = "write certificate = PATH beside it";
            checking.error(&key.then("key"), "a key without its certificate is of no use", advice);
        }
        _ => {}
    }
    let certificates = server.ca.is_some() || server.certificate.is_some();
    if certificates && !server.url.is_tls() {
        checking.error(
            &url,
            "certificates are of use with TLS only",
            "write a rediss:// url, or remove them",
        );
    }
}

/// Outside loopback callers need keys, and a name to call it by.
fn data_port(checking: &mut Checking<'_>) {
    let settings = &checking.loaded.settings;
    let ip = settings.listen.0.ip();
    if ip.is_loopback() {
        return;
    }
    let key = Key::top("listen");
    if settings.callers.is_empty() {
        open_to_all(checking, "listen", settings.listen, "callers");
        return;
    }
    if ip.is_unspecified() && settings.hosts.is_empty() {
        let message = "callers on other machines have no name for it that is accepted";
        checking.warning(&key, message, "write hosts = [\"NAME\"], the name they call it by");
    }
    if settings.tls.is_none() {
        let message = "keys of callers, and all they send, can be read on the way";
        checking.warning(&key, message, "write tls = { cert = \"PATH\", key = \"file:PATH\" }");
    }
}

fn open_to_all(checking: &mut Checking<'_>, name: &str, address: Listen, key: &str) {
    let message = format!("{} can be reached from outside, and nobody is asked for a key", address.0.ip());
    let advice = format!("write a loopback address such as \"127.0.0.1:{}\", or add {key}", address.0.port());
    checking.add(Weight::Error, Code::NotLoopback, &Key::top(name), message, advice);
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
        open_to_all(checking, name, address, key);
    }
}
