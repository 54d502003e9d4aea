//! What a call may cost the gateway in memory: a big body each way past a slow reader, and many streams at once.

use super::contenders::{self, Server};
use super::observe::{median, rss_kib};
use super::results::{self, Machine};
use super::upstream::{self, BEAT, BODY, EVENTS, PAUSE, STACK};
use super::{Binary, http};
use crate::process::interrupted;
use crate::report::Stop;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

const STREAMS: usize = 512;
/// What one body of 64 MiB may add: a replay buffer of 1 MiB, socket and codec buffers, and the allocator's slack.
const BODY_BOUND_KIB: u64 = 16 << 10;
/// What 512 streams may add: 64 KiB each.
const STREAMS_BOUND_KIB: u64 = STREAMS as u64 * 64;
/// A gap between two events of one stream beyond which it stood still.
const STALL: Duration = Duration::from_secs(1);

/// Something that went through, and what the gateway's memory did meanwhile.
struct Passage {
    took: Duration,
    growth_kib: u64,
}

/// What one client saw of its stream.
struct Stream {
    events: u32,
    finished: bool,
    worst_gap: Duration,
}

/// Measures, prints and keeps; fails when bytes were lost, a stream stood still, or memory went past its bound.
pub(super) fn measure(binary: &Binary) -> Result<(), Stop> {
    allow_open_files();
    let folder = super::workshop("memory")?;
    let upstream = upstream::start()?;
    let server = contenders::seawall(&binary.path, upstream, None, &folder, "")?;
    let up = watched(&server, || upload(server.address))?;
    let down = watched(&server, || download(server.address))?;
    let mut seen = Vec::new();
    let streams = watched(&server, || {
        seen = streams(server.address)?;
        Ok(())
    })?;

    let finished = seen.iter().filter(|stream| stream.finished && stream.events == EVENTS).count();
    let stalled = seen.iter().filter(|stream| stream.worst_gap > STALL).count();
    let worst = seen.iter().map(|stream| stream.worst_gap).max().unwrap_or_default();
    let usual = median(seen.iter().map(|stream| stream.worst_gap.as_secs_f64() * 1e3)).unwrap_or(f64::NAN);
    let machine = Machine::here();
    let section = format!(
        "## Memory

{} A body of {} MiB each way, its reader pausing {} ms after the first block; {STREAMS} event streams at once, {EVENTS} events {} ms apart.
Growth is the peak of the gateway's RSS above what it held before. Again: `cargo xtask bench memory`.

| | took | RSS growth | bound |
|---|---|---|---|
| {} MiB up | {:.2} s | {:.1} MiB | {} MiB |
| {} MiB down | {:.2} s | {:.1} MiB | {} MiB |
| {STREAMS} streams | {:.2} s | {:.1} MiB, {:.0} KiB a stream | {} MiB |

{finished} of {STREAMS} streams complete, {stalled} stood still for more than {} s; worst gap {} ms, median of the worst gaps {usual:.0} ms.",
        machine.line(), BODY >> 20, PAUSE.as_millis(), BEAT.as_millis(),
        BODY >> 20, up.seconds(), up.mib(), BODY_BOUND_KIB >> 10,
        BODY >> 20, down.seconds(), down.mib(), BODY_BOUND_KIB >> 10,
        streams.seconds(), streams.mib(), streams.growth_kib as f64 / STREAMS as f64, STREAMS_BOUND_KIB >> 10,
        STALL.as_secs(), worst.as_millis(),
    );
    let raw = json!({
        "machine": machine.json(), "idle_rss_kib": server.idle_kib,
        "up": up.json(), "down": down.json(), "streams": streams.json(),
        "streams_finished": finished, "streams_stalled": stalled, "worst_gap_ms": worst.as_secs_f64() * 1e3,
    });
    results::keep("memory", &section, &raw, binary.fresh)?;

    let mut wrong = Vec::new();
    for (what, passage, bound) in [
        ("the upload", &up, BODY_BOUND_KIB),
        ("the download", &down, BODY_BOUND_KIB),
        ("the streams", &streams, STREAMS_BOUND_KIB),
    ] {
        if passage.growth_kib > bound {
            wrong.push(format!("{what} grew it by {:.1} MiB, bound {} MiB", passage.mib(), bound >> 10));
        }
    }
    if finished < STREAMS || stalled > 0 {
        wrong.push(format!("{} streams incomplete, {stalled} stood still", STREAMS - finished));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Stop::Failed(wrong.join("; "))) }
}

impl Passage {
    fn seconds(&self) -> f64 {
        self.took.as_secs_f64()
    }

