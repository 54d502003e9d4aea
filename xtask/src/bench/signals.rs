//! What signals add to a call, to a scrape and to an idle machine: on against off, as the in-process bench saw it.

use super::BUILDING;
use super::observe::median;
use super::results::{self, Machine};
use crate::process::{Running, interrupted};
use crate::report::Stop;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::process::Command;

/// The goal for the gateway: what signals may take of its processor time at full load.
const SHARE: f64 = 3.0;

/// Runs the bench, prints and keeps what it saw. A goal that is missed is said, and fails nothing: machines differ.
pub(super) fn measure() -> Result<(), Stop> {
    let before = load();
    let rows = rows()?;
    let machine = Machine::here();
    let gateway = gateway(&rows);
    let lto = std::env::var("CARGO_PROFILE_RELEASE_LTO").unwrap_or_else(|_| "fat".into());
    let units = std::env::var("CARGO_PROFILE_RELEASE_CODEGEN_UNITS").unwrap_or_else(|_| "1".into());
    let load = format!("{before} before and {} after", load());
    let table: String = rows.iter().map(row).collect();
    let section = format!(
        "## What signals add

{} Link-time optimisation: {lto}; codegen units: {units}. The load of the machine was {load}. Again: `cargo xtask bench signals`.

**Method.** Processor time of the measuring thread (of the whole process where checks are run), so that what else runs is not in it, except
for the caches it shares. Off and on take turns in one run, each as often first; the difference of every pair is taken, and its quartiles are shown.
The call goes through retry, breaker, token bucket, bulkhead, attempt timeout and deadline, around a future that is ready at once. Counted as
the gateway counts: attempts, calls by outcome, two histograms, the rate of the last minute, a look at the clock; and one call in a hundred is
told of by an event to a channel that somebody reads. Logged is a line with a call's id and eight fields, which another thread writes. A scrape
is all of `/metrics` as Prometheus text, against that of an empty registry.

| | off | on | added: median (quartiles) | wanted at most | |
|---|---|---|---|---|---|
{table}
{}",
        machine.line().replace(", loopback only", ""),
        gateway.as_ref().map_or("Of the gateway nothing is known here: `cargo xtask bench gateway` first.".to_owned(), Share::text)
    );
    let share = gateway.map(|share| share.percent());
    let raw = json!({ "machine": machine.json(), "lto": lto, "load": load, "rows": rows, "gateway_percent": share });
    Ok(results::keep("signals", &section, &raw, true)?)
}

/// The bench's lines.
fn rows() -> Result<Vec<Value>, String> {
    let seen = super::workshop("signals")?.join("seen.jsonl");
    let file = File::create(&seen).map_err(|error| format!("{}: {error}", seen.display()))?;
    let mut command = Command::new("cargo");
    command.args(["bench", "--package", "seawall-bench", "--bench", "signals", "--", "--json"]);
    let status = Running::start("cargo bench", command.stdout(file))?.wait(BUILDING, || {})?;
    if interrupted() || !status.success() {
        return Err(format!("the bench of signals ended early: {status}"));
    }
    let text = fs::read_to_string(&seen).map_err(|error| format!("{}: {error}", seen.display()))?;
    parsed(&text)
}

fn parsed(text: &str) -> Result<Vec<Value>, String> {
    let rows: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    match rows {
        Ok(rows) if !rows.is_empty() => Ok(rows),
        Ok(_) => Err("the bench of signals said nothing".into()),
        Err(error) => Err(format!("the bench of signals said something else: {error}")),
    }
}

fn row(row: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let (off, on, bound) = (number(&row["off"]), number(&row["on"]), row["bound"].as_f64());
    let [low, middle, high] = [0, 1, 2].map(|place| number(&row["added"][place]));
    let unit = row["unit"].as_str().unwrap_or_default();
    let verdict = match bound {
        Some(bound) if middle <= bound => "met".to_owned(),
        Some(bound) => format!("missed by {} {unit}", short(middle - bound)),
        None => String::new(),
    };
    format!(
        "| {} | {} | {} | {} {unit} ({}–{}) | {} | {verdict} |\n",
        row["name"].as_str().unwrap_or_default(),
        short(off),
        short(on),
        short(middle),
        short(low),
        short(high),
        bound.map_or_else(String::new, |bound| format!("{bound} {unit}")),
    )
}

/// Three digits, more or less: what is measured here is not better known.
fn short(number: f64) -> String {
    match number.abs() {
        large if large >= 100.0 => format!("{number:.0}"),
        middling if middling >= 1.0 => format!("{number:.1}"),
        _ => format!("{number:.3}"),
    }
}

/// What counting is of the gateway's own time for a request.
struct Share {
    added_ns: f64,
    request_us: f64,
    day: String,
}

impl Share {
    fn percent(&self) -> f64 {
        self.added_ns / 10.0 / self.request_us
    }

    fn text(&self) -> String {
        let Share { added_ns, request_us, day } = self;
        let percent = self.percent();
        let verdict = if percent <= SHARE { "met" } else { "missed" };
        format!(
            "Of the gateway's processor time this is {percent:.2} %, of {SHARE} % at most: {verdict}. That is computed, not measured: its counting \
             cannot be\nswitched off, so {added_ns:.0} ns a call are set against the {request_us:.1} µs a request takes in all (*Gateway*, {day})."
        )
    }
}

/// The first row, of what the bench of the gateway kept.
fn gateway(rows: &[Value]) -> Option<Share> {
    let kept = fs::read_to_string(crate::root().join("benches/results/gateway.json")).ok()?;
    let kept: Value = serde_json::from_str(&kept).ok()?;
    let contenders = kept["shapes"][0]["contenders"].as_array()?;
    let turns = &contenders.iter().find(|one| one["name"] == "seawall")?["turns_64"];
    let request_us = median(turns.as_array()?.iter().filter_map(|turn| turn["cpu_us_per_request"].as_f64()))?;
    let added_ns = rows.first()?["added"][1].as_f64()?;
    Some(Share { added_ns, request_us, day: kept["machine"]["date"].as_str()?.to_owned() })
}

/// How many were running or waiting to, in the last minute.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(added: f64) -> Value {
        json!({ "name": "a call", "unit": "ns", "off": 170.0, "on": 220.0, "added": [45.0, added, 55.0], "bound": 60.0 })
    }

    #[test]
    fn a_goal_is_met_or_missed_by_so_much() {
        let met = "| a call | 170 | 220 | 50.5 ns (45.0–55.0) | 60 ns | met |\n";
        assert_eq!(row(&said(50.5)), met);
        assert!(row(&said(71.5)).ends_with("| missed by 11.5 ns |\n"), "{}", row(&said(71.5)));
    }

    #[test]
    fn what_is_no_figure_is_not_taken_for_one() {
        assert_eq!(parsed(&said(50.0).to_string()), Ok(vec![said(50.0)]));
        assert!(parsed("").unwrap_err().contains("nothing"));
        assert!(parsed("thread panicked").unwrap_err().contains("something else"));
    }

    #[test]
    fn a_share_is_of_the_whole_request() {
        let share = Share { added_ns: 60.0, request_us: 15.0, day: "2026-11-22".into() };
        assert!((share.percent() - 0.4).abs() < 1e-9);
        assert!(share.text().contains("0.40 %") && share.text().contains("met"), "{}", share.text());
    }
}
