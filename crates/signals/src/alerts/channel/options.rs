//! What can be written about a channel, and the channel that comes of it.

use std::io::Read;
use std::path::{Path, PathBuf};

use lettre::message::{Mailbox, Mailboxes};
use seawall_core::secret::Secret;
use seawall_policy::Invalid;
use seawall_policy::alert::{Delivery, Severity};
use serde::{Deserialize, Serialize};

use super::email::{Email, Server};
use super::http::Client;
use super::local::{Console, Log, Say};
use super::slack::Slack;
use super::webhook::Webhook;
use super::{Address, Channel, Grouping, Key, Outlet};

seawall_core::words! {
    /// How a mail server is spoken to.
    Tls {
        /// TLS from the first byte.
        Implicit = "implicit",
        /// TLS before anything is said that matters; a server that cannot is not spoken to.
        Starttls = "starttls",
        /// In the clear: only to this machine.
        None = "none",
    }
}

/// How somebody is told: exactly one of `webhook`, `slack`, `email`, `console` and `log`, and what belongs to it.
///
/// `S` is what stands for a secret: a reference where it is written down, a [`Secret`] where a channel is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default, bound(serialize = "S: Serialize", deserialize = "S: Deserialize<'de>"))]
pub struct Options<S> {
    /// Where a webhook is posted.
    pub webhook: Option<Address>,
    /// What a webhook is signed with: `whsec_` and base64. Default: it is not signed.
    pub secret: Option<S>,
    /// An incoming webhook of Slack; its URL is a secret.
    pub slack: Option<S>,
    /// Who gets a mail: addresses, with commas between them.
    pub email: Option<String>,
    /// Whom mails come from. Default seawall at the domain of the first receiver.
    pub from: Option<String>,
    /// The server mails are given to, like "smtp.example.com" or "smtp.example.com:465".
    pub smtp: Option<String>,
    /// How it is spoken to. Default implicit at port 465, else starttls.
    pub tls: Option<Tls>,
    /// Who logs in there. Default nobody.
    pub user: Option<String>,
    /// The password.
    pub password: Option<S>,
    /// A file of certificates that are trusted beside the public ones, as PEM.
    pub ca: Option<PathBuf>,
    /// Shows alerts where seawall runs.
    pub console: bool,
    /// Appends alerts to a file, one JSON object a line.
    pub log: Option<PathBuf>,
    /// Hears of every alert that is at least so bad, the built-in ones included, besides those sent to it by name.
    pub all: Option<Severity>,
    /// Which alerts share notices. Default alert for a webhook, else group.
    pub grouping: Option<Grouping>,
    /// How often it is spoken to.
    pub delivery: Delivery,
}

impl<S> Default for Options<S> {
    fn default() -> Self {
        Self {
            webhook: None,
            secret: None,
            slack: None,
            email: None,
            from: None,
            smtp: None,
            tls: None,
            user: None,
            password: None,
            ca: None,
            console: false,
            log: None,
            all: None,
            grouping: None,
            delivery: Delivery::default(),
        }
    }
}

const KINDS: &str = "write one of webhook, slack, email, console, log";

impl<S> Options<S> {
    /// Refuses what is no channel or more than one, and keys that belong to another kind.
    pub fn check(&self) -> Result<(), Invalid> {
        let kinds = [
            ("webhook", self.webhook.is_some()),
            ("slack", self.slack.is_some()),
            ("email", self.email.is_some()),
            ("console", self.console),
            ("log", self.log.is_some()),
        ];
        let mut written = kinds.iter().filter(|(_, written)| *written).map(|(kind, _)| *kind);
        let Some(kind) = written.next() else {
            return Err(Invalid::new("webhook", format!("there is no channel: {KINDS}")));
        };
        if let Some(other) = written.next() {
            return Err(Invalid::new(other, format!("one channel cannot be {kind} and {other}: {KINDS}")));
        }
        for (key, written, owners) in [
            ("secret", self.secret.is_some(), &["webhook"][..]),
            ("from", self.from.is_some(), &["email"]),
            ("smtp", self.smtp.is_some(), &["email"]),
            ("tls", self.tls.is_some(), &["email"]),
            ("user", self.user.is_some(), &["email"]),
            ("password", self.password.is_some(), &["email"]),
            ("ca", self.ca.is_some(), &["webhook", "slack", "email"]),
        ] {
            if written && !owners.contains(&kind) {
                return Err(Invalid::new(key, format!("{key} has no meaning for {kind}: remove it")));
            }
        }
        if kind == "email" {
            self.mail()?;
        }
        self.delivery.check()
    }

