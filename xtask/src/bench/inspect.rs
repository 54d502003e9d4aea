//! What looking for injections costs the gateway: the same bodies by three routes of one process, taking turns.

use super::Binary;
use super::contenders::{self, Server, Shape, written};
use super::load::{self, Load};
use super::observe::{cpu_ns, median};
use super::results::{self, Machine};
use crate::report::Stop;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const CONNECTIONS: u32 = 64;

/// Bodies of so many bytes, or a few more.
const SIZES: [usize; 2] = [1 << 10, 64 << 10];

/// The routes, each with what is in its table beside `match`.
const ROUTES: [(&str, &str); 3] =
    [("off", ""), ("shadow", "inspect = { mode = \"shadow\" }"), ("block", "inspect = { mode = \"block\" }")];

/// What people write to each other, quotes and all: nothing in it is an attack, and a little of it looks like one.
const WORDS: [&str; 6] = [
    "Could you summarise the notes of Tuesday's meeting in three sentences, please?",
    "O'Brien's order (no. 2104) is late; select another carrier and drop me a line.",
    "The table where we sat was by the window -- and the soup, as usual, was cold.",
    "If x < y and y > z then the script stops; otherwise it goes on with 1 or 2.",
    "My address has changed: Flat 3 & 4, 21 Union Street. Update the records from May on.",
    "\\u00dcbrigens: the price is 100 % of what we agreed, 'net', and not 1 cent more.",
];

/// The turns of one size.
struct Seen {
    size: usize,
    /// One list for each route.
    turns: [Vec<(Load, f64)>; ROUTES.len()],
}

/// Measures, prints and keeps it. Fails when a call was answered with anything but success.
pub(super) fn measure(binary: &Binary, rounds: u32, seconds: u32) -> Result<(), Stop> {
    let machine = Machine::here();
    let folder = super::workshop("inspect")?;
    let shape = Shape { name: "two workers", workers: 2, proxy: None, rest: None };
    let upstream = contenders::upstream(shape, &folder)?;
    let routes = ROUTES.map(|(name, more)| {
        format!("\n[route.{name}]\nmatch = {{ method = \"POST\", path = \"/bench/{name}\" }}\n{more}\n")
    });
    let server = contenders::seawall(&binary.path, upstream.address, shape.proxy, &folder, &routes.concat())?;
    let mut all = Vec::new();
    for size in SIZES {
        all.push(turns(&server, size, rounds, seconds, &folder)?);
    }
    let section = section(&machine, &all, rounds, seconds);
    let raw: Vec<Value> = all.iter().map(Seen::json).collect();
    let raw = json!({ "machine": machine.json(), "rounds": rounds, "seconds": seconds, "connections": CONNECTIONS, "sizes": raw });
    results::keep("inspect", &section, &raw, binary.fresh)?;
    match all.iter().map(Seen::wrong).sum::<u64>() {
        0 => Ok(()),
        wrong => Err(Stop::Failed(format!("{wrong} calls were answered wrongly"))),
    }
}

fn turns(server: &Server, size: usize, rounds: u32, seconds: u32, folder: &Path) -> Result<Seen, String> {
    let script = script(size, folder)?;
    let family = server.family();
    let mut seen = Seen { size, turns: Default::default() };
    let take = |route: &str, seconds: u32| -> Result<(Load, f64), String> {
        let url = format!("http://{}/bench/{route}", server.address);
        let before = cpu_ns(&family)?;
        let load = load::wrk_by(Some(&script), &url, CONNECTIONS, seconds, None, folder, || {})?;
        let spent = cpu_ns(&family)?.saturating_sub(before);
        Ok((load, spent as f64 / 1e3 / load.requests as f64))
    };
    for (route, _) in ROUTES {
        take(route, 1)?;
    }
    for round in 0..rounds as usize {
        // Whoever goes first is another one each time.
        for turn in 0..ROUTES.len() {
            let place = (round + turn) % ROUTES.len();
            let (load, cpu_us) = take(ROUTES[place].0, seconds)?;
            eprintln!("   {size} bytes, {:6} {cpu_us:8.2} µs CPU per request", ROUTES[place].0);
            seen.turns[place].push((load, cpu_us));
        }
    }
    Ok(seen)
}

