//! Kills real processes while they do effects, and holds what they said against a ledger that writes down everything.
//!
//! This crate stands outside the house, like the end-to-end tests: it may see every room, and nobody may see it. The
//! program it makes is three: a *ledger* (the far side, never killed), *workers* that run effects through the guard, and
//! a *driver* that starts both, deals the blows and checks. `docs/chaos.md` says how to run it.

pub mod args;
pub mod check;
pub mod driver;
pub mod effects;
pub mod history;
pub mod ledger;
pub mod report;
pub mod self_test;
pub mod words;
pub mod worker;
