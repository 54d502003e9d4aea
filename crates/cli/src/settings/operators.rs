//! Who may use the admin port: one token for everything, and tokens of people, each with what they may do.

use schemars::JsonSchema;
use seawall_config::{SecretError, SecretRef};
use seawall_core::Code;
use seawall_core::secret::Secret;
use seawall_gateway::plan::operators::{Operators, Role};
use seawall_policy::Invalid;
use seawall_security::types::ApiKey;
use serde::Deserialize;

use super::finding::Weight;
use super::vault::Opener;
use super::wire::{Environment, Wiring};
use super::{Key, Loaded, Settings};

/// Whose `admin_token` is.
const OWNER: &str = "admin";

/// Somebody's token for the admin port.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminToken {
    /// The token: 16 characters or more that nobody guesses.
    pub(crate) token: SecretRef,
    /// What its owner may do. Default viewer: to read everything, and to move nothing; an operator pulls levers too.
    #[serde(default)]
    pub(crate) role: Role,
}

impl Settings {
    /// Does the admin port ask for tokens?
    pub(crate) fn asks_operators(&self) -> bool {
        self.admin_token.is_some() || !self.admin_tokens.is_empty()
    }

    /// Every token of the admin port, with its key, whose it is and what they may do.
    pub(super) fn operators(&self) -> impl Iterator<Item = (Key, &str, Role, &SecretRef)> {
        let one = self.admin_token.iter();
        let one = one.map(|token| (Key::top("admin_token"), OWNER, Role::Operator, token));
        one.chain(self.admin_tokens.iter().map(|(name, own)| {
            (Key::top("admin_tokens").named(name).then("token"), name.as_str(), own.role, &own.token)
        }))
    }
}

/// The value of `admin_token`, for a command that asks the port of this configuration.
pub(crate) fn admin_token(
    loaded: &Loaded,
    environment: Environment<'_>,
) -> Option<Result<Secret, SecretError>> {
    let reference = loaded.settings.admin_token.as_ref()?;
    let vault = Opener::new(&loaded.settings, environment);
    let resolved = reference.resolve_with(environment, &|name| vault.fetch(name));
    Some(resolved.map(|resolved| resolved.secret))
}

impl Wiring<'_> {
    /// Those whose tokens could be had. A token that can be guessed is none.
    pub(super) fn operators(&mut self) -> Operators {
        let loaded = self.loaded;
        let mut operators = Operators::default();
        for (key, name, role, reference) in loaded.settings.operators() {
            let Some(secret) = self.secret(&key, reference) else { continue };
            let weak = |key: ApiKey| match key.strength().why.filter(|_| key.is_weak()) {
                Some(why) => {
                    Err(format!("the token can be guessed, {why}: make one with `openssl rand -hex 32`"))
                }
                None => Ok(()),
            };
            let added =
                operators.add(name, role, &secret).map_err(|Invalid { message, .. }| message.to_string());
            let sound = added.and_then(|()| ApiKey::new(secret).map_err(str::to_owned).and_then(weak));
            if let Err(why) = sound {
                self.note(Weight::Error, &key, Code::ConfigurationInvalid, why);
            }
        }
        operators
    }
}
