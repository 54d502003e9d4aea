//! Text in, checked values out: files, profiles and the environment become one tree, the tree becomes your types.
//!
//! Nothing here knows a key of seawall. A source (TOML, JSON, YAML) is read into a [`Node`] tree in which every value, and
//! every key, remembers where it was written. Layers are laid over each other key by key, later wins:
//!
//! ```text
//! file  ←  [profile.NAME] of the file  ←  SEAWALL__UPSTREAM__OPENAI__URL=…
//! ```
//!
//! [`from_node`] then turns the tree into any `serde` type, and whatever is wrong with it is a [`Problem`] that reads
//! `FILE:LINE:COLUMN: key: what is wrong, what to write`, with the nearest known key where one was mistyped.
//!
//! ```
//! use seawall_config::{Format, from_node, load_str};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     listen: String,
//! }
//!
//! let environment = [("SEAWALL__LISTEN", "127.0.0.1:8080")];
//! let tree = load_str("listen = '127.0.0.1:7070'", "seawall.toml", Format::Toml, None, environment).unwrap();
//! assert_eq!(from_node::<Settings>(&tree).unwrap().listen, "127.0.0.1:8080");
//!
//! let tree = load_str("lisen = 'x'", "seawall.toml", Format::Toml, None, environment).unwrap();
//! assert_eq!(
//!     from_node::<Settings>(&tree).err().unwrap().to_string(),
//!     "seawall.toml:1:1: lisen: unknown key `lisen`, write `listen` (known keys: listen)"
//! );
//! ```
//!
//! Nothing is read from the process behind the caller's back: the environment comes in as an argument, and the only
//! functions that touch the disk are [`load_file`], [`read_file`], [`SecretRef::resolve_with`] and those of [`versions`].

mod de;
mod diff;
mod layers;
mod node;
mod origin;
mod problem;
mod secrecy;
mod secret;
mod show;
mod source;
mod url;
pub mod versions;

pub use de::{WordOr, from_node, from_node_all, from_node_at};
pub use diff::differences;
pub use layers::{apply_environment, load_file, load_str, profiles, select_profile};
pub use node::{Entry, Node, Table, Value, overlay};
pub use origin::Origin;
pub use problem::{Problem, Problems, Severity};
pub use secret::{Resolved, SecretError, SecretRef, VaultLookup};
pub use show::{show, show_hiding, show_json};
pub use source::{Format, MAX_DEPTH, MAX_FILE, parse, read_file};
pub use url::check_url;
