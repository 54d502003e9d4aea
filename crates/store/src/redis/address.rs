//! Where the server is, read from `redis://host:port/db?namespace=…`; `rediss://` with TLS.

use std::fmt;

/// A server, and the part of it that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: u16,
    pub(super) namespace: String,
}

const SHAPE: &str = "write redis://host:6379/0?namespace=prod";

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| format!("{url:?} is no address: {SHAPE}"))?;
        let tls = match scheme {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            other => return Err(format!("{other}:// is no Redis address: {SHAPE}")),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            // What stands before the @ is not repeated.
            return Err("the address holds a user or password: give them as options, kept secret".into());
        }
        let (host, port) = split(authority)?;
        let database = match path {
            "" => 0,
            path => {
                path.parse().map_err(|_| format!("/{path} is no database: write its number, such as /0"))?
            }
        };
        let mut namespace = "seawall".to_owned();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("namespace", name)) => namespace = named(name)?,
                _ => return Err(format!("?{pair} is nothing known here: only namespace=… is")),
            }
        }
        Ok(Self { tls, host, port, database, namespace })
    }
}

fn split(authority: &str) -> Result<(String, u16), String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) =
                rest.split_once(']').ok_or_else(|| format!("[ without ] in {authority:?}: {SHAPE}"))?;
            (host, after.strip_prefix(':').or(after.is_empty().then_some("6379")).unwrap_or("none"))
        }
        None => authority.split_once(':').unwrap_or((authority, "6379")),
    };
    if host.is_empty() {
        return Err(format!("no host in {authority:?}: {SHAPE}"));
    }
    let port = port.parse().map_err(|_| format!("{port:?} is no port: {SHAPE}"))?;
    Ok((host.to_owned(), port))
}

/// A namespace is part of every key, between braces: it must not end them.
fn named(name: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        return Err(format!(
            "namespace {name:?}: write 1 to 64 letters, digits, dots, dashes or underscores"
        ));
    }
    Ok(name.to_owned())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tls, host, port, database, namespace } = self;
        let scheme = if *tls { "rediss" } else { "redis" };
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}/{database}?namespace={namespace}"),
            false => write!(f, "{scheme}://{host}:{port}/{database}?namespace={namespace}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_which_and_whose() {
        let read = |url: &str| Address::parse(url).expect(url).to_string();
        assert_eq!(
            read("redis://127.0.0.1:6379/3?namespace=prod"),
            "redis://127.0.0.1:6379/3?namespace=prod"
        );
        assert_eq!(read("redis://cache"), "redis://cache:6379/0?namespace=seawall");
        assert_eq!(read("valkey://cache:7/"), "redis://cache:7/0?namespace=seawall");
        assert_eq!(read("rediss://[::1]:7"), "rediss://[::1]:7/0?namespace=seawall");
        assert_eq!(Address::parse("redis://[::1]:7/0").expect("ipv6").host, "::1");
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_and_no_password_is_repeated() {
        for (url, says) in [
            ("127.0.0.1:6379", "is no address"),
            ("http://h", "http:// is no Redis address"),
            ("redis://", "no host"),
            ("redis://h:port", "is no port"),
            ("redis://[::1", "[ without ]"),
            ("redis://[::1]x", "is no port"),
            ("redis://h/x", "is no database"),
            ("redis://h?namespace=a{b", "namespace"),
            ("redis://h?namespace=", "namespace"),
            ("redis://h?name=x", "?name=x"),
            ("redis://:hunter2@h", "password"),
        ] {
            let error = Address::parse(url).expect_err(url);
            assert!(error.contains(says), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
