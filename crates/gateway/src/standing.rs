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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{
        CertificateParams, CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, SerialNumber,
        date_time_ymd,
    };
    use seawall_core::secret::Secret;

    use super::*;
    use crate::plan::tls::Clients;

    const MINUTE: Duration = Duration::from_secs(60);

    struct Authority(String, Issuer<'static, KeyPair>);

    impl Authority {
        fn new() -> Self {
            let key = KeyPair::generate().unwrap();
            let mut parameters = CertificateParams::new(Vec::new()).unwrap();
            parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let pem = parameters.self_signed(&key).unwrap().pem();
            Self(pem, Issuer::new(parameters, key))
        }

        fn signed(&self, until: i32) -> (String, Vec<CertificateDer<'static>>, String) {
            let key = KeyPair::generate().unwrap();
            let mut parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            parameters.not_after = date_time_ymd(until, 1, 1);
            let signed = parameters.signed_by(&key, &self.1).unwrap();
            (signed.pem(), vec![signed.der().clone()], key.serialize_pem())
        }

        fn list(&self, until: i32) -> Arc<[u8]> {
            let made = CertificateRevocationListParams {
                this_update: date_time_ymd(1999, 1, 1),
                next_update: date_time_ymd(until, 1, 1),
                crl_number: SerialNumber::from(1u64),
                issuing_distribution_point: None,
                revoked_certs: Vec::new(),
                key_identifier_method: KeyIdMethod::Sha256,
            };
            Arc::from(made.signed_by(&self.1).unwrap().der().to_vec())
        }

        /// A port that asks for certificates of this authority, with a list where one is there.
        fn port(&self, list: Option<i32>) -> Tls {
            let revoked: Vec<_> = list.map(|until| self.list(until)).into_iter().collect();
            let clients = Clients { authorities: self.0.as_bytes(), required: true, revoked: &revoked };
            let (chain, _, key) = self.signed(2060);
            Tls::new(chain.as_bytes(), &Secret::new(key), Some(clients)).unwrap()
        }
    }

    /// Somebody who was let in just now.
    fn let_in(tls: &Tls, chain: Vec<CertificateDer<'static>>) -> Standing {
        let seen = Seen { at: Instant::ORIGIN, tls: tls.clone(), believed: true };
        Standing { tls: true, chain, seen: Mutex::new(Some(seen)) }
    }

    #[test]
    fn what_ended_since_is_found_after_a_minute_and_what_is_good_stays_so() {
        let people = Authority::new();
        // Long over by the clock on the wall; to these connections it happened after they were let in.
        for (certificate, list, stays) in
            [(2060, None, true), (2060, Some(2060), true), (2001, None, false), (2060, Some(2001), false)]
        {
            let tls = people.port(list);
            let standing = let_in(&tls, people.signed(certificate).1);
            let code = |after: Duration| {
                standing.refused(Some(&tls), Instant::ORIGIN + after).map(|refused| refused.code)
            };
            let told = if stays { None } else { Some(Code::CertificateRefused) };
            let nearly = MINUTE - Duration::from_nanos(1);
            assert_eq!(code(nearly), None, "{certificate} {list:?}: it was looked at less than a minute ago");
            assert_eq!(code(MINUTE), told, "{certificate} {list:?}");
            assert_eq!(
                code(MINUTE + nearly),
                told,
                "{certificate} {list:?}: and what was found is remembered"
            );
            assert_eq!(code(MINUTE * 2), told, "{certificate} {list:?}");
        }
    }

    #[test]
    fn other_terms_are_looked_at_at_once() {
        let (people, others) = (Authority::new(), Authority::new());
        let (before, now) = (people.port(None), others.port(None));
        let standing = let_in(&before, people.signed(2060).1);
        let at = Instant::ORIGIN;
        assert!(standing.refused(Some(&before), at).is_none());
        assert_eq!(standing.refused(Some(&now), at).unwrap().code, Code::CertificateRefused);
        assert!(
            standing.refused(Some(&before), at).is_none(),
            "and so are those from before, where they come back"
        );
        assert!(standing.refused(None, at).is_none(), "nobody is asked in the clear");
    }
}
