//! What a code or a status means for an order, a question or a cancel, in words and for programs.

use std::fmt;

use seawall_core::verdict::{Certainty, Class};
use serde_json::{Value, json};

use super::codes::CODES;
use super::means::{Means, Op, Remedy};
use super::{messages, statuses};
use crate::table::Source;

/// What somebody should know who got this answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The code, or the status.
    pub code: i32,
    /// Its name.
    pub name: &'static str,
    /// What was asked.
    pub op: Op,
    /// What it says.
    pub says: &'static str,
    /// Its class.
    pub class: Class,
    /// What is known about the order.
    pub certainty: Certainty,
    /// May it be sent again, after the remedy, without finding out anything first?
    pub retryable: bool,
    /// What helps.
    pub remedy: Remedy,
    /// What to do now.
    pub advice: &'static str,
    /// Where this is read from.
    pub source: Source,
}

impl Explanation {
    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "code": self.code,
            "name": self.name,
            "op": self.op.as_str(),
            "class": self.class.as_str(),
            "certainty": self.certainty.as_str(),
            "retryable": self.retryable,
            "remedy": self.remedy.as_str(),
            "advice": format!("{}; {}", self.says, self.advice),
            "source": self.source.page,
            "as_of": self.source.read,
        })
    }
}

/// Nothing is listed under what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// What was asked for.
    pub asked: String,
    /// What is listed nearest to it: one or two numbers.
    pub near: Vec<i32>,
}

impl fmt::Display for Unlisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let near: Vec<String> = self.near.iter().map(ToString::to_string).collect();
        match near.is_empty() {
            true => write!(
                f,
                "{:?} is neither a code nor a status: write one like -1006, TIMEOUT or 503",
                self.asked
            ),
            false => {
                let near = near.join(" and ");
                write!(
                    f,
                    "nothing is listed under {}, which proves nothing: the nearest are {near}",
                    self.asked
                )
            }
        }
    }
}

/// Explains a code (`-1006`, or its name) or a status (`503`), with its message where the message decides.
pub fn explain(asked: &str, op: Op, message: &str) -> Result<Explanation, Unlisted> {
    let asked = asked.trim();
    let unlisted = |near| Unlisted { asked: asked.to_owned(), near };
    let number = match asked.parse::<i32>() {
        // Many write a code without its sign, and no status has four digits.
        Ok(number) if number >= 1000 => -number,
        Ok(number) => number,
        Err(_) => match CODES.iter().find(|row| row.name.eq_ignore_ascii_case(asked)) {
            Some(row) => row.code,
            None => return Err(unlisted(Vec::new())),
        },
    };
    let found = if number < 0 { code(number) } else { status(number) };
    let Some((name, mut means, mut says, mut source)) = found else { return Err(unlisted(near(number))) };
    if let Some(row) = messages::listed(number, message) {
        (means, says, source) = (row.means, row.says, row.source);
    }
    Ok(Explanation {
        code: number,
        name,
        op,
        says,
        class: means.class(),
        certainty: means.certainty(op),
        retryable: means.retryable(op),
        remedy: means.remedy(op),
        advice: means.advice(op),
        source,
    })
}

type Found = (&'static str, Means, &'static str, Source);

fn code(number: i32) -> Option<Found> {
    let row = CODES.iter().find(|row| row.code == number)?;
    Some((row.name, row.means, row.says, row.source))
}

fn status(number: i32) -> Option<Found> {
    let row = statuses::listed(u16::try_from(number).ok()?)?;
    Some((row.name, row.means, row.says, row.source))
}

/// The listed numbers on either side.
fn near(number: i32) -> Vec<i32> {
    let mut listed: Vec<i32> = match number < 0 {
        true => CODES.iter().map(|row| row.code).collect(),
        false => statuses::STATUSES.iter().map(|row| i32::from(*row.status.start())).collect(),
    };
    listed.sort_by_key(|other| i64::from(*other).abs_diff(i64::from(number)));
    listed.truncate(2);
    listed
}
