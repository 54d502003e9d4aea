//! Keys, fingerprints and what is remembered.
