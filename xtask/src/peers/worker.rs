//! Workers that are driven by lines and ended by force, together with everything they started.

use crate::process::interrupted;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

const STARTING: Duration = Duration::from_secs(60);
const ENDING: Duration = Duration::from_secs(10);

/// What a worker says of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It was done; with its result.
    Done,
    /// Somebody is at it, or was cut off: to be asked again.
    InFlight,
    /// Nobody knows whether it was done, and it is not done again by itself.
    InDoubt,
    /// Nothing was begun, and why.
    Refused,
    /// An error of the call itself.
    Failed,
}

/// One answer, to the question of that number.
pub(super) struct Answer {
    pub(super) n: u64,
    pub(super) said: Said,
    pub(super) why: String,
}

/// A process in a group of its own. Dropping it kills the group.
pub(super) struct Group(Child);

impl Group {
    pub(super) fn start(command: &mut Command) -> Result<Group, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.process_group(0).spawn().map(Group).map_err(|error| format!("cannot start {name}: {error}"))
    }

    /// SIGKILL, for it and all it started.
    pub(super) fn kill(&mut self) {
        if let Some(pid) = self.pid() {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
        let _ = self.0.wait();
    }

    /// SIGTERM, and time to end in order.
    pub(super) fn end(mut self) -> Result<(), String> {
        if let Some(pid) = self.pid() {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        self.ended()
    }

    fn pid(&self) -> Option<rustix::process::Pid> {
        i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw)
    }

    fn ended(&mut self) -> Result<(), String> {
        let until = Instant::now() + ENDING;
        while Instant::now() < until {
            match self.0.try_wait() {
                Ok(None) => sleep(Duration::from_millis(5)),
                Ok(Some(_)) => return Ok(()),
                Err(error) => return Err(format!("cannot ask after a process: {error}")),
            }
        }
        Err("a process did not end when asked".into())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A worker that takes questions.
pub(super) struct Worker {
    group: Group,
    questions: Option<ChildStdin>,
    answers: Receiver<Value>,
}

impl Worker {
    /// Starts one in `folder`, where its stderr is kept, and waits until it is ready.
    pub(super) fn start(command: &mut Command, folder: &Path) -> Result<Worker, String> {
        let log = folder.join("workers.log");
        let log = File::options().create(true).append(true).open(log).map_err(|error| error.to_string())?;
        command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut group = Group::start(command)?;
        let (Some(questions), Some(out)) = (group.0.stdin.take(), group.0.stdout.take()) else {
            return Err("a worker without pipes".into());
        };
        let (heard, answers) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            lines
                .filter_map(|line| serde_json::from_str(&line).ok())
                .try_for_each(|it: Value| heard.send(it))
                .ok();
        });
        let until = Instant::now() + STARTING;
        loop {
            match answers.recv_timeout(Duration::from_millis(100)) {
                Ok(line) if line["ready"] == true => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout)
                    if !interrupted() && Instant::now() < until => {}
                _ => return Err(format!("a worker was never ready: see {}/workers.log", folder.display())),
            }
        }
        Ok(Worker { group, questions: Some(questions), answers })
    }

    /// Asks for a wish; the answer has the same number.
    pub(super) fn ask(&mut self, n: u64, wish: &str) -> Result<(), String> {
        let line = json!({ "n": n, "wish": wish });
        let Some(questions) = &mut self.questions else {
            return Err("a worker that takes no questions".into());
        };
        writeln!(questions, "{line}").map_err(|error| format!("a worker is gone: {error}"))
    }

    /// What it has said since.
    pub(super) fn heard(&self) -> impl Iterator<Item = Answer> + '_ {
        self.answers.try_iter().filter_map(|line| {
            let said = match line["said"].as_str()? {
                "done" => Said::Done,
                "in flight" => Said::InFlight,
                "in doubt" => Said::InDoubt,
                "refused" => Said::Refused,
                _ => Said::Failed,
            };
            let why = line["why"].as_str().unwrap_or_default().to_owned();
            Some(Answer { n: line["n"].as_u64()?, said, why })
        })
    }

    pub(super) fn kill(mut self) {
        self.group.kill();
    }

    /// No more questions; it ends in order.
    pub(super) fn end(mut self) -> Result<(), String> {
        self.questions = None;
        self.group.ended()
    }
}
