//! TLS with an admin port: whom a command believes, what it shows of itself, and what is said when the two do not agree.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use seawall_core::secret::Secret;

use crate::output::plain;

/// Whom a command believes.
#[derive(Debug, Clone)]
pub(crate) enum Trust {
    /// The public authorities.
    Public,
    /// These authorities (PEM) and no others.
    Authorities(Vec<u8>),
    /// The one whose certificate (PEM) this is, whatever it is called: it lies on this machine, in the configuration.
    Itself(Vec<u8>),
}

/// What a command shows of itself: a certificate, with those between it and an authority, and its key; both PEM.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) chain: Vec<u8>,
    pub(crate) key: Secret,
}

/// How TLS is spoken, or why it cannot be.
pub(super) fn config(trust: &Trust, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|why| why.to_string())?;
    let builder = match trust {
        Trust::Public => {
            let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            builder.with_root_certificates(roots)
        }
        Trust::Authorities(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem)? {
                roots.add(certificate).map_err(|why| format!("holds what is no authority: {why}"))?;
            }
            builder.with_root_certificates(roots)
        }
        Trust::Itself(pem) => {
            let mut chain = certificates(pem)?;
            let own = chain.swap_remove(0);
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Itself::new(own, &provider)))
        }
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { chain, key }) => {
            let chain = certificates(chain).map_err(|why| format!("--client-cert: {why}"))?;
            // What is wrong with a key is not repeated.
            let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(
                |_| "--client-key: holds no private key: give PEM text with -----BEGIN PRIVATE KEY-----",
            )?;
            builder.with_client_auth_cert(chain, key).map_err(
                |_| "--client-key: is the key of another certificate: give the one that was made with it",
            )?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err("holds no certificate: give PEM text with -----BEGIN CERTIFICATE-----".to_owned()),
    }
}

/// Believes one certificate. That its owner has the key is proven as always; neither its name nor its end is looked at,
/// for whoever may write the file may write both.
#[derive(Debug)]
struct Itself {
    own: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Itself {
    fn new(own: CertificateDer<'static>, provider: &CryptoProvider) -> Self {
        Self { own, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Itself {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match *shown == self.own {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What became of TLS, and what to do about it; none where it was not that.
pub(super) fn trouble(error: &(dyn Error + 'static), authority: &str) -> Option<String> {
    Some(match found(error)? {
        rustls::Error::InvalidCertificate(why) => certificate(why, authority),
        rustls::Error::InvalidMessage(_) => {
            format!("what answers there does not speak TLS: write http://{authority}")
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it lets nobody in without a certificate: give this command one with --client-cert FILE and \
             --client-key FILE"
                .to_owned()
        }
        rustls::Error::AlertReceived(alert) => format!(
            "it ended the handshake ({alert:?}): a certificate of this command (--client-cert) must be signed by one of \
             its client_ca, must not have ended, and must not be revoked"
        ),
        other => format!("TLS failed: {}", plain(&other.to_string())),
    })
}

fn certificate(why: &CertificateError, authority: &str) -> String {
    match why {
        CertificateError::UnknownIssuer => {
            "nobody whom this command believes signed its certificate: name who did with --ca FILE or in \
             SEAWALL_ADMIN_CA"
                .to_owned()
        }
        CertificateError::NotValidForName => format!("its certificate is not for {authority}"),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<String> = presented.iter().take(4).map(|name| plain(&shown(name))).collect();
            match names.first() {
                Some(first) => format!(
                    "its certificate is for {}, not for {authority}: ask for it by that name, --admin https://{first}:PORT",
                    names.join(", ")
                ),
                None => format!("its certificate is for no name, and not for {authority}: make one for its names"),
            }
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has ended: put a new one in the place of admin_tls.cert".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not good yet: look at the clocks of both machines".to_owned()
        }
        CertificateError::ApplicationVerificationFailure => {
            "it shows another certificate than the one in admin_tls.cert: it has not taken that up (its log says \
             why), or it is somebody else; --ca FILE names an authority to believe instead"
                .to_owned()
        }
        other => format!("its certificate is refused: {}", plain(&other.to_string())),
    }
}

/// `DnsName("ops.example")` and `IpAddress(10.0.0.5)` as people write them.
fn shown(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"').to_owned()
}

fn found<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref::<rustls::Error>() {
            return Some(own);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(own) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Some(own);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_do() {
        let said = |error: rustls::Error| trouble(&io::Error::other(error), "h:1").unwrap();
        let bad = |why| said(rustls::Error::InvalidCertificate(why));
        assert!(bad(CertificateError::UnknownIssuer).contains("--ca FILE"));
        assert!(bad(CertificateError::Expired).contains("has ended"));
        assert!(bad(CertificateError::ApplicationVerificationFailure).contains("admin_tls.cert"));
        let name = ServerName::try_from("h").unwrap();
        let presented = vec!["DnsName(\"ops.example\")".to_owned(), "IpAddress(10.0.0.5)".to_owned()];
        let other = bad(CertificateError::NotValidForNameContext { expected: name, presented });
        assert!(
            other.starts_with("its certificate is for ops.example, 10.0.0.5, not for h:1: ask"),
            "{other}"
        );
        let wanted = said(rustls::Error::AlertReceived(AlertDescription::CertificateRequired));
        assert!(wanted.contains("--client-cert FILE"), "{wanted}");
        assert_eq!(trouble(&io::Error::other("x"), "h:1"), None);
    }

    #[test]
    fn what_holds_no_certificate_is_no_reason_to_believe_anybody() {
        for pem in [&b""[..], b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(config(&Trust::Authorities(pem.to_vec()), None).is_err());
        }
        assert!(config(&Trust::Itself(Vec::new()), None).is_err());
        assert!(config(&Trust::Public, None).is_ok());
    }
}
