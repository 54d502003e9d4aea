//! Where an upstream is: scheme, host and port, and the names made of them once instead of per call.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;
use http::uri::{Authority, Scheme, Uri};
use rustls::pki_types::ServerName;

/// Scheme, host and port of an upstream. Cloning shares.
#[derive(Clone, Debug)]
pub struct Origin(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    https: bool,
    host: Box<str>,
    port: u16,
    address: Option<IpAddr>,
    authority: Authority,
    host_header: HeaderValue,
    server_name: Option<ServerName<'static>>,
}

/// A URL no upstream can live at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginError(String);

impl OriginError {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OriginError {}

impl Origin {
    /// Reads scheme, host and port; a path and a query are the caller's affair.
    ///
    /// # Errors
    /// A scheme other than `http` and `https`, no host, a user or password before it, or a host no certificate can
    /// name.
    pub fn from_url(url: &Uri) -> Result<Self, OriginError> {
        let https = match url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(other) => return Err(OriginError(format!("scheme {other}: write http:// or https://"))),
            None => {
                return Err(OriginError(format!("{url} has no scheme: write http:// or https:// before it")));
            }
        };
        let authority = url.authority().ok_or_else(|| OriginError(format!("{url} has no host")))?;
        if authority.as_str().contains('@') {
            return Err(OriginError(
                "a user or password in a URL: put the credential into auth instead".into(),
            ));
        }
        let written = authority.host();
        let host = written.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(written);
        let default_port = if https { 443 } else { 80 };
        let port = match authority.port_u16() {
            None if authority.as_str().len() > written.len() + 1 => {
                return Err(OriginError(format!("port of {authority}: write a number up to 65535")));
            }
            None => default_port,
            Some(0) => return Err(OriginError("port 0: write the port the upstream listens on".into())),
            Some(port) => port,
        };
        let text = if port == default_port { written.to_owned() } else { format!("{written}:{port}") };
        let unusable = || OriginError(format!("host {written}: write a host name or an address"));
        let server_name = match ServerName::try_from(host.to_owned()) {
            Ok(name) => Some(name),
            Err(_) if https || host.is_empty() => return Err(unusable()),
            Err(_) => None,
        };
        Ok(Self(Arc::new(Parts {
            https,
            port,
            address: host.parse().ok(),
            host: host.into(),
            authority: text.parse().map_err(|_| unusable())?,
            host_header: HeaderValue::from_str(&text).map_err(|_| unusable())?,
            server_name,
        })))
    }

    /// Whether TLS is spoken.
    pub fn https(&self) -> bool {
        self.0.https
    }

    /// The host, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The port, written or implied.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Host and port as a URL writes them, without a port that goes without saying.
    pub fn authority(&self) -> &Authority {
        &self.0.authority
    }

    /// The same for the `Host` header; cloning it copies no bytes.
    pub fn host_header(&self) -> &HeaderValue {
        &self.0.host_header
    }

    pub(super) fn address(&self) -> Option<IpAddr> {
        self.0.address
    }

    pub(super) fn scheme(&self) -> Scheme {
        if self.0.https { Scheme::HTTPS } else { Scheme::HTTP }
    }

    pub(super) fn server_name(&self) -> Option<&ServerName<'static>> {
        self.0.server_name.as_ref()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.0.authority)
    }
}
