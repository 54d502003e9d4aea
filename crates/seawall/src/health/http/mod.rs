//! Checks over HTTP: one GET, and what its answer must be like. What an answer means is for a
//! [`Provider`](seawall_core::provider::Provider) to say; nothing here follows a redirect, for a probe that ends up at a
//! login page has found nothing out.
//!
//! Whoever fetches is a port, [`Get`]: a closure around the client a program has already, or, with the feature
//! `probe-http`, `Client`. So the library brings no second client into a tree that has one.

#[cfg(feature = "probe-http")]
mod client;
mod moment;
mod presets;
#[cfg(test)]
mod tests;
#[cfg(feature = "probe-http")]
mod tunnel;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use seawall_core::Class;
use seawall_core::provider::{self, Head, Provider};
use seawall_core::secret::Secret;
use seawall_policy::Invalid;
use seawall_policy::health::Level;

use super::check::{Finding, Probe, Probing};

#[cfg(feature = "probe-http")]
pub use client::{Client, ClientError};
pub use presets::{VectorStore, carbon, models, vector_store};
#[cfg(feature = "probe-http")]
pub use tunnel::Tunnel;

/// The longest body that is looked at: 1 MiB. A client need not read further.
pub const LONGEST: usize = 1 << 20;

/// An answer on its way: the whole of it, or at least its first [`LONGEST`] bytes.
pub type Getting = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, GetError>> + Send>>;

/// Whoever can fetch. It follows no redirects, tries nothing twice, and needs no patience of its own: its future is
/// dropped when the deadline passes.
///
/// A closure is one: `|request| async { … }`.
pub trait Get: Send + Sync + 'static {
    /// Sends the request, a GET whose URI is absolute, and reads the answer.
    fn get(&self, request: Request<()>) -> Getting;
}

impl<F, Fut> Get for F
where
    F: Fn(Request<()>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<Vec<u8>>, GetError>> + Send + 'static,
{
    fn get(&self, request: Request<()>) -> Getting {
        Box::pin(self(request))
    }
}

/// Why there was no answer: lower case, no full stop. People will read it, so no URL with a key in it belongs here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetError(String);

impl GetError {
    /// For this reason.
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GetError {}

type Expectation = Arc<dyn Fn(&Response<Vec<u8>>) -> Finding + Send + Sync>;

/// A probe that sends one GET: a 2xx is healthy, *slow down* (429) is degraded, everything else is unhealthy.
#[derive(Clone)]
pub struct Http {
    kind: &'static str,
    client: Arc<dyn Get>,
    url: Uri,
    headers: HeaderMap,
    provider: Arc<dyn Provider>,
    accepted: Vec<u16>,
    expectations: Vec<Expectation>,
}

impl Http {
    /// Asks for this URL. Refuses one that is not absolute, or has a user or password in it.
    pub fn get(client: impl Get, url: &str) -> Result<Self, Invalid> {
        Self::by(Arc::new(client), url)
    }

    /// The same by a client that is shared.
    pub fn by(client: Arc<dyn Get>, url: &str) -> Result<Self, Invalid> {
        // A URL may bear a key: it is not repeated.
        let wrong = |what: &str| Err(Invalid::new("url", format!("{what}: write \"https://host/path\"")));
        let Ok(parsed) = url.parse::<Uri>() else { return wrong("it cannot be read") };
        match (parsed.scheme_str(), parsed.authority()) {
            (Some("http" | "https"), Some(authority)) if !authority.as_str().contains('@') => {}
            (Some("http" | "https"), Some(_)) => return wrong("it has a user or password in it"),
            _ => return wrong("it does not begin with http:// or https://"),
        }
        Ok(Self {
            kind: "http",
            client,
            url: parsed,
            headers: HeaderMap::new(),
            provider: Arc::new(provider::Http),
            accepted: Vec::new(),
            expectations: Vec::new(),
        })
    }

    /// With this header; its value is shown to nobody. Refuses what cannot be a header.
    pub fn header(mut self, name: &str, value: &Secret) -> Result<Self, Invalid> {
        let Ok(name) = name.parse::<HeaderName>() else {
            return Err(Invalid::new("headers", format!("{name:?} cannot be a header's name")));
        };
        let Ok(mut value) = HeaderValue::from_str(value.expose()) else {
            return Err(Invalid::new("headers", format!("the value of {name} cannot be a header's value")));
        };
        value.set_sensitive(true);
        self.headers.append(name, value);
        Ok(self)
    }

    /// What answers mean, where it is not what their status says.
    pub fn provider(mut self, provider: Arc<dyn Provider>) -> Self {
        self.provider = provider;
        self
    }

    /// An answer of this status is as good as a 2xx: a 401, say, where being asked for a key is proof enough of life.
    pub fn accepts(mut self, status: u16) -> Self {
        self.accepted.push(status);
        self
    }

    /// The body must contain this text, or it is unhealthy.
    pub fn contains(self, text: impl Into<String>) -> Self {
        let text = text.into();
        self.expects(move |answer| {
            let holds =
                text.is_empty() || answer.body().windows(text.len()).any(|part| part == text.as_bytes());
            if holds {
                Finding::healthy()
            } else {
                Finding::unhealthy("its answer lacks the text it should contain")
            }
        })
    }

    /// A good answer must be good in this respect too. Of several findings the worst counts, of equals the first; a number
    /// that any of them measured is kept.
    pub fn expects(mut self, finds: impl Fn(&Response<Vec<u8>>) -> Finding + Send + Sync + 'static) -> Self {
        self.expectations.push(Arc::new(finds));
        self
    }

    fn of_kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    fn judge(&self, answer: &Response<Vec<u8>>) -> Finding {
        let status = answer.status();
        let body = &answer.body()[..answer.body().len().min(self.provider.peek(status))];
        let verdict = self.provider.classify(&Head { status, headers: answer.headers(), body });
        if !self.accepted.contains(&status.as_u16()) {
            let found = seen(verdict.class(), status);
            if found.level != Some(Level::Healthy) {
                return found;
            }
        }
        let mut findings = self.expectations.iter().map(|finds| finds(answer));
        let first = findings.next().unwrap_or(Finding::healthy());
        findings.fold(first, |worst, next| {
            let measured = worst.measured.or(next.measured);
            let found = if next.level > worst.level { next } else { worst };
            Finding { measured, ..found }
        })
    }
}

fn seen(class: Class, status: StatusCode) -> Finding {
    let code = status.as_u16();
    match class {
        Class::Ok if status.is_success() => Finding::healthy(),
        Class::Ok if status.is_redirection() => {
            Finding::unhealthy(format_args!("answered {code}: a redirect is no answer, write where it leads"))
        }
        Class::RateLimited => Finding::degraded(format_args!("answered {code}: it asks for a slower pace")),
        Class::Auth => Finding::unhealthy(format_args!("answered {code}: the credentials were refused")),
        Class::QuotaGone => {
            Finding::unhealthy(format_args!("answered {code}: the account has nothing left to spend"))
        }
        Class::Banned => Finding::unhealthy(format_args!("answered {code}: it blocks this caller")),
        _ => Finding::unhealthy(format_args!("answered {code}")),
    }
}

impl Probe for Http {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn probe(self: Arc<Self>) -> Probing {
        let mut request = Request::new(());
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        let getting = self.client.get(request);
        Box::pin(async move {
            match getting.await {
                Ok(answer) => self.judge(&answer),
                Err(why) => Finding::unhealthy(why),
            }
        })
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.authority().map(|authority| authority.as_str());
        f.debug_struct("Http").field("kind", &self.kind).field("host", &host).finish_non_exhaustive()
    }
}
