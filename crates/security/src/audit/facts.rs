//! What is looked at before it is judged.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::vault::is_value_variable;

/// Everything that is known of an installation. What could not be found out is `None`, and not held against anybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The process and the system.
    pub environment: Environment,
    /// Files that matter, and what may be done to them.
    pub files: Vec<KeptFile>,
    /// Where callers connect, and whether they are asked for a key.
    pub listen: Option<(IpAddr, bool)>,
    /// Where operators connect, and whether they are asked for a token.
    pub admin: Option<(IpAddr, bool)>,
    /// The ports that others reach, each with whether it speaks TLS.
    pub outside: Vec<(String, bool)>,
    /// Who is called.
    pub upstreams: Vec<UpstreamFact>,
    /// Where the secrets of the configuration are.
    pub secrets: Secrets,
    /// What is wrong with values of the vault, in words; `None` where there is no vault.
    pub vault: Option<Vec<String>>,
    /// Whether the audit trail is sound; `None` where there is none.
    pub trail: Option<bool>,
    /// Whether there is a configuration, and what is wrong with it.
    pub configuration: Option<Result<Vec<String>, String>>,
}

/// The process and the system it runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Run by the administrator.
    pub root: Option<bool>,
    /// A crash leaves the memory on the disk.
    pub core_dumps: Option<bool>,
    /// Programs of one user may read each other's memory.
    pub ptrace: Option<bool>,
    /// The system refuses links that others made of files that are not theirs.
    pub protected_links: Option<bool>,
    /// Addresses are not the same every time.
    pub random_addresses: Option<bool>,
    /// Variables that are named as keys are.
    pub key_variables: Vec<String>,
    /// Built for finding mistakes, not for use.
    pub debug_build: bool,
}

impl Environment {
    /// Looks around. `variables` are the names of the environment's variables.
    pub fn look(variables: impl IntoIterator<Item = String>) -> Self {
        let setting = |path: &str| {
            let (bytes, _) = disk::read(Path::new(path), 64).ok()?;
            std::str::from_utf8(&bytes).ok()?.trim().parse::<u64>().ok()
        };
        let both = |a: &str, b: &str| Some(setting(a)? > 0 && setting(b)? > 0);
        let core = rustix::process::getrlimit(rustix::process::Resource::Core);
        let mut key_variables: Vec<String> =
            variables.into_iter().filter(|variable| is_value_variable(variable)).collect();
        key_variables.sort();
        Self {
            root: Some(rustix::process::geteuid().is_root()),
            core_dumps: Some(core.current != Some(0)),
            ptrace: setting("/proc/sys/kernel/yama/ptrace_scope").map(|scope| scope == 0),
            protected_links: both("/proc/sys/fs/protected_hardlinks", "/proc/sys/fs/protected_symlinks"),
            random_addresses: setting("/proc/sys/kernel/randomize_va_space").map(|kind| kind == 2),
            key_variables,
            debug_build: cfg!(debug_assertions),
        }
    }
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The configuration: whoever may write it is the operator.
    Configuration,
    /// The directory of the state.
    State,
    /// The vault.
    Vault,
    /// The vault's key, in a file beside it.
    KeyBeside,
    /// The vault's key, in a file elsewhere.
    Key,
    /// A file that a `file:` reference names.
    Secret,
}

/// A file that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    /// What it is for.
    pub role: Role,
    /// Where.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// A directory above it that everybody may write, and from which anybody may take it away.
    pub open_above: Option<PathBuf>,
}

impl KeptFile {
    /// Looks at a file; `None` where there is none.
    pub fn look(role: Role, path: &Path) -> Option<Self> {
        let mode = disk::mode(path)? & 0o7777;
        let path = disk::real(path);
        // Writable by everybody, without the bit that keeps others' files where they are.
        let open = |above: &&Path| disk::mode(above).is_some_and(|mode| mode & 0o1002 == 0o0002);
        let open_above = path.ancestors().skip(1).find(open).map(Path::to_path_buf);
        Some(Self { role, path, mode, open_above })
    }
}

/// Where the secrets of the configuration are, by the keys that name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// In the vault.
    pub vault: Vec<String>,
    /// In variables.
    pub environment: Vec<String>,
    /// In files.
    pub files: Vec<String>,
}

/// Who is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamFact {
    /// Its name.
    pub name: String,
    /// What is said to it can be read on the way.
    pub in_the_clear: bool,
    /// It is given a credential.
    pub credential: bool,
    /// Something holds calls to it back: a limit, or how many may run at once.
    pub limited: bool,
}
