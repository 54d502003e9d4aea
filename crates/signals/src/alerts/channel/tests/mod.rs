mod mail;
mod options;
mod shapes;
mod web;

use std::collections::BTreeMap;

use seawall_policy::alert::Severity;

use super::*;
use crate::alerts::{Item, Kind};

fn item(kind: Kind, id: &str) -> Item {
    Item {
        kind,
        id: id.to_owned(),
        rule: "exchange_down".to_owned(),
        labels: BTreeMap::from([("upstream".to_owned(), "exchange".to_owned())]),
        severity: Severity::Critical,
        since: 1_800_000_000_000,
        value: Some(1.0),
        summary: "the exchange is down".to_owned(),
        why: "breaker_open{upstream='exchange'} > 0 holds (1)".to_owned(),
    }
}

fn notice(items: Vec<Item>) -> Notice {
    Notice { id: "0190-a".to_owned(), group: "exchange_down".to_owned(), at: 1_800_000_001_250, items }
}

fn one() -> Notice {
    notice(vec![item(Kind::Active, "exchange_down:exchange")])
}

/// A certificate for 127.0.0.1 of an authority of its own, and a key, as PEM.
pub(crate) fn certificate() -> (String, String) {
    let made =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// A server of that certificate.
pub(crate) fn acceptor((certificate, key): &(String, String)) -> tokio_rustls::TlsAcceptor {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain =
        CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()).into()
}
