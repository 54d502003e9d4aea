//! A server of a test's own: on a free port, keeping nothing, ended with the test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) struct Server {
    running: Option<Child>,
    directory: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// None where the program is not here, which is said aloud, and a failure in CI.
    pub(crate) fn start() -> Option<Self> {
        let here = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        if here.is_err() {
            let ci = std::env::var_os("CI")
                .is_some_and(|value| !matches!(value.to_str(), Some("" | "0" | "false")));
            assert!(!ci, "redis-server is not here: apt-get install -y redis-server");
            eprintln!("skipped: redis-server is not here: apt-get install -y redis-server");
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let directory = tempfile::tempdir().expect("a directory");
        let mut server = Self { running: None, directory, port };
        server.start_again();
        Some(server)
    }

    pub(crate) fn start_again(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
        self.running = Some(command.spawn().expect("redis-server starts"));
        for _ in 0..500 {
            if self.answers() {
                return;
            }
            super::pause(Duration::from_millis(10));
        }
        panic!("the server never answers");
    }

    fn answers(&self) -> bool {
        let Ok(mut line) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut said = [0; 5];
        line.write_all(b"PING\r\n").and_then(|()| line.read_exact(&mut said)).is_ok() && said == *b"+PONG"
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().and_then(|()| child.wait()).expect("the server ends");
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0?namespace=test", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
