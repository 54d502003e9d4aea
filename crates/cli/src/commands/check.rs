//! `seawall check`: is a configuration good, and what does each of its routes do?

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{Source, variable};
use crate::output::{Failure, Paint, data, json, note, painted};
use crate::settings::{Drawn, Finding, Findings, Loaded, Purpose, draw, plan};

/// Say whether a configuration is good, and what each route does.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    source: Source,
    /// Answer in one JSON value
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Verdict {
    ok: bool,
    routes: Vec<Drawn>,
    upstreams: Vec<Drawn>,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (loaded, findings) = match self.source.load() {
            Ok((loaded, findings)) => (Some(loaded), findings),
            Err(findings) => (None, findings),
        };
        let verdict = judge(loaded.as_ref(), findings);
        let exit = if verdict.ok { ExitCode::SUCCESS } else { ExitCode::from(2) };
        if self.json {
            json(&verdict)?;
            return Ok(exit);
        }
        data(&drawn(&verdict))?;
        verdict.warnings.iter().for_each(|warning| note(format_args!("warning: {warning}")));
        verdict.errors.iter().for_each(|error| note(format_args!("{error}")));
        let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let (errors, warnings) = (verdict.errors.len(), verdict.warnings.len());
        let file = self.source.file();
        note(match (verdict.ok, warnings) {
            (true, 0) => format!("{}: good", file.display()),
            (true, _) => format!("{}: good, with {}", file.display(), count(warnings, "warning")),
            (false, _) => {
                format!("{}: {}, {}", file.display(), count(errors, "error"), count(warnings, "warning"))
            }
        });
        Ok(exit)
    }
}

fn judge(loaded: Option<&Loaded>, mut findings: Findings) -> Verdict {
    let (mut routes, mut upstreams) = (Vec::new(), Vec::new());
    if let Some(loaded) = loaded {
        let (_, more) = plan(loaded, &variable);
        more.0.into_iter().for_each(|finding| findings.add(finding));
        (routes, upstreams) = draw(&loaded.settings);
    }
    let (errors, warnings) = findings.split(Purpose::Check);
    Verdict { ok: errors.is_empty(), routes, upstreams, errors, warnings }
}

fn drawn(verdict: &Verdict) -> String {
    let part = |kind: &str, drawn: &Drawn| {
        format!(
            "{} {}  {} {} → {}  {}\n    {}\n",
            kind,
            painted(&drawn.name, Paint::Bold),
            drawn.method,
            drawn.path,
            drawn.to.join(", then "),
            drawn.effects,
            drawn.pipeline
        )
    };
    let routes = verdict.routes.iter().map(|drawn| part("route", drawn));
    routes.chain(verdict.upstreams.iter().map(|drawn| part("upstream", drawn))).collect()
}
