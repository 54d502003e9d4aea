//! TLS as a server: one certificate, and perhaps those callers must bring.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use seawall::Invalid;
use seawall_core::secret::Secret;

/// What a port proves itself with: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, sessions resumed, no early data (it can be
/// replayed, and a request must not be).
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    /// The same for a port that speaks HTTP/1.1 alone.
    http1: Arc<ServerConfig>,
    ends: Option<SystemTime>,
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
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(Clients { authorities, required }) => {
                let bad = |why: String| Invalid::new("client_ca", why);
                let mut roots = RootCertStore::empty();
                for authority in certificates(authorities).map_err(bad)? {
                    let no_authority = |error| bad(format!("holds what is no authority: {error}"));
                    roots.add(authority).map_err(no_authority)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
                builder.with_client_cert_verifier(verifier.build().map_err(|error| bad(error.to_string()))?)
            }
        };
        let ends = chain.first().and_then(|own| ends(own));
        let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                Invalid::new("key", "is the key of another certificate: give the one that was made with it")
            }
            error => Invalid::new("cert", format!("cannot be used: {error}")),
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = Arc::new(config.clone());
        config.alpn_protocols.insert(0, b"h2".to_vec());
        Ok(Self { config: Arc::new(config), http1, ends })
    }

    /// When its certificate ends, if that can be read from it.
    pub fn ends(&self) -> Option<SystemTime> {
        self.ends
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

/// The last moment of a certificate: `notAfter` of RFC 5280.
fn ends(certificate: &[u8]) -> Option<SystemTime> {
    const SEQUENCE: u8 = 0x30;
    let (certificate, _) = part(certificate, SEQUENCE)?;
    let (mut fields, _) = part(certificate, SEQUENCE)?;
    // The version is there in all but the oldest; then a serial number, an algorithm and an issuer.
    if let Some((_, rest)) = part(fields, 0xA0) {
        fields = rest;
    }
    let (_, fields) = part(fields, 0x02)?;
    let (_, fields) = part(fields, SEQUENCE)?;
    let (_, fields) = part(fields, SEQUENCE)?;
    let (validity, _) = part(fields, SEQUENCE)?;
    let (_, after) = time(validity)?;
    let (ends, _) = time(after)?;
    Some(ends)
}

/// One part of a text in DER, and what follows it.
fn part(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&short, mut rest) = rest.split_first()?;
    let mut length = usize::from(short);
    if short >= 0x80 {
        let digits = usize::from(short & 0x7F);
        if !(1..=4).contains(&digits) {
            return None;
        }
        let (long, after) = rest.split_at_checked(digits)?;
        length = long.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        rest = after;
    }
    if first != tag { None } else { rest.split_at_checked(length) }
}

/// A moment: `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(bytes: &[u8]) -> Option<(SystemTime, &[u8])> {
    let ((text, rest), short) = match part(bytes, 0x17) {
        Some(utc) => (utc, true),
        None => (part(bytes, 0x18)?, false),
    };
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    // RFC 5280: two digits below fifty are of this century.
    let century = match short {
        true if text.get(..2)?.parse::<u8>().ok()? < 50 => "20",
        true => "19",
        false => "",
    };
    let moment = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", format!("{century}{text}")).ok()?;
    let moment = moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    let since = Duration::from_secs(u64::try_from(moment.as_second()).ok()?);
    Some((UNIX_EPOCH + since, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certified(until: i32) -> (String, String, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.not_after = date_time_ymd(until, 3, 1);
        let certificate = parameters.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem(), certificate.der().to_vec())
    }

    fn made(chain: &str, key: &str, clients: Option<&str>) -> Result<Tls, String> {
        let clients = clients.map(|pem| Clients { authorities: pem.as_bytes(), required: true });
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
        assert!(ends(&der).is_some());
        for length in 0..150.min(der.len()) {
            assert_eq!(ends(&der[..length]), None, "{length}");
        }
        for place in 0..der.len() {
            let mut garbled = der.clone();
            garbled[place] ^= 0xFF;
            let _ = ends(&garbled);
        }
    }
}
