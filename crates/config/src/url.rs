//! Checks a URL a configuration names, before anything is sent there.

use http::Uri;

use crate::secrecy::carries_userinfo;

/// Checks that a text is a URL to send requests to.
///
/// Accepts `http` and `https` with a host, and a port from 1 to 65535 if any. Refuses a user or password inside it and
/// a fragment. The error never repeats the URL, which may carry what should not be read.
pub fn check_url(url: &str) -> Result<(), String> {
    const WRITE: &str = "write \"https://host/path\"";
    if carries_userinfo(url) {
        return Err("a user or password inside a URL is refused: write `auth = { … }` beside it".to_owned());
    }
    if url.contains('#') {
        return Err("a fragment is never sent: write the URL without `#…`".to_owned());
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(format!("is not a URL: {WRITE}"));
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(format!("is not an http or https URL: {WRITE}"));
    }
    if rest.is_empty() || rest.starts_with(['/', ':', '?']) {
        return Err(format!("the URL has no host: {WRITE}"));
    }
    let uri: Uri = url.parse().map_err(|why| format!("is not a URL ({why}): {WRITE}"))?;
    let authority = uri.authority().ok_or_else(|| format!("the URL has no host: {WRITE}"))?;
    if authority.host().is_empty() {
        return Err(format!("the URL has no host: {WRITE}"));
    }
    let port = authority.as_str().get(authority.host().len()..).unwrap_or_default();
    if !port.is_empty() && uri.port_u16().is_none_or(|port| port == 0) {
        return Err("the port is not a number from 1 to 65535: write \"https://host:443/path\"".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_to_send_to_are_accepted() {
        for url in [
            "https://api.openai.com",
            "http://127.0.0.1:8080/v1",
            "HTTPS://host/",
            "http://[::1]:9/x?y=z",
            "https://host/mail@example",
        ] {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn anything_else_is_refused_without_being_repeated() {
        for (url, part) in [
            ("https://user:hunter2@host/", "a user or password"),
            ("https://hunter2@host", "a user or password"),
            ("ftp://hunter2.example", "not an http or https"),
            ("hunter2", "is not a URL"),
            ("", "is not a URL"),
            ("https://", "no host"),
            ("https:///hunter2", "no host"),
            ("https://:80/hunter2", "no host"),
            ("https://host:0/", "the port"),
            ("https://host:99999/", "the port"),
            ("https://host:/", "the port"),
            ("https://ho st/hunter2", "is not a URL"),
            ("https://host/#hunter2", "a fragment"),
            ("https://host\\@hunter2/", "a user or password"),
            ("https://h\u{f6}st/hunter2", "is not a URL"),
        ] {
            let why = check_url(url).unwrap_err();
            assert!(why.contains(part), "{url}: {why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
