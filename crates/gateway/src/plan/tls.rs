//! TLS as a server: one certificate, and perhaps those callers must bring.

mod der;
mod lists;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use seawall::Invalid;
use seawall_core::secret::Secret;

use lists::Believing;
pub use lists::due;

/// What a port proves itself with: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, sessions resumed where nobody is asked for a
/// certificate, no early data (it can be replayed, and a request must not be).
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    /// The same for a port that speaks HTTP/1.1 alone.
    http1: Arc<ServerConfig>,
    ends: Option<SystemTime>,
    believing: Option<Arc<Believing>>,
}

/// What a port can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// HTTP/1.1 and HTTP/2.
    Http2Too,
    /// HTTP/1.1.
    Http1,
}

/// Whose certificates callers bring.
#[derive(Debug, Clone, Copy)]
pub struct Clients<'p> {
    /// The authorities that sign them, as PEM.
    pub authorities: &'p [u8],
    /// Nobody gets in without one; else who brings one is held to it.
    pub required: bool,
    /// Files with lists of those that were taken back, PEM or DER. Where there is any, every authority between a caller and
    /// one of `authorities` needs a list that has not ended: else nobody of it is believed.
    pub revoked: &'p [Arc<[u8]>],
}

impl Tls {
    /// Reads a chain of certificates, the port's own first, and its key; all PEM.
    ///
    /// Refuses what is no certificate or no key, a key of another certificate, and authorities that are none. That the
    /// certificate has ended is no reason: see [`Tls::ends`].
    pub fn new(chain: &[u8], key: &Secret, clients: Option<Clients<'_>>) -> Result<Self, Invalid> {
        let chain = certificates(chain).map_err(|why| Invalid::new("cert", why))?;
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| {
            Invalid::new("key", "holds no private key: give PEM text with -----BEGIN PRIVATE KEY-----")
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| Invalid::new("cert", error.to_string()))?;
        let believing = clients.map(|clients| Believing::new(clients, provider)).transpose()?.map(Arc::new);
        let builder = match &believing {
            None => builder.with_no_client_auth(),
            Some(believing) => builder.with_client_cert_verifier(believing.verifier.clone()),
        };
        let ends = chain.first().and_then(|own| der::ends(own));
        let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                Invalid::new("key", "is the key of another certificate: give the one that was made with it")
            }
            error => Invalid::new("cert", format!("cannot be used: {error}")),
        })?;
        if believing.is_some() {
            // Who resumes a session is not looked at again: their certificate may have ended since, or been taken back.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = Arc::new(config.clone());
        config.alpn_protocols.insert(0, b"h2".to_vec());
        Ok(Self { config: Arc::new(config), http1, ends, believing })
    }

    /// When its certificate ends, if that can be read from it.
    pub fn ends(&self) -> Option<SystemTime> {
        self.ends
    }

    /// When the first of its lists of revoked certificates ends, if there is any: then nobody who brings one gets in.
    pub fn due(&self) -> Option<SystemTime> {
        self.believing.as_ref()?.due
    }

    /// Is it the same, made of the same files at the same moment?
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
    }

    /// Is whoever brought this chain, nobody an empty one, still let in?
    pub(crate) fn believes(&self, chain: &[CertificateDer<'_>]) -> bool {
        self.believing.as_ref().is_none_or(|believing| believing.believes(chain))
    }

    /// Does it matter whom a connection is from?
    pub(crate) fn asks(&self) -> bool {
        self.believing.is_some()
    }

    pub(crate) fn config(&self, speaks: Speaks) -> Arc<ServerConfig> {
        match speaks {
            Speaks::Http2Too => self.config.clone(),
            Speaks::Http1 => self.http1.clone(),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("ends", &self.ends).finish_non_exhaustive()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err("holds no certificate: give PEM text with -----BEGIN CERTIFICATE-----".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use rcgen::{
        CertificateParams, CertificateRevocationList, CertificateRevocationListParams, Issuer, KeyIdMethod,
        KeyPair, date_time_ymd,
    };

    use super::*;

    fn certified(until: i32) -> (String, String, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.not_after = date_time_ymd(until, 3, 1);
        let certificate = parameters.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem(), certificate.der().to_vec())
    }

    fn made(chain: &str, key: &str, clients: Option<&str>) -> Result<Tls, String> {
        let clients =
            clients.map(|pem| Clients { authorities: pem.as_bytes(), required: true, revoked: &[] });
        Tls::new(chain.as_bytes(), &Secret::new(key.to_owned()), clients)
            .map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_its_spellings() {
        // The first is written with two digits of the year, the other with four.
        for (year, seconds) in [(2031, 1_930_089_600), (2060, 2_845_324_800)] {
            let (chain, key, _) = certified(year);
            let ends = made(&chain, &key, None).unwrap().ends().unwrap();
            assert_eq!(ends.duration_since(UNIX_EPOCH).unwrap().as_secs(), seconds, "{year}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_the_key_that_names_it() {
        let ((chain, key, _), (_, other, _)) = (certified(2031), certified(2031));
        assert!(made("", &key, None).unwrap_err().starts_with("cert: holds no certificate"));
        assert!(made(&key, &key, None).unwrap_err().starts_with("cert: holds no certificate"));
        let cut = made(&chain[..chain.len() / 2], &key, None).unwrap_err();
        assert!(cut.starts_with("cert: holds no certificate"), "{cut}");
        assert!(made(&chain, &chain, None).unwrap_err().starts_with("key: holds no private key"));
        assert!(made(&chain, &other, None).unwrap_err().starts_with("key: is the key of another"));
        assert!(made(&chain, &key, Some("")).unwrap_err().starts_with("client_ca: holds no certificate"));
    }

    #[test]
    fn a_certificate_that_is_cut_or_garbled_has_no_end_and_does_no_harm() {
        let (_, _, der) = certified(2031);
        assert!(der::ends(&der).is_some());
        for length in 0..150.min(der.len()) {
            assert_eq!(der::ends(&der[..length]), None, "{length}");
        }
        for place in 0..der.len() {
            let mut garbled = der.clone();
            garbled[place] ^= 0xFF;
            let _ = der::ends(&garbled);
            let _ = der::next_due(&garbled);
        }
    }

    fn list(until: i32) -> CertificateRevocationList {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::new(CertificateParams::new(Vec::new()).unwrap(), key);
        let made = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 3, 1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        made.signed_by(&issuer).unwrap()
    }

    #[test]
    fn a_list_says_when_it_ends_in_each_of_its_spellings_and_the_first_end_counts() {
        let seconds = |file: &[u8]| due(file).unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (soon, later) = (list(2031), list(2060));
        assert_eq!(seconds(soon.der()), 1_930_089_600);
        assert_eq!(seconds(later.pem().unwrap().as_bytes()), 2_845_324_800);
        let both = format!("{}{}", later.pem().unwrap(), soon.pem().unwrap());
        assert_eq!(seconds(both.as_bytes()), 1_930_089_600);
    }

    #[test]
    fn what_is_no_list_is_refused_and_never_an_empty_one() {
        let (chain, key, _) = certified(2031);
        let good = list(2060);
        let der = good.der();
        for wrong in [&b""[..], b"x", chain.as_bytes(), &der[..der.len() - 1], &der[1..]] {
            assert!(due(wrong).is_err());
            let revoked = [Arc::from(wrong)];
            let clients = Clients { authorities: chain.as_bytes(), required: true, revoked: &revoked };
            let made = Tls::new(chain.as_bytes(), &Secret::new(key.clone()), Some(clients));
            assert!(made.unwrap_err().to_string().starts_with("crl: holds "));
        }
        for place in 0..der.len() {
            let mut garbled = der.to_vec();
            garbled[place] ^= 0xFF;
            let _ = due(&garbled);
        }
    }
}
