//! What is written, what comes of it, and what is said about it.

mod doors;
mod errors;
mod health;
mod keys;
mod layers;
mod panics;
mod plans;
mod sample;
mod spellings;
mod warnings;

use seawall_config::{Format, load_str};

use super::{Findings, Loaded, Purpose, load, plan};

/// Reads a text as the file `f` with a profile and variables.
fn read_with(
    text: &str,
    profile: Option<&str>,
    variables: &[(&str, &str)],
) -> Result<(Loaded, Findings), Findings> {
    load(load_str(text, "f", Format::Toml, profile, variables.iter().copied())?)
}

fn read(text: &str) -> Result<(Loaded, Findings), Findings> {
    read_with(text, None, &[])
}

/// Settings that must be good.
fn good(text: &str) -> Loaded {
    match read(text) {
        Ok((loaded, _)) => loaded,
        Err(findings) => panic!("{}", lines(findings).join("\n")),
    }
}

/// Everything that is said about a text, without and with what is only found out when secrets are fetched.
fn said(text: &str) -> Vec<String> {
    match read(text) {
        Err(findings) => lines(findings),
        Ok((loaded, mut findings)) => {
            let (_, more) = plan(&loaded, &|name| match name {
                "SET" => Some("hunter2".to_owned()),
                "LONG" => Some("correct-horse-battery-staple".to_owned()),
                "TOKEN" => Some("7Qm2xVb9Lw4TzR1nKc8Y".to_owned()),
                _ => None,
            });
            more.0.into_iter().for_each(|finding| findings.add(finding));
            lines(findings)
        }
    }
}

fn lines(findings: Findings) -> Vec<String> {
    let (errors, warnings) = findings.split(Purpose::Check);
    let line = |kind: &str, finding: &super::Finding| format!("{kind} {finding}");
    errors
        .iter()
        .map(|error| line("error", error))
        .chain(warnings.iter().map(|warning| line("warning", warning)))
        .collect()
}

/// An upstream to hang things on, on one line.
const UP: &str = "upstream.up.url = 'https://up.example'\n";
