//! What was in force before, and what changed between two of them.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use seawall_config::versions::Versions;
use seawall_config::{Node, differences};

use super::super::{past, report};
use super::Where;
use crate::output::{Failure, data, json, note, plain, table};
use crate::settings::{Findings, Purpose, is_secret, schema};

/// Which versions, and how.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Write the text of this one
    #[arg(value_name = "N")]
    number: Option<u64>,
    #[command(flatten)]
    place: Where,
    /// Answer in one JSON value
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn run(self) -> Result<(), Failure> {
        let versions = self.place.versions();
        if let Some(number) = self.number {
            return data(&versions.read(number).map_err(Failure::failed)?.text);
        }
        let listing = versions.list().map_err(Failure::failed)?;
        for (_, why) in &listing.damaged {
            note(format_args!("seawall: warning: {}", plain(why)));
        }
        let shown: Vec<_> = listing.versions.into_iter().map(|version| past::shown(version, None)).collect();
        if self.json {
            return json(&serde_json::json!({ "versions": shown }));
        }
        let rows: Vec<Vec<String>> = shown
            .iter()
            .map(|version| {
                let digest = version.sha256.chars().take(8).collect();
                vec![
                    version.name.clone(),
                    plain(&version.at),
                    digest,
                    plain(&version.file),
                    plain(&version.story()),
                ]
            })
            .collect();
        data(&table(&["version", "since", "sha256", "file", "why"], &rows, "no version was kept yet"))
    }
}

/// Which two.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The first [default: the latest version]
    #[arg(value_name = "A")]
    from: Option<u64>,
    /// The second [default: the file as it is now]
    #[arg(value_name = "B")]
    to: Option<u64>,
    #[command(flatten)]
    place: Where,
    /// Answer in one JSON value
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let versions = self.place.versions();
        let from = match self.from {
            Some(number) => versions.read(number).map_err(Failure::failed)?,
            None => versions.latest().ok_or_else(|| {
                Failure::failed("no version was kept yet: there is nothing to compare with")
            })?,
        };
        let number = from.version.number;
        let trees =
            self.tree(&versions, Some(number)).and_then(|old| Ok((old, self.tree(&versions, self.to)?)));
        let (old, new) = match trees {
            Ok(trees) => trees,
            Err(Wrong::Version(why)) => return Err(Failure::failed(why)),
            Err(Wrong::Text(findings)) => {
                return report(findings, Purpose::Check).map(|()| ExitCode::FAILURE);
            }
        };
        let schema = schema();
        let lines = differences(&old, &new, &|key| is_secret(&schema, key));
        let to = self
            .to
            .map_or_else(|| self.place.source.file().display().to_string(), |to| format!("version {to}"));
        if self.json {
            json(&serde_json::json!({ "from": number, "to": self.to, "changes": lines }))?;
            return Ok(ExitCode::SUCCESS);
        }
        match lines.len() {
            0 => note(format_args!("seawall: {to} says what version {number} said")),
            _ => note(format_args!("seawall: from version {number} to {to}:")),
        }
        data(&lines.iter().map(|line| format!("{}\n", plain(line))).collect::<String>())?;
        Ok(ExitCode::SUCCESS)
    }

    /// What a version says, or the file, under the same profile and environment.
    fn tree(&self, versions: &Versions, number: Option<u64>) -> Result<Node, Wrong> {
        let source = &self.place.source;
        let Some(number) = number else { return source.tree().map_err(Wrong::Text) };
        let kept = versions.read(number).map_err(|why| Wrong::Version(why.to_string()))?;
        source.tree_of(&kept.text, Path::new(&kept.version.file)).map_err(Wrong::Text)
    }
}

/// Why two cannot be compared.
enum Wrong {
    Version(String),
    Text(Findings),
}
