//! What changes a value: set, rotate, revoke, expire, import.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use seawall_core::clock::wall_now;
use seawall_core::secret::Secret;
use seawall_core::units::{format_duration, parse_duration};
use seawall_security::vault::{
    Grade, MAX_VALUE, Name, Set, Terms, Vault, is_value_variable, moment, name_of_variable, strength,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::{Found, failure, key, name};
use crate::output::{Failure, data, json, note};

/// What is said of a value beside itself.
#[derive(Debug, Args)]
pub(super) struct Said {
    /// When it stops being valid: a span like 90d, a day like 2027-03-01, or a moment of RFC 3339
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// It is known to be weak; `check` says no more about that
    #[arg(long)]
    accept_weak: bool,
    /// What is on stdin is a Fernet token of the value, made with the vault's key
    #[arg(long)]
    token: bool,
}

impl Said {
    fn terms(&self, now: SystemTime) -> Result<Terms, Failure> {
        let expires = self.expires.as_deref().map(|text| when(text, now)).transpose()?;
        Ok(Terms { expires, accept_weak: self.accept_weak })
    }

    /// The value on stdin, read before the vault is opened and unwrapped after.
    fn value(&self, vault: &Vault, read: Secret) -> Result<Secret, Failure> {
        match self.token {
            true => vault.read_token(read.expose()).map_err(failure),
            false => Ok(read),
        }
    }
}

/// Put a value in.
#[derive(Debug, Args)]
pub(super) struct Put {
    /// Its name, as in vault:NAME
    name: String,
    #[command(flatten)]
    said: Said,
}

impl Put {
    pub(super) fn run(self, found: &Found) -> Result<ExitCode, Failure> {
        let (name, now) = (name(&self.name)?, wall_now());
        let terms = self.said.terms(now)?;
        let mut vault = found.open()?;
        let value = self.said.value(&vault, from_stdin()?)?;
        let set = vault.set(&name, &value, terms, now).map_err(failure)?;
        told(found, &name, set, &value, terms)
    }
}

/// Put the next value in, or change the vault's key.
#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// The entry; without one the vault's own key is changed
    name: Option<String>,
    /// How long the value before stays accepted
    #[arg(long, value_name = "SPAN", default_value = "1d", requires = "name")]
    overlap: String,
    #[command(flatten)]
    said: Said,
    /// Make the vault's new key in this file, which must not be there yet
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    new_key_file: Option<PathBuf>,
}

impl Rotate {
    pub(super) fn run(self, found: &Found) -> Result<ExitCode, Failure> {
        let Some(text) = &self.name else {
            if self.said.expires.is_some() || self.said.accept_weak || self.said.token {
                return Err(Failure::bad_input(
                    "the vault's key has no such thing: name the entry to rotate",
                ));
            }
            return key::rotate(found, self.new_key_file.as_deref());
        };
        let (name, now) = (name(text)?, wall_now());
        let overlap = parse_duration(&self.overlap).map_err(Failure::bad_input)?;
        let terms = self.said.terms(now)?;
        let mut vault = found.open()?;
        let value = self.said.value(&vault, from_stdin()?)?;
        let set = vault.rotate(&name, &value, overlap, terms, now).map_err(failure)?;
        if set.changed && !overlap.is_zero() {
            note(format_args!("seawall: the value before is accepted for {} more", format_duration(overlap)));
        }
        told(found, &name, set, &value, terms)
    }
}

/// Take a value back.
#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The entry
    name: String,
    /// This version only
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    /// Forget the name and everything about it
    #[arg(long, conflicts_with = "version")]
    forget: bool,
}

