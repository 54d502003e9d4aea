//! What is wrong with a configuration, said in one line that names its place.

use std::fmt::{self, Write};

use serde::Serialize;
use serde::ser::SerializeStruct;

use crate::Origin;

/// One thing that is wrong, displayed as `FILE:LINE:COLUMN: key: what is wrong, what to write`.
///
/// The value of a key that looks secret is in none of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the configuration can be used nevertheless.
    pub severity: Severity,
    /// Where.
    pub origin: Origin,
    /// The dotted key (`upstream.openai.limits[1].per`); empty when the problem is no key's.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub advice: Option<String>,
}

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It will run, but probably not as meant.
    Warning,
    /// It will not run.
    Error,
}

/// Every problem that was found; never empty when it is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(
    /// In the order they were found.
    pub Vec<Problem>,
);

impl Problem {
    /// An error.
    pub fn error(origin: Origin, key: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Error, origin, key: key.into(), message: message.into(), advice: None }
    }

    /// A warning.
    pub fn warning(origin: Origin, key: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(origin, key, message) }
    }

    /// The same problem with what to write instead.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Problem {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = OneLine(f);
        write!(line, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(line, "{}: ", self.key)?;
        }
        line.write_str(&self.message)?;
        match &self.advice {
            Some(advice) => write!(line, ", {advice}"),
            None => Ok(()),
        }
    }
}

/// Spells control characters out: a key or a variable's name writes no lines and no escapes of its own into a terminal.
struct OneLine<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, control)) = rest.char_indices().find(|(_, c)| c.is_control()) {
            write!(self.0, "{}{}", &rest[..at], control.escape_default())?;
            rest = &rest[at + control.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

impl std::error::Error for Problem {}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (file, line, column) = match &self.origin {
            Origin::File { name, line, column } => (Some(name), Some(line), Some(column)),
            Origin::Whole(name) => (Some(name), None, None),
            _ => (None, None, None),
        };
        let mut fields = serializer.serialize_struct("Problem", 8)?;
        fields.serialize_field("severity", &self.severity)?;
        fields.serialize_field("origin", &self.origin.to_string())?;
        fields.serialize_field("file", &file.map(|name| &**name))?;
        fields.serialize_field("line", &line)?;
        fields.serialize_field("column", &column)?;
        fields.serialize_field("key", &self.key)?;
        fields.serialize_field("message", &self.message)?;
        fields.serialize_field("advice", &self.advice)?;
        fields.end()
    }
}

impl Problems {
    /// Whether any of them stops the configuration from being used.
    pub fn any_error(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_the_contract_says() {
        let place = Origin::File { name: "seawall.toml".into(), line: 12, column: 3 };
        let problem =
            Problem::error(place, "upstream.a.url", "is not a URL").advise("write \"https://host\"");
        assert_eq!(
            problem.to_string(),
            "seawall.toml:12:3: upstream.a.url: is not a URL, write \"https://host\""
        );
        let whole = Problem::warning(Origin::Whole("x.toml".into()), "", "is empty");
        assert_eq!(whole.to_string(), "x.toml: is empty");
        assert!(!Problems::from(whole.clone()).any_error());
        assert_eq!(Problems(vec![problem.clone(), whole]).to_string().lines().count(), 2);
        let odd = Problem::error(Origin::Environment("SEAWALL__A\nB".into()), "", "unknown key `\u{1b}[2J`");
        assert_eq!(odd.to_string(), "environment SEAWALL__A\\nB: unknown key `\\u{1b}[2J`");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!((&json["line"], &json["severity"]), (&12.into(), &"error".into()));
    }
}
