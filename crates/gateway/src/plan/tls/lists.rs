//! Certificates that were taken back before their end: lists of them, and what is believed of whoever brings one.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertRevocationListError, RootCertStore};
use seawall::Invalid;
use seawall_core::clock::wall_now;

use super::{Clients, certificates, der};

/// Who looks at certificates that are brought, and when its lists have to be renewed.
pub(super) struct Believing {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    pub(super) due: Option<SystemTime>,
}

impl Believing {
    pub(super) fn new(clients: Clients<'_>, provider: Arc<CryptoProvider>) -> Result<Self, Invalid> {
        let bad = |why: String| Invalid::new("client_ca", why);
        let mut roots = RootCertStore::empty();
        for authority in certificates(clients.authorities).map_err(bad)? {
            roots.add(authority).map_err(|error| bad(format!("holds what is no authority: {error}")))?;
        }
        let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if !clients.required {
            verifier = verifier.allow_unauthenticated();
        }
        let mut due = None;
        for file in clients.revoked {
            let lists = lists(file).map_err(|why| Invalid::new("crl", why))?;
            due = lists.iter().filter_map(|list| der::next_due(list)).chain(due).min();
            // A list that ended says nothing, and an authority without one neither: then nobody is believed.
            verifier = verifier.with_crls(lists).enforce_revocation_expiration();
        }
        let verifier = verifier.build().map_err(|error| match error {
            VerifierBuilderError::InvalidCrl(why) => Invalid::new("crl", unread(&why)),
            error => bad(error.to_string()),
        })?;
        Ok(Self { verifier, due })
    }

    /// Is whoever brought this chain still believed? Nobody brought an empty one.
    pub(super) fn believes(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Some((own, between)) = chain.split_first() else { return !self.verifier.client_auth_mandatory() };
        let now = wall_now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.verifier.verify_client_cert(own, between, UnixTime::since_unix_epoch(now)).is_ok()
    }
}

/// The lists of a file: PEM, or one in DER as authorities publish it.
fn lists(file: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let none = || "holds no list: give PEM text with -----BEGIN X509 CRL-----, or DER".to_owned();
    if file.first() == Some(&0x30) {
        return Ok(vec![CertificateRevocationListDer::from(file.to_vec())]);
    }
    let all: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(file).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or_else(none)
}

/// Reads lists, and says when the first of them has to be renewed.
///
/// Refuses what is no list, and what is one of a kind that cannot be used: one without an end, or of changes to another.
pub fn due(file: &[u8]) -> Result<SystemTime, String> {
    let mut first = None;
    for list in lists(file)? {
        let read = webpki::BorrowedCertRevocationList::from_der(&list);
        read.map_err(|why| format!("holds a list that cannot be used: {why}"))?;
        let due = der::next_due(&list);
        first = Some(
            due.ok_or("holds a list that does not say when it ends: ask its authority for one that does")?,
        )
        .into_iter()
        .chain(first)
        .min();
    }
    first.ok_or_else(|| "holds no list".to_owned())
}

fn unread(why: &CertRevocationListError) -> String {
    format!("holds a list that cannot be used: {why:?}")
}
