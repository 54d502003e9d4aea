//! What may come in, and what must not get out: keys encrypted at rest, texts that are attacks found, and texts made
//! harmless for the place they go to.

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
