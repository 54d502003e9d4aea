//! Load from `wrk`, and what it says about it.

use crate::process::{Running, find};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What one run of `wrk` saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Load {
    pub(super) requests: u64,
    pub(super) per_second: f64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// Answers outside 2xx and 3xx, and socket errors. A proxy that refuses is not proxying: more than none fails the bench.
    pub(super) wrong: u64,
}

/// Runs `wrk` with one thread, on `core` if one is given; `glance` is called now and then meanwhile.
pub(super) fn wrk(
    url: &str,
    connections: u32,
    seconds: u32,
    core: Option<&str>,
    folder: &Path,
    glance: impl FnMut(),
) -> Result<Load, String> {
    wrk_by(None, url, connections, seconds, core, folder, glance)
}

/// The same with a script that makes the requests.
pub(super) fn wrk_by(
    script: Option<&Path>,
    url: &str,
    connections: u32,
    seconds: u32,
    core: Option<&str>,
    folder: &Path,
    glance: impl FnMut(),
) -> Result<Load, String> {
    let program = find("wrk").ok_or("wrk is not installed")?;
    let output = folder.join("wrk.txt");
    let file = File::create(&output).map_err(|error| format!("{}: {error}", output.display()))?;
    let mut command = pinned(&program, core);
    command.args(["--threads", "1", "--latency"]);
    if let Some(script) = script {
        command.arg("--script").arg(script);
    }
    command.args(["--connections", &connections.to_string(), "--duration", &format!("{seconds}s"), url]);
    let limit = Duration::from_secs(u64::from(seconds) + 20);
    let status = Running::start("wrk", command.stdout(file))?.wait(limit, glance)?;
    let text = fs::read_to_string(&output).map_err(|error| format!("{}: {error}", output.display()))?;
    if !status.success() {
        return Err(format!("wrk {url}: {status}"));
    }
    parse(&text).ok_or_else(|| format!("wrk {url} says something else than expected: {text}"))
}

/// `program`, kept to these cores; `taskset` becomes the program, so its pid is the program's.
pub(super) fn pinned(program: &Path, cores: Option<&str>) -> Command {
    match cores {
        None => Command::new(program),
        Some(cores) => {
            let mut command = Command::new("taskset");
            command.args(["-c", cores]).arg(program);
            command
        }
    }
}

fn parse(text: &str) -> Option<Load> {
    let mut load = Load { requests: 0, per_second: 0.0, p50: Duration::ZERO, p99: Duration::ZERO, wrong: 0 };
    for line in text.lines().map(str::trim) {
        if let Some((requests, _)) = line.split_once(" requests in ") {
            load.requests = requests.parse().ok()?;
        } else if let Some(rate) = line.strip_prefix("Requests/sec:") {
            load.per_second = rate.trim().parse().ok()?;
        } else if let Some(span) = line.strip_prefix("50%") {
            load.p50 = duration(span)?;
        } else if let Some(span) = line.strip_prefix("99%") {
            load.p99 = duration(span)?;
        } else if let Some(count) = line.strip_prefix("Non-2xx or 3xx responses:") {
            load.wrong += count.trim().parse::<u64>().ok()?;
        } else if let Some(errors) = line.strip_prefix("Socket errors:") {
            load.wrong += errors.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum::<u64>();
        }
    }
    (load.requests > 0 && load.per_second > 0.0).then_some(load)
}

/// `812.00us`, `4.36ms`, `1.02s`.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    let figure: f64 = text.strip_suffix(unit)?.parse().ok()?;
    Duration::try_from_secs_f64(figure * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: &str = "\
Running 5s test @ http://127.0.0.1:1/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.04ms  687.06us  18.16ms   95.18%
    Req/Sec    65.30k     3.94k   69.48k    88.00%
  Latency Distribution
     50%  800.00us
     75%    1.10ms
     90%    1.43ms
     99%    4.36ms
  325678 requests in 5.01s, 370.09MB read
Requests/sec:  65100.12
Transfer/sec:     73.98MB
";

    #[test]
    fn a_quiet_run_is_read() {
        let load = parse(QUIET).unwrap();
        assert_eq!((load.requests, load.wrong), (325_678, 0));
        assert_eq!(load.p50, Duration::from_micros(800));
        assert_eq!(load.p99, Duration::from_micros(4360));
        assert!((load.per_second - 65_100.12).abs() < 1e-6);
    }

    #[test]
    fn refusals_and_socket_errors_are_counted() {
        let loud = format!(
            "{QUIET}  Socket errors: connect 1, read 2, write 0, timeout 3\n  Non-2xx or 3xx responses: 40\n"
        );
        assert_eq!(parse(&loud).unwrap().wrong, 46);
    }

    #[test]
    fn a_run_without_an_answer_is_no_measurement() {
        assert_eq!(parse("unable to connect to 127.0.0.1:1 Connection refused"), None);
        assert_eq!(parse(&QUIET.replace("325678", "0")), None);
    }
}
