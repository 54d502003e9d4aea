//! Authorities, what they sign and what they take back, and clients that believe them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationList, CertificateRevocationListParams, DnType,
    IsCa, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use seawall_core::secret::Secret;
use seawall_gateway::plan::tls::{Clients, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority.
#[derive(Debug)]
pub struct Authority {
    /// Its certificate.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, both PEM.
#[derive(Debug)]
pub struct Signed {
    /// The certificate.
    pub chain: String,
    /// Its key.
    pub key: String,
    /// What its authority takes it back by.
    pub serial: SerialNumber,
}

impl Authority {
    /// One nobody else believes, of a name of its own.
    #[allow(clippy::new_without_default, reason = "no two are equal")]
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, format!("authority {}", fresh()));
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(parameters, key) }
    }

    /// Signs a certificate for names and addresses (commas between them), good until the first day of a year.
    pub fn sign(&self, names: &str, until: i32) -> Signed {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.not_after = date_time_ymd(until, 1, 1);
        let serial = SerialNumber::from(fresh());
        parameters.serial_number = Some(serial.clone());
        let chain = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        Signed { chain, key: key.serialize_pem(), serial }
    }
}

impl Authority {
    /// Its list of what it took back, good until the first day of a year.
    pub fn list(&self, taken_back: &[&Signed], until: i32) -> CertificateRevocationList {
        let revoked = taken_back.iter().map(|signed| RevokedCertParams {
            serial_number: signed.serial.clone(),
            revocation_time: date_time_ymd(2000, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let made = CertificateRevocationListParams {
            this_update: date_time_ymd(1999, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(fresh()),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        made.signed_by(&self.issuer).unwrap()
    }
}

/// A number nobody had before, and small enough to be positive in DER.
fn fresh() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

impl Signed {
    /// What a port of a plan proves itself with.
    pub fn tls(&self, clients: Option<Clients<'_>>) -> Tls {
        Tls::new(self.chain.as_bytes(), &Secret::new(self.key.clone()), clients).unwrap()
    }

    /// Puts it into `NAME.crt` and `NAME.key` as whoever renews them does: each written beside, then put in its place.
    pub fn put(&self, home: &Path, name: &str) {
        for (end, text) in [("crt", &self.chain), ("key", &self.key)] {
            put(home, &format!("{name}.{end}"), text.as_bytes());
        }
    }
}

/// Puts a file that only its owner reads in its place, in one step.
pub fn put(home: &Path, name: &str, bytes: &[u8]) {
    let new = home.join(format!("{name}.new"));
    std::fs::write(&new, bytes).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&new, mode).unwrap();
    std::fs::rename(&new, home.join(name)).unwrap();
}

/// A client that believes this authority. It remembers its sessions, and resumes them where it may.
pub fn client(
    authority: &Authority,
    own: Option<&Signed>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(roots);
    match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let chain =
                CertificateDer::pem_slice_iter(own.chain.as_bytes()).collect::<Result<_, _>>().unwrap();
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    }
}

/// Connects to an address as `localhost`.
pub async fn connect_as(client: Arc<ClientConfig>, address: &str) -> std::io::Result<TlsStream<TcpStream>> {
    connect_over(client, TcpStream::connect(address).await?).await
}

/// Shakes hands with `localhost` over a connection that is there.
pub async fn connect_over(
    client: Arc<ClientConfig>,
    stream: TcpStream,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(client).connect(name, stream).await
}

/// Connects to an address as `localhost`, believing this authority, offering these protocols. It remembers nothing of
/// connections before.
pub async fn connect(
    address: &str,
    authority: &Authority,
    own: Option<&Signed>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut client = client(authority, own, &[&TLS13, &TLS12]);
    client.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    connect_as(Arc::new(client), address).await
}

/// The status, and everything else, that a GET of this path comes to on a connection that ends with it.
pub async fn get(
    stream: &mut TlsStream<TcpStream>,
    host: &str,
    path: &str,
    headers: &str,
) -> std::io::Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // An end without its announcement would be an error here.
    stream.read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, text))
}

/// The same on a connection that is used again; none where it was closed instead.
pub async fn ask(
    stream: &mut TlsStream<TcpStream>,
    host: &str,
    path: &str,
) -> std::io::Result<Option<(u16, String)>> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    let mut piece = [0; 4096];
    loop {
        let length =
            text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if let (Some((_, body)), Some(length)) = (text.split_once("\r\n\r\n"), length)
            && body.len() >= length
        {
            let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
            return Ok(Some((status, text)));
        }
        match stream.read(&mut piece).await? {
            0 => return Ok(None),
            count => text.push_str(&String::from_utf8_lossy(&piece[..count])),
        }
    }
}
