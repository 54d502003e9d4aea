//! Real workers, a real ledger and a real redis-server: the scenarios by name, and a crash at every step.

mod crash_points;
mod gateway;
mod jobs;
mod scenarios;
mod world;
