//! Scores of earlier runs, one line each, so that a trend can be seen and a change explained.

use std::path::Path;

use seawall_core::clock::wall_now;
use serde::{Deserialize, Serialize};

use super::Report;
use crate::disk;

/// The runs that are kept.
const KEPT: usize = 1000;
const MOST: u64 = 4 << 20;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// When: RFC 3339, UTC.
    pub at: String,
    /// 0 to 100.
    pub score: u32,
    /// The checks that lost points, with how many.
    pub lost: Vec<(String, u32)>,
}

/// Earlier runs, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History(
    /// The runs.
    pub Vec<Run>,
);

impl Run {
    /// A report, as of now.
    pub fn of(report: &Report) -> Self {
        let at = jiff::Timestamp::try_from(wall_now()).unwrap_or_default();
        let at = jiff::Timestamp::from_second(at.as_second()).unwrap_or(at).to_string();
        let lost = report.checks.iter().filter(|check| check.absent.is_none() && check.points < check.max);
        Self {
            at,
            score: report.score,
            lost: lost.map(|check| (check.id.to_owned(), check.max - check.points)).collect(),
        }
    }
}

impl History {
    /// Reads a history. Lines that are none are left out; a file that is not there has none.
    pub fn read(path: &Path) -> Self {
        let text = disk::read(path, MOST).map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
        Self(text.unwrap_or_default().lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Adds a run and writes the latest thousand, in one step.
    pub fn keep(&mut self, path: &Path, run: Run) -> std::io::Result<()> {
        self.0.push(run);
        let first = self.0.len().saturating_sub(KEPT);
        self.0.drain(..first);
        let lines: Vec<String> = self.0.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        disk::private_directory(disk::directory_of(path))?;
        disk::replace(path, format!("{}\n", lines.join("\n")).as_bytes(), false)
    }

    /// What has changed since the last run: checks that lose more now, and checks that lose less.
    pub fn changes(&self, now: &Run) -> (Vec<String>, Vec<String>) {
        let Some(last) = self.0.last() else { return Default::default() };
        let lost = |run: &Run, id: &str| {
            run.lost.iter().find(|(other, _)| other == id).map_or(0, |(_, points)| *points)
        };
        let mut ids: Vec<&str> = last.lost.iter().chain(&now.lost).map(|(id, _)| id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let of = |worse: bool| {
            let changed = ids.iter().filter(|id| match worse {
                true => lost(now, id) > lost(last, id),
                false => lost(now, id) < lost(last, id),
            });
            changed.map(|id| (*id).to_owned()).collect()
        };
        (of(true), of(false))
    }
}
