//! What may come in, and what must not get out.

mod base64;
mod disk;
pub mod fernet;
mod random;
pub mod vault;

pub use random::NoRandomness;
//! Security: what may come in.

pub mod injection;
