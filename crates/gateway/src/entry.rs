//! Where a request wants to go: who may ask, which upstream, which path there.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{HOST, HeaderMap, ORIGIN, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Request, Uri};
use seawall_core::{Code, Rejection};

use crate::house::House;

/// A request that may pass, and where it goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Index of the route; the routes of upstreams without one come last.
    pub(crate) route: usize,
    /// Index of the upstream the caller addressed: its credentials go nowhere else.
    pub(crate) addressed: usize,
    /// The path and query at the upstream, without the base path of its URL; begins with a slash.
    pub(crate) path: PathAndQuery,
    /// The path named the upstream and nothing below it, not even a slash.
    pub(crate) bare: bool,
}

/// Finds the way of a request, or refuses it.
pub(crate) fn enter<B>(request: &Request<B>, house: &House) -> Result<Entry, Rejection> {
    foreign_page(request.headers(), house)?;
    coded_as_we_read_it(request.headers())?;
    let uri = request.uri();
    if request.method() == Method::CONNECT {
        return Err(Rejection::new(Code::HostNotAllowed)
            .because("tunnels cannot be guarded: use the base URL, or /fetch/https://…"));
    }
    match uri.authority() {
        // HTTP/2 always names the authority; HTTP/1.1 only to a proxy.
        Some(authority) if !house.is_us(authority.as_str()) => {
            if request.version() == http::Version::HTTP_2 {
                return Err(foreign(authority.as_str()));
            }
            return fetch(request.method(), uri, house);
        }
        Some(_) => {}
        None => our_own_host(request.headers(), house)?,
    }
    let path = uri.path();
    if let Some(target) = path.strip_prefix("/fetch/") {
        let target = literal(target, uri.query());
        let target: Uri = target
            .parse()
            .map_err(|_| Rejection::new(Code::Malformed).because("what follows /fetch/ is not a URL"))?;
        return fetch(request.method(), &target, house);
    }
    by_path(request.method(), path, uri.query(), house)
}

/// The rest of `/fetch/…` as a URL. Some clients encode it whole when it has a query.
fn literal<'u>(target: &'u str, query: Option<&str>) -> Cow<'u, str> {
    let lower = target.get(..12).unwrap_or(target).to_ascii_lowercase();
    if lower.starts_with("http%3a") || lower.starts_with("https%3a") {
        return Cow::Owned(decode(target));
    }
    match query {
        Some(query) => Cow::Owned(format!("{target}?{query}")),
        None => Cow::Borrowed(target),
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(byte) = bytes.get(place) {
        let digits = bytes.get(place + 1..place + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, digits.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(value)) => {
                plain.push(value);
                place += 3;
            }
            _ => {
                plain.push(*byte);
                place += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// An absolute target: allowed only where the configuration names its origin and its base path.
fn fetch(method: &Method, target: &Uri, house: &House) -> Result<Entry, Rejection> {
    let (Some(scheme), Some(authority)) = (target.scheme_str(), target.authority()) else {
        return Err(Rejection::new(Code::Malformed).because("the target is not an absolute URL"));
    };
    if authority.as_str().contains('@') {
        return Err(Rejection::new(Code::Malformed).because("a URL with a user or password in it is refused"));
    }
    let (name, base) =
        house.origin(scheme, authority.host(), port(scheme, authority), target.path()).ok_or_else(|| {
            Rejection::new(Code::HostNotAllowed).because("no upstream of this configuration is there")
        })?;
    let rest = &target.path()[base..];
    let slash = if rest.starts_with('/') { "" } else { "/" };
    by_path(method, &format!("/{name}{slash}{rest}"), target.query(), house)
}

fn port(scheme: &str, authority: &Authority) -> u16 {
    authority.port_u16().unwrap_or(if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 })
}

fn by_path(method: &Method, path: &str, query: Option<&str>, house: &House) -> Result<Entry, Rejection> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let (first, rest) = inner.split_once('/').map_or((inner, ""), |(first, rest)| (first, rest));
    let route = house.route(method, path, first).ok_or_else(|| {
        let known = house.names().join(", ");
        Rejection::new(Code::NoSuchUpstream)
            .because(format!("the first segment of the path names no upstream: write one of {known}"))
    })?;
    let mut at_upstream = String::with_capacity(rest.len() + 1 + query.map_or(0, |query| query.len() + 1));
    at_upstream.push('/');
    at_upstream.push_str(rest);
    if let Some(query) = query {
        at_upstream.push('?');
        at_upstream.push_str(query);
    }
    let path = PathAndQuery::from_maybe_shared(Bytes::from(at_upstream))
        .map_err(|_| Rejection::new(Code::Malformed).because("the path cannot be sent on"))?;
    let addressed = house.place(first).unwrap_or(house.routes[route].to[0]);
    Ok(Entry { route, addressed, path, bare: !inner.contains('/') })
}

fn our_own_host(headers: &HeaderMap, house: &House) -> Result<(), Rejection> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Rejection::new(Code::Malformed).because("a request has exactly one Host header"));
    };
    match host.to_str() {
        Ok(host) if house.is_us(host) => Ok(()),
        Ok(host) => Err(foreign(host)),
        Err(_) => Err(Rejection::new(Code::ForeignHost)),
    }
}

/// hyper believes any list of codings that ends with `chunked`, undoes only that, and hands on bytes that are still coded.
fn coded_as_we_read_it(headers: &HeaderMap) -> Result<(), Rejection> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Rejection::new(Code::Malformed)
            .because("the only transfer-encoding understood here is chunked, said once")),
    }
}

fn foreign(host: &str) -> Rejection {
    let shown: String = host.chars().take(64).filter(|c| !c.is_control()).collect();
    Rejection::new(Code::ForeignHost).because(format!("{shown:?} is not a name of this gateway"))
}

/// A page of another site in somebody's browser must not use our keys. Programs send no Origin, or `*` (ccxt does),
/// which no browser ever sends.
pub(crate) fn foreign_page(headers: &HeaderMap, house: &House) -> Result<(), Rejection> {
    for origin in headers.get_all(ORIGIN) {
        let own = origin.to_str().is_ok_and(|origin| {
            origin == "*" || origin.split_once("://").is_some_and(|(_, host)| house.is_us(host))
        });
        if !own {
            return Err(Rejection::new(Code::ForeignOrigin));
        }
    }
    Ok(())
}

/// The same two questions for the admin port.
pub(crate) fn may_ask<B>(request: &Request<B>, house: &House) -> Result<(), Rejection> {
    foreign_page(request.headers(), house)?;
    match request.uri().authority() {
        Some(authority) if house.is_us(authority.as_str()) => Ok(()),
        Some(authority) => Err(foreign(authority.as_str())),
        None => our_own_host(request.headers(), house),
    }
}
