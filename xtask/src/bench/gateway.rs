//! seawall beside nginx and Envoy: the same upstream, the same load, turns taken in rounds.

use super::Binary;
use super::contenders::{self, Server, Shape};
use super::http;
use super::load::{self, Load};
use super::observe::{cpu_ns, median, rss_kib};
use super::results::{self, Machine};
use crate::report::Stop;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const CONNECTIONS: u32 = 64;

/// What one server showed over all rounds.
struct Seen {
    name: &'static str,
    version: String,
    ready: Duration,
    idle_kib: u64,
    turns: Vec<Turn>,
    /// One connection at a time: what the server adds when nothing waits.
    singles: Vec<Load>,
}

/// One turn at 64 connections.
struct Turn {
    load: Load,
    /// The server's own CPU time per request, all threads and workers.
    cpu_us: f64,
    peak_kib: u64,
}

/// Everything of one shape.
struct Comparison {
    shape: Shape,
    direct: Vec<Load>,
    seen: Vec<Seen>,
    /// Contenders that could not be had, and why.
    absent: Vec<String>,
}

/// Measures, prints and keeps the comparison. Fails when a contender answered anything but success.
pub(super) fn compare(binary: &Binary, rounds: u32, seconds: u32) -> Result<(), Stop> {
    let machine = Machine::here();
    let mut comparisons = Vec::new();
    for shape in shapes(machine.cores) {
        eprintln!("   shape: {}", shape.name);
        comparisons.push(Comparison::measure(shape, &binary.path, rounds, seconds)?);
    }
    let section = section(&machine, &comparisons, rounds, seconds);
    let raw: Vec<Value> = comparisons.iter().map(Comparison::json).collect();
    let raw = json!({ "machine": machine.json(), "rounds": rounds, "seconds": seconds, "connections": CONNECTIONS, "shapes": raw });
    results::keep("gateway", &section, &raw, binary.fresh)?;
    let wrong = comparisons.iter().flat_map(|comparison| &comparison.seen).find(|seen| seen.wrong() > 0);
    match wrong {
        Some(seen) => Err(Stop::Failed(format!("{} answered {} requests wrongly", seen.name, seen.wrong()))),
        None => Ok(()),
    }
}

/// Two workers as they come; and, where there is a second core, one worker that has it to itself.
fn shapes(cores: usize) -> Vec<Shape> {
    let free = Shape { name: "two workers", workers: 2, proxy: (cores > 2).then_some("0,1"), rest: None };
    let pinned = Shape { name: "one worker, alone on a core", workers: 1, proxy: Some("1"), rest: Some("0") };
    match cores {
        1 => vec![free],
        _ => vec![free, pinned],
    }
}

impl Comparison {
    fn measure(shape: Shape, binary: &Path, rounds: u32, seconds: u32) -> Result<Comparison, Stop> {
        let folder = super::workshop("gateway")?;
        let upstream = contenders::upstream(shape, &folder)?;
        let mut servers = vec![contenders::nginx_proxy(upstream.address, shape, &folder)?];
        let mut absent = Vec::new();
        match contenders::envoy(upstream.address, shape, &folder) {
            Ok(envoy) => servers.push(envoy),
            Err(why) => {
                eprintln!("   SKIPPED Envoy: {why}");
                absent.push(format!("Envoy was not measured: {why}"));
            }
        }
        servers.push(contenders::seawall(binary, upstream.address, shape.proxy, &folder, "")?);

        let mut direct = Vec::new();
        let mut seen: Vec<Seen> = servers.iter().map(Seen::nothing_yet).collect();
        for server in &servers {
            match http::get(server.address, contenders::PATH) {
                Ok((200, contenders::BODY)) => {}
                other => {
                    return Err(
                        format!("{} does not pass the answer on whole: {other:?}", server.name).into()
                    );
                }
            }
            load::wrk(&server.url(), CONNECTIONS, 1, shape.rest, &folder, || {})?;
        }
        for round in 1..=rounds {
            for (server, seen) in servers.iter().zip(&mut seen) {
                let turn = Turn::take(server, shape, seconds, &folder)?;
                let rate = turn.load.per_second;
                eprintln!(
                    "   round {round}: {:8} {rate:8.0} req/s, {:6.2} µs CPU per request",
                    server.name, turn.cpu_us
                );
                seen.turns.push(turn);
            }
        }
        for _ in 0..rounds {
            direct.push(load::wrk(&upstream.url(), 1, seconds.min(2), shape.rest, &folder, || {})?);
            for (server, seen) in servers.iter().zip(&mut seen) {
                seen.singles.push(load::wrk(&server.url(), 1, seconds.min(2), shape.rest, &folder, || {})?);
            }
        }
        Ok(Comparison { shape, direct, seen, absent })
    }

