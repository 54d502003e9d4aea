//! Hours and days of every series in a few numbers each: how many points, their mean, the smallest, the largest, the last, by
//! how much a counter grew, and the curve that percentiles are read from.
//!
//! ```text
//! minutes ─► the hour that has begun ─► hours: 31 days of them ─► days: 400 of them
//!                                           └─────── a file ───────┘
//! ```
//! Memory is bounded however many series there are and whatever they do: where there is too much, the oldest of all goes first.

mod codec;
mod record;
mod track;

use std::collections::BTreeMap;

use self::record::Record;
use self::track::Track;
use super::kept::{Id, Present, side_by_side};
use super::over::{self, Over};

/// Series of which hours and days are kept at once.
const TRACKS: usize = 1000;
/// Hours kept of each.
const HOURS: usize = 31 * 24;
/// Days kept of each.
const DAYS: usize = 400;
/// Records of hours that are kept altogether; hours in which nothing happened are one. 2.9 MB.
const HOUR_RECORDS: usize = 60_000;
/// The same of days. 1.5 MB.
const DAY_RECORDS: usize = 32_000;
/// More than a point for each minute of an hour, which a clock that is set back again and again could make.
const CROWD: usize = 120;

/// The last hour that is told from others, in the year 116,000.
const LATEST: u32 = 1_000_000_000;

/// How long a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An hour: 31 days of them are kept.
    Hour,
    /// A day, from midnight UTC: 400 are kept.
    Day,
}

impl Step {
    /// Its length.
    pub fn seconds(self) -> u64 {
        match self {
            Self::Hour => 3600,
            Self::Day => 86_400,
        }
    }

    /// How far back they go, in seconds.
    pub fn reach(self) -> u64 {
        match self {
            Self::Hour => HOURS as u64 * 3600,
            Self::Day => DAYS as u64 * 86_400,
        }
    }
}

/// What a series was in one step, or in several together. Numbers are kept to seven digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// When it began, in seconds since 1970.
    pub at: u64,
    /// Its length in seconds, also where it has only begun.
    pub span: u64,
    /// Points in it, one a minute while somebody looked.
    pub count: u64,
    /// The sum of its points.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The latest.
    pub last: f64,
    /// By how much a counter grew, over restarts too.
    pub increase: f64,
    curve: [f64; 5],
}

impl Stretch {
    /// The number that is asked for. A percentile is near: it is read from five points of the curve.
    pub fn over(&self, over: Over) -> f64 {
        match over {
            Over::Avg => self.sum / self.count.max(1) as f64,
            Over::Sum => self.sum,
            Over::Min => self.min,
            Over::Max => self.max,
            Over::Count => self.count as f64,
            Over::Last => self.last,
            Over::Increase => self.increase,
            // Of the minutes in which somebody looked.
            Over::Rate => self.increase / (self.count.max(1) * super::STEP) as f64,
            Over::Percentile(share) => self.at_share(share),
        }
    }
}

/// The hours and days of all series.
#[derive(Debug, Default)]
pub(super) struct Steps {
    books: BTreeMap<Id, Book>,
    /// The hour of the last look.
    hour: Option<u32>,
}

/// Those of one series.
#[derive(Debug, Default)]
struct Book {
    /// Does it only grow?
    counts: bool,
    present: bool,
    open: Option<Open>,
    /// The last value that was seen; none after a restart, at which counters begin at zero.
    last: Option<f64>,
    hours: Track,
    days: Track,
    /// A clock was set back: days from this one on are made anew when another ends.
    anew: Option<u32>,
}

/// An hour that has begun.
#[derive(Debug)]
struct Open {
    at: u32,
    points: Vec<f32>,
    last: f64,
    grown: f64,
}

impl Open {
    fn record(&self) -> Record {
        Record::of(self.at, &self.points, (self.last, self.grown))
    }
}

/// The number of the step in which a moment is. A clock beyond reason counts on as well as it can.
fn number(now: u64, step: Step) -> u32 {
    let hour = u32::try_from(now / 3600).unwrap_or(LATEST).min(LATEST);
    match step {
        Step::Hour => hour,
        Step::Day => hour / 24,
    }
}

impl Book {
    fn see(&mut self, hour: u32, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.present = true;
        let begun = if self.counts { value } else { 0.0 };
        let grown = self.last.replace(value).map_or(begun, |before| over::step(before, value));
        let open =
            self.open.get_or_insert_with(|| Open { at: hour, points: Vec::new(), last: value, grown: 0.0 });
        if open.points.len() < CROWD {
            open.points.push((value as f32).clamp(f32::MIN, f32::MAX));
        }
        open.last = value;
        open.grown += grown;
    }

