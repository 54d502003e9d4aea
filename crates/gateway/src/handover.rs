//! One process after another on the same sockets: a successor is given them while the one before still serves.
//!
//! ```text
//! successor                                  the one that serves
//!   reads its configuration
//!   connects, by the name of the address ──►  same user?  then: its sockets
//!   prepares what needs no journal
//!   "ready"  ─────────────────────────────►  accepts no more, lets calls end, gives its journal back, exits
//!   hears that it is gone  ◄───────────────
//!   opens the journal, accepts
//! ```
//!
//! Whoever connects meanwhile waits in the sockets' queues, which both have. A successor that dies before it is ready
//! changes nothing; one that dies while the other lets its callers go, neither.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as Name, UnixListener, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use seawall_core::Code;

use crate::owned::Sockets;
use crate::start::{StartError, refuse};

/// What a conversation begins with; another version would begin otherwise.
const GREETING: &[u8; 10] = b"seawall 1\n";
/// More sockets than anybody has cores.
const MOST: u16 = 4096;
/// How long either side waits for a word the other has at hand.
const PROMPT: Duration = Duration::from_secs(5);
/// How long a successor may take to prepare itself.
const PREPARING: Duration = Duration::from_secs(60);
/// How long the one before may take from letting go to its end.
const LEAVING: Duration = Duration::from_secs(10);
/// How long one that connects is left alone before it is looked at again.
const BREATH: Duration = Duration::from_millis(50);

/// The name nobody else can have while an address is served, and which a successor asks at.
pub(crate) fn name(address: SocketAddr) -> io::Result<Name> {
    Name::from_abstract_name(format!("seawall {address}"))
}

/// The way a successor comes.
#[derive(Debug)]
pub struct Way {
    pub(crate) listener: Arc<UnixListener>,
    pub(crate) shelf: Arc<Shelf>,
}

/// Where sockets lie for a successor; emptied when the gateway stops, so that nobody waits in a queue nobody looks at.
pub(crate) type Shelf = Mutex<Option<Sockets>>;

/// A process that has its sockets and is ready to go on. Dropping it lets it go on.
#[derive(Debug)]
pub struct Successor {
    stream: UnixStream,
    pid: i32,
}

impl Way {
    /// Waits for a successor that is ready. Blocks, for ever where none comes; what does not behave is passed over.
    #[allow(
        clippy::disallowed_methods,
        reason = "a thread of its own waits here, and has nothing else to do"
    )]
    pub fn next(&self) -> Successor {
        loop {
            match self.listener.accept().and_then(|(stream, _)| self.meet(stream)) {
                Ok(Some(successor)) => return successor,
                Ok(None) => {}
                Err(_) => std::thread::sleep(BREATH),
            }
        }
    }

    fn meet(&self, mut stream: UnixStream) -> io::Result<Option<Successor>> {
        let peer = socket_peercred(&stream).map_err(io::Error::from)?;
        let own = rustix::process::geteuid();
        if peer.uid != own && !peer.uid.is_root() {
            return Ok(None);
        }
        stream.set_read_timeout(Some(PROMPT))?;
        stream.set_write_timeout(Some(PROMPT))?;
        let mut greeting = [0; GREETING.len()];
        stream.read_exact(&mut greeting)?;
        if &greeting != GREETING {
            return Ok(None);
        }
        let count = |sockets: usize| u16::try_from(sockets).unwrap_or(MOST).min(MOST);
        let shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Sockets { listen, admin }) = &*shelf else { return Ok(None) };
        stream.write_all(GREETING)?;
        stream.write_all(&count(listen.len()).to_be_bytes())?;
        stream.write_all(&count(usize::from(admin.is_some())).to_be_bytes())?;
        for socket in listen.iter().chain(admin) {
            send(&stream, socket.as_fd())?;
        }
        drop(shelf);
        stream.set_read_timeout(Some(PREPARING))?;
        let mut ready = [0];
        stream.read_exact(&mut ready)?;
        Ok(Some(Successor { stream, pid: peer.pid.as_raw_nonzero().get() }))
    }
}

