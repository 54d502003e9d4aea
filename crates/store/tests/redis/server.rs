//! A server of a test's own: on a free port, in a directory of its own, ended with the test.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{FromRedisValue, RedisResult};
use tempfile::TempDir;

/// A server, running or not.
pub(crate) struct Server {
    running: Option<Child>,
    directory: TempDir,
    port: u16,
    settings: Vec<String>,
}

/// How a server keeps what it acknowledges.
pub(crate) const ALWAYS: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];
pub(crate) const EVERY_SECOND: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];
pub(crate) const NOTHING: &[&str] = &["--appendonly", "no"];

/// A new server; none where the program is not here, which is said aloud, and a failure in CI.
pub(crate) async fn server(settings: &[&str]) -> Option<Server> {
    let program = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|place| place.join("redis-server")).find(|program| program.is_file())
    });
    if program.is_none() {
        let ci =
            std::env::var_os("CI").is_some_and(|value| !matches!(value.to_str(), Some("" | "0" | "false")));
        assert!(!ci, "redis-server is not here: apt-get install -y redis-server");
        eprintln!("skipped: redis-server is not here: apt-get install -y redis-server");
        return None;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let settings = settings.iter().map(|&word| word.to_owned()).collect();
    let mut server = Server { running: None, directory, port: free(), settings };
    server.start().await;
    Some(server)
}

/// A port nobody listens on.
pub(crate) fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Waits for what is about to be true.
pub(crate) async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}

impl Server {
    pub(crate) async fn start(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(self.directory.path());
        let child = command.args(&self.settings).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.running = Some(child.expect("redis-server starts"));
        let server = &*self;
        eventually("the server answers", || server.says::<String>(&["PING"]).is_ok()).await;
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().and_then(|()| child.wait()).expect("the server ends");
        }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.as_ref().expect("it runs").id()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0?namespace=test", self.port)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// One command, as any client would say it.
    pub(crate) fn says<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let client = redis::Client::open(("127.0.0.1", self.port))?;
        let mut line = client.get_connection_with_timeout(Duration::from_secs(2))?;
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command.query(&mut line)
    }

    /// Cuts the connections of everybody, where a password is asked for.
    pub(crate) fn cut(&self, password: &str) {
        let client = redis::Client::open(("127.0.0.1", self.port)).expect("an address");
        let info = redis::RedisConnectionInfo::default().set_password(password);
        let client = redis::Client::open(client.get_connection_info().clone().set_redis_settings(info))
            .expect("an address");
        let mut line = client.get_connection_with_timeout(Duration::from_secs(2)).expect("it answers");
        redis::cmd("CLIENT")
            .arg("KILL")
            .arg("TYPE")
            .arg("normal")
            .arg("SKIPME")
            .arg("yes")
            .exec(&mut line)
            .expect("it works");
    }

    /// One command of any bytes that must work.
    pub(crate) fn asks(&self, command: &redis::Cmd) {
        let client = redis::Client::open(("127.0.0.1", self.port)).expect("an address");
        let mut line = client.get_connection_with_timeout(Duration::from_secs(2)).expect("it answers");
        command.exec(&mut line).expect("it works");
    }

    /// One command that must work.
    pub(crate) fn tell(&self, words: &[&str]) {
        let said: redis::Value = self.says(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        drop(said);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
