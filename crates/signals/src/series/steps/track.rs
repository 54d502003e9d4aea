//! The steps of one series, the oldest first, those that are alike as one.

use super::record::Record;

/// More steps than are ever kept of a series.
const COVERED: usize = 4096;

/// Steps that are kept of a series.
#[derive(Clone, Debug, Default)]
pub(super) struct Track(Vec<Record>);

impl Track {
    pub(super) fn records(&self) -> &[Record] {
        &self.0
    }

    /// Records from a file; none where nobody could have written them.
    pub(super) fn from_records(records: Vec<Record>) -> Option<Self> {
        let ordered = records.windows(2).all(|pair| pair[0].end() <= pair[1].at);
        let covered: usize = records.iter().map(|record| usize::from(record.run)).sum();
        (covered <= COVERED && ordered && records.iter().all(Record::is_sound)).then_some(Self(records))
    }

    /// Adds a step; one that is there already becomes one with it.
    pub(super) fn put(&mut self, record: Record) {
        match self.0.last_mut() {
            Some(last) if record.continues(last) => last.run += 1,
            Some(last) if record.at < last.end() => self.amend(record),
            _ => self.push(record),
        }
    }

    /// Adds a step in place of what is there.
    pub(super) fn set(&mut self, record: Record) {
        if self.covers(record.at) {
            let others = self.0.iter().copied().flat_map(Record::singles).filter(|own| own.at != record.at);
            self.0 = others.collect();
        }
        self.amend(record);
    }

    pub(super) fn covers(&self, at: u32) -> bool {
        self.between(at, at.saturating_add(1)).next().is_some()
    }

    /// After a restart, or by a clock that was set back.
    fn amend(&mut self, record: Record) {
        let mut all: Vec<Record> =
            std::mem::take(&mut self.0).into_iter().flat_map(Record::singles).collect();
        let place = all.partition_point(|own| own.at < record.at);
        match all.get_mut(place).filter(|own| own.at == record.at) {
            Some(own) => *own = Record::together(record.at, &[*own, record]),
            None => all.insert(place, record),
        }
        for record in all {
            match self.0.last_mut() {
                Some(last) if record.continues(last) => last.run += 1,
                _ => self.push(record),
            }
        }
    }

    fn push(&mut self, record: Record) {
        if self.0.len() == self.0.capacity() {
            // Not twice as much: this is most of what is kept.
            self.0.reserve_exact(self.0.len() / 8 + 4);
        }
        self.0.push(record);
    }

    /// Forgets what is too much: first what lies in the future, which a clock that went wrong left there, then the oldest.
    pub(super) fn trim(&mut self, most: usize, now: u32) {
        let mut much =
            self.0.iter().map(|record| usize::from(record.run)).sum::<usize>().saturating_sub(most);
        while much > 0
            && let Some(last) = self.0.last_mut().filter(|last| last.at > now)
        {
            let over = much.min(usize::from(last.run));
            last.run -= over as u16;
            if last.run == 0 {
                self.0.pop();
            }
            much -= over;
        }
        if much > 0 {
            let first = self.0.iter().flat_map(|record| record.at..record.end()).nth(much);
            self.forget(first.unwrap_or(u32::MAX));
        }
    }

    /// Forgets what was before a step.
    pub(super) fn forget(&mut self, before: u32) {
        let gone = self.0.partition_point(|record| record.end() <= before);
        if gone > 0 {
            self.0.drain(..gone);
            self.0.shrink_to(self.0.len() + self.0.len() / 8 + 4);
        }
        if let Some(first) = self.0.first_mut().filter(|first| first.at < before) {
            first.run -= (before - first.at) as u16;
            first.at = before;
        }
    }

    /// Forgets a step and all after it.
    pub(super) fn cut(&mut self, from: u32) {
        self.0.retain(|record| record.at < from);
        if let Some(last) = self.0.last_mut().filter(|last| last.end() > from) {
            last.run = (from - last.at) as u16;
        }
    }

    /// Those that lie at least partly between two steps, cut to them.
    pub(super) fn between(&self, from: u32, to: u32) -> impl Iterator<Item = Record> + '_ {
        let near = self.0.iter().filter(move |record| record.end() > from && record.at < to);
        near.flat_map(move |record| {
            let (at, end) = (record.at.max(from), record.end().min(to));
            (at < end).then(|| Record { at, run: (end - at) as u16, ..*record })
        })
    }
}
