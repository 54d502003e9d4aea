//! `seawall audit security`: how secure an installation is, and how to get each point that is missing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use seawall_core::clock::wall_now;
use seawall_security::audit::{Environment, Facts, History, KeptFile, Report, Role, Run, html, judge};
use seawall_security::vault::{Place, Sources, Vault};
use serde_json::json;

use super::{DEFAULT_FILE, Source, variable};
use crate::output::{Failure, Paint, data, json, painted, plain};
use crate::settings::{Loaded, Purpose, VAULT_FILE, facts};

/// How secure this installation is, 0 to 100, and how to get each point that is missing.
#[derive(Debug, Args)]
pub(super) struct Security {
    /// Answer in one JSON value
    #[arg(long)]
    json: bool,
    /// Write the report as a page too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Keep the score in the state directory, to compare the next one with
    #[arg(long)]
    keep: bool,
    /// End with 1 below this score
    #[arg(long, value_name = "SCORE", value_parser = clap::value_parser!(u32).range(0..=100))]
    min: Option<u32>,
    #[command(flatten)]
    source: Source,
}

impl Security {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (facts, state) = self.facts();
        let report = judge(&facts);
        let kept = state.join("security.jsonl");
        let mut history = History::read(&kept);
        let run = Run::of(&report);
        let (worse, better) = history.changes(&run);
        let before = history.0.last().map(|run| run.score);
        if self.keep {
            let failed = |why: std::io::Error| {
                Failure::failed(format_args!("{} cannot be written: {why}", kept.display()))
            };
            history.keep(&kept, run).map_err(failed)?;
        }
        if let Some(file) = &self.html {
            let failed = |why: std::io::Error| {
                Failure::failed(format_args!("{} cannot be written: {why}", file.display()))
            };
            std::fs::write(file, html(&report, &history)).map_err(failed)?;
        }
        if self.json {
            let runs: Vec<_> =
                history.0.iter().map(|run| json!({ "at": run.at, "score": run.score })).collect();
            let mut value = serde_json::to_value(&report).map_err(Failure::failed)?;
            value["before"] = json!(before);
            value["worse"] = json!(worse);
            value["better"] = json!(better);
            value["history"] = json!(runs);
            json(&value)?;
        } else {
            data(&told(&report, before, &worse, &better))?;
        }
        match self.min {
            Some(min) if report.score < min => {
                Err(Failure::failed(format_args!("the score is {}, and {min} was asked for", report.score)))
            }
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    /// What there is to judge, and the state directory.
    fn facts(&self) -> (Facts, PathBuf) {
        let file = self.source.file();
        let default = PathBuf::from("./seawall-state");
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let environment = Environment::look(names);
        let mut seen;
        let mut state = default;
        if self.source.config.is_none() && !Path::new(DEFAULT_FILE).exists() {
            seen = Facts { environment, ..Facts::default() };
            seen.files.extend(KeptFile::look(Role::State, &state));
            vault(&mut seen, &state.join(VAULT_FILE), None);
        } else {
            match self.source.load() {
                Ok((loaded, findings)) => {
                    let (_, warnings) = findings.split(Purpose::Check);
                    let warnings = warnings.iter().map(|warning| plain(&warning.to_string())).collect();
                    seen =
                        Facts { environment, configuration: Some(Ok(warnings)), ..facts(&loaded.settings) };
                    state = loaded.settings.state_directory();
                    let key_file = loaded.settings.vault.key_file.clone();
                    vault(&mut seen, &loaded.settings.vault_file(), key_file);
                    trail(&mut seen, &loaded);
                }
                Err(findings) => {
                    let (errors, _) = findings.split(Purpose::Check);
                    let first = errors.first().map(|error| plain(&error.to_string())).unwrap_or_default();
                    seen = Facts { environment, configuration: Some(Err(first)), ..Facts::default() };
                }
            }
            seen.files.extend(KeptFile::look(Role::Configuration, &file));
        }
        (seen, state)
    }
}

/// The vault: its file, where its key is, and what is wrong with its values.
fn vault(seen: &mut Facts, file: &Path, key_file: Option<PathBuf>) {
    seen.files.extend(KeptFile::look(Role::Vault, file));
    let beside = seawall_security::vault::key_file_of(file);
    let named = key_file.clone();
    let Ok(vault) = Vault::open(file, &Sources { key_file, environment: &variable }) else {
        seen.files.extend(KeptFile::look(Role::KeyBeside, &beside));
        return;
    };
    let role = match (&named, vault.key_place()) {
        (None, Place::File(_)) => Some((Role::KeyBeside, beside)),
        (Some(named), _) => Some((Role::Key, named.clone())),
        _ => None,
    };
    seen.files.extend(role.and_then(|(role, path)| KeptFile::look(role, &path)));
    seen.vault = Some(vault.check(wall_now()).iter().map(ToString::to_string).collect());
}

fn trail(seen: &mut Facts, loaded: &Loaded) {
    let path = loaded.settings.state_directory().join(seawall_gateway::AUDIT);
    if path.is_dir() {
        seen.trail = seawall_signals::audit::verify(&path).ok().map(|report| report.is_sound());
    }
}

fn told(report: &Report, before: Option<u32>, worse: &[String], better: &[String]) -> String {
    let (word, paint) = match report.score {
        90.. => ("good", Paint::Good),
        70..90 => ("fair", Paint::Odd),
        50..70 => ("poor", Paint::Odd),
        _ => ("bad", Paint::Bad),
    };
    let mut text = format!(
        "{} of 100: {}, {} of {} points{}\n",
        painted(&report.score.to_string(), Paint::Bold),
        painted(word, paint),
        report.points,
        report.max,
        if report.capped { "; a critical check holds it down" } else { "" }
    );
    if let Some(before) = before {
        text.push_str(&format!("{before} before"));
        for (what, checks) in [("worse", worse), ("better", better)] {
            if !checks.is_empty() {
                text.push_str(&format!("; {what}: {}", checks.join(", ")));
            }
        }
        text.push('\n');
    }
    for group in &report.groups {
        text.push_str(&format!("  {:<14} {:>3} of {:>3}\n", group.group.as_str(), group.points, group.max));
    }
    for (check, loss) in report.losses() {
        let critical = if check.critical { painted(" critical", Paint::Bad) } else { String::new() };
        text.push_str(&format!("-{} {}{critical}: {}\n", loss.points, check.id, plain(&loss.what)));
        text.push_str(&format!("   {}\n", plain(&loss.fix)));
    }
    text
}
