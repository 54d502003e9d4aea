//! How secure an installation is, as a number one can argue with: every point has a check, every lost point a reason and a
//! fix.
//!
//! Each check has a fixed maximum. What does not apply here counts neither for nor against. A critical check that fails
//! caps the score at [`CAP`], whatever else is good. Nothing is gained by installing things. Facts are gathered by
//! [`Environment::look`] and by whoever knows the configuration; what they are worth is decided in [`judge`], which looks at
//! nothing else.

mod checks;
mod facts;
mod history;
mod html;

use serde::Serialize;

pub use checks::judge;
pub use facts::{Environment, Facts, KeptFile, Role, Secrets, UpstreamFact};
pub use history::{History, Run};
pub use html::html;

/// The best score where a critical check fails.
pub const CAP: u32 = 49;

/// What kind of thing is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// The process and the system it runs on.
    Environment,
    /// Files and directories.
    Files,
    /// Who can connect, and to whom.
    Network,
    /// The program itself.
    Application,
    /// What the configuration says.
    Configuration,
}

impl Group {
    /// Every one, in the order they are shown.
    pub const ALL: [Group; 5] =
        [Group::Environment, Group::Files, Group::Network, Group::Application, Group::Configuration];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Group::Environment => "environment",
            Group::Files => "files",
            Group::Network => "network",
            Group::Application => "application",
            Group::Configuration => "configuration",
        }
    }
}

/// Points that were lost, and how to get them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// How many.
    pub points: u32,
    /// Why.
    pub what: String,
    /// What to do.
    pub fix: String,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is called, such as `files.vault`: the same in every version.
    pub id: &'static str,
    /// What kind.
    pub group: Group,
    /// What it asks, as a statement that should be true.
    pub title: &'static str,
    /// The most points it can bring.
    pub max: u32,
    /// What it brought.
    pub points: u32,
    /// Whether it caps the score when any of its points is lost.
    pub critical: bool,
    /// Why it was not asked; it counts neither for nor against.
    pub absent: Option<&'static str>,
    /// What was lost.
    pub losses: Vec<Loss>,
}

/// What all checks came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// 0 to 100.
    pub score: u32,
    /// Whether a critical check holds it down to [`CAP`].
    pub capped: bool,
    /// Points of the checks that apply.
    pub points: u32,
    /// And the most they could have brought.
    pub max: u32,
    /// By kind.
    pub groups: Vec<GroupScore>,
    /// Every check, in a fixed order.
    pub checks: Vec<Check>,
}

/// The points of one kind of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GroupScore {
    /// Which.
    pub group: Group,
    /// What they brought.
    pub points: u32,
    /// And the most they could have.
    pub max: u32,
}

impl Report {
    /// The sum of checks.
    pub(crate) fn of(checks: Vec<Check>) -> Self {
        let asked = |group: Option<Group>| {
            let asked = checks.iter().filter(move |check| {
                check.absent.is_none() && group.is_none_or(|group| check.group == group)
            });
            asked.fold((0, 0), |(points, max), check| (points + check.points, max + check.max))
        };
        let (points, max) = asked(None);
        let groups = Group::ALL
            .into_iter()
            .map(|group| {
                let (points, max) = asked(Some(group));
                GroupScore { group, points, max }
            })
            .collect();
        // Downwards: a hundred means that nothing was lost.
        let full = (points * 100).checked_div(max).unwrap_or(0);
        let failed =
            checks.iter().any(|check| check.critical && check.points < check.max && check.absent.is_none());
        Self {
            score: if failed { full.min(CAP) } else { full },
            capped: failed && full > CAP,
            points,
            max,
            groups,
            checks,
        }
    }

    /// What was lost, the most points first, critical ones before all others.
    pub fn losses(&self) -> Vec<(&Check, &Loss)> {
        let mut losses: Vec<_> =
            self.checks.iter().flat_map(|check| check.losses.iter().map(move |loss| (check, loss))).collect();
        losses.sort_by_key(|(check, loss)| (!check.critical, std::cmp::Reverse(loss.points)));
        losses
    }
}

#[cfg(test)]
mod tests;
