//! What one process has at a time: its ports, the name of its address, and its state directory.

use std::fs::{self, File, TryLockError};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use seawall_core::Code;

use crate::handover::{self, Way};
use crate::listen;
use crate::start::{StartError, refuse};

/// Sockets that were made before this process: handed over, or passed in by whoever started it.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For calls; empty to make them.
    pub listen: Vec<TcpListener>,
    /// For operators; none to make it.
    pub admin: Option<TcpListener>,
}

/// Something only one process can have; given back when it is dropped, or when the process dies.
#[derive(Debug)]
pub(crate) enum Lock {
    Directory(#[allow(dead_code, reason = "holding it is its whole use")] File),
    Address(#[allow(dead_code, reason = "holding it is its whole use")] Arc<UnixListener>),
}

pub(crate) fn own_directory(state: &Path) -> Result<Lock, StartError> {
    let unreadable = |error: std::io::Error| {
        refuse(
            Code::FileUnreadable,
            format!("the state directory {} cannot be used: {error}", state.display()),
        )
    };
    fs::create_dir_all(state).map_err(unreadable)?;
    let lock = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(state.join("lock"))
        .map_err(unreadable)?;
    match lock.try_lock() {
        Ok(()) => Ok(Lock::Directory(lock)),
        Err(TryLockError::WouldBlock) => {
            let state = state.display();
            let message =
                format!("another seawall owns {state}: stop it, or give this one a state of its own");
            Err(refuse(Code::StateInUse, message))
        }
        Err(TryLockError::Error(error)) => Err(unreadable(error)),
    }
}

/// Is nobody there? Sockets that share a port would not tell.
pub(crate) fn probe(address: SocketAddr) -> Result<(), StartError> {
    if address.port() == 0 {
        return Ok(());
    }
    TcpListener::bind(address).map(drop).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => in_use(address),
        _ => refuse(Code::AddressInUse, format!("cannot listen on {address}: {error}")),
    })
}

/// Sockets that share a port let a second instance share it too, so the port gets a lock of its own.
pub(crate) fn own_address(address: SocketAddr) -> Result<Option<Arc<UnixListener>>, StartError> {
    if address.port() == 0 {
        return Ok(None);
    }
    let name = handover::name(address).map_err(|error| refuse(Code::AddressInUse, error.to_string()))?;
    let lock = UnixListener::bind_addr(&name).map_err(|_| in_use(address))?;
    Ok(Some(Arc::new(lock)))
}

pub(crate) fn bind(address: SocketAddr, sockets: usize) -> Result<Vec<TcpListener>, StartError> {
    listen::bind(address, sockets).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => in_use(address),
        _ => refuse(Code::AddressInUse, format!("cannot listen on {address}: {error}")),
    })
}

fn in_use(address: SocketAddr) -> StartError {
    let message = format!("{address} is taken by another process: stop it, or choose another address");
    refuse(Code::AddressInUse, message)
}

/// Is that where it should be? Port 0 is any.
pub(crate) fn fits(bound: SocketAddr, wanted: SocketAddr) -> bool {
    bound.ip() == wanted.ip() && (wanted.port() == 0 || bound.port() == wanted.port())
}

/// Sockets that are there already, at least one for each of `count` threads: some share one.
pub(crate) fn spread(
    sockets: Vec<TcpListener>,
    wanted: SocketAddr,
    count: usize,
) -> Result<Vec<TcpListener>, StartError> {
    let unusable = |error: std::io::Error| {
        refuse(Code::AddressInUse, format!("a socket that was passed in cannot be used: {error}"))
    };
    for socket in &sockets {
        let bound = socket.local_addr().map_err(unusable)?;
        if !fits(bound, wanted) {
            let message =
                format!("the socket passed in is bound to {bound}, the configuration says {wanted}");
            return Err(refuse(Code::ConfigurationInvalid, message));
        }
        socket.set_nonblocking(true).map_err(unusable)?;
    }
    let mut all = Vec::with_capacity(count.max(sockets.len()));
    for place in sockets.len()..count {
        all.push(sockets[place % sockets.len()].try_clone().map_err(unusable)?);
    }
    all.extend(sockets);
    Ok(all)
}

/// What a successor asks at, and is given.
pub(crate) fn way(
    listener: &Arc<UnixListener>,
    listen: &[TcpListener],
    admin: &TcpListener,
) -> Result<Way, StartError> {
    let unusable = |error: std::io::Error| refuse(Code::AddressInUse, error.to_string());
    let listen = listen.iter().map(TcpListener::try_clone).collect::<std::io::Result<_>>();
    let admin = admin.try_clone().map(Some);
    let sockets = Sockets { listen: listen.map_err(unusable)?, admin: admin.map_err(unusable)? };
    Ok(Way { listener: listener.clone(), shelf: Arc::new(Mutex::new(Some(sockets))) })
}

pub(crate) fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| refuse(Code::AddressInUse, error.to_string()))
}
