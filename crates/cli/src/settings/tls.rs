//! `[tls]` and `[admin_tls]`: what a port proves itself with.

use std::path::PathBuf;

use schemars::JsonSchema;
use seawall_config::SecretRef;
use serde::Deserialize;

use super::words::spelled;
use super::{Key, Settings};

/// What a port proves itself with. Files that change are taken up as the configuration is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// A file with its certificate, and with those between it and an authority (PEM).
    pub(crate) cert: PathBuf,
    /// The key of that certificate, as PEM.
    pub(crate) key: SecretRef,
    /// A file with the authorities (PEM) whose certificates whoever connects brings. Default none: nobody brings any.
    pub(crate) client_ca: Option<PathBuf>,
    /// Files with lists of certificates that were taken back (PEM or DER), one of each authority. Default none: a certificate is
    /// good until it ends.
    #[serde(default)]
    pub(crate) crl: Vec<PathBuf>,
    /// Must everybody bring one? Default required.
    #[serde(default = "required")]
    pub(crate) clients: Clients,
}

fn required() -> Clients {
    Clients::Required
}

spelled! {
    /// Whether whoever connects must bring a certificate.
    Clients {
        /// Nobody gets in without.
        Required = "required",
        /// Who has a key or a token of their own gets in without.
        Optional = "optional",
    }
}

impl Settings {
    /// What the ports prove themselves with, each with its key.
    pub(crate) fn tls_of_ports(&self) -> impl Iterator<Item = (Key, &Tls)> {
        let ports = [("tls", &self.tls), ("admin_tls", &self.admin_tls)];
        ports.into_iter().filter_map(|(key, tls)| Some((Key::top(key), tls.as_ref()?)))
    }
}

impl Tls {
    /// The files it is made of.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let key = match &self.key {
            SecretRef::File(path) => Some(path.clone()),
            SecretRef::Vault(_) | SecretRef::Env(_) => None,
        };
        let named = [Some(self.cert.clone()), key, self.client_ca.clone()].into_iter().flatten();
        named.chain(self.crl.iter().cloned()).collect()
    }
}
