//! The other protocol: a caller that speaks only HTTP/2, and upstreams that do, with TLS where asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Running;

/// One HTTP/2 connection to the data port, begun without asking.
pub struct Caller {
    requests: SendRequest<Bytes>,
    authority: String,
}

/// An answer that came as a stream of HTTP/2.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// What arrived of the body.
    pub body: Vec<u8>,
    /// The trailers, if the stream ended with some.
    pub trailers: Option<HeaderMap>,
    /// The reason of the reset that cut the stream; none if it ended as it should.
    pub reset: Option<Reason>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Caller {
    /// Connects.
    pub async fn connect(gateway: &Running) -> Self {
        let authority = gateway.gateway.listen().to_string();
        let stream = TcpStream::connect(&authority).await.expect("the gateway listens");
        // Room in the connection for more than one stream's share, so that one unread stream is only that.
        let mut begin = h2::client::Builder::new();
        begin.initial_connection_window_size(1 << 20);
        let (requests, connection) = begin.handshake(stream).await.expect("the gateway speaks HTTP/2");
        tokio::spawn(connection);
        Self { requests, authority }
    }

    /// A request for a path, with the authority of this gateway.
    pub fn asking(&self, method: &str, path: &str) -> Request<()> {
        let uri = format!("http://{}{path}", self.authority);
        Request::builder().method(method).uri(uri).body(()).expect("a test's own request")
    }

    /// Sends a request with a body, and reads its answer however it ends.
    pub async fn send(&self, request: Request<()>, body: &[u8]) -> Result<Answer, h2::Error> {
        read(self.begin(request, body).await?).await
    }

    /// Sends a request with a body, and waits for the head of its answer.
    pub async fn begin(&self, request: Request<()>, body: &[u8]) -> Result<Response<RecvStream>, h2::Error> {
        let mut ready = self.requests.clone().ready().await?;
        let (answer, mut upload) = ready.send_request(request, body.is_empty())?;
        let mut rest = body;
        while !rest.is_empty() {
            upload.reserve_capacity(rest.len());
            let room = std::future::poll_fn(|cx| upload.poll_capacity(cx)).await;
            let Some(Ok(room)) = room else { break };
            let (now, later) = rest.split_at(room.min(rest.len()));
            upload.send_data(Bytes::copy_from_slice(now), later.is_empty())?;
            rest = later;
        }
        answer.await
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.asking("GET", path), b"").await.expect("the gateway answers")
    }
}

/// Reads an answer to its end, whatever that is.
pub async fn read(answer: Response<RecvStream>) -> Result<Answer, h2::Error> {
    let (head, mut stream) = answer.into_parts();
    let (status, headers) = (head.status, head.headers);
    let mut read = Answer { status, headers, body: Vec::new(), trailers: None, reset: None };
    while let Some(data) = stream.data().await {
        match data {
            Ok(data) => {
                read.body.extend_from_slice(&data);
                stream.flow_control().release_capacity(data.len())?;
            }
            Err(error) if error.is_reset() => {
                read.reset = error.reason();
                return Ok(read);
            }
            Err(error) => return Err(error),
        }
    }
    read.trailers = stream.trailers().await?;
    Ok(read)
}

/// What an upstream of HTTP/2 does with its nth request, counted from 1: answers whole, or does worse.
#[derive(Clone, Debug)]
pub enum Deed {
    /// 200 with a body that names the request.
    Answer,
    /// Resets the stream before an answer.
    Reset(Reason),
    /// 200, this type and this beginning of a body, then a reset.
    Cut(&'static str, &'static str, Reason),
    /// Says goodbye to the connection without having looked at the request.
    GoAway,
}

/// An upstream that speaks HTTP/2 and nothing else.
#[derive(Debug)]
pub struct Upstream {
    /// Where it is.
    pub url: String,
    /// Certificates to trust, as PEM; empty without TLS.
    pub ca: String,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    /// Without TLS, for those who know.
    pub async fn plain(deeds: impl Fn(usize) -> Deed + Send + Sync + 'static) -> Self {
        Self::listen(None, deeds).await
    }

    /// Over TLS, chosen by ALPN.
    pub async fn tls(deeds: impl Fn(usize) -> Deed + Send + Sync + 'static) -> Self {
        Self::listen(Some(certified(&["h2"])), deeds).await
    }

    /// How many requests arrived.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn listen(
        tls: Option<(TlsAcceptor, String)>,
        deeds: impl Fn(usize) -> Deed + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (acceptor, ca) = tls.map_or((None, String::new()), |(acceptor, ca)| (Some(acceptor), ca));
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let (requests, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let this = Self { url: format!("{scheme}://{address}"), ca, requests, connections };
        let (requests, connections) = (this.requests.clone(), this.connections.clone());
        let deeds = Arc::new(deeds);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (requests, deeds, acceptor) = (requests.clone(), deeds.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, requests, deeds).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, requests, deeds).await;
                            }
                        }
                    }
                });
            }
        });
        this
    }
}

async fn serve<S>(stream: S, requests: Arc<AtomicUsize>, deeds: Arc<impl Fn(usize) -> Deed>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, answer))) = connection.accept().await {
        match deeds(requests.fetch_add(1, Ordering::SeqCst) + 1) {
            // Below the id of this very stream: nothing on this connection was looked at.
            Deed::GoAway => connection.abrupt_shutdown(Reason::NO_ERROR),
            deed => {
                tokio::spawn(play(deed, request, answer));
            }
        }
    }
}

async fn play(deed: Deed, request: Request<RecvStream>, mut answer: SendResponse<Bytes>) {
    let (head, mut body) = request.into_parts();
    let mut read = 0;
    while let Some(Ok(data)) = body.data().await {
        read += data.len();
        // A connection that is gone needs no room.
        let _ = body.flow_control().release_capacity(data.len());
    }
    let mut response = Response::new(());
    let (kind, text, then) = match deed {
        Deed::Reset(reason) => return answer.send_reset(reason),
        Deed::Cut(kind, text, reason) => (kind, text.to_owned(), Some(reason)),
        Deed::Answer | Deed::GoAway => {
            ("text/plain", format!("{} {} with {read} bytes", head.method, head.uri.path()), None)
        }
    };
    response.headers_mut().insert("content-type", http::HeaderValue::from_static(kind));
    let Ok(mut stream) = answer.send_response(response, false) else { return };
    let _ = stream.send_data(text.into(), then.is_none());
    if let Some(reason) = then {
        // So that it is read as a beginning, and not dropped with the reset.
        tokio::time::sleep(crate::ms(30)).await;
        stream.send_reset(reason);
    }
}

/// A server's certificate for loopback, signed by an authority made for the test, and that authority as PEM.
pub fn certified(protocols: &[&str]) -> (TlsAcceptor, String) {
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new(Vec::new()).expect("no names");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key).expect("an authority").pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).expect("good names");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("its key"),
        )
        .expect("they fit");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), pem)
}

/// An upstream over TLS that answers every request of HTTP/1.1 with `private`. Its URL and its authority.
pub async fn tls_http1() -> (String, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (acceptor, ca) = certified(&["http/1.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut asked = Vec::new();
                while matches!(stream.read_buf(&mut asked).await, Ok(1..)) {
                    if asked.ends_with(b"\r\n\r\n") {
                        asked.clear();
                        let _ =
                            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nprivate").await;
                        let _ = stream.flush().await;
                    }
                }
            });
        }
    });
    (url, ca)
}
