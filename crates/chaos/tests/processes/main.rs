//! Real workers, a real ledger and a real redis-server: the scenarios by name.

mod jobs;
mod scenarios;
mod world;
