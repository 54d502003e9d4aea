//! The hours and days as bytes, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::record::Record;
use super::track::Track;
use super::{Book, Steps, TRACKS};
use crate::series::Id;

/// How a file begins; another form has another number.
const HEAD: &[u8] = b"seawall series 1\n";

impl Steps {
    pub(in crate::series) fn save(&self) -> Vec<u8> {
        let mut out = HEAD.to_vec();
        out.extend((self.books.len() as u32).to_le_bytes());
        for (id, book) in &self.books {
            text(&mut out, &id.name);
            out.extend((id.labels.len() as u16).to_le_bytes());
            for (name, value) in &id.labels {
                text(&mut out, name);
                text(&mut out, value);
            }
            out.push(u8::from(book.counts));
            let mut hours = book.hours.clone();
            if let Some(open) = &book.open {
                hours.put(open.record());
            }
            for track in [&hours, &book.days] {
                out.extend((track.records().len() as u32).to_le_bytes());
                track.records().iter().for_each(|one| record(&mut out, one));
            }
        }
        out
    }

    pub(in crate::series) fn restored(saved: &[u8]) -> Result<Self, String> {
        let rest = saved.strip_prefix(HEAD).ok_or("is of another version, or nothing of ours")?;
        let mut reader = Reader(rest);
        let books = reader.books().filter(|_| reader.0.is_empty()).ok_or("makes no sense")?;
        Ok(Self { books, ..Self::default() })
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    // Names and label values are far shorter; a longer one would be cut at a place where it still is text.
    let text = &text[..text.floor_char_boundary(usize::from(u16::MAX))];
    out.extend((text.len() as u16).to_le_bytes());
    out.extend(text.as_bytes());
}

fn record(out: &mut Vec<u8>, record: &Record) {
    out.extend(record.at.to_le_bytes());
    out.extend(record.run.to_le_bytes());
    out.extend(record.count.to_le_bytes());
    for number in [record.mean, record.min, record.max, record.last, record.grown] {
        out.extend(number.to_le_bytes());
    }
    record.curve.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

/// What is left to read. Nothing in it is believed before it is there.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn short(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn long(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take()?)).ok()
    }

    fn number(&mut self) -> Option<f32> {
        self.take().map(f32::from_le_bytes)
    }

    fn text(&mut self) -> Option<Arc<str>> {
        let length = usize::from(self.short()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().map(Arc::from)
    }

    fn books(&mut self) -> Option<BTreeMap<Id, Book>> {
        let count = self.long().filter(|count| *count <= TRACKS)?;
        let mut books = BTreeMap::new();
        for _ in 0..count {
            let name = self.text()?.to_string();
            let labels = self.short()?;
            let labels: Option<Vec<_>> = (0..labels).map(|_| Some((self.text()?, self.text()?))).collect();
            let counts = self.take::<1>()? == [1];
            let (hours, days) = (self.track()?, self.track()?);
            let book = Book { counts, hours, days, ..Book::default() };
            books.insert(Id { name, labels: labels? }, book);
        }
        Some(books)
    }

    fn track(&mut self) -> Option<Track> {
        let count = self.long()?;
        let records: Option<Vec<Record>> = (0..count).map(|_| self.record()).collect();
        Track::from_records(records?)
    }

    fn record(&mut self) -> Option<Record> {
        let at = u32::from_le_bytes(self.take()?);
        let (run, count) = (self.short()?, self.short()?);
        let [mean, min, max, last, grown] = self.numbers()?;
        Some(Record { at, run, count, mean, min, max, last, grown, curve: self.numbers()? })
    }

    fn numbers(&mut self) -> Option<[f32; 5]> {
        let mut numbers = [0.0; 5];
        for number in &mut numbers {
            *number = self.number()?;
        }
        Some(numbers)
    }
}
