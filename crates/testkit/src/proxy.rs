//! A proxy that opens tunnels, as companies have them: it asks who comes, and remembers where they went.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The longest request it reads.
const MOST: usize = 16 * 1024;

/// A proxy on loopback that understands `CONNECT` and nothing else. Dropping it ends it, not its tunnels.
pub struct Proxy {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1. With a credential it answers 407 to whoever does not send it in
    /// `proxy-authorization`. Every name leads to loopback: a test's upstreams are nowhere else.
    pub async fn start(credential: Option<&str>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (heard, credential) = (Arc::clone(&asked), credential.map(str::to_owned));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (heard, credential) = (Arc::clone(&heard), credential.clone());
                tokio::spawn(async move {
                    // Whoever hangs up has had enough.
                    let _ = serve(stream, &heard, credential.as_deref()).await;
                });
            }
        });
        Ok(Self { addr, asked, task })
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Where tunnels were asked for, each `host:port`, refused ones included.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    heard: &Mutex<Vec<String>>,
    credential: Option<&str>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MOST {
        head.push(stream.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut words = text.split_whitespace();
    let (Some("CONNECT"), Some(target)) = (words.next(), words.next()) else {
        return stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n").await;
    };
    heard.lock().unwrap_or_else(PoisonError::into_inner).push(target.to_owned());
    let knows = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or_default();
        name.eq_ignore_ascii_case("proxy-authorization") && Some(value.trim()) == credential
    };
    if credential.is_some() && !text.lines().any(knows) {
        return stream
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            .await;
    }
    let port = target.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
    match TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
        Ok(mut there) => {
            stream.write_all(b"HTTP/1.1 200 Connection established\r\nx-proxy: testkit\r\n\r\n").await?;
            copy_bidirectional(&mut stream, &mut there).await.map(|_| ())
        }
        Err(_) => stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await,
    }
}
