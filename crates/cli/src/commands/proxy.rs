//! `seawall proxy`: a gateway for one provider, without a file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use seawall_config::{Entry, Node, Origin, Table, Value};

use super::journal::At;
use super::logging::Logging;
use super::report;
use super::serve::{ready, serve};
use super::succession::Inherited;
use crate::output::{Failure, note};
use crate::settings::{Purpose, load};

/// Run a safe gateway for one provider, without a file.
///
/// Callers keep their own credentials: they are passed through.
#[derive(Debug, Args)]
pub(super) struct Proxy {
    /// openai, anthropic, stripe, binance, or the URL of any other
    #[arg(value_name = "URL|openai|anthropic|stripe|binance")]
    target: String,
    /// Where callers connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070")]
    listen: String,
    /// Where operators connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7071")]
    admin: String,
    /// Where calls with an Idempotency-Key, and who pulled which lever, are remembered [default: in memory]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// A provider that can be named without its URL.
struct Known {
    name: &'static str,
    provider: &'static str,
    url: &'static str,
    /// The variable its clients read their base URL from, and the path they expect in it.
    client: Option<(&'static str, &'static str)>,
}

const KNOWN: [Known; 4] = [
    Known {
        name: "openai",
        provider: "openai",
        url: "https://api.openai.com",
        client: Some(("OPENAI_BASE_URL", "/v1")),
    },
    Known {
        name: "anthropic",
        provider: "anthropic",
        url: "https://api.anthropic.com",
        client: Some(("ANTHROPIC_BASE_URL", "")),
    },
    Known { name: "stripe", provider: "stripe", url: "https://api.stripe.com", client: None },
    Known { name: "binance", provider: "binance", url: "https://api.binance.com", client: None },
];

impl Proxy {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let known = KNOWN.iter().find(|known| known.name == self.target);
        let (name, provider, url) = match known {
            Some(known) => (known.name.to_owned(), known.provider, known.url),
            None if self.target.contains("://") => (name_of(&self.target), "http", self.target.as_str()),
            None => {
                return Err(Failure::bad_input(format_args!(
                    "{:?} is no provider that is known: write openai, anthropic, stripe, binance, or a URL like \
                     https://api.example.com",
                    self.target
                )));
            }
        };
        let tree = self.tree(&name, provider, url);
        let (loaded, findings) = match load(tree) {
            Ok(good) => good,
            Err(findings) => return report(findings, Purpose::Serve).map(|()| ExitCode::FAILURE),
        };
        let logging = Logging::default();
        let (mut plan, _) = ready(&loaded, findings, &logging)?;
        plan.state = self.state.clone();
        let journal = self.state.as_deref().map_or(At::Memory, At::Directory);
        serve(plan, Inherited::default(), &journal, None, logging, |gateway| {
            let base = format!("http://{}/{name}", gateway.listen());
            note(format_args!("seawall: {base}/… is {url}/…"));
            match known.and_then(|known| known.client) {
                Some((variable, path)) => {
                    note(format_args!("seawall: start your program with {variable}={base}{path}"));
                }
                None => note(format_args!("seawall: give your program the base URL {base}")),
            }
            note(format_args!("seawall: admin at http://{}/", gateway.admin()));
        })
    }

    /// What a file for this one provider would say.
    fn tree(&self, name: &str, provider: &str, url: &str) -> Node {
        let text = |text: &str| Node::new(Value::String(text.to_owned()), Origin::CommandLine);
        let upstream = table([("provider", text(provider)), ("url", text(url))]);
        table([
            ("listen", text(&self.listen)),
            ("admin", text(&self.admin)),
            ("upstream", table([(name, upstream)])),
        ])
    }
}

fn table<const N: usize>(fields: [(&str, Node); N]) -> Node {
    let entry = |node| Entry { key: Origin::CommandLine, node };
    let fields: Table = fields.into_iter().map(|(key, node)| (key.to_owned(), entry(node))).collect();
    Node::new(Value::Table(fields), Origin::CommandLine)
}

/// The first label of a URL's host, as a name: `https://api.example.com` is called `api`, an address `upstream`.
fn name_of(url: &str) -> String {
    let uri: Option<http::Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default().to_ascii_lowercase();
    let first = host.split('.').next().unwrap_or_default();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let address = host.parse::<std::net::IpAddr>().is_ok();
    match !address && !first.is_empty() && first != "fetch" && first.chars().all(fits) {
        true => first.to_owned(),
        false => "upstream".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_called_by_the_first_label_of_its_host() {
        for (url, name) in [
            ("https://api.example.com/v1", "api"),
            ("http://localhost:8080", "localhost"),
            ("http://127.0.0.1:8080", "upstream"),
            ("http://[::1]:8080", "upstream"),
            ("https://API.Example.com", "api"),
            ("https://fetch.example", "upstream"),
            ("https://", "upstream"),
        ] {
            assert_eq!(name_of(url), name, "{url}");
        }
    }

    #[test]
    fn every_known_provider_makes_a_sound_configuration() {
        for known in &KNOWN {
            let proxy = Proxy {
                target: known.name.to_owned(),
                listen: "127.0.0.1:7070".to_owned(),
                admin: "127.0.0.1:7071".to_owned(),
                state: None,
            };
            let (_, findings) = load(proxy.tree(known.name, known.provider, known.url)).unwrap();
            assert_eq!(findings.0, [], "{}", known.name);
        }
    }

    #[test]
    fn an_address_outside_loopback_is_refused_by_its_place() {
        let proxy = Proxy {
            target: String::new(),
            listen: "0.0.0.0:7070".to_owned(),
            admin: "127.0.0.1:7071".to_owned(),
            state: None,
        };
        let findings = load(proxy.tree("x", "http", "https://user:hunter2@host")).unwrap_err();
        let said = findings.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(
            said.starts_with("command line: upstream.x.url: a user or password inside a URL is refused"),
            "{said}"
        );
        assert!(!said.contains("hunter2"));
        let findings = load(proxy.tree("x", "http", "https://host")).unwrap_err();
        assert!(findings.0[0].to_string().starts_with("command line: listen: SW0028 "), "{}", findings.0[0]);
    }
}
