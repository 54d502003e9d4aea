//! What may come in, and what must not get out.
//!
//! [`vault`] keeps keys encrypted on disk, as [`fernet`] tokens. [`types`] are values that are right by construction.
//! [`paths`] and [`files`] reach files below a directory and nowhere else, hash them and get rid of them. [`audit`] judges how
//! secure an installation is. [`injection`] finds texts that are attacks; [`sanitize`] makes texts harmless for the place they
//! go to.

pub mod audit;
mod base64;
mod disk;
pub mod fernet;
pub mod files;
pub mod injection;
pub mod paths;
mod random;
pub mod sanitize;
pub mod types;
pub mod vault;

pub use random::NoRandomness;