    fn mib(&self) -> f64 {
        self.growth_kib as f64 / 1024.0
    }

    fn json(&self) -> serde_json::Value {
        json!({ "seconds": self.seconds(), "growth_kib": self.growth_kib })
    }
}

/// Runs `work` while a second thread watches the server's memory.
fn watched(server: &Server, work: impl FnOnce() -> Result<(), String>) -> Result<Passage, String> {
    let family = server.family();
    let before = rss_kib(&family);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = before;
            while !done.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(20));
                peak = peak.max(rss_kib(&family));
            }
            peak
        });
        let began = Instant::now();
        let result = work();
        let took = began.elapsed();
        done.store(true, Ordering::Relaxed);
        let peak = watch.join().map_err(|_| "the watcher of memory fell over".to_owned())?;
        result.map(|()| Passage { took, growth_kib: peak.saturating_sub(before) })
    })
}

fn upload(to: SocketAddr) -> Result<(), String> {
    let send = || {
        let mut stream = http::connect(to)?;
        write!(
            stream,
            "POST /bench/sink HTTP/1.1\r\nHost: {to}\r\nContent-Length: {BODY}\r\nConnection: close\r\n\r\n"
        )?;
        let block = vec![b'x'; 64 << 10];
        for _ in 0..BODY / block.len() {
            stream.write_all(&block)?;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = send().map_err(|error: std::io::Error| format!("the upload broke: {error}"))?;
    match answer.starts_with("HTTP/1.1 200") && answer.ends_with(&BODY.to_string()) {
        true => Ok(()),
        false => Err(format!("the upload was answered {:?}", answer.lines().next())),
    }
}

fn download(from: SocketAddr) -> Result<(), String> {
    let receive = || {
        let mut stream = http::connect(from)?;
        write!(stream, "GET /bench/source HTTP/1.1\r\nHost: {from}\r\nConnection: close\r\n\r\n")?;
        let mut block = vec![0; 64 << 10];
        let (mut head, mut got, mut body) = (Vec::new(), 0, None);
        loop {
            let count = stream.read(&mut block)?;
            if count == 0 {
                return Ok((http::status(&head), body.map_or(0, |from| got - from)));
            }
            got += count;
            if body.is_none() {
                head.extend_from_slice(&block[..count]);
                body = http::head_length(&head);
                sleep(PAUSE);
            }
        }
    };
    match receive().map_err(|error: std::io::Error| format!("the download broke: {error}"))? {
        (Some(200), BODY) => Ok(()),
        (status, length) => {
            Err(format!("the download ended with status {status:?} and {length} of {BODY} bytes"))
        }
    }
}

/// All streams at once, each read by a thread of its own.
fn streams(from: SocketAddr) -> Result<Vec<Stream>, String> {
    let open = |_| thread::Builder::new().stack_size(STACK).spawn(move || watch_stream(from));
    let readers: Vec<_> =
        (0..STREAMS).map(open).collect::<Result<_, _>>().map_err(|error| format!("threads: {error}"))?;
    let ends = readers.into_iter().map(|reader| reader.join().map_err(|_| "a reader fell over".to_owned()));
    let seen: Vec<Stream> = ends.collect::<Result<_, _>>()?;
    if interrupted() { Err("interrupted".into()) } else { Ok(seen) }
}

fn watch_stream(from: SocketAddr) -> Stream {
    let mut seen = Stream { events: 0, finished: false, worst_gap: Duration::ZERO };
    // A stream that breaks stays unfinished, which is what is reported.
    let _ = read_events(from, &mut seen);
    seen
}

fn read_events(from: SocketAddr, seen: &mut Stream) -> std::io::Result<()> {
    let mut stream = http::connect(from)?;
    write!(
        stream,
        "GET /bench/events HTTP/1.1\r\nHost: {from}\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    let mut block = [0; 4096];
    let mut last = None;
    while !interrupted() {
        let count = stream.read(&mut block)?;
        if count == 0 {
            seen.finished = text.contains("data: [DONE]") && text.ends_with("0\r\n\r\n");
            break;
        }
        text.push_str(&String::from_utf8_lossy(&block[..count]));
        let now = Instant::now();
        if let Some(last) = last {
            seen.worst_gap = seen.worst_gap.max(now - last);
        }
        last = Some(now);
    }
    let events = text.matches("data: ").count() - usize::from(text.contains("data: [DONE]"));
    seen.events = u32::try_from(events).unwrap_or(u32::MAX);
    Ok(())
}

/// The streams want four descriptors each, two here and two in the gateway, which inherits this.
fn allow_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where it cannot be raised, the streams that do not open say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
