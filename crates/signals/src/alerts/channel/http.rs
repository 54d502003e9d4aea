//! One request, one connection, one answer, within a bound of time and bytes; redirects are not followed.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use seawall_core::clock::wall_now;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Address, Failure};

/// Of an answer no more is read: nobody needs it.
const MOST: usize = 16 << 10;

/// The longest wait a receiver can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How long a receiver may take.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// To connect, TLS included.
    pub(crate) connect: Duration,
    /// From a connection to the whole answer.
    pub(crate) answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(15) }
    }
}

/// Posts to one place.
pub(crate) struct Client {
    address: Address,
    pub(crate) patience: Patience,
    tls: Option<Arc<ClientConfig>>,
}

impl Client {
    /// Believes Mozilla's authorities, and those in `extra` beside them.
    pub(crate) fn new(address: Address, extra: Option<&[u8]>) -> Result<Self, String> {
        let tls = if address.is_tls() { Some(Arc::new(config(extra)?)) } else { None };
        Ok(Self { address, patience: Patience::default(), tls })
    }

    /// Posts JSON, and gives back the status of an answer that is a success.
    pub(super) async fn post(
        &self,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<StatusCode, Failure> {
        let mut all = HeaderMap::with_capacity(headers.len() + 1);
        all.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            let value =
                HeaderValue::from_str(value).map_err(|_| Failure::refused(format!("{name} is no header")))?;
            all.insert(HeaderName::from_static(name), value);
        }
        self.send(&all, body).await
    }

    /// Posts anything.
    pub(crate) async fn send(&self, headers: &HeaderMap, body: Bytes) -> Result<StatusCode, Failure> {
        let connection = timeout(self.patience.connect, self.connect()).await;
        let stream = match connection {
            Ok(Ok(stream)) => stream,
            Ok(Err(why)) => return Err(Failure::later(why)),
            Err(_) => return Err(Failure::later("no connection in time")),
        };
        let request = self.request(headers, body)?;
        timeout(self.patience.answer, exchange(stream, request))
            .await
            .unwrap_or_else(|_| Err(Failure::unknown("no answer in time")))
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        let host = self.address.host().trim_start_matches('[').trim_end_matches(']');
        let tcp = TcpStream::connect((host, self.address.port()));
        let tcp = tcp.await.map_err(|error| format!("cannot connect: {}", plain(&error)))?;
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| "its host is no name".to_owned())?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
        Ok(Box::new(stream.map_err(|error| format!("TLS failed: {}", plain(&error)))?))
    }

    fn request(&self, headers: &HeaderMap, body: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
        let uri = self.address.uri();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, authority)
            .header(header::USER_AGENT, concat!("seawall/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close")
            .body(Full::new(body))
            .map_err(|_| Failure::refused("its URL cannot be asked for"))?;
        for (name, value) in headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }
}

async fn exchange(stream: Box<dyn Stream>, request: Request<Full<Bytes>>) -> Result<StatusCode, Failure> {
    let lost = |error: hyper::Error| Failure::unknown(format!("the connection broke: {error}"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let ask = async {
        let answer = sender.send_request(request).await.map_err(lost)?;
        let (parts, body) = answer.into_parts();
        // What it says is shown to nobody; it is read so that the receiver sees its answer taken.
        let _ = Limited::new(body, MOST).collect().await;
        judge(parts.status, &parts.headers, wall_now())
    };
    tokio::pin!(ask);
    tokio::select! {
        judged = &mut ask => judged,
        // The connection may be done before the answer has been looked at.
        _ = connection => ask.await,
    }
}

/// What an answer means.
fn judge(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Result<StatusCode, Failure> {
    if status.is_success() {
        return Ok(status);
    }
    let why = match status.is_redirection() {
        true => format!("it answered {status}, and redirects are not followed: write the URL it leads to"),
        false => format!("it answered {status}"),
    };
    let refused = matches!(status.as_u16(), 400 | 405 | 406 | 410 | 411 | 413 | 414 | 415 | 422);
    Err(Failure { after: retry_after(headers, now), refused, ..Failure::later(why) })
}

fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?,
    };
    Some(wait.min(LONGEST_WAIT))
}

pub(super) fn config(extra: Option<&[u8]>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for certificate in extra.into_iter().flat_map(CertificateDer::pem_slice_iter) {
        let certificate = certificate.map_err(|error| format!("not a PEM certificate: {error}"))?;
        roots.add(certificate).map_err(|error| format!("not an authority's certificate: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// An error of the operating system or of TLS, without what it is about: a name may be part of a secret URL.
fn plain(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => tls.to_string(),
        None => error.kind().to_string(),
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_success_is_one_and_a_receiver_can_ask_for_time() {
        let judged = |status: u16, after: Option<&str>| {
            let mut headers = HeaderMap::new();
            after.map(|after| headers.insert(header::RETRY_AFTER, after.parse().unwrap()));
            let status = StatusCode::from_u16(status).unwrap();
            let judged = judge(status, &headers, SystemTime::UNIX_EPOCH);
            judged.map_err(|failure| (failure.refused, failure.after.map(|after| after.as_secs())))
        };
        assert!(judged(204, None).is_ok());
        assert_eq!(judged(429, Some("120")), Err((false, Some(120))));
        assert_eq!(judged(503, Some("Thu, 01 Jan 1970 00:00:30 GMT")), Err((false, Some(30))));
        assert_eq!(judged(503, Some("999999999")), Err((false, Some(3600))));
        assert_eq!(judged(503, Some("soon")), Err((false, None)));
        for status in [301, 307, 401, 404, 500] {
            assert_eq!(judged(status, None), Err((false, None)), "{status}");
        }
        for status in [400, 410, 413, 422] {
            assert_eq!(judged(status, None), Err((true, None)), "{status}");
        }
    }
}
