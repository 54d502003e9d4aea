//! TLS to the server: which authorities are believed, and what we show of ourselves.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::address::Address;
use super::options::RedisOptions;

/// How connections to one server begin.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
}

impl Tls {
    /// TLS where the address wants it. Refuses what would be of no use without it, and what cannot be read.
    pub(super) fn of(address: &Address, options: &RedisOptions) -> Result<Option<Self>, String> {
        if !address.tls {
            return match (&options.ca, &options.identity) {
                (None, None) => Ok(None),
                _ => Err(format!(
                    "certificates are of use with TLS only, and {address} has none: write rediss://"
                )),
            };
        }
        let name = ServerName::try_from(address.host.clone())
            .map_err(|_| format!("{:?} is no name a certificate could have", address.host))?;
        let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(pem) = &options.ca {
            for certificate in certificates("ca", pem)? {
                roots.add(certificate).map_err(|why| format!("ca: not an authority's certificate: {why}"))?;
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|why| why.to_string())?
            .with_root_certificates(roots);
        let config = match &options.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let chain = certificates("certificate", &identity.chain)?;
                // What is wrong with a key is not repeated.
                let key = PrivateKeyDer::from_pem_slice(identity.key.expose().as_bytes()).map_err(
                    |_| "key: not a private key in PEM: give text with -----BEGIN PRIVATE KEY-----",
                )?;
                config
                    .with_client_auth_cert(chain, key)
                    .map_err(|why| format!("certificate: not one of this key: {why}"))?
            }
        };
        Ok(Some(Self { connector: TlsConnector::from(Arc::new(config)), name }))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

fn certificates(what: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(format!("{what}: no certificate found: give PEM text with -----BEGIN CERTIFICATE-----")),
        Err(why) => Err(format!("{what}: not a PEM certificate: {why}")),
    }
}
