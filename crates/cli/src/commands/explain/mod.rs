//! `seawall explain`: one call's story, or what an error code means.

mod pages;
mod story;

use std::process::ExitCode;

use clap::Args;
use seawall_core::{CallId, Code};
use seawall_signals::view::Call;

use super::Running;
use crate::client::typed;
use crate::output::{Failure, data, json};

/// Tell one call's story, or what an error code means.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// A call's id, as in the seawall-call header, or a code like SW0004
    #[arg(value_name = "CALL-ID|CODE")]
    what: String,
    #[command(flatten)]
    running: Running,
}

impl Explain {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(code) = Code::parse(&self.what) {
            self.page(code)?;
        } else if let Some(id) = CallId::parse(&self.what) {
            let value = self.running.port()?.get(&format!("/api/v1/calls/{id}"))?;
            match self.running.json {
                true => json(&value)?,
                false => data(&story::tell(&typed::<Call>(value)?))?,
            }
        } else {
            let what = self.what.to_ascii_uppercase();
            return Err(match what.starts_with("SW") {
                true => Failure::bad_input(format_args!(
                    "there is no code {what}: they go from {} to {}",
                    Code::ALL[0],
                    Code::ALL[Code::ALL.len() - 1]
                )),
                false => Failure::bad_input(format_args!(
                    "{:?} is neither a call's id nor a code: write one like {} or SW0004",
                    self.what,
                    CallId::new()
                )),
            });
        }
        Ok(ExitCode::SUCCESS)
    }

    fn page(&self, code: Code) -> Result<(), Failure> {
        let page = pages::page(code);
        if self.running.json {
            return json(&serde_json::json!({
                "code": code.to_string(),
                "title": code.title(),
                "policy": code.policy().as_str(),
                "status": code.status(),
                "page": page,
            }));
        }
        data(page)
    }
}
