//! TLS as a client: which authorities are believed, and which protocols are offered.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};

/// TLS settings, made once and shared by every pool: TLS 1.2 and 1.3, Mozilla's authorities, sessions resumed, no early
/// data (it can be replayed, and a request must not be).
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

/// Certificates that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

impl Tls {
    /// Believes Mozilla's authorities, and those in `extra_ca_pem` beside them.
    ///
    /// # Errors
    /// The PEM text holds no certificate, or one that is no authority.
    pub fn new(extra_ca_pem: Option<&[u8]>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(pem) = extra_ca_pem {
            let known = roots.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate =
                    certificate.map_err(|error| TlsError(format!("not a PEM certificate: {error}")))?;
                roots
                    .add(certificate)
                    .map_err(|error| TlsError(format!("not an authority's certificate: {error}")))?;
            }
            if roots.len() == known {
                return Err(TlsError(
                    "no certificate found: give PEM text with -----BEGIN CERTIFICATE-----".into(),
                ));
            }
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| TlsError(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// The same, offering only `protocols`; authorities and sessions stay shared.
    pub(super) fn offering(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        if self.0.alpn_protocols.iter().map(Vec::as_slice).eq(protocols.iter().copied()) {
            return Arc::clone(&self.0);
        }
        let mut config = (*self.0).clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}
