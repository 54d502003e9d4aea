//! Who may come in by the data port, and what both ports prove themselves with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use seawall_config::SecretRef;
use seawall_core::Code;
use seawall_core::clock::wall_now;
use seawall_gateway::plan;
use seawall_gateway::plan::callers::{self, Callers, Reach};
use seawall_gateway::plan::tls::{self, Clients, Tls};

use super::{Key, Wiring, planned, read_bounded};
use crate::settings;
use crate::settings::callers::Table;
use crate::settings::finding::Weight;

/// The largest list that is read: a million certificates that were taken back are some 40 MB.
const LARGEST_LIST: u64 = 64 << 20;

/// A certificate that ends within this is worth a warning.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 86_400);

impl Wiring<'_> {
    /// Those who may call and whose keys could be had; none where everybody may.
    pub(super) fn callers(&mut self) -> Option<Arc<Callers>> {
        let settings = &self.loaded.settings;
        if settings.callers.is_empty() {
            return None;
        }
        let mut callers = match Callers::new() {
            Ok(callers) => callers,
            Err(invalid) => {
                self.invalid(&Key::top("callers"), &invalid);
                return None;
            }
        };
        for (name, caller) in &settings.callers {
            let key = caller.place(name);
            let Table { key: reference, certificate, limits, queue, routes, upstreams, priority, tenant } =
                &caller.table;
            let keys = match reference {
                Some(reference) => self.accepted(&key, reference),
                None => Some(Vec::new()),
            };
            let Some(keys) = keys else { continue };
            let names = |names: &Option<Vec<String>>| {
                names.as_ref().map(|names| names.iter().map(|name| Arc::from(name.as_str())).collect())
            };
            let planned = plan::callers::Caller {
                name: Arc::from(name.as_str()),
                limits: planned(limits),
                queue: queue.clone(),
                reach: Reach { routes: names(routes), upstreams: names(upstreams) },
                certificate: certificate.as_deref().map(Box::from),
                priority: *priority,
                tenant: tenant.as_deref().map(Arc::from),
            };
            if let Err(invalid) = callers.add(planned, &keys) {
                self.unready(&key, Code::SecretMissing, invalid.message.to_string());
            }
        }
        Some(Arc::new(callers))
    }

    /// What a port proves itself with, and when that ends.
    pub(super) fn tls(&mut self, port: &str, settings: Option<&settings::tls::Tls>) -> Option<Tls> {
        let settings = settings?;
        let key = Key::top(port);
        let chain = self.certificates(&key.then("cert"), &settings.cert);
        let secret = self.secret(&key.then("key"), &settings.key);
        let authorities = match &settings.client_ca {
            Some(path) => Some(self.certificates(&key.then("client_ca"), path)?),
            None => None,
        };
        let required = settings.clients == settings::tls::Clients::Required;
        let revoked = self.revoked(&key.then("crl"), &settings.crl)?;
        let revoked = &revoked;
        let clients = authorities.as_deref().map(|authorities| Clients { authorities, required, revoked });
        let tls = Tls::new(&chain?, &secret?, clients);
        let tls = tls.map_err(|invalid| self.invalid(&key, &invalid)).ok()?;
        let left = tls.ends().map(|ends| ends.duration_since(wall_now()));
        let cert = key.then("cert");
        match left {
            Some(Err(_)) => {
                let message = "the certificate has ended: put a new one in its place";
                self.note(Weight::Warning, &cert, Code::ConfigurationInvalid, message.to_owned());
            }
            Some(Ok(left)) if left < EXPIRES_SOON => {
                let days = left.as_secs() / 86_400;
                let message = format!("the certificate ends in {days} days: put a new one in its place");
                self.note(Weight::Warning, &cert, Code::ConfigurationInvalid, message);
            }
            Some(Ok(_)) | None => {}
        }
        Some(tls)
    }

    /// Lists of certificates that were taken back, if each can be had and is good now.
    fn revoked(&mut self, key: &Key, files: &[PathBuf]) -> Option<Vec<Arc<[u8]>>> {
        let mut all = Vec::with_capacity(files.len());
        for file in files {
            let shown = file.display();
            let bytes = match read_bounded(file, LARGEST_LIST) {
                Ok(bytes) => bytes,
                Err(why) => {
                    self.unready(key, Code::FileUnreadable, format!("{shown} cannot be read: {why}"));
                    continue;
                }
            };
            let wrong = match tls::due(&bytes) {
                Err(why) => Some(format!("{shown} {why}")),
                Ok(due) if due <= wall_now() => Some(format!(
                    "the list in {shown} has ended, and nobody can say who was taken back since: put the authority's newest \
                     in its place"
                )),
                Ok(_) => None,
            };
            match wrong {
                Some(why) => self.unready(key, Code::ConfigurationInvalid, why),
                None => all.push(Arc::from(bytes)),
            }
        }
        (all.len() == files.len()).then_some(all)
    }

    /// Every value of a secret that is good now.
    fn accepted(&mut self, key: &Key, reference: &SecretRef) -> Option<Vec<callers::Key>> {
        // What is worth saying of the current one is said.
        let current = self.secret(key, reference)?;
        let SecretRef::Vault(name) = reference else {
            return Some(vec![callers::Key { secret: current, until: None }]);
        };
        match self.vault.accepted(name) {
            Ok(all) => {
                all.iter().for_each(|(secret, _)| _ = self.secrets.learn(secret));
                Some(all.into_iter().map(|(secret, until)| callers::Key { secret, until }).collect())
            }
            Err(why) => {
                self.unready(key, Code::SecretMissing, why.message);
                None
            }
        }
    }
}
