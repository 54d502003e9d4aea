//! `seawall effects`: what must not happen twice, and what a person decides where nobody knows.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use seawall_signals::view;
use serde_json::Value;

use super::Running;
use crate::client::typed;
use crate::output::{Failure, Paint, data, json, note, painted, plain, table};

/// What must not happen twice: list it, look at it, and decide what nobody knows.
#[derive(Debug, Args)]
pub(super) struct Effects {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    running: Running,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List effects, those in doubt unless told otherwise
    List(List),
    /// Everything that is remembered of one
    Show {
        /// The effect's id
        id: String,
    },
    /// Say what you found out about an effect in doubt
    ///
    /// That it has not taken place is believed only when nothing of the call can be under way any more.
    Resolve(Decision),
    /// The same, though the call may still be under way: if it arrives after all, it happens twice
    Force(Decision),
}

#[derive(Debug, Args, Default)]
struct List {
    /// executing, in-doubt, reconciling, free, done, quarantined, tombstone, or all [default: all that is in doubt]
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

/// How it ended, who found out, and how.
#[derive(Debug, Args)]
struct Decision {
    /// The effect's id
    id: String,
    /// How it ended
    #[arg(long = "as", value_name = "OUTCOME")]
    outcome: Outcome,
    /// Who you are
    #[arg(long, value_name = "WHO")]
    by: String,
    /// How you know
    #[arg(long, value_name = "WHY")]
    reason: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Outcome {
    /// It took place
    Applied,
    /// It was refused for good
    Rejected,
    /// It did not take place, and may be run again
    NotApplied,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::Rejected => "rejected",
            Outcome::NotApplied => "not-applied",
        }
    }
}

impl Effects {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self.what.unwrap_or(What::List(List { state: None, limit: 100 })) {
            What::List(list) => list.run(&self.running),
            What::Show { id } => show(&self.running, &id),
            What::Resolve(decision) => decision.pull(&self.running, false),
            What::Force(decision) => decision.pull(&self.running, true),
        }
    }
}

/// The states in which nobody knows.
const DOUBTFUL: [&str; 3] = ["in-doubt", "reconciling", "quarantined"];

impl List {
    fn run(self, running: &Running) -> Result<ExitCode, Failure> {
        let states: Vec<&str> = match self.state.as_deref() {
            None => DOUBTFUL.into(),
            Some("all") => vec![""],
            Some(state) => vec![state],
        };
        let port = running.port()?;
        let mut all = view::Effects::default();
        for state in states {
            let mut after = String::new();
            loop {
                let path = format!("/api/v1/effects?state={}&after={}", encoded(state), encoded(&after));
                let page: view::Effects = typed(port.get(&path)?)?;
                (all.promise, all.in_doubt) = (page.promise, page.in_doubt);
                all.effects.extend(page.effects);
                all.next = page.next.clone();
                match page.next {
                    Some(next) if all.effects.len() < self.limit => after = next,
                    _ => break,
                }
            }
            if all.effects.len() >= self.limit {
                break;
            }
        }
        all.effects.truncate(self.limit);
        if running.json {
            json(&serde_json::to_value(&all).map_err(|why| Failure::failed(why.to_string()))?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<Vec<String>> = all.effects.iter().map(row).collect();
        let none = match self.state {
            None => "nothing is in doubt",
            Some(_) => "no such effects",
        };
        data(&table(&["id", "state", "since", "attempts", "name", "why"], &rows, none))?;
        if all.next.is_some() {
            note("seawall: there are more: write a larger --limit");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(effect: &view::Effect) -> Vec<String> {
    let paint = match effect.state.as_str() {
        "done" | "tombstone" | "free" => Paint::Good,
        "executing" | "reconciling" => Paint::Odd,
        _ => Paint::Bad,
    };
    let why = match (&effect.reason, &effect.truth) {
        (Some(reason), _) => format!("{reason}: {}", effect.detail.as_deref().unwrap_or("")),
        (None, Some(truth)) => match &effect.answer {
            Some(answer) => format!("{truth}: {answer}"),
            None => truth.clone(),
        },
        (None, None) => String::new(),
    };
    vec![
        plain(&effect.id),
        painted(&plain(&effect.state), paint),
        plain(effect.since.as_deref().unwrap_or(&effect.first)),
        effect.attempts.to_string(),
        plain(&effect.name),
        plain(&why),
    ]
}

/// An id goes into a path: nothing in it may lead elsewhere.
fn checked(id: &str) -> Result<&str, Failure> {
    match id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        true => Ok(id),
        false => Err(Failure::bad_input(format_args!(
            "{id:?} is no effect's id: it has 32 hexadecimal digits, see `seawall effects list`"
        ))),
    }
}

fn show(running: &Running, id: &str) -> Result<ExitCode, Failure> {
    let value = running.port()?.get(&format!("/api/v1/effects/{}", checked(id)?))?;
    if running.json {
        json(&value)?;
        return Ok(ExitCode::SUCCESS);
    }
    let effect: view::Effect = typed(value)?;
    let mut text = String::new();
    let mut line = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            text.push_str(&format!("{key:<10}{}\n", plain(value)));
        }
    };
    line("id", Some(&effect.id));
    line("name", Some(&effect.name));
    line("state", Some(&effect.state));
    line("nature", Some(&effect.nature));
    line("attempts", Some(&effect.attempts.to_string()));
    line("first", Some(&effect.first));
    line("since", effect.since.as_deref());
    line("reason", effect.reason.as_deref());
    line("detail", effect.detail.as_deref());
    line("asked", effect.asked.map(|asked| format!("{asked} times")).as_deref());
    line("quiet", effect.quiet.as_deref());
    line("ended", effect.truth.as_deref());
    line("said by", effect.how.as_deref());
    line("answer", effect.answer.as_deref());
    data(&text)?;
    Ok(ExitCode::SUCCESS)
}

impl Decision {
    fn pull(self, running: &Running, force: bool) -> Result<ExitCode, Failure> {
        let Self { id, outcome, by, reason } = self;
        let body: Value =
            serde_json::json!({ "by": by, "reason": reason, "outcome": outcome.as_str(), "force": force });
        let answer = running.port()?.post(&format!("/api/v1/effects/{}/resolve", checked(&id)?), &body)?;
        if running.json {
            json(&answer)?;
        } else {
            let effect: view::Effect = typed(answer)?;
            note(format_args!("seawall: {}: {} by {by}: {reason}", plain(&effect.name), outcome.as_str()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// As a part of a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
