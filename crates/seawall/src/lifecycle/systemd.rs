//! Tells systemd how the program is: that it is ready, what it does, that it lives, that it stops.
//!
//! A unit of `Type=notify` names a socket in `NOTIFY_SOCKET`; where there is none, nothing is told and nobody minds. See
//! `sd_notify(3)`.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

/// The longest status that is told, in bytes.
const LONGEST: usize = 1024;

/// The way to whoever supervises this process. Clones share it. Telling blocks no longer than the kernel takes to put a
/// datagram into a queue, and what cannot be told is lost.
#[derive(Clone)]
pub struct Notify(Arc<Inner>);

struct Inner {
    socket: UnixDatagram,
    to: SocketAddr,
    watchdog: Option<Duration>,
}

impl Notify {
    /// The one of this process's environment; nothing where nobody supervises it.
    pub fn from_env() -> Option<Self> {
        Self::of(|name| std::env::var_os(name))
    }

    /// The one that these variables describe.
    pub fn of(env: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let to = address(&env("NOTIFY_SOCKET")?).ok()?;
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        let number = |name: &str| env(name)?.to_str()?.parse::<u64>().ok();
        // A pid that is not ours means that our parent is meant.
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog =
            number("WATCHDOG_USEC").filter(|micros| ours && *micros > 0).map(Duration::from_micros);
        Some(Self(Arc::new(Inner { socket, to, watchdog })))
    }

    /// It serves: units that wait for it may start.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// It stops.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// What it is doing, for `systemctl status`: one line.
    pub fn status(&self, what: impl fmt::Display) {
        let what: String = what.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.tell(&format!("STATUS={}", &what[..what.floor_char_boundary(LONGEST)]));
    }

    /// It needs so much more time to start or to stop than the unit gives it.
    pub fn extend(&self, span: Duration) {
        self.tell(&format!("EXTEND_TIMEOUT_USEC={}", span.as_micros()));
    }

    /// It reads its configuration anew; say [`Notify::ready`] when that is done. For units of `Type=notify-reload`.
    #[cfg(feature = "system")]
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// How long it may be silent before it is killed; nothing where nobody watches.
    pub fn watchdog(&self) -> Option<Duration> {
        self.0.watchdog
    }

    /// Says that it lives, twice in the time it may be silent, as long as `lives` says so. It runs on the runtime it
    /// speaks for: one that is stuck says nothing, and is restarted. Returns at once where nobody watches.
    pub async fn keep_alive(&self, lives: impl Fn() -> bool) {
        let Some(span) = self.0.watchdog else { return };
        loop {
            if lives() {
                self.tell("WATCHDOG=1");
            }
            tokio::time::sleep(span / 2).await;
        }
    }

    fn tell(&self, what: &str) {
        let _ = self.0.socket.send_to_addr(what.as_bytes(), &self.0.to);
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").field("watchdog", &self.0.watchdog).finish_non_exhaustive()
    }
}

/// A path, or, where it begins with `@`, a name without a file.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    use std::os::unix::ffi::OsStrExt;
    match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', rest @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(rest)
        }
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::from(io::ErrorKind::InvalidInput)),
    }
}
