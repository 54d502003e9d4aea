//! Which running seawall a command means, and how it is asked: by address, with TLS and a token where it wants them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use seawall_config::{Node, SecretError, SecretRef};
use seawall_core::secret::Secret;

use super::{Source, variable};
use crate::client::{Admin, Identity, Trust};
use crate::output::{Failure, note, plain};
use crate::settings::{Findings, Purpose, admin_token, load};

/// Which running seawall, and in which form it answers.
#[derive(Debug, Args)]
pub(super) struct Running {
    /// The admin port [default: the one in seawall.toml, or 127.0.0.1:7071]
    #[arg(long, value_name = "URL", global = true)]
    pub(super) admin: Option<String>,
    /// A file with the token that the admin port wants [default: SEAWALL_ADMIN_TOKEN, or the admin_token in seawall.toml]
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// A PEM file of authorities, the only ones that are believed [default: SEAWALL_ADMIN_CA; else with --admin the public
    /// ones, without it the very certificate that stands in seawall.toml]
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
    /// A PEM file with a certificate to show, where the admin port wants one [default: SEAWALL_ADMIN_CERT]
    #[arg(long, value_name = "FILE", global = true)]
    client_cert: Option<PathBuf>,
    /// The file with its key [default: SEAWALL_ADMIN_KEY, or the file of the certificate]
    #[arg(long, value_name = "FILE", global = true)]
    client_key: Option<PathBuf>,
    /// Answer in one JSON value
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// Where a token is looked for that no file was named for.
const TOKEN: &str = "SEAWALL_ADMIN_TOKEN";
/// The same for files of authorities, of a certificate, and of its key.
const CA: &str = "SEAWALL_ADMIN_CA";
const CERT: &str = "SEAWALL_ADMIN_CERT";
const KEY: &str = "SEAWALL_ADMIN_KEY";
/// What stands in the place of `admin` in a configuration.
const ADDRESS: &str = "SEAWALL__ADMIN";
/// Where it is if nobody says otherwise.
const DEFAULT: &str = "127.0.0.1:7071";
/// The largest file of certificates that is read.
const LARGEST: u64 = 1 << 20;

impl Running {
    pub(super) fn port(&self) -> Result<Admin, Failure> {
        self.port_of(&Source { config: None, profile: None })
    }

    /// The port of whoever serves that configuration.
    pub(super) fn port_of(&self, source: &Source) -> Result<Admin, Failure> {
        let given = self.token()?;
        if let Some(url) = &self.admin {
            // The token of this configuration is shown to the port of this configuration, and to no other.
            return shown(self.believing(Admin::parse(url)?, || Ok(Trust::Public))?, given);
        }
        let (tree, trouble) = match source.file().exists().then(|| source.tree()) {
            Some(Ok(tree)) => (Some(tree), None),
            Some(Err(findings)) => (None, Some(said(findings))),
            None => (None, None),
        };
        let read = tree.as_ref().and_then(|tree| tree.get("admin"));
        let (port, from) = match (read.map(|own| own.as_str().ok_or(own)), variable(ADDRESS)) {
            (Some(Ok(own)), _) => (address(own)?, None),
            (Some(Err(_)), _) => (address(DEFAULT)?, Some("admin is no address in it".to_owned())),
            (None, Some(own)) => (address(&own)?, trouble),
            (None, None) => (address(DEFAULT)?, trouble),
        };
        if let Some(trouble) = from {
            let file = source.file();
            note(format_args!(
                "warning: {} is not read ({trouble}): {port} is asked; --admin names another",
                plain(&file.display().to_string())
            ));
        }
        let own = tree.as_ref().and_then(|tree| tree.get("admin_tls"));
        let port = match own {
            None => self.believing(port, || Ok(Trust::Public))?,
            Some(own) => self.believing(port.secured(), || itself(own))?,
        };
        shown(port, given.or_else(|| configured(tree?)))
    }

