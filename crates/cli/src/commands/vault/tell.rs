//! What is told of a vault: what is in it, how it stands, and values only as tokens.

use std::process::ExitCode;

use clap::Args;
use seawall_core::clock::wall_now;
use seawall_security::vault::{ListedEntry, Name};
use serde_json::{Value, json};

use super::{Found, failure, name};
use crate::output::{Failure, data, json, note, table};

pub(super) fn list(found: &Found) -> Result<ExitCode, Failure> {
    let entries = found.open()?.list(wall_now());
    if found.json {
        json(&json!({ "vault": found.file, "entries": entries }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = entries.iter().flat_map(rows).collect();
    data(&table(&["name", "version", "state", "created", "ends", "used"], &rows, "the vault is empty"))?;
    Ok(ExitCode::SUCCESS)
}

/// One line for each version that matters: those that are valid, and the newest in any case.
fn rows(entry: &ListedEntry) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (place, version) in entry.versions.iter().enumerate() {
        if place > 0 && !version.state.is_valid() {
            continue;
        }
        let used = match (&entry.uses, place) {
            (Some(uses), 0) if uses.count == 1 => format!("once, {}", uses.last_text()),
            (Some(uses), 0) => format!("{} times, last {}", uses.count, uses.last_text()),
            (None, 0) => "never".to_owned(),
            _ => String::new(),
        };
        rows.push(vec![
            entry.name.to_string(),
            version.version.to_string(),
            version.state.to_string(),
            version.created.clone(),
            version.ends.clone().unwrap_or_else(|| "never".to_owned()),
            used,
        ]);
    }
    rows
}

pub(super) fn check(found: &Found) -> Result<ExitCode, Failure> {
    let (vault, now) = (found.open()?, wall_now());
    let concerns = vault.check(now);
    let (wrong, soon): (Vec<_>, Vec<_>) = concerns.iter().partition(|concern| concern.wrong);
    let exit = if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if found.json {
        let entries: Vec<Value> = vault
            .list(now)
            .into_iter()
            .map(|entry| {
                let strength = vault.strength(&entry.name, now).ok().map(|strength| strength.grade.as_str());
                let ends = entry.versions.iter().find(|version| version.state.is_valid());
                let ends = ends.and_then(|version| version.ends.clone());
                json!({ "name": entry.name, "state": entry.state, "strength": strength, "ends": ends })
            })
            .collect();
        json(
            &json!({ "ok": wrong.is_empty(), "vault": found.file, "entries": entries, "concerns": concerns }),
        )?;
        return Ok(exit);
    }
    soon.iter().for_each(|concern| note(format_args!("warning: {concern}")));
    wrong.iter().for_each(note);
    let verdict = match wrong.len() {
        0 => "good".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        count => format!("{count} things are wrong"),
    };
    let entries = match vault.names().count() {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    };
    data(&format!("{}: {entries}, {verdict}\n", found.file.display()))?;
    Ok(exit)
}

/// Print a value as a Fernet token.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The entry; without one every entry that has a value, each on a line with its name
    name: Option<String>,
}

impl Export {
    pub(super) fn run(self, found: &Found) -> Result<ExitCode, Failure> {
        let named = self.name.as_deref().map(name).transpose()?;
        let (vault, now) = (found.open()?, wall_now());
        let export = |name: &Name| vault.export(name, now).map_err(failure);
        let text = match named {
            Some(name) if found.json => return one(&name, &export(&name)?),
            Some(name) => format!("{}\n", export(&name)?),
            None => {
                let valid = vault.list(now).into_iter().filter(|entry| entry.state.is_valid());
                let tokens = valid.map(|entry| Ok((export(&entry.name)?, entry.name)));
                let tokens = tokens.collect::<Result<Vec<_>, Failure>>()?;
                if found.json {
                    let tokens: Vec<Value> =
                        tokens.iter().map(|(token, name)| json!({ "name": name, "token": token })).collect();
                    json(&json!({ "vault": found.file, "tokens": tokens }))?;
                    return Ok(ExitCode::SUCCESS);
                }
                tokens.iter().map(|(token, name)| format!("{name} {token}\n")).collect()
            }
        };
        data(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn one(name: &Name, token: &str) -> Result<ExitCode, Failure> {
    json(&json!({ "name": name, "token": token }))?;
    Ok(ExitCode::SUCCESS)
}
