//! What is wrong with a configuration, how bad that is to whom, and the code it is explained under.

use std::fmt;

use seawall_config::{Origin, Problem, Problems, Severity};
use seawall_core::Code;
use serde::Serialize;
use serde::ser::SerializeStruct;

/// What the configuration is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To say whether it is good.
    Check,
    /// To run with it, here and now.
    Serve,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// It will run, but perhaps not as meant.
    Warning,
    /// It is well written and cannot run here and now: a part that is not built yet, a secret that is not set.
    Unready,
    /// It is wrong.
    Error,
}

/// One thing somebody should know, displayed as `FILE:LINE:COLUMN: key: what is wrong, what to write`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// How bad it is.
    pub(crate) weight: Weight,
    /// The page that explains it.
    pub(crate) code: Code,
    /// Where.
    pub(crate) origin: Origin,
    /// The dotted key; empty when it is no key's.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) advice: Option<String>,
}

impl Finding {
    /// Does it stand in the way of this purpose?
    pub(crate) fn stops(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Check => self.weight == Weight::Error,
            Purpose::Serve => self.weight >= Weight::Unready,
        }
    }

    /// The same finding under another code.
    pub(crate) fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// The same finding with what to write instead.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl From<Problem> for Finding {
    fn from(problem: Problem) -> Self {
        let weight = match problem.severity {
            Severity::Warning => Weight::Warning,
            Severity::Error => Weight::Error,
        };
        let code = match problem.origin {
            Origin::Whole(_) => Code::FileUnreadable,
            _ => Code::ConfigurationInvalid,
        };
        let Problem { origin, key, message, advice, .. } = problem;
        Self { weight, code, origin, key, message, advice }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        // The general code would stand on every line and say nothing.
        if self.code != Code::ConfigurationInvalid {
            write!(f, "{} ", self.code)?;
        }
        f.write_str(&self.message)?;
        match &self.advice {
            Some(advice) => write!(f, ", {advice}"),
            None => Ok(()),
        }
    }
}

impl Serialize for Finding {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (file, line, column) = match &self.origin {
            Origin::File { name, line, column } => (Some(&**name), Some(line), Some(column)),
            Origin::Whole(name) => (Some(&**name), None, None),
            _ => (None, None, None),
        };
        let mut fields = serializer.serialize_struct("Finding", 8)?;
        fields.serialize_field("code", &self.code.to_string())?;
        fields.serialize_field("origin", &self.origin.to_string())?;
        fields.serialize_field("file", &file)?;
        fields.serialize_field("line", &line)?;
        fields.serialize_field("column", &column)?;
        fields.serialize_field("key", &self.key)?;
        fields.serialize_field("message", &self.message)?;
        fields.serialize_field("advice", &self.advice)?;
        fields.end()
    }
}

/// Everything that was found, each thing once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Findings(pub(crate) Vec<Finding>);

impl Findings {
    /// Adds a finding, unless the same was said about the same place: what is wrong with a default would otherwise be
    /// wrong with everybody who inherits it.
    pub(crate) fn add(&mut self, finding: Finding) {
        let same = |other: &Finding| (&other.origin, &other.message) == (&finding.origin, &finding.message);
        if !self.0.iter().any(same) {
            self.0.push(finding);
        }
    }

    /// Those that stand in the way of a purpose, and the others, each in the order of the file.
    pub(crate) fn split(mut self, purpose: Purpose) -> (Vec<Finding>, Vec<Finding>) {
        self.0.sort_by_key(|finding| match &finding.origin {
            Origin::File { line, column, .. } => (*line, *column),
            _ => (u32::MAX, 0),
        });
        self.0.into_iter().partition(|finding| finding.stops(purpose))
    }

    /// Does any stand in the way of this purpose?
    pub(crate) fn stop(&self, purpose: Purpose) -> bool {
        self.0.iter().any(|finding| finding.stops(purpose))
    }
}

impl From<Problems> for Findings {
    fn from(problems: Problems) -> Self {
        let mut findings = Self::default();
        problems.0.into_iter().for_each(|problem| findings.add(problem.into()));
        findings
    }
}

impl From<Problem> for Findings {
    fn from(problem: Problem) -> Self {
        Self(vec![problem.into()])
    }
}
