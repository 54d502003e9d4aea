//! `seawall top`: live in a terminal, which it gives back as it was; once where there is none.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use seawall_e2e::binary::binary;
use seawall_e2e::{Rig, Running};
use seawall_testkit::{Reply, Upstream};

const PATIENCE: Duration = Duration::from_secs(20);

async fn gateway() -> (Upstream, Running) {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    gateway.get("/up/x").await;
    (up, gateway)
}

fn top(gateway: &Running) -> Option<Command> {
    let mut command = Command::new(binary()?);
    command.args(["top", "--admin", &gateway.gateway.admin().to_string()]);
    command.env_clear().env("TERM", "xterm");
    Some(command)
}

/// A program with a terminal of its own.
struct Terminal {
    child: std::process::Child,
    ours: File,
    theirs: File,
    came: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn start(mut command: Command) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        tcsetwinsize(&ours, Winsize { ws_row: 30, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let end = || Stdio::from(theirs.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let ours = File::from(ours);
        let (send, came) = channel();
        let mut reading = ours.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reading.read(&mut bytes) {
                if send.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, ours, theirs, came, seen: String::new() }
    }

    /// Reads until it has shown this.
    fn shows(&mut self, what: &str) {
        while !self.seen.contains(what) {
            let came = self.came.recv_timeout(PATIENCE);
            let came = came.unwrap_or_else(|_| panic!("{what:?} never came: {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&came));
        }
    }

    fn press(&mut self, key: &[u8]) {
        self.ours.write_all(key).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        self.shows("\u{1b}[?1049l");
        self.child.wait().unwrap()
    }

    /// Whether the terminal shows what is typed, line by line, and Ctrl-C interrupts.
    fn is_as_before(&self) -> bool {
        use rustix::termios::LocalModes;
        let modes = tcgetattr(&self.theirs).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_terminal_it_is_live_and_q_gives_the_terminal_back() {
    let (_up, gateway) = gateway().await;
    let Some(command) = top(&gateway) else { return };
    let mut terminal = Terminal::start(command);
    terminal.shows("\u{1b}[?1049h");
    terminal.shows("Healthy: 1 upstream, 1 calls/min, 100 % well");
    assert!(!terminal.is_as_before(), "keys come one by one");
    gateway.get("/up/x").await;
    terminal.shows("Healthy: 1 upstream, 2 calls/min, 100 % well");
    gateway.lever("/api/v1/breakers/up/force-open").await;
    terminal.shows("up is held open by ann since ");
    terminal.press(b"x");
    terminal.press(b"q");
    assert!(terminal.ended().success());
    assert!(terminal.is_as_before());
    assert!(terminal.seen.contains("\u{1b}[31m"), "in colour");
    assert!(terminal.seen.contains("\u{1b}[?25h"), "with its cursor");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_and_a_signal_give_the_terminal_back_too() {
    let (_up, gateway) = gateway().await;
    let Some(command) = top(&gateway) else { return };
    let mut terminal = Terminal::start(command);
    terminal.shows("Healthy");
    terminal.press(b"\x03");
    assert_eq!(terminal.ended().code(), Some(130));
    assert!(terminal.is_as_before());
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut terminal = Terminal::start(top(&gateway).unwrap());
        terminal.shows("Healthy");
        assert!(
            Command::new("kill").args([signal, &terminal.child.id().to_string()]).status().unwrap().success()
        );
        assert_eq!(terminal.ended().code(), Some(code), "{signal}");
        assert!(terminal.is_as_before(), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seawall_that_is_gone_is_said_and_what_was_seen_stays() {
    let (_up, gateway) = gateway().await;
    let Some(mut command) = top(&gateway) else { return };
    command.env("NO_COLOR", "1");
    let mut terminal = Terminal::start(command);
    terminal.shows("Healthy");
    gateway.gateway.stop();
    terminal.shows("what you see is old: no seawall answers at ");
    terminal.press(b"q");
    assert!(terminal.ended().success());
    assert!(!terminal.seen.contains("\u{1b}[31m"), "NO_COLOR is heard");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_is_no_terminal_it_writes_once() {
    let (_up, gateway) = gateway().await;
    let Some(mut command) = top(&gateway) else { return };
    let said = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.success() && said.stderr.is_empty(), "{said:?}", said = said.status);
    assert!(text.starts_with("● Healthy: 1 upstream, 1 calls/min, 100 % well\n"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let said = top(&gateway).unwrap().arg("--json").output().unwrap();
    let board: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(board["status"]["status"], "healthy");
    gateway.gateway.stop();
    let mut command = Command::new(binary().unwrap());
    let said = command.args(["top", "--admin", "127.0.0.1:1"]).output().unwrap();
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("no seawall answers at http://127.0.0.1:1"));
}