    fn mail(&self) -> Result<(Mailbox, Mailboxes, String, u16, Tls), Invalid> {
        let wrong = |key, text: &str| {
            Invalid::new(key, format!("{text:?} is not a mail address: write \"ops@example.com\""))
        };
        let email = self.email.as_deref().unwrap_or_default();
        let to: Mailboxes = email.parse().map_err(|_| wrong("email", email))?;
        let first = to.iter().next().ok_or_else(|| wrong("email", email))?;
        let from = self.from.clone().unwrap_or_else(|| format!("seawall@{}", first.email.domain()));
        let from: Mailbox = from.parse().map_err(|_| wrong("from", &from))?;
        let Some(smtp) = self.smtp.as_deref() else {
            return Err(Invalid::new("smtp", "there is no mail server: write smtp = \"smtp.example.com\""));
        };
        let server =
            || Invalid::new("smtp", format!("{smtp:?} is not a server: write \"smtp.example.com:587\""));
        let (host, port) = match smtp.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse::<u16>().map_err(|_| server())?))
            }
            _ => (smtp, None),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if host.is_empty() || !host.chars().all(fits) {
            return Err(server());
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = self.tls.unwrap_or(if port == Some(465) { Tls::Implicit } else { Tls::Starttls });
        let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if tls == Tls::None && !here {
            return Err(Invalid::new(
                "tls",
                "mails would cross the network in the clear: write \"starttls\"",
            ));
        }
        if self.user.is_some() != self.password.is_some() {
            return Err(Invalid::new("user", "user and password belong together: write both or neither"));
        }
        let port = port.unwrap_or(match tls {
            Tls::Implicit => 465,
            Tls::Starttls => 587,
            Tls::None => 25,
        });
        Ok((from, to, host, port, tls))
    }

    /// The same with every secret replaced; `get` is given the key it is written under. None as soon as one cannot be had.
    pub fn resolve<T>(self, mut get: impl FnMut(&'static str, S) -> Option<T>) -> Option<Options<T>> {
        let mut secret = |key, own: Option<S>| match own {
            None => Some(None),
            Some(own) => get(key, own).map(Some),
        };
        let (signed, slack) = (secret("secret", self.secret), secret("slack", self.slack));
        let password = secret("password", self.password);
        Some(Options {
            webhook: self.webhook,
            secret: signed?,
            slack: slack?,
            email: self.email,
            from: self.from,
            smtp: self.smtp,
            tls: self.tls,
            user: self.user,
            password: password?,
            ca: self.ca,
            console: self.console,
            log: self.log,
            all: self.all,
            grouping: self.grouping,
            delivery: self.delivery,
        })
    }
}

impl Options<Secret> {
    /// The channel. `say` is where a console shows its lines. Refuses what [`check`](Options::check) does, secrets that are
    /// none, and certificates that cannot be read.
    pub fn outlet(self, name: &str, say: &Say) -> Result<Outlet, Invalid> {
        self.check()?;
        let ca = self.ca.as_deref().map(certificates).transpose()?;
        let ca = ca.as_deref();
        let grouping = match self.webhook.is_some() {
            true => Grouping::Alert,
            false => Grouping::Group,
        };
        let bad_ca = |why| Invalid::new("ca", why);
        let channel: std::sync::Arc<dyn Channel> = if let Some(address) = self.webhook {
            let key = self.secret.as_ref().map(Key::parse).transpose();
            let key = key.map_err(|error| Invalid::new("secret", error.to_string()))?;
            std::sync::Arc::new(Webhook { client: Client::new(address, ca).map_err(bad_ca)?, key })
        } else if let Some(slack) = &self.slack {
            let address: Address =
                slack.expose().trim().parse().map_err(|why: String| Invalid::new("slack", why))?;
            std::sync::Arc::new(Slack { client: Client::new(address, ca).map_err(bad_ca)? })
        } else if self.email.is_some() {
            let (from, to, host, port, tls) = self.mail()?;
            let login = self.user.zip(self.password);
            let server = Server { host: &host, port, tls, ca, login };
            std::sync::Arc::new(Email::new(server, from, to).map_err(bad_ca)?)
        } else if let Some(path) = self.log {
            std::sync::Arc::new(Log { path })
        } else {
            std::sync::Arc::new(Console { say: say.clone() })
        };
        Ok(Outlet {
            name: name.to_owned(),
            channel,
            delivery: self.delivery,
            grouping: self.grouping.unwrap_or(grouping),
            all: self.all,
        })
    }
}

/// The largest file of certificates that is read.
const LARGEST: u64 = 1 << 20;

const BEGINS: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// What a file of certificates holds. Refuses one that cannot be read, that is no plain file, or that is too large.
pub(crate) fn certificates(path: &Path) -> Result<Vec<u8>, Invalid> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Invalid::new(
            "ca",
            format!("{} cannot be read ({why}): name a file of PEM certificates", path.display()),
        )
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(unreadable(&"it is not a plain file"));
    }
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(unreadable(&"it is larger than 1 MiB"));
    }
    if !bytes.windows(BEGINS.len()).any(|window| window == BEGINS) {
        return Err(unreadable(&"it holds no certificate"));
    }
    Ok(bytes)
}
