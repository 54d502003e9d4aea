//! What can be asked on the command line.

mod alerts;
mod audit;
mod check;
mod completions;
mod config;
mod effects;
mod explain;
mod init;
mod journal;
mod logging;
mod migrate;
mod past;
mod proxy;
mod reload;
mod running;
mod security;
mod serve;
mod state;
mod succession;
mod top;
mod trade;
mod vault;
mod view;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::output::{Failure, note};
use crate::settings::{Finding, Findings, Loaded, Purpose, load, tree_of};
use running::Running;

/// Stands between a program and everything it depends on that can fail.
#[derive(Debug, Parser)]
#[command(name = "seawall", version, arg_required_else_help = true, max_term_width = 110)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 bad input or configuration.")]
pub(crate) struct Seawall {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway, with its admin port
    Serve(serve::Serve),
    /// Run a safe gateway for one provider, without a file
    Proxy(proxy::Proxy),
    /// See what seawall does: the same traffic three ways through misbehaving providers
    Demo(crate::demo::Demo),
    /// Write a commented seawall.toml
    Init(init::Init),
    /// Say whether a configuration is good, and what each route does
    Check(check::Check),
    /// The configuration: its schema, the values in effect, what was in force before, the way back, copies
    Config(config::Config),
    /// Tell one call's story, or what an error code means
    Explain(explain::Explain),
    /// How a running seawall is doing
    Status(view::Status),
    /// Watch it live in this terminal
    Top(top::Top),
    /// Who it calls, and how that goes
    Upstreams(view::Upstreams),
    /// Its circuit breakers, and levers to move them
    Breakers(view::Breakers),
    /// Its limits, and what is left of them
    Limits(view::Limits),
    /// What must not happen twice, and what nobody knows the outcome of
    Effects(effects::Effects),
    /// What an instance keeps: back it up, lay a copy back, move it, trust it again
    State(state::State),
    /// How everything it depends on stands, and what will fail
    Health(view::Health),
    /// Its alerts, who was told and why, and silences
    Alerts(alerts::Alerts),
    /// What an exchange's answer means, and what to do about it
    Trade(trade::Trade),
    /// Who did what, and whether that can be believed
    Audit(audit::Audit),
    /// Keys, encrypted at rest: `vault:NAME` in a configuration
    Vault(vault::Vault),
    /// Write completions for a shell to stdout
    Completions(completions::Completions),
}

impl Seawall {
    /// Does what was asked.
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Serve(command) => command.run(),
            Command::Proxy(command) => command.run(),
            Command::Demo(command) => command.run(),
            Command::Init(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Config(command) => command.run(),
            Command::Explain(command) => command.run(),
            Command::Status(command) => command.run(),
            Command::Top(command) => command.run(),
            Command::Upstreams(command) => command.run(),
            Command::Breakers(command) => command.run(),
            Command::Limits(command) => command.run(),
            Command::Effects(command) => command.run(),
            Command::State(command) => command.run(),
            Command::Health(command) => command.run(),
            Command::Alerts(command) => command.run(),
            Command::Trade(command) => command.run(),
            Command::Audit(command) => command.run(),
            Command::Vault(command) => command.run(),
            Command::Completions(command) => command.run(),
        }
    }
}

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "seawall.toml";

/// Which configuration.
#[derive(Debug, Args)]
struct Source {
    /// The configuration: TOML, or YAML or JSON by its name [default: seawall.toml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile laid over it [default: what SEAWALL_PROFILE names]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

impl Source {
    fn file(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE))
    }

    fn tree(&self) -> Result<seawall_config::Node, Findings> {
        self.tree_of(&self.text()?, &self.file())
    }

    /// What its file says.
    fn text(&self) -> Result<String, Findings> {
        seawall_config::read_file(&self.file()).map_err(Findings::from)
    }

    /// The tree of a text that could stand in a file, with the same profile and environment laid over it.
    fn tree_of(&self, text: &str, file: &Path) -> Result<seawall_config::Node, Findings> {
        tree_of(text, file, self.profile.as_deref(), std::env::vars_os().collect())
    }

    /// Settings with what is worth knowing about them, or what is wrong with them.
    fn load(&self) -> Result<(Loaded, Findings), Findings> {
        load(self.tree()?)
    }
}

/// An environment variable that is text.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Says what was found, and fails if any of it stands in the way.
fn report(findings: Findings, purpose: Purpose) -> Result<(), Failure> {
    let (errors, warnings) = findings.split(purpose);
    warnings.iter().for_each(|warning| note(format_args!("warning: {warning}")));
    errors.iter().for_each(|error| note(format_args!("{error}")));
    match errors.len() {
        0 => Ok(()),
        count => Err(Failure::bad_input(summary(count, &errors))),
    }
}

fn summary(count: usize, errors: &[Finding]) -> String {
    let missing = |finding: &Finding| {
        finding.code == seawall_core::Code::FileUnreadable && finding.message == "no such file"
    };
    match errors {
        [only] if missing(only) => {
            "no configuration: write one with `seawall init`, or run one provider without a file \
                                    with `seawall proxy openai`"
                .to_owned()
        }
        _ => format!(
            "the configuration has {count} {}: see `seawall check`",
            if count == 1 { "error" } else { "errors" }
        ),
    }
}
