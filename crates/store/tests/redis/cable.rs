//! A cable between a store and its server that can be made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does to what the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Does {
    /// Passes it on.
    Carries,
    /// Lets the question through, and cuts the connection instead of the answer.
    Cuts,
    /// Swallows it.
    Swallows,
    /// Says something else.
    Garbles,
    /// Says an answer that nobody asked for first.
    Stutters,
}

/// A cable, until it is dropped.
pub(crate) struct Cable {
    does: Arc<AtomicU8>,
    server: Arc<AtomicU16>,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Cable {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let does = Arc::new(AtomicU8::new(Does::Carries as u8));
        let server = Arc::new(AtomicU16::new(server));
        let (how, target) = (does.clone(), server.clone());
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, target.load(Ordering::SeqCst), how.clone()));
            }
        });
        Self { does, server, port, task }
    }

    pub(crate) fn does(&self, what: Does) {
        self.does.store(what as u8, Ordering::SeqCst);
    }

    /// Where new connections go from now on.
    pub(crate) fn leads_to(&self, server: u16) {
        self.server.store(server, Ordering::SeqCst);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0?namespace=test", self.port)
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(near: TcpStream, server: u16, does: Arc<AtomicU8>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    let there = tokio::spawn(async move { tokio::io::copy(&mut from_near, &mut to_far).await });
    let mut said = [0; 16384];
    while let Ok(count @ 1..) = from_far.read(&mut said).await {
        let does = does.load(Ordering::SeqCst);
        let mut answer = said[..count].to_vec();
        match does {
            _ if does == Does::Cuts as u8 => break,
            _ if does == Does::Swallows as u8 => continue,
            _ if does == Does::Garbles as u8 => {
                answer
                    .iter_mut()
                    .enumerate()
                    .for_each(|(place, byte)| *byte = byte.wrapping_mul(31) ^ place as u8);
            }
            _ if does == Does::Stutters as u8 => {
                answer.splice(0..0, *b"$9\r\n\0\0\0\0\0Vxyz\r\n");
            }
            _ => {}
        }
        if to_near.write_all(&answer).await.is_err() {
            break;
        }
    }
    there.abort();
}
