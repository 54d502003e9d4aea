//! Starts other programs, waits for them with a bound, and ends every one of them, whatever happens here.

use signal_hook::{consts, flag};
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a waiting loop looks.
const GLANCE: Duration = Duration::from_millis(20);
/// What a child gets between the request to end and its end by force.
const GRACE: Duration = Duration::from_secs(5);

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Makes SIGINT and SIGTERM a flag that every wait in this module watches; so guards are dropped, not skipped.
pub(crate) fn listen_for_interrupts() -> io::Result<()> {
    let seen = INTERRUPTED.get_or_init(Arc::default);
    for signal in [consts::SIGINT, consts::SIGTERM] {
        flag::register(signal, Arc::clone(seen))?;
    }
    Ok(())
}

/// Whether someone asked this run to end.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.get().is_some_and(|seen| seen.load(Ordering::Relaxed))
}

/// A child that does not outlive this value: dropping it asks it to end (SIGTERM), then insists (SIGKILL), then reaps it.
pub(crate) struct Running {
    name: String,
    child: Child,
}

impl Running {
    /// Starts `command`; `name` is what messages call it.
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Running, String> {
        let child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
        Ok(Running { name: name.into(), child })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, if it has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, String> {
        self.child.try_wait().map_err(|error| format!("cannot ask after {}: {error}", self.name))
    }

    /// Waits for the end, calling `glance` about every 20 ms; past `limit`, or once interrupted, it ends the child.
    pub(crate) fn wait(mut self, limit: Duration, mut glance: impl FnMut()) -> Result<ExitStatus, String> {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if interrupted() {
                return Err(format!("interrupted while {} ran", self.name));
            }
            if Instant::now() > until {
                return Err(format!("{} still ran after {} s and was ended", self.name, limit.as_secs()));
            }
            glance();
            sleep(GLANCE);
        }
    }

    fn ask_to_end(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended on its own by now; the wait below finds out.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        self.ask_to_end();
        let until = Instant::now() + GRACE;
        while Instant::now() < until {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            sleep(GLANCE);
        }
        eprintln!("   {} did not end when asked and is killed", self.name);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `command` to its end, its output shown as it comes; an exit other than 0 is an error.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<(), String> {
    let line = spelled(command);
    eprintln!("   $ {line}");
    let status = Running::start(&line, command)?.wait(limit, || {})?;
    if status.success() { Ok(()) } else { Err(format!("{line}: {status}")) }
}

/// What a short command prints on stdout; `None` if it cannot start or fails.
pub(crate) fn answer(program: impl AsRef<OsStr>, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where a program is: on PATH, or in a system folder that a user's PATH leaves out.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut folders = std::env::split_paths(&path).chain(beside);
    folders.find_map(|folder| Some(folder.join(program)).filter(|file| file.is_file()))
}

fn spelled(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let folder = crate::root();
    words
        .map(|word| {
            let path = std::path::Path::new(word);
            path.strip_prefix(&folder).unwrap_or(path).to_string_lossy().into_owned()
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Running {
        Running::start("sleep", Command::new("sleep").arg("60")).unwrap()
    }

    #[test]
    fn a_dropped_child_is_gone() {
        let child = sleeper();
        let entry = PathBuf::from(format!("/proc/{}", child.pid()));
        assert!(entry.exists());
        drop(child);
        assert!(!entry.exists());
    }

    #[test]
    fn a_child_past_its_limit_is_ended_and_named() {
        let error = sleeper().wait(Duration::from_millis(50), || {}).unwrap_err();
        assert!(error.starts_with("sleep still ran"), "{error}");
    }

    #[test]
    fn a_failing_command_is_an_error_with_its_line() {
        let error = run(Command::new("sh").args(["-c", "exit 3"]), GRACE).unwrap_err();
        assert!(error.contains("sh -c exit 3") && error.contains('3'), "{error}");
        assert_eq!(run(Command::new("sh").args(["-c", "exit 0"]), GRACE), Ok(()));
    }

    #[test]
    fn programs_are_found_where_they_are() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-here"), None);
    }
}
