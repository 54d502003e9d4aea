//! What may come in, and what must not get out.

mod base64;
mod disk;
pub mod fernet;
mod random;
pub mod vault;

pub use random::NoRandomness;
//! Security: what may come in.
//! Security: what may come in. Texts that are attacks are found, and texts are made harmless for the place they go to.

pub mod injection;
pub mod sanitize;