impl Successor {
    /// Its process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Has it gone?
    pub fn has_gone(&self) -> bool {
        let mut stream = &self.stream;
        let _ = stream.set_nonblocking(true);
        !matches!(stream.read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// What a successor was given, while the one before still serves.
#[derive(Debug)]
pub struct Taken {
    sockets: Sockets,
    stream: UnixStream,
}

/// Asks whoever serves `listen` for its sockets; none where nobody does.
///
/// Refuses where somebody is there who does not answer as this expects: another version, or another user.
pub fn take_over(listen: SocketAddr) -> Result<Option<Taken>, StartError> {
    let odd = |error: io::Error| {
        let what = format!("whoever serves {listen} did not hand its sockets over: {error}");
        refuse(Code::AddressInUse, format!("{what}; it runs as another user, or is of another version"))
    };
    let Ok(stream) = name(listen).and_then(|name| UnixStream::connect_addr(&name)) else { return Ok(None) };
    take(stream).map(Some).map_err(odd)
}

fn take(mut stream: UnixStream) -> io::Result<Taken> {
    stream.set_read_timeout(Some(PROMPT))?;
    stream.write_all(GREETING)?;
    let mut greeting = [0; GREETING.len()];
    stream.read_exact(&mut greeting)?;
    if &greeting != GREETING {
        return Err(io::Error::other("it greets otherwise"));
    }
    let mut counts = [0; 4];
    stream.read_exact(&mut counts)?;
    let [listen, admin] = [[counts[0], counts[1]], [counts[2], counts[3]]].map(u16::from_be_bytes);
    if listen == 0 || listen > MOST || admin > 1 {
        return Err(io::Error::other("it counts its sockets otherwise"));
    }
    let sockets = Sockets {
        listen: (0..listen).map(|_| receive(&stream)).collect::<io::Result<_>>()?,
        admin: (0..admin).map(|_| receive(&stream)).collect::<io::Result<Vec<_>>>()?.pop(),
    };
    Ok(Taken { sockets, stream })
}

impl Taken {
    /// Says that this process is ready, and waits until the one before has gone, for as long as `patience`: its drain,
    /// which only it knows, has to fit. Blocks.
    ///
    /// Refuses with [`Code::AddressInUse`] when it has not gone by then; it goes on serving, if it ever stopped.
    pub fn wait(mut self, patience: Duration) -> Result<Sockets, StartError> {
        let failed = |error: io::Error| {
            refuse(Code::AddressInUse, format!("the one before has not gone within {patience:?}: {error}"))
        };
        self.stream.set_read_timeout(Some(patience.max(PROMPT))).map_err(failed)?;
        let before = socket_peercred(&self.stream).ok().map(|peer| peer.pid).filter(|pid| *pid != getpid());
        self.stream.write_all(b"r").map_err(failed)?;
        match self.stream.read(&mut [0]) {
            Ok(_) => {}
            // Gone without a goodbye is gone.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => return Err(failed(error)),
        }
        // It let go of this socket; of its locks it lets go until its very end.
        if let Some(Ok(before)) = before.map(|pid| pidfd_open(pid, PidfdFlags::empty())) {
            let leaving = Timespec { tv_sec: LEAVING.as_secs().cast_signed(), tv_nsec: 0 };
            let _ = poll(&mut [PollFd::new(&before, PollFlags::IN)], Some(&leaving));
        }
        Ok(self.sockets)
    }
}

fn send(stream: &UnixStream, socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut attached = SendAncillaryBuffer::new(&mut space);
    let sockets = [socket];
    attached.push(SendAncillaryMessage::ScmRights(&sockets));
    sendmsg(stream, &[IoSlice::new(b"s")], &mut attached, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive(stream: &UnixStream) -> io::Result<TcpListener> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut attached = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut attached, RecvFlags::CMSG_CLOEXEC)?;
    let mut given: Vec<OwnedFd> = Vec::new();
    for message in attached.drain() {
        if let RecvAncillaryMessage::ScmRights(sockets) = message {
            given.extend(sockets);
        }
    }
    let socket = given.pop().ok_or_else(|| io::Error::other("a socket is missing"))?;
    let listener = TcpListener::from(socket);
    listener.local_addr()?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::thread::{self, JoinHandle};

    use super::*;

    /// Somebody who serves an address.
    fn serving(listen: usize) -> (SocketAddr, Way) {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap();
        let mut sockets = vec![first];
        while sockets.len() < listen {
            sockets.push(sockets[0].try_clone().unwrap());
        }
        let admin = Some(TcpListener::bind("127.0.0.1:0").unwrap());
        let listener = Arc::new(UnixListener::bind_addr(&name(address).unwrap()).unwrap());
        let shelf = Arc::new(Mutex::new(Some(Sockets { listen: sockets, admin })));
        (address, Way { listener, shelf })
    }

    fn waiting(way: Way) -> JoinHandle<Successor> {
        thread::spawn(move || way.next())
    }

    #[test]
    fn whoever_connects_before_and_after_is_accepted_by_somebody() {
        let (address, way) = serving(3);
        let next = waiting(way);
        let taken = take_over(address).unwrap().unwrap();
        assert_eq!(taken.sockets.listen.len(), 3);
        assert!(taken.sockets.admin.is_some());
        let mut early = TcpStream::connect(address).unwrap();
        let heir = thread::spawn(move || taken.wait(Duration::from_secs(20)).unwrap());
        let successor = next.join().unwrap();
        assert!(!successor.has_gone());
        assert_eq!(successor.pid(), i32::try_from(std::process::id()).unwrap());
        drop(successor);
        let sockets = heir.join().unwrap();
        early.write_all(b"hello").unwrap();
        let mut said = [0; 5];
        sockets.listen[1].accept().unwrap().0.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"hello");
    }

    #[test]
    fn where_nobody_serves_nothing_is_taken() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(take_over(free).unwrap().is_none());
    }

    #[test]
    fn one_that_dies_before_it_is_ready_and_one_that_talks_nonsense_are_passed_over() {
        let (address, way) = serving(1);
        let next = waiting(way);
        drop(take_over(address).unwrap());
        let mut nonsense = UnixStream::connect_addr(&name(address).unwrap()).unwrap();
        nonsense.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        drop(nonsense);
        let taken = take_over(address).unwrap().unwrap();
        let heir = thread::spawn(move || taken.wait(Duration::from_secs(20)).is_ok());
        let successor = next.join().unwrap();
        drop(successor);
        assert!(heir.join().unwrap());
    }

    #[test]
    fn one_that_dies_after_it_was_ready_is_seen() {
        let (address, way) = serving(1);
        let next = waiting(way);
        let mut taken = take_over(address).unwrap().unwrap();
        taken.stream.write_all(b"r").unwrap();
        let successor = next.join().unwrap();
        assert!(!successor.has_gone());
        drop(taken);
        assert!(successor.has_gone());
    }

    #[test]
    fn somebody_else_at_that_name_is_refused() {
        let (address, way) = serving(1);
        let other = thread::spawn(move || {
            let (mut stream, _) = way.listener.accept().unwrap();
            stream.write_all(b"seawall 2\n????").unwrap();
            let _ = stream.read(&mut [0; 64]);
        });
        let refused = take_over(address).unwrap_err();
        assert_eq!(refused.code, Code::AddressInUse);
        assert!(refused.message.contains("another version"), "{refused}");
        other.join().unwrap();
    }
}
