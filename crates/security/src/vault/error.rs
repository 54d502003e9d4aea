//! Why the vault cannot do it.

use std::fmt;
use std::io;
use std::path::Path;

/// What kind of trouble it is, for whoever has to choose an exit code or a next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// There is no vault there.
    NoVault,
    /// There is one already.
    Exists,
    /// No master key was given, or it cannot be read or used.
    NoKey,
    /// The key is another vault's.
    WrongKey,
    /// The file was cut, changed or is something else. Nothing was written to it.
    Damaged,
    /// A newer seawall wrote it.
    Newer,
    /// The vault has no such name or version.
    NoSuchName,
    /// The name has no value that is valid now.
    NotValid,
    /// What was given cannot be kept.
    Refused,
    /// The disk or the system said no.
    Failed,
}

/// Why the vault cannot do it: in words, lower case, no full stop, with what to do. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultError {
    /// What kind of trouble.
    pub trouble: Trouble,
    message: String,
}

impl VaultError {
    pub(crate) fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self { trouble, message: message.into() }
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Trouble::Refused, message)
    }

    pub(crate) fn io(what: &str, path: &Path, why: &io::Error) -> Self {
        Self::new(Trouble::Failed, format!("{} cannot be {what}: {why}", path.display()))
    }

    pub(crate) fn damaged(path: &Path, why: &str) -> Self {
        let message = format!(
            "the vault {} is damaged ({why}): put a copy back in its place; nothing was written",
            path.display()
        );
        Self::new(Trouble::Damaged, message)
    }
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for VaultError {}

impl From<crate::NoRandomness> for VaultError {
    fn from(why: crate::NoRandomness) -> Self {
        Self::new(Trouble::Failed, why.to_string())
    }
}
