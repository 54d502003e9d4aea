//! Whether whoever began a connection is still let in: configurations change, certificates end and are taken back.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use seawall::{Code, Rejection};
use seawall_core::Instant;

use crate::plan::tls::Tls;
use crate::socket::Link;

/// How soon somebody is looked at again where nothing has changed: certificates and lists end by themselves.
const AGAIN: Duration = Duration::from_secs(60);

/// What is known of whoever began a connection.
pub(crate) struct Standing {
    pub(crate) tls: bool,
    /// What they brought to prove who they are.
    chain: Vec<CertificateDer<'static>>,
    seen: Mutex<Option<Seen>>,
}

/// When somebody was looked at, under which terms, and what was found.
struct Seen {
    at: Instant,
    tls: Tls,
    believed: bool,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl Standing {
    /// Of a connection that was just let in under these terms.
    pub(crate) fn new(link: &Link, tls: Option<&Tls>, now: Instant) -> Self {
        let seen = tls.map(|tls| Seen { at: now, tls: tls.clone(), believed: true });
        Self { tls: link.is_tls(), chain: link.chain(), seen: Mutex::new(seen) }
    }

    /// Why a request is refused under the terms of now, if it is. Costs nothing where nobody is asked for certificates.
    pub(crate) fn refused(&self, tls: Option<&Tls>, now: Instant) -> Option<Rejection> {
        let tls = tls?;
        if !self.tls {
            let why = "this port speaks TLS now: connect again by https";
            return Some(Rejection::new(Code::SpeaksTls).because(why));
        }
        if !tls.asks() || self.believed(tls, now) {
            return None;
        }
        Some(Rejection::new(Code::CertificateRefused))
    }

    fn believed(&self, tls: &Tls, now: Instant) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = seen.as_ref().filter(|seen| seen.tls.is(tls) && now.since(seen.at) < AGAIN) {
            return seen.believed;
        }
        let believed = tls.believes(&self.chain);
        *seen = Some(Seen { at: now, tls: tls.clone(), believed });
        believed
    }
}
