//! The contest as tables for people, and as figures to compute with.

use super::rounds::Fault;
use super::verdict::{Fate, Tally};
use super::{BATCH, Cell, DEADLINE};
use crate::args;
use crate::bench::observe::median;
use crate::bench::results::{self, Machine};
use serde_json::json;
use std::fmt::Write;

const OPENING: &str = "# The effect guard beside others, on the same faults\n";

/// Shows the tables, and puts them into `benches/PEERS.md` when the whole contest ran.
pub(super) fn keep(cells: &[Cell], wanted: &args::Peers) -> Result<(), String> {
    let machine = Machine::here();
    let args::Peers { trials, seed, patience, .. } = wanted;
    let mut section = format!(
        "## The tables\n\n{} {trials} wishes for each contestant and fault, in rounds of {BATCH}; seed {seed}; a deadline \
         of {} s; callers ask for up to {patience} s. Again: `cargo xtask peers --trials {trials} --seed {seed}`.\n",
        machine.line(),
        DEADLINE.as_secs(),
    );
    for (asks, title) in
        [(false, "Nobody can ask the far side"), (true, "The far side can be asked what it has done")]
    {
        let here = |cell: &&Cell| cell.peer.asks == asks && cell.peer.only.is_none();
        let cells: Vec<&Cell> = cells.iter().filter(here).collect();
        if !cells.is_empty() {
            let _ = write!(section, "\n### {title}\n\n{}\n{}", sums(&cells), matrix(&cells));
        }
    }
    let others: Vec<&Cell> = cells.iter().filter(|cell| cell.peer.only.is_some()).collect();
    if !others.is_empty() {
        section.push_str("\n### The same with other settings\n\n| guarded by | fault | |\n|---|---|---|\n");
        for cell in others {
            let _ =
                writeln!(section, "| {} | {} | {} |", cell.peer.name, cell.fault.name(), short(&cell.tally));
        }
    }
    let raw = json!({
        "machine": machine.json(), "seed": seed, "trials": trials, "patience_s": patience,
        "deadline_s": DEADLINE.as_secs_f64(), "cells": cells.iter().map(raw).collect::<Vec<_>>(),
    });
    results::keep_in("PEERS.md", OPENING, "peers", &section, &raw, wanted.only.is_none())
}

/// One line for each contestant: all its faults together.
fn sums(cells: &[&Cell]) -> String {
    let shown = Fate::ALL.iter().filter(|fate| **fate != Fate::Right);
    let heads: Vec<&str> = shown.clone().map(|fate| fate.name()).collect();
    let mut table = format!("| of 10 000 wishes, each fault as often | {} |\n", heads.join(" | "));
    table.push_str(&format!("|---|{}\n", "---|".repeat(heads.len())));
    for name in names(cells) {
        let mut sum = Tally::default();
        cells
            .iter()
            .filter(|cell| cell.peer.name == name)
            .for_each(|cell| sum.join(Tally::clone(&cell.tally)));
        let rates: Vec<String> = shown.clone().map(|fate| sum.rate(*fate).to_string()).collect();
        let _ = writeln!(table, "| {name} | {} |", rates.join(" | "));
    }
    table
}

/// A line for each fault, a column for each contestant.
fn matrix(cells: &[&Cell]) -> String {
    let names = names(cells);
    let mut table = format!("| what goes wrong | {} |\n", names.join(" | "));
    table.push_str(&format!("|---|{}\n", "---|".repeat(names.len())));
    for fault in Fault::ALL.into_iter().chain(Fault::ASKED) {
        let here: Vec<&&Cell> = cells.iter().filter(|cell| cell.fault == fault).collect();
        if here.is_empty() {
            continue;
        }
        let of = |name: &&str| here.iter().find(|cell| cell.peer.name == *name);
        let line: Vec<String> =
            names.iter().map(|name| of(name).map_or_else(String::new, |cell| short(&cell.tally))).collect();
        let _ = writeln!(table, "| {} | {} |", fault.name(), line.join(" | "));
    }
    table
}

fn names(cells: &[&Cell]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for cell in cells {
        if !names.contains(&cell.peer.name) {
            names.push(cell.peer.name);
        }
    }
    names
}

/// What came to pass, and after how long half of the callers had been told so.
fn short(tally: &Tally) -> String {
    let seen: Vec<Fate> = Fate::ALL.into_iter().filter(|fate| tally.of(*fate) > 0).collect();
    let word = |fate: &Fate| match (fate, seen.len()) {
        (Fate::Right, 1) => fate.name().to_owned(),
        (_, 1) => format!("**{}**", fate.name()),
        _ => format!("{} {}", tally.rate(*fate), fate.name()),
    };
    let words: Vec<String> = seen.iter().map(word).collect();
    let took = median(tally.took.iter().copied()).unwrap_or(f64::NAN);
    format!("{}, {took:.1} s", words.join(", "))
}

fn raw(Cell { peer, fault, tally }: &Cell) -> serde_json::Value {
    let fates: serde_json::Map<_, _> =
        Fate::ALL.into_iter().map(|fate| (fate.name().to_owned(), json!(tally.of(fate)))).collect();
    let said: serde_json::Map<_, _> =
        tally.words.iter().map(|(said, words)| (format!("{said:?}"), json!(words))).collect();
    let most = tally.took.iter().copied().fold(0.0, f64::max);
    json!({
        "peer": peer.name, "fault": fault.name(), "wishes": tally.all(), "fates": fates, "said": said,
        "told_after_s": { "median": median(tally.took.iter().copied()), "most": most },
    })
}

/// One round, for whoever watches.
pub(super) fn line(tally: &Tally) -> String {
    let counts = Fate::ALL.into_iter().filter(|fate| tally.of(*fate) > 0);
    let counts: Vec<String> = counts.map(|fate| format!("{} {}", tally.of(fate), fate.name())).collect();
    counts.join(", ")
}
