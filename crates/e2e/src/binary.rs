//! The binary as its users run it: a process with a directory of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

const PATIENCE: Duration = Duration::from_secs(20);

/// The binary beside this test, or wherever `SEAWALL_BIN` says.
pub fn binary() -> Option<PathBuf> {
    let named = std::env::var_os("SEAWALL_BIN").map(PathBuf::from);
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("seawall"));
    let binary = named.or_else(beside).filter(|binary| binary.exists());
    if binary.is_none() {
        assert!(std::env::var_os("CI").is_none(), "the binary is not built: run `cargo build` first");
        eprintln!("SKIPPED: the binary is not built: run `cargo build` first");
    }
    binary
}

/// A seawall of its own process, with a directory of its own.
#[derive(Debug)]
pub struct Seawall {
    /// The process.
    pub child: Child,
    stderr: Lines<BufReader<ChildStderr>>,
    /// Where callers connect.
    pub listen: String,
    /// Where operators connect.
    pub admin: String,
}

/// A directory with a configuration in it; ports are the kernel's choice unless they are said.
pub fn configured(up: &str, listen: &str) -> TempDir {
    configured_with(up, listen, "./state", "")
}

/// The same with a state and further tables.
pub fn configured_with(up: &str, listen: &str, state: &str, more: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let text = format!(
        "version = 1\nlisten = \"{listen}\"\nadmin = \"127.0.0.1:0\"\nstate = \"{state}\"\n\n[upstream.up]\nurl = \"{up}\"\n{more}"
    );
    std::fs::write(home.path().join("seawall.toml"), text).unwrap();
    home
}

/// The command that serves it.
pub fn serve(binary: &PathBuf, home: &TempDir) -> Command {
    let mut command = Command::new(binary);
    command.args(["serve", "-c", "seawall.toml"]).current_dir(home.path()).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Seawall {
    /// Starts it, and returns when it serves.
    pub async fn start(binary: &PathBuf, home: &TempDir) -> Self {
        Self::begin(serve(binary, home)).await
    }

    /// As [`Seawall::start`], by a command of one's own.
    pub async fn begin(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut this = Self { child, stderr, listen: String::new(), admin: String::new() };
        let calls = this.said("calls at http").await;
        this.listen = calls.split_once("://").unwrap().1.split_once('/').unwrap().0.to_owned();
        let admin = this.said("admin at http").await;
        this.admin = admin.split_once("://").unwrap().1.trim_end_matches('/').to_owned();
        this
    }

    /// What follows these words on the first line of its stderr that has them.
    pub async fn said(&mut self, words: &str) -> String {
        let reading = async {
            while let Some(line) = self.stderr.next_line().await.unwrap() {
                if let Some((_, rest)) = line.split_once(words) {
                    return rest.to_owned();
                }
            }
            panic!("it ended without having said {words:?}");
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("it never said {words:?}"))
    }

    /// Sends it a signal, such as `-TERM`.
    pub async fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap()
    }

    /// Where a path is at the data port.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listen)
    }
}
