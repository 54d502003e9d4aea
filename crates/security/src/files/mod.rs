//! What is done with files beyond reading and writing them: temporary ones, hashes, and getting rid of them.

mod delete;
mod erasable;
mod hash;
mod session;
mod temporary;

pub use delete::{Caveat, Deleted, delete};
pub use erasable::Erasable;
pub use hash::{Algorithm, Digest, Hasher, Verifying, digest, digests};
pub use session::SessionId;
pub use temporary::{Temporary, scratch};

#[cfg(test)]
mod tests;
