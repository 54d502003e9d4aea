//! A Redis of a test's own: on a free port, in a directory of its own, ended with the test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use seawall::fleet;
use seawall_gateway::plan;
use seawall_store::redis::{Check, Redis, RedisOptions};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::eventually;

/// A server, running or not.
#[derive(Debug)]
pub struct RedisServer {
    running: Option<Child>,
    /// Where it listens, on this machine.
    pub port: u16,
    home: TempDir,
    settings: Vec<String>,
}

impl RedisServer {
    /// A new server; none where the program is not here, which is said aloud, and a failure in CI.
    pub async fn start(settings: &[&str]) -> Option<Self> {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let settings = settings.iter().map(|&word| word.to_owned()).collect();
        let mut server = Self { running: None, port, home: tempfile::tempdir().unwrap(), settings };
        server.again().await.then_some(server)
    }

    /// Starts it again where it was.
    pub async fn again(&mut self) -> bool {
        let child = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(&self.settings)
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let Ok(child) = child else {
            assert!(
                std::env::var_os("CI").is_none(),
                "redis-server is missing: install the package redis-server"
            );
            eprintln!("SKIPPED: redis-server is not installed");
            return false;
        };
        self.running = Some(child);
        eventually("the server listens", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.ok()
        })
        .await;
        true
    }

    /// Ends it as a crash would.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().await.unwrap();
        }
    }

    /// Where a gateway finds it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0?namespace=test", self.port)
    }

    /// A part of a plan: what gateways share in this server.
    pub async fn fleet(&self) -> plan::Fleet {
        let options = RedisOptions { acknowledged: [Check::Persistence].into(), ..RedisOptions::default() };
        let store = Arc::new(Redis::open(&self.url(), options).await.unwrap().store);
        // On a busy machine an answer may take long; a server that was killed is noticed all the same.
        let options =
            fleet::Options { members: 2, patience: Duration::from_secs(10), ..fleet::Options::default() };
        plan::Fleet { store, options }
    }
}
