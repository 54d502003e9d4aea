//! Where a contestant keeps its records, and how they are lost: a private Redis, or a folder with a file in it.

use super::worker::Group;
use crate::process::{find, run};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

const STARTING: Duration = Duration::from_secs(10);

/// Records, of one round.
pub(super) struct Shelf {
    folder: PathBuf,
    redis: Option<Redis>,
}

/// A server that appends to a file and syncs it every second.
struct Redis {
    port: u16,
    server: Option<Group>,
}

impl Shelf {
    /// Room for records below `folder`.
    pub(super) fn new(folder: &Path, redis: bool) -> Result<Shelf, String> {
        let folder = folder.join("store");
        made(&folder)?;
        let mut shelf = Shelf { folder, redis: None };
        if redis {
            let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            let port = listener.map_err(|error| format!("a free port: {error}"))?.port();
            shelf.redis = Some(Redis { port, server: None });
            shelf.begin()?;
        }
        Ok(shelf)
    }

    /// How workers find it.
    pub(super) fn word(&self) -> String {
        match &self.redis {
            Some(redis) => format!("redis:{}", redis.port),
            None => format!("file:{}", self.folder.display()),
        }
    }

    pub(super) fn is_redis(&self) -> bool {
        self.redis.is_some()
    }

    /// Where the older copy lies.
    pub(super) fn copied(&self) -> PathBuf {
        self.folder.with_file_name("copy")
    }

    /// A crash after which nothing is there. Workers of a file must have ended.
    pub(super) fn lose(&mut self) -> Result<(), String> {
        self.crash();
        fs::remove_dir_all(&self.folder).map_err(|error| error.to_string())?;
        made(&self.folder)?;
        self.begin()
    }

    /// A copy of how it is now; made in order, while nobody writes.
    pub(super) fn copy(&mut self) -> Result<(), String> {
        if let Some(server) = self.redis.as_mut().and_then(|redis| redis.server.take()) {
            server.end()?;
        }
        lay(&self.folder, &self.copied())?;
        self.begin()
    }

    /// A crash after which the copy is there again.
    pub(super) fn put_back(&mut self) -> Result<(), String> {
        self.crash();
        fs::remove_dir_all(&self.folder).map_err(|error| error.to_string())?;
        lay(&self.copied(), &self.folder)?;
        self.begin()
    }

    fn crash(&mut self) {
        // Dropping it kills it.
        drop(self.redis.as_mut().and_then(|redis| redis.server.take()));
    }

    fn begin(&mut self) -> Result<(), String> {
        let Some(redis) = &mut self.redis else { return Ok(()) };
        let program = find("redis-server").ok_or("redis-server is not installed")?;
        let log = self.folder.with_file_name("redis.log");
        let log = File::options().create(true).append(true).open(log).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(["--port", &redis.port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--dir"]).arg(&self.folder);
        redis.server = Some(Group::start(command.stdout(log))?);
        let until = Instant::now() + STARTING;
        while !pong(redis.port) {
            if Instant::now() > until {
                return Err(format!("redis-server never answered on port {}", redis.port));
            }
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

fn pong(port: u16) -> bool {
    let ask = || {
        let mut line = TcpStream::connect(("127.0.0.1", port))?;
        line.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        line.read_exact(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    ask().is_ok_and(|answer| &answer == b"+PONG\r\n")
}

fn made(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn lay(from: &Path, to: &Path) -> Result<(), String> {
    run(Command::new("cp").args(["-a", "-T"]).arg(from).arg(to), STARTING)
}