    fn table(&self) -> String {
        let nginx = self.seen.iter().find(|seen| seen.name == "nginx").map_or(f64::NAN, Seen::cpu_us);
        let (direct50, direct99) = (p50(&self.direct), p99(&self.direct));
        let mut table = format!(
            "**{}** (direct, one connection: p50 {direct50:.0} µs, p99 {direct99:.0} µs)\n\n\
             | | CPU µs/req (range) | × nginx, req per CPU-s | req/s | p50 / p99 µs at 64 | added p50 / p99 µs at 1 | RSS MiB idle / loaded | ready ms |\n\
             |---|---|---|---|---|---|---|---|\n",
            self.shape.name
        );
        for seen in &self.seen {
            let turns = || seen.turns.iter().map(|turn| turn.cpu_us);
            let (least, most) = (turns().fold(f64::INFINITY, f64::min), turns().fold(0.0, f64::max));
            let loads: Vec<Load> = seen.turns.iter().map(|turn| turn.load).collect();
            table += &format!(
                "| {} | {:.2} ({least:.2}–{most:.2}) | **{:.2}** | {:.0} | {:.0} / {:.0} | {:.0} / {:.0} | {:.0} / {:.0} | {:.0} |\n",
                seen.version,
                seen.cpu_us(),
                nginx / seen.cpu_us(),
                median(loads.iter().map(|load| load.per_second)).unwrap_or(f64::NAN),
                p50(&loads),
                p99(&loads),
                p50(&seen.singles) - direct50,
                p99(&seen.singles) - direct99,
                mib(seen.idle_kib),
                mib(seen.turns.iter().map(|turn| turn.peak_kib).max().unwrap_or(0)),
                seen.ready.as_secs_f64() * 1e3,
            );
        }
        for why in &self.absent {
            table += &format!("\n{}\n", why.lines().next().unwrap_or(why));
        }
        table
    }

    fn json(&self) -> Value {
        let contenders: Vec<Value> = self.seen.iter().map(Seen::json).collect();
        let direct: Vec<Value> = self.direct.iter().map(load_json).collect();
        json!({ "shape": self.shape.name, "workers": self.shape.workers, "direct_1": direct, "contenders": contenders })
    }
}

impl Seen {
    fn nothing_yet(server: &Server) -> Seen {
        let Server { name, version, ready, idle_kib, .. } = server;
        Seen {
            name,
            version: version.clone(),
            ready: *ready,
            idle_kib: *idle_kib,
            turns: Vec::new(),
            singles: Vec::new(),
        }
    }

    fn cpu_us(&self) -> f64 {
        median(self.turns.iter().map(|turn| turn.cpu_us)).unwrap_or(f64::NAN)
    }

    fn wrong(&self) -> u64 {
        let loads = self.turns.iter().map(|turn| &turn.load).chain(&self.singles);
        loads.map(|load| load.wrong).sum()
    }

    fn json(&self) -> Value {
        let turns: Vec<Value> = self
            .turns
            .iter()
            .map(|turn| json!({ "load": load_json(&turn.load), "cpu_us_per_request": turn.cpu_us, "peak_rss_kib": turn.peak_kib }))
            .collect();
        let singles: Vec<Value> = self.singles.iter().map(load_json).collect();
        json!({
            "name": self.name, "version": self.version, "ready_ms": self.ready.as_secs_f64() * 1e3,
            "idle_rss_kib": self.idle_kib, "turns_64": turns, "turns_1": singles,
        })
    }
}

impl Turn {
    fn take(server: &Server, shape: Shape, seconds: u32, folder: &Path) -> Result<Turn, String> {
        let family = server.family();
        let mut peak_kib = 0;
        let before = cpu_ns(&family)?;
        let load = load::wrk(&server.url(), CONNECTIONS, seconds, shape.rest, folder, || {
            peak_kib = peak_kib.max(rss_kib(&family));
        })?;
        let spent = cpu_ns(&family)?.saturating_sub(before);
        Ok(Turn { load, cpu_us: spent as f64 / 1e3 / load.requests as f64, peak_kib })
    }
}

fn section(machine: &Machine, comparisons: &[Comparison], rounds: u32, seconds: u32) -> String {
    let tables: Vec<String> = comparisons.iter().map(Comparison::table).collect();
    format!(
        "## Gateway

{} Upstream: nginx, one worker, 1 KiB body, kept-alive. Load: wrk, one thread, {CONNECTIONS} connections, {seconds} s a turn, {rounds} rounds,
contenders taking turns; medians. CPU is the proxy's own, all threads and workers, from `schedstat` before and after. seawall runs with its
defaults (deadline, retry, breaker), a rate limit and a bulkhead too wide to bind, ids, stories, headers and metrics; nginx and Envoy as plain
proxies without access logs. Again: `cargo xtask bench gateway`.

{}",
        machine.line(),
        tables.join("\n")
    )
}

fn p50(loads: &[Load]) -> f64 {
    median(loads.iter().map(|load| load.p50.as_secs_f64() * 1e6)).unwrap_or(f64::NAN)
}

fn p99(loads: &[Load]) -> f64 {
    median(loads.iter().map(|load| load.p99.as_secs_f64() * 1e6)).unwrap_or(f64::NAN)
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn load_json(load: &Load) -> Value {
    json!({
        "requests": load.requests, "per_second": load.per_second, "wrong": load.wrong,
        "p50_us": load.p50.as_secs_f64() * 1e6, "p99_us": load.p99.as_secs_f64() * 1e6,
    })
}
