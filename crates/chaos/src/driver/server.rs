//! A Redis server of the run's own: on a free port, in a directory of its own, syncing everything it acknowledges.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// How long a server may take to read its file.
const STARTING: Duration = Duration::from_secs(30);

/// A server, running or not.
#[derive(Debug)]
pub struct Server {
    running: Option<Child>,
    directory: PathBuf,
    port: u16,
}

/// Where the program is; none is that it is not here.
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|place| place.join("redis-server"));
    found.chain([PathBuf::from("/usr/sbin/redis-server")]).find(|program| program.is_file())
}

impl Server {
    /// Starts one that keeps its file in that directory.
    pub async fn start(directory: &Path) -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut server = Self { running: None, directory: directory.to_owned(), port };
        server.again().await?;
        Ok(server)
    }

    /// Where it listens, running or not.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Ends it as a crash would.
    pub async fn kill(&mut self) -> io::Result<()> {
        match self.running.take() {
            Some(mut child) => child.kill().await,
            None => Ok(()),
        }
    }

    /// Starts it again on the same port, and waits until it answers.
    pub async fn again(&mut self) -> io::Result<()> {
        let program = program().ok_or_else(|| io::Error::other("redis-server is not here"))?;
        let port = self.port.to_string();
        let mut command = Command::new(program);
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"]);
        // Rewritten early, so that it is read quickly when it starts again.
        command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        command.args(["--auto-aof-rewrite-min-size", "16mb", "--auto-aof-rewrite-percentage", "200"]);
        command.arg("--dir").arg(&self.directory).kill_on_drop(true);
        self.running =
            Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        let answers = async {
            while self.answers().await.is_err() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(STARTING, answers).await.map_err(|_| io::Error::other("redis-server does not answer"))
    }

    async fn answers(&self) -> io::Result<()> {
        let mut line = TcpStream::connect(self.address()).await?;
        line.write_all(b"PING\r\n").await?;
        let mut said = [0; 5];
        line.read_exact(&mut said).await?;
        // Anything else is that it still reads its file.
        if &said == b"+PONG" { Ok(()) } else { Err(io::Error::other("not yet")) }
    }
}
