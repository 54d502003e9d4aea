//! The providers of one way, and the gateway in front of some.

use std::collections::HashMap;
use std::fmt::Write;
use std::io;
use std::time::Duration;

use seawall_config::{Format, load_str};
use seawall_core::units::format_duration;
use seawall_gateway::Gateway;
use seawall_testkit::Upstream;

use super::faults::Weather;
use super::measure::Ledgers;
use super::traffic::Kind;
use super::{PAUSE, Play};
use crate::output::Failure;
use crate::settings::{Findings, Purpose, load, plan};

/// One provider for each kind of call, fresh and misbehaving.
pub(super) struct Providers([Upstream; 3]);

impl Providers {
    /// Starts them on free ports; their clocks begin now.
    pub(super) async fn start(play: &Play) -> io::Result<Self> {
        let provider = |kind| Upstream::start(Weather::over(kind, play).provider(kind, play));
        Ok(Self([provider(Kind::Reads).await?, provider(Kind::Chats).await?, provider(Kind::Orders).await?]))
    }

    /// Where each kind of call goes when nothing stands between.
    pub(super) fn urls(&self) -> [String; 3] {
        self.0.each_ref().map(Upstream::url)
    }

    /// What they will have written down.
    pub(super) fn ledgers(&self) -> Ledgers {
        Ledgers(self.0.each_ref().map(Upstream::ledger))
    }
}

/// What a user of these providers would write: their published limits, a route for what must not be done twice, and a
/// shorter pause of the breakers. The rest are defaults.
pub(super) fn configuration(providers: &Providers) -> String {
    let pause = format_duration(PAUSE);
    let mut text = format!(
        "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\n[defaults]\nbreaker = {{ open = \"{pause}\" }}\n"
    );
    for (kind, url) in Kind::ALL.into_iter().zip(providers.urls()) {
        let (name, limit) = (kind.upstream(), kind.limit());
        let provider = if kind == Kind::Chats { "openai" } else { "http" };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n[upstream.{name}]\nprovider = \"{provider}\"\nurl = \"{url}\"\n\
             limits = [{{ requests = \"{limit}/s\" }}, {{ concurrent = 32 }}]\n"
        );
    }
    text.push_str(
        "\n[route.orders]\nmatch = { method = \"POST\", path = \"/exchange/orders\" }\nto = [\"exchange\"]\n\
         effects = \"guarded\"\n",
    );
    text
}

/// Starts a gateway that is configured like this and remembers nothing.
pub(super) fn open(configuration: &str) -> Result<Gateway, Failure> {
    let bad = |findings: Findings| {
        let (errors, _) = findings.split(Purpose::Serve);
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::failed(format_args!("the demo's own configuration is refused: {}", errors.join("; ")))
    };
    // Without the process's environment: the demo is the same everywhere.
    let environment = HashMap::<String, String>::new();
    let tree = load_str(configuration, "demo.toml", Format::Toml, None, environment)
        .map_err(|problems| bad(problems.into()))?;
    let (loaded, _) = load(tree).map_err(bad)?;
    let (mut plan, findings) = plan(&loaded, &|_| None);
    if findings.stop(Purpose::Serve) {
        return Err(bad(findings));
    }
    plan.state = None;
    plan.drain = Duration::from_secs(1);
    seawall_gateway::start(plan).map_err(Failure::failed)
}

/// Where each kind of call goes through the gateway.
pub(super) fn through(gateway: &Gateway) -> [String; 3] {
    Kind::ALL.map(|kind| format!("http://{}/{}", gateway.listen(), kind.upstream()))
}