/// A chat's request of so many bytes.
fn body(size: usize) -> String {
    let mut messages = String::new();
    let mut words = WORDS.iter().cycle().enumerate();
    while messages.len() < size.saturating_sub(40) {
        let Some((n, text)) = words.next() else { break };
        let comma = if n > 0 { "," } else { "" };
        messages += &format!("{comma}{{\"role\":\"user\",\"id\":{n},\"content\":\"{text}\"}}");
    }
    format!("{{\"model\":\"m\",\"messages\":[{messages}]}}")
}

/// What `wrk` is to send.
fn script(size: usize, folder: &Path) -> Result<PathBuf, String> {
    let file = written(folder, &format!("body-{size}.json"), &body(size))?;
    let text = format!(
        "local file = assert(io.open(\"{}\"))\nwrk.method = \"POST\"\nwrk.body = file:read(\"*a\")\n\
         wrk.headers[\"content-type\"] = \"application/json\"\n",
        file.display()
    );
    written(folder, &format!("post-{size}.lua"), &text)
}

impl Seen {
    fn cpu_us(&self, route: usize) -> f64 {
        median(self.turns[route].iter().map(|(_, cpu_us)| *cpu_us)).unwrap_or(f64::NAN)
    }

    fn wrong(&self) -> u64 {
        self.turns.iter().flatten().map(|(load, _)| load.wrong).sum()
    }

    /// A line for each route: its time, how many calls a second of a processor are, and that beside the first route's.
    fn table(&self) -> String {
        let line = |(place, (name, _)): (usize, &(&str, &str))| {
            let turns = || self.turns[place].iter().map(|(_, cpu_us)| *cpu_us);
            let (least, most) = (turns().fold(f64::INFINITY, f64::min), turns().fold(0.0, f64::max));
            let (own, off) = (self.cpu_us(place), self.cpu_us(0));
            format!(
                "| {} KiB, {name} | {own:.2} ({least:.2}–{most:.2}) | {:.0} | **{:.2}** | {:.2} |\n",
                self.size >> 10,
                1e6 / own,
                off / own,
                own - off
            )
        };
        ROUTES.iter().enumerate().map(line).collect()
    }

    fn json(&self) -> Value {
        let of = |place: usize| -> Vec<Value> {
            let turn = |(load, cpu_us): &(Load, f64)| json!({ "requests": load.requests, "per_second": load.per_second, "wrong": load.wrong, "cpu_us_per_request": cpu_us });
            self.turns[place].iter().map(turn).collect()
        };
        let routes: Vec<Value> = ROUTES
            .iter()
            .enumerate()
            .map(|(n, (name, _))| json!({ "route": name, "turns": of(n) }))
            .collect();
        json!({ "bytes": body(self.size).len(), "routes": routes })
    }
}

fn section(machine: &Machine, all: &[Seen], rounds: u32, seconds: u32) -> String {
    let table: String = all.iter().map(Seen::table).collect();
    format!(
        "## What `inspect` costs

{} Upstream: nginx, one worker, which reads the body and answers 1 KiB. Load: wrk, one thread, {CONNECTIONS} connections, {seconds} s a turn,
{rounds} rounds; the routes of one process take turns, each as often first; medians. CPU is the gateway's own, all threads, from `schedstat`
before and after. The body is a chat in JSON: sentences with quotes, dashes and words of SQL, none of them an attack, so every rule
looks and nobody is refused. `off` is the same route without `inspect`. Again: `cargo xtask bench inspect`.

| | CPU µs/req (range) | calls per CPU-second | × off | added µs |
|---|---|---|---|---|
{table}",
        machine.line(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_body_is_json_of_about_its_size() {
        for size in SIZES {
            let body = body(size);
            assert!((size - 40..size + 200).contains(&body.len()), "{} of {size}", body.len());
            let read: Value = serde_json::from_str(&body).unwrap();
            assert!(read["messages"].as_array().is_some_and(|messages| messages.len() > 5));
        }
    }

    #[test]
    fn a_route_is_told_beside_the_one_that_does_not_look() {
        let load =
            Load { requests: 1000, per_second: 10.0, p50: Duration::ZERO, p99: Duration::ZERO, wrong: 1 };
        let turns = [20.0, 40.0, 50.0].map(|cpu_us| vec![(load, cpu_us)]);
        let seen = Seen { size: 1 << 10, turns };
        let table = seen.table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "| 1 KiB, off | 20.00 (20.00–20.00) | 50000 | **1.00** | 0.00 |");
        assert_eq!(lines[2], "| 1 KiB, block | 50.00 (50.00–50.00) | 20000 | **0.40** | 30.00 |");
        assert_eq!(seen.wrong(), 3, "an answer that is no success fails the bench");
    }
}