    /// Ends the hour; and where another day has begun, the days before it. Yesterday is made anew: a process before this one
    /// may have ended it too soon.
    fn close(&mut self, hour: u32, is_another_day: bool) {
        if let Some(open) = self.open.take() {
            let ended = self.hours.records().last().is_some_and(|last| open.at < last.end());
            if ended {
                self.anew = Some(self.anew.unwrap_or(u32::MAX).min(open.at / 24));
            }
            self.hours.put(open.record());
        }
        let today = hour / 24;
        let mut day = 0;
        while let Some(next) = self.hours.between(day * 24, today * 24).next().filter(|_| is_another_day) {
            day = next.at / 24;
            if !self.days.covers(day) || day + 1 == today || self.anew.is_some_and(|anew| anew <= day) {
                let own: Vec<Record> = self.hours.between(day * 24, day * 24 + 24).collect();
                self.days.set(Record::together(day, &own));
            }
            day += 1;
        }
        if is_another_day {
            self.anew = None;
        }
        self.hours.trim(HOURS, hour);
        self.days.trim(DAYS, today);
        if !std::mem::take(&mut self.present) {
            // It may never come back.
            self.hours.forget(hour.saturating_sub(HOURS as u32));
            self.days.forget(today.saturating_sub(DAYS as u32));
        }
    }

    fn is_empty(&self) -> bool {
        self.open.is_none() && self.hours.records().is_empty() && self.days.records().is_empty()
    }

    fn newest(&self) -> u32 {
        let last = |track: &Track| track.records().last().map_or(0, Record::end);
        last(&self.hours).max(last(&self.days).saturating_mul(24))
    }
}

impl Steps {
    /// Takes a point of each series; they are in order.
    pub(super) fn see(&mut self, now: u64, present: &[Present]) {
        let hour = number(now, Step::Hour);
        let before = self.hour.replace(hour);
        if before != Some(hour) {
            self.turn(hour, before.is_none_or(|before| before / 24 != hour / 24));
        }
        let new = side_by_side(&mut self.books, present, |book, one| book.see(hour, one.value));
        for Present { id, value, counts } in new.into_iter().filter(|one| one.value.is_finite()) {
            if !self.room() {
                return;
            }
            let mut book = Book { counts: *counts, ..Book::default() };
            book.see(hour, *value);
            self.books.insert(id.clone(), book);
        }
    }

    /// Is there room for another series? What is gone for longest makes it.
    fn room(&mut self) -> bool {
        if self.books.len() < TRACKS {
            return true;
        }
        let gone = self.books.iter().filter(|(_, book)| book.open.is_none());
        let oldest = gone.min_by_key(|(_, book)| book.newest()).map(|(id, _)| id.clone());
        oldest.is_some_and(|id| self.books.remove(&id).is_some())
    }

    /// Another hour, the next or any other.
    fn turn(&mut self, hour: u32, is_another_day: bool) {
        self.books.values_mut().for_each(|book| book.close(hour, is_another_day));
        self.books.retain(|_, book| !book.is_empty());
        shorten(self.books.values_mut().map(|book| &mut book.hours).collect(), HOUR_RECORDS);
        shorten(self.books.values_mut().map(|book| &mut book.days).collect(), DAY_RECORDS);
    }

    /// The steps of a metric's series from one moment to another.
    pub(super) fn of(&self, metric: &str, step: Step, from: u64, now: u64) -> Vec<(Id, Vec<Stretch>)> {
        let (from, to) = (number(from, step), number(now, step) + 1);
        let mut found = Vec::new();
        for (id, book) in self.books.iter().filter(|(id, _)| id.name == metric) {
            let mut hours = book.hours.clone();
            if let Some(open) = &book.open {
                hours.put(open.record());
            }
            let track = match step {
                Step::Hour => hours,
                Step::Day => {
                    let mut days = book.days.clone();
                    // The day that has begun.
                    let today = to - 1;
                    let own: Vec<Record> = hours.between(today * 24, today * 24 + 24).collect();
                    days.cut(today);
                    if !own.is_empty() {
                        days.put(Record::together(today, &own));
                    }
                    days
                }
            };
            let steps = track.between(from, to).flat_map(Record::singles);
            let steps: Vec<Stretch> = steps.map(|one| Stretch::of(&[one], step.seconds())).collect();
            if !steps.is_empty() {
                found.push((id.clone(), steps));
            }
        }
        found
    }
}

/// Forgets the oldest of all until a tenth below the bound.
fn shorten(mut tracks: Vec<&mut Track>, most: usize) {
    let mut ends: Vec<u32> =
        tracks.iter().flat_map(|track| track.records().iter().map(Record::end)).collect();
    if ends.len() <= most {
        return;
    }
    let much = ends.len() - most / 10 * 9;
    let (_, cut, _) = ends.select_nth_unstable(much);
    let cut = *cut;
    tracks.iter_mut().for_each(|track| track.forget(cut));
}

#[cfg(test)]
mod tests;
