//! Where a secret is kept, instead of the secret.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use seawall_core::secret::Secret;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The largest file that is taken for a secret.
const MAX_SECRET: u64 = 64 << 10;

const REFUSED: &str = "a literal key is refused: write vault:NAME, env:NAME or file:PATH";

/// A reference to a secret: `vault:NAME`, `env:NAME` or `file:PATH`.
///
/// Anything else is refused, without being repeated: it may be the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// An entry of the vault.
    Vault(String),
    /// An environment variable.
    Env(String),
    /// A file that holds the secret and nothing else; a relative path starts at the working directory.
    File(PathBuf),
}

/// A secret that was found.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The secret.
    pub secret: Secret,
    /// What the operator should hear nevertheless.
    pub warning: Option<String>,
}

/// Why a secret could not be had; it names the place, never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretError {
    /// What is wrong, and what to write.
    pub message: String,
}

/// Looks up an entry of the vault.
pub type VaultLookup<'v> = &'v dyn Fn(&str) -> Result<Resolved, SecretError>;

impl SecretRef {
    /// Fetches the secret where there is no vault: an entry of one is refused.
    pub fn resolve(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Resolved, SecretError> {
        self.resolve_with(env, &|_| {
            Err(refuse("there is no vault here: write env:NAME or file:PATH".to_owned()))
        })
    }

    /// Fetches the secret. `env` looks up an environment variable, `vault` an entry of the vault.
    ///
    /// Refuses a variable that is not set or empty; a file that is empty, larger than 64 KiB, not UTF-8 or not a plain
    /// file. One newline at a file's end is not part of the secret. A file that every user may read gives a warning.
    pub fn resolve_with(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
        vault: VaultLookup<'_>,
    ) -> Result<Resolved, SecretError> {
        match self {
            SecretRef::Vault(name) => vault(name),
            SecretRef::Env(name) => match env(name) {
                Some(value) if !value.is_empty() => {
                    Ok(Resolved { secret: Secret::new(value), warning: None })
                }
                _ => Err(refuse(format!(
                    "the environment variable {name} is not set: set it, or write file:PATH"
                ))),
            },
            SecretRef::File(path) => from_file(path),
        }
    }
}

fn refuse(message: String) -> SecretError {
    SecretError { message }
}

fn from_file(path: &Path) -> Result<Resolved, SecretError> {
    let shown = path.display();
    let unreadable = |why: std::io::Error| refuse(format!("the secret file {shown} cannot be read: {why}"));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(refuse(format!("the secret file {shown} is not a plain file: name a file on disk")));
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // One byte more than allowed: the size a file claims and the size it has are two things.
    file.take(MAX_SECRET + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_SECRET {
        return Err(refuse(format!("the secret file {shown} is larger than 64 KiB: name another file")));
    }
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err(refuse(format!("the secret file {shown} is empty: write the secret into it")));
    }
    let warning = readable_by_all(&metadata)
        .then(|| format!("the secret file {shown} can be read by every user: run chmod 600 on it"));
    Ok(Resolved { secret: Secret::new(text), warning })
}

#[cfg(unix)]
fn readable_by_all(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o004 != 0
}

#[cfg(not(unix))]
fn readable_by_all(_: &std::fs::Metadata) -> bool {
    false
}

impl FromStr for SecretRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<SecretRef, &'static str> {
        let named = |name: &str, more: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || more.contains(c);
            !name.is_empty() && name.len() <= 128 && name.chars().all(fits)
        };
        match text.split_once(':') {
            Some(("vault", name)) if named(name, "-./") => Ok(SecretRef::Vault(name.to_owned())),
            Some(("vault", _)) => {
                Err("the vault entry has no proper name: write vault:NAME, of letters, digits and _-./")
            }
            Some(("env", name)) if named(name, "") && !name.starts_with(|c: char| c.is_ascii_digit()) => {
                Ok(SecretRef::Env(name.to_owned()))
            }
            Some(("env", _)) => {
                Err("the variable has no proper name: write env:NAME, of letters, digits and _")
            }
            Some(("file", path)) if !path.is_empty() && !path.contains('\0') => {
                Ok(SecretRef::File(PathBuf::from(path)))
            }
            Some(("file", _)) => Err("the file has no proper path: write file:PATH"),
            _ => Err(REFUSED),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Vault(name) => write!(f, "vault:{name}"),
            SecretRef::Env(name) => write!(f, "env:{name}"),
            SecretRef::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SecretError {}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SecretRef, D::Error> {
        struct Reference;
        impl<'de> Visitor<'de> for Reference {
            type Value = SecretRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reference to a secret (vault:NAME, env:NAME or file:PATH)")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<SecretRef, E> {
                text.parse().map_err(E::custom)
            }

            // Numbers can be secrets too, and serde would repeat them.
            fn visit_i64<E: Error>(self, _: i64) -> Result<SecretRef, E> {
                Err(E::custom(REFUSED))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<SecretRef, E> {
                Err(E::custom(REFUSED))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<SecretRef, E> {
                Err(E::custom(REFUSED))
            }
        }
        deserializer.deserialize_str(Reference)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for SecretRef {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(vault:[A-Za-z0-9_./-]+|env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$",
            "description": "where a secret is kept: vault:NAME, env:NAME or file:PATH"
        })
    }
}

#[cfg(test)]
mod tests;
