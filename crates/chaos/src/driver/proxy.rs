//! A cable between a worker and whoever it speaks to, which can be cut.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// What happens to a cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Every connection ends at once, with what was on its way.
    Both,
    /// Questions still arrive, answers do not; a little later every connection ends.
    Answers,
    /// Nothing moves for so long.
    Stall(Duration),
}

/// A cable, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    cuts: watch::Sender<Option<Cut>>,
    task: JoinHandle<()>,
}

/// How long questions still arrive when answers do not.
const LAST: Duration = Duration::from_millis(30);

impl Cut {
    /// How long it goes on.
    pub const fn lasts(self) -> Duration {
        match self {
            Cut::Both => Duration::ZERO,
            Cut::Answers => LAST,
            Cut::Stall(span) => span,
        }
    }
}

impl Proxy {
    /// A cable to that address.
    pub async fn to(far: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (cuts, cut) = watch::channel(None);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let mut cut = cut.clone();
                cut.mark_unchanged();
                tokio::spawn(async move { carry(near, far, cut).await });
            }
        });
        Ok(Self { address, cuts, task })
    }

    /// Where the near end is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does that to every connection there is now.
    pub fn cut(&self, cut: Cut) {
        self.cuts.send_replace(Some(cut));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(near: TcpStream, far: SocketAddr, cut: watch::Receiver<Option<Cut>>) {
    let Ok(far) = TcpStream::connect(far).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    // Where one way ends, both do.
    tokio::select! {
        () = pass(from_near, to_far, cut.clone(), false) => {}
        () = pass(from_far, to_near, cut, true) => {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut cut: watch::Receiver<Option<Cut>>,
    answers: bool,
) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            biased;
            changed = cut.changed() => if changed.is_ok() { None } else { return },
            read = from.read(&mut bytes) => Some(read),
        };
        let Some(read) = read else {
            let now = *cut.borrow_and_update();
            match now {
                Some(Cut::Stall(span)) => sleep(span).await,
                Some(Cut::Answers) if answers => {
                    // Read and thrown away, while the other way still carries.
                    let _ = timeout(LAST, swallow(&mut from)).await;
                    return;
                }
                Some(Cut::Both) => return,
                Some(Cut::Answers) | None => {}
            }
            continue;
        };
        match read {
            Ok(count @ 1..) if to.write_all(&bytes[..count]).await.is_ok() => {}
            _ => return,
        }
    }
}

async fn swallow(from: &mut OwnedReadHalf) {
    let mut bytes = [0; 1024];
    while from.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}
