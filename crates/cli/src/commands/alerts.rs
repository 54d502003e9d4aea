//! `seawall alerts`: what is wrong, who was told and why, and a while of silence.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use seawall_core::units::{format_duration, parse_duration};
use seawall_signals::view;

use super::Running;
use crate::client::typed;
use crate::output::{Failure, Paint, data, json, note, painted, plain, table};

/// Its alerts, why somebody was told or was not, and levers to silence them.
#[derive(Debug, Args)]
pub(super) struct Alerts {
    #[command(subcommand)]
    lever: Option<Lever>,
    /// Every rule, those that are quiet included
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    running: Running,
}

#[derive(Debug, Subcommand)]
enum Lever {
    /// Why somebody was told of an alert, or was not
    Why {
        /// The alert, or its rule
        id: String,
    },
    /// Tell nobody of an alert, or of all alerts of a rule, for a while; `--for 0s` ends it
    Silence {
        /// The alert, or its rule
        id: String,
        /// How long
        #[arg(long = "for", value_name = "TIME", default_value = "1h")]
        span: String,
        /// Who you are
        #[arg(long, value_name = "WHO")]
        by: String,
        /// Why
        #[arg(long, value_name = "WHY")]
        reason: String,
    },
    /// Send a notice that says nothing on a channel
    Test {
        /// The channel
        channel: String,
        /// Who you are
        #[arg(long, value_name = "WHO")]
        by: String,
        /// Why
        #[arg(long, value_name = "WHY")]
        reason: String,
    },
}

impl Alerts {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self.lever {
            None => list(&self.running, self.all),
            Some(Lever::Why { id }) => why(&self.running, &id),
            Some(Lever::Silence { id, span, by, reason }) => {
                let span =
                    parse_duration(&span).map_err(|why| Failure::bad_input(format_args!("--for: {why}")))?;
                let body = serde_json::json!({ "for": format_duration(span), "by": by, "reason": reason });
                let said = format!("{id}: silent for {} by {by}: {reason}", format_duration(span));
                pull(&self.running, &format!("/api/v1/alerts/{}/silence", segment(&id)?), &body, &said)
            }
            Some(Lever::Test { channel, by, reason }) => {
                let body = serde_json::json!({ "by": by, "reason": reason });
                let said = format!("{channel}: a test is on its way, see `seawall alerts`");
                pull(&self.running, &format!("/api/v1/channels/{}/test", segment(&channel)?), &body, &said)
            }
        }
    }
}

/// A name that goes into a path: nothing in it may lead elsewhere.
fn segment(name: &str) -> Result<&str, Failure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    match !name.is_empty() && name.chars().all(fits) && !name.chars().all(|c| c == '.') {
        true => Ok(name),
        false => {
            Err(Failure::bad_input(format_args!("{name:?} is no such name: see `seawall alerts --all`")))
        }
    }
}

fn pull(running: &Running, path: &str, body: &serde_json::Value, said: &str) -> Result<ExitCode, Failure> {
    let answer = running.port()?.post(path, body)?;
    match running.json {
        true => json(&answer)?,
        false => note(format_args!("seawall: {said}")),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(running: &Running, all: bool) -> Result<ExitCode, Failure> {
    let value = running.port()?.get("/api/v1/alerts")?;
    match running.json {
        true => json(&value)?,
        false => data(&drawn(&typed(value)?, all))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn drawn(view: &view::Alerts, all: bool) -> String {
    let quiet = |alert: &&view::Alert| all || !["ok", "no-data"].contains(&alert.state.as_str());
    let rows: Vec<Vec<String>> = view.alerts.iter().filter(quiet).map(row).collect();
    let head = ["alert", "state", "severity", "value", "since", "send", "summary"];
    let mut text = table(&head, &rows, "no alerts");
    if !view.channels.is_empty() {
        let rows: Vec<Vec<String>> = view.channels.iter().map(channel).collect();
        text.push('\n');
        text.push_str(&table(
            &["channel", "state", "kind", "waiting", "delivered", "dropped", "trouble"],
            &rows,
            "",
        ));
    }
    if let Some(failing) = &view.failing {
        text.push_str(&format!("\n{}\n", painted(&plain(failing), Paint::Bad)));
    }
    text
}

fn row(alert: &view::Alert) -> Vec<String> {
    let paint = match alert.state.as_str() {
        "active" => Paint::Bad,
        "pending" | "recovering" | "silenced" => Paint::Odd,
        _ => Paint::Good,
    };
    let mut state = painted(&plain(&alert.state), paint);
    if let Some(left) = alert.fires_in_seconds {
        state.push_str(&format!(", fires in {left:.0}s"));
    }
    if let Some(silenced) = &alert.silenced {
        state.push_str(&format!(" by {} until {}", plain(&silenced.by), plain(&silenced.until)));
    }
    vec![
        plain(&alert.id),
        state,
        alert.severity.to_string(),
        alert.value.map_or("-".to_owned(), |value| format!("{value}")),
        alert.since.as_deref().map_or("-".to_owned(), plain),
        if alert.send.is_empty() { "-".to_owned() } else { plain(&alert.send.join(", ")) },
        plain(&alert.summary),
    ]
}

fn channel(channel: &view::Channel) -> Vec<String> {
    let paint = if channel.state == "failing" { Paint::Bad } else { Paint::Good };
    vec![
        plain(&channel.name),
        painted(&plain(&channel.state), paint),
        plain(&channel.kind),
        channel.waiting.to_string(),
        channel.delivered.to_string(),
        channel.dropped.to_string(),
        channel.failing.as_deref().map_or("-".to_owned(), plain),
    ]
}

fn why(running: &Running, id: &str) -> Result<ExitCode, Failure> {
    let value = running.port()?.get("/api/v1/alerts")?;
    let view: view::Alerts = typed(value)?;
    let found: Vec<&view::Alert> =
        view.alerts.iter().filter(|alert| alert.id == id || alert.name == id).collect();
    if found.is_empty() {
        return Err(Failure::failed(format_args!(
            "no alert is called {:?}: see `seawall alerts --all`",
            plain(id)
        )));
    }
    if running.json {
        json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for alert in found {
        text.push_str(&format!("{} is {}: {}\n", plain(&alert.id), plain(&alert.state), plain(&alert.when)));
        for line in &alert.why {
            text.push_str(&format!("  {}  {}\n", plain(&line.at), plain(&line.what)));
        }
    }
    data(&text)?;
    Ok(ExitCode::SUCCESS)
}
