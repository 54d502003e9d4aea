//! The way back to an earlier version.

use clap::Args;
use seawall_config::versions::{Cause, Deed};

use super::super::{Running, past, report};
use super::Where;
use crate::output::{Failure, json, note, plain};
use crate::settings::{Purpose, load};

/// To which, who and why.
#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// The version, as `seawall config versions` numbers it
    #[arg(value_name = "N")]
    to: u64,
    /// Who you are
    #[arg(long, value_name = "WHO")]
    by: String,
    /// Why
    #[arg(long, value_name = "WHY")]
    reason: String,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    running: Running,
}

impl Rollback {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.by.trim().is_empty() || self.reason.trim().is_empty() {
            return Err(Failure::bad_input("--by and --reason are empty: say who you are and why"));
        }
        let port = self.running.port_of(&self.place.source)?;
        if self.running.admin.is_none() && !port.answers() {
            return self.in_the_file();
        }
        // Whichever instance answers, it must mean the same version by that number.
        let sha256 = self.place.versions().read(self.to).ok().map(|kept| kept.version.sha256);
        let mut body = serde_json::json!({ "by": self.by, "reason": self.reason, "to": self.to });
        if let Some(sha256) = sha256 {
            body["sha256"] = sha256.into();
        }
        let answer = port.post("/api/v1/config/rollback", &body)?;
        if self.running.json {
            return json(&answer);
        }
        note(format_args!(
            "seawall: generation {} is in force and says what version {} said, by {}: {}",
            answer["generation"], self.to, self.by, self.reason
        ));
        for change in answer["changes"].as_array().into_iter().flatten().filter_map(|change| change.as_str())
        {
            note(format_args!("seawall:   {}", plain(change)));
        }
        if let Some(warning) = answer["warning"].as_str() {
            note(format_args!("seawall: warning: {}", plain(warning)));
        }
        Ok(())
    }

    /// Nobody serves: the file is all there is.
    fn in_the_file(self) -> Result<(), Failure> {
        let (versions, source) = (self.place.versions(), &self.place.source);
        let file = source.file();
        let kept = past::fitting(&versions, self.to, None, &file).map_err(Failure::failed)?;
        if let Err(findings) = source.tree_of(&kept.text, &file).and_then(load) {
            return report(findings, Purpose::Check);
        }
        let sound = |text: &str| source.tree_of(text, &file).and_then(|tree| load(tree).map(|_| ())).is_ok();
        let written = past::put(&versions, &file, &kept.text, None, sound);
        written
            .map_err(|why| Failure::failed(format_args!("{} cannot be written: {why}", file.display())))?;
        let deed = Deed {
            cause: Cause::Rollback,
            by: &self.by,
            reason: &self.reason,
            generation: 0,
            again: Some(self.to),
        };
        let number = past::keep(&versions, &kept.text, &file, &deed).map_err(Failure::failed)?;
        if self.running.json {
            return json(
                &serde_json::json!({ "name": "config", "state": "written", "version": number, "to": self.to }),
            );
        }
        note(format_args!(
            "seawall: no seawall runs here: {} says what version {} said, kept as version {number}, by {}: {}",
            file.display(),
            self.to,
            self.by,
            self.reason
        ));
        Ok(())
    }
}