impl Revoke {
    pub(super) fn run(self, found: &Found) -> Result<ExitCode, Failure> {
        let (name, now) = (name(&self.name)?, wall_now());
        let mut vault = found.open()?;
        match self.forget {
            true => vault.forget(&name, now),
            false => vault.revoke(&name, self.version, now),
        }
        .map_err(failure)?;
        let what = if self.forget { "forgotten" } else { "revoked" };
        note(format_args!("seawall: vault:{name} is {what}; copies of the vault made before still have it"));
        if found.json {
            json(&json!({ "name": name, "version": self.version, "forgotten": self.forget }))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Say when a value stops being valid.
#[derive(Debug, Args)]
pub(super) struct Expire {
    /// The entry
    name: String,
    /// A span like 90d, a day like 2027-03-01, or a moment of RFC 3339 [default: now]
    #[arg(long, value_name = "WHEN")]
    at: Option<String>,
    /// It never does
    #[arg(long, conflicts_with = "at")]
    never: bool,
}

impl Expire {
    pub(super) fn run(self, found: &Found) -> Result<ExitCode, Failure> {
        let (name, now) = (name(&self.name)?, wall_now());
        let end = match (&self.at, self.never) {
            (_, true) => None,
            (Some(text), false) => Some(when(text, now)?),
            (None, false) => Some(now),
        };
        let mut vault = found.open()?;
        vault.expire(&name, end, now).map_err(failure)?;
        let end = vault.list(now).into_iter().find(|entry| entry.name == name);
        let end = end.and_then(|entry| entry.versions.into_iter().find_map(|version| version.ends));
        match &end {
            Some(end) => note(format_args!("seawall: vault:{name} is valid until {end}")),
            None => note(format_args!("seawall: vault:{name} has no end")),
        }
        if found.json {
            json(&json!({ "name": name, "ends": end }))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Put values of environment variables in.
#[derive(Debug, Args)]
pub(super) struct ImportEnv {
    /// Variables, each with the name it gets or without [default: all that end in _KEY, _TOKEN or _SECRET]
    #[arg(value_name = "VARIABLE[=NAME]")]
    variables: Vec<String>,
    /// Replace values that differ
    #[arg(long)]
    replace: bool,
}

impl ImportEnv {
    pub(super) fn run(self, found: &Found) -> Result<ExitCode, Failure> {
        let mut wanted: BTreeMap<Name, String> = BTreeMap::new();
        for (variable, text) in self.wanted()? {
            let entry = name(&text).map_err(|_| {
                Failure::bad_input(format_args!("{variable} makes no name: write {variable}=NAME"))
            })?;
            if let Some(other) = wanted.insert(entry.clone(), variable.clone()) {
                return Err(Failure::bad_input(format_args!(
                    "{other} and {variable} would both be vault:{entry}: write {variable}=NAME"
                )));
            }
        }
        // Everything is read before anything is written.
        let values = wanted.into_iter().map(|(name, variable)| Ok((name, value_of(&variable)?, variable)));
        let values = values.collect::<Result<Vec<_>, Failure>>()?;
        let (mut vault, now) = (found.open()?, wall_now());
        let mut imported = Vec::new();
        let mut lines = String::new();
        for (name, value, variable) in &values {
            let set = match self.replace {
                true => vault.set(name, value, Terms::default(), now),
                false => vault.set_new(name, value, Terms::default(), now),
            }
            .map_err(|why| Failure::bad_input(format_args!("{variable}: {why}")))?;
            weak(name, value, Terms::default());
            let word = if set.changed { "put in" } else { "there already" };
            lines.push_str(&format!("{variable}  vault:{name}  {word}\n"));
            imported.push(
                json!({ "variable": variable, "name": name, "version": set.version, "changed": set.changed }),
            );
        }
        if values.is_empty() {
            note(
                "seawall: no variable ends in _KEY, _TOKEN or _SECRET: name one, as in `seawall vault import-env OPENAI=openai`",
            );
        }
        match found.json {
            true => json(&json!({ "imported": imported }))?,
            false => data(&lines)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Variables with the names they get.
    fn wanted(&self) -> Result<Vec<(String, String)>, Failure> {
        if !self.variables.is_empty() {
            let named = self.variables.iter().map(|text| match text.split_once('=') {
                Some((variable, name)) => (variable.to_owned(), name.to_owned()),
                None => (text.clone(), name_of_variable(text)),
            });
            return Ok(named.collect());
        }
        let mut names: Vec<String> =
            std::env::vars_os().filter_map(|(variable, _)| variable.into_string().ok()).collect();
        names.retain(|variable| is_value_variable(variable));
        names.sort();
        Ok(names.into_iter().map(|variable| (variable.clone(), name_of_variable(&variable))).collect())
    }
}

fn value_of(variable: &str) -> Result<Secret, Failure> {
    match std::env::var_os(variable).map(std::ffi::OsString::into_string) {
        Some(Ok(value)) if !value.is_empty() => Ok(Secret::new(value)),
        Some(Ok(_)) | None => Err(Failure::bad_input(format_args!("{variable} is not set: set it"))),
        Some(Err(_)) => {
            Err(Failure::bad_input(format_args!("{variable} is no UTF-8 text: keep a file instead")))
        }
    }
}

/// A value from stdin; one line break at its end is not part of it.
fn from_stdin() -> Result<Secret, Failure> {
    let mut input = io::stdin().lock();
    if input.is_terminal() {
        note(
            "seawall: type the value, which is shown as you do, then Enter and Ctrl-D; or give a file: `… < FILE`",
        );
    }
    // A token is longer than what is in it. Room for all of it at once: a buffer that grows leaves pieces behind.
    let most = MAX_VALUE * 2;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 2));
    let read = input.by_ref().take(most as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|why| Failure::failed(format_args!("stdin cannot be read: {why}")))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::bad_input("the value is no UTF-8 text: keep a file instead"))?;
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(Secret::new(text.to_owned()))
}

fn when(text: &str, now: SystemTime) -> Result<SystemTime, Failure> {
    moment(text, now).map_err(Failure::bad_input)
}

fn weak(name: &Name, value: &Secret, terms: Terms) {
    let judged = strength(value.expose());
    if let (Grade::Weak, Some(why), false) = (judged.grade, judged.why, terms.accept_weak) {
        note(format_args!("warning: vault:{name} is weak: {why}"));
    }
}

fn told(found: &Found, name: &Name, set: Set, value: &Secret, terms: Terms) -> Result<ExitCode, Failure> {
    weak(name, value, terms);
    match set.changed {
        true => note(format_args!("seawall: vault:{name} is set, version {}", set.version)),
        false => note(format_args!("seawall: vault:{name} had this value already, version {}", set.version)),
    }
    if found.json {
        let grade = strength(value.expose()).grade.as_str();
        json(&json!({ "name": name, "version": set.version, "changed": set.changed, "strength": grade }))?;
    }
    Ok(ExitCode::SUCCESS)
}