    /// The same port, asked with TLS where it is asked for by https.
    fn believing(&self, port: Admin, or: impl FnOnce() -> Result<Trust, Failure>) -> Result<Admin, Failure> {
        if !port.is_secure() {
            if self.ca.is_some() || self.client_cert.is_some() {
                let what = if self.ca.is_some() { "--ca" } else { "--client-cert" };
                return Err(Failure::bad_input(format_args!(
                    "{what} is of use with TLS only, and {port} is asked without: write --admin https://…"
                )));
            }
            return Ok(port);
        }
        let trust = match named(&self.ca, CA) {
            Some(file) => Trust::Authorities(read(&file, "--ca")?),
            None => or()?,
        };
        let identity = match named(&self.client_cert, CERT) {
            Some(file) => {
                let key = named(&self.client_key, KEY).unwrap_or_else(|| file.clone());
                Some(Identity { chain: read(&file, "--client-cert")?, key: secret(key, "--client-key")? })
            }
            None if self.client_key.is_some() => {
                let message = "--client-key is the key of a certificate: name that with --client-cert FILE";
                return Err(Failure::bad_input(message));
            }
            None => None,
        };
        port.believing(&trust, identity.as_ref())
    }

    /// The token that was given to this command.
    fn token(&self) -> Result<Option<Secret>, Failure> {
        match &self.token_file {
            Some(file) => secret(file.clone(), "--token-file").map(Some),
            None => Ok(variable(TOKEN).filter(|token| !token.trim().is_empty()).map(Secret::new)),
        }
    }
}

/// The port at an address of a configuration.
fn address(text: &str) -> Result<Admin, Failure> {
    match text.parse() {
        Ok(address) => Ok(Admin::at(address)),
        Err(_) => Admin::parse(text),
    }
}

/// The same port, shown the token if there is one. One that travels where others can read it is worth a word.
fn shown(port: Admin, token: Option<Secret>) -> Result<Admin, Failure> {
    let Some(token) = token else { return Ok(port) };
    if port.is_overheard() {
        note(format_args!(
            "warning: the token travels to {port} in the clear: give the port admin_tls, and write https://"
        ));
    }
    port.shown(&token)
}

/// The file that was named, or the one a variable names.
fn named(file: &Option<PathBuf>, name: &str) -> Option<PathBuf> {
    let named = || variable(name).filter(|file| !file.is_empty()).map(PathBuf::from);
    file.clone().or_else(named)
}

/// Whom to believe where the port is found by a configuration: the one whose certificate stands in it.
fn itself(own: &Node) -> Result<Trust, Failure> {
    let file = own.get("cert").and_then(Node::as_str).ok_or_else(|| {
        Failure::bad_input("admin_tls names no certificate to believe: see `seawall check`, or name an authority with --ca FILE")
    })?;
    read(Path::new(file), "admin_tls.cert").map(Trust::Itself)
}

fn read(file: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        let file = plain(&file.display().to_string());
        Failure::bad_input(format_args!("{what}: {file} cannot be read ({why}): name a PEM file"))
    };
    let mut bytes = Vec::new();
    if !std::fs::metadata(file).map_err(|why| failed(&why))?.is_file() {
        return Err(failed(&"it is not a plain file"));
    }
    let read = std::fs::File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    match read {
        Ok(size) if size as u64 <= LARGEST => Ok(bytes),
        Ok(_) => Err(failed(&"it is larger than 1 MiB")),
        Err(why) => Err(failed(&why)),
    }
}

fn secret(file: PathBuf, what: &str) -> Result<Secret, Failure> {
    let read = SecretRef::File(file)
        .resolve_with(&|_| None, &|_| Err(SecretError { message: "a file has no vault".to_owned() }));
    read.map(|resolved| resolved.secret)
        .map_err(|why| Failure::bad_input(format_args!("{what}: {}", why.message)))
}

/// What is wrong with a configuration, in one line.
fn said(findings: Findings) -> String {
    let (errors, _) = findings.split(Purpose::Serve);
    let first = errors.first().map(|error| plain(&error.to_string())).unwrap_or_default();
    let first = first.lines().next().unwrap_or_default();
    match errors.len() {
        0 | 1 => first.to_owned(),
        more => format!("{first}; and {} more", more - 1),
    }
}

/// The token that a configuration names; where it cannot be had the port says what that means.
fn configured(tree: Node) -> Option<Secret> {
    tree.get("admin_token")?;
    let (loaded, _) = match load(tree) {
        Ok(loaded) => loaded,
        Err(findings) => {
            note(format_args!("warning: the admin_token is not shown: {}", said(findings)));
            return None;
        }
    };
    match admin_token(&loaded, &variable)? {
        Ok(token) => Some(token),
        Err(why) => {
            note(format_args!("warning: admin_token: {}", why.message));
            None
        }
    }
}
