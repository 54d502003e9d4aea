//! `[tls]`: what a port proves itself with.

use std::path::PathBuf;

use schemars::JsonSchema;
use seawall_config::SecretRef;
use serde::Deserialize;

use super::words::spelled;

/// What a port proves itself with. Files that change are taken up as the configuration is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// A file with its certificate, and with those between it and an authority (PEM).
    pub(crate) cert: PathBuf,
    /// The key of that certificate, as PEM.
    pub(crate) key: SecretRef,
    /// A file with the authorities (PEM) whose certificates callers bring. Default none: callers bring none.
    pub(crate) client_ca: Option<PathBuf>,
    /// Must callers bring one? Default required.
    #[serde(default = "required")]
    pub(crate) clients: Clients,
}

fn required() -> Clients {
    Clients::Required
}

spelled! {
    /// Whether callers must bring a certificate.
    Clients {
        /// Nobody gets in without.
        Required = "required",
        /// Who has a key of their own gets in without.
        Optional = "optional",
    }
}

impl Tls {
    /// The files it is made of.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let key = match &self.key {
            SecretRef::File(path) => Some(path.clone()),
            SecretRef::Vault(_) | SecretRef::Env(_) => None,
        };
        [Some(self.cert.clone()), key, self.client_ca.clone()].into_iter().flatten().collect()
    }
}
