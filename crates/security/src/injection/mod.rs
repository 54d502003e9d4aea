//! Finds text that is meant to be run: SQL, scripts for browsers, paths out of a folder, commands.
//!
#![doc = include_str!("../../../../docs/injection.md")]

mod base64;
mod command;
mod decode;
mod filler;
mod json;
mod judge;
mod lex;
mod options;
mod request;
mod rules;
mod sql;
mod survey;
mod tally;
#[cfg(test)]
mod tests;
mod traversal;
mod words;
mod xss;

use std::ops::Range;

use decode::Decoded;
use judge::Wanted;
use tally::Tally;

pub use decode::Encodings;
pub use options::{Exclusion, Mode, Options, Part};
pub use request::{Body, Found, Inspection, Request};
pub use rules::{Category, RULES, Rule};

/// Layers of encoding that are taken off: a URL that was encoded twice, around overlong Unicode, around one more.
const ROUNDS: usize = 4;
/// Decoded texts up to so long are read as a whole: rules may then judge by the whole value.
const SMALL: usize = 4096;
/// In longer ones, so many bytes around what was decoded are read.
const AROUND: usize = 1024;
/// What lies beyond so many bytes of one value is not read, and the report says so. 16 MiB.
pub const LONGEST: usize = 16 << 20;

/// Something in a text that speaks for an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule that says so, with its weight and its reason.
    pub rule: &'static Rule,
    /// The bytes it speaks of, as offsets into the text as it came.
    pub bytes: Range<usize>,
    /// What had to be taken off before it could be seen.
    pub encodings: Encodings,
}

/// What is to be said of one text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    scores: [u32; Category::ALL.len()],
    threshold: u32,
    findings: Vec<Finding>,
    /// The text was longer than is read.
    pub cut: bool,
}

impl Report {
    /// Does it read as an attack: does any category reach the threshold?
    pub fn is_attack(&self) -> bool {
        self.categories().next().is_some()
    }

    /// The categories that reach the threshold.
    pub fn categories(&self) -> impl Iterator<Item = Category> {
        let reaches = |category: &Category| self.score(*category) >= self.threshold;
        Category::ALL.iter().copied().filter(move |category| self.threshold > 0 && reaches(category))
    }

    /// What the rules of a category that stand together in one place add up to.
    pub fn score(&self, category: Category) -> u32 {
        self.scores[category as usize]
    }

    /// What made the scores, those below the threshold included: in the order of categories, then of places.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// Reads texts for injections. It keeps nothing between them: clones are equal, and one may be shared by all threads.
#[derive(Debug, Clone)]
pub struct Detector {
    options: Options,
    wanted: Wanted,
}

impl Detector {
    /// A detector with these options, which must have passed [`Options::check`].
    pub fn new(options: &Options) -> Self {
        Self { options: options.clone(), wanted: Wanted::of(options.categories.iter().copied()) }
    }

    /// The options it runs by.
    pub fn options(&self) -> &Options {
        &self.options
    }

    fn reads(&self, part: Part) -> bool {
        self.options.read.contains(&part)
    }

    /// Reads one text: any bytes, of any length; what lies beyond [`LONGEST`] is not read.
    ///
    /// Never panics. The time grows with the length of the text and with nothing else; memory is a few times the text
    /// where something in it is encoded, else a few tens of kilobytes.
    ///
    /// ```
    /// use seawall_security::injection::{Category, Detector, Options};
    ///
    /// let detector = Detector::new(&Options::default());
    /// let report = detector.scan(b"1%27%20OR%20%271%27=%271");
    /// assert!(report.is_attack());
    /// assert_eq!(report.categories().collect::<Vec<_>>(), [Category::Sql]);
    /// assert_eq!(report.findings()[0].rule.name, "sql/tautology");
    /// assert!(!detector.scan("O'Brien & Sons, 5 = 2 + 3".as_bytes()).is_attack());
    /// ```
    pub fn scan(&self, text: &[u8]) -> Report {
        self.scan_at(text, "")
    }

    /// The same, for a text from a place that exclusions may name.
    pub fn scan_at(&self, text: &[u8], place: &str) -> Report {
        let cut = text.len() > LONGEST;
        let text = &text[..text.len().min(LONGEST)];
        let silent = self.options.exclude.iter().fold(0, |silent, one| {
            let here = one.place.as_deref().is_none_or(|pattern| options::is_place(pattern, place));
            let meant = |rule: &Rule| here && options::names(&one.rule, rule.name);
            let bits = RULES.iter().enumerate().filter(|(_, rule)| meant(rule)).map(|(bit, _)| 1u128 << bit);
            bits.fold(silent, |silent, bit| silent | bit)
        });
        let mut report = Report { cut, threshold: u32::from(self.options.threshold), ..Report::default() };
        let views = Views { silent, wanted: self.wanted, report: &mut report, best: Default::default() };
        views.all(text);
        report
    }
}

/// The text in all the forms it is read in.
struct Views<'v> {
    silent: u128,
    wanted: Wanted,
    report: &'v mut Report,
    best: [Vec<Finding>; Category::ALL.len()],
}

impl Views<'_> {
    fn all(mut self, text: &[u8]) {
        self.one(text, std::iter::once(0..text.len()), Encodings::NONE, &|range| range);
        let mut seen = survey::of(text);
        let mut layers: Vec<Decoded> = Vec::new();
        while seen.encoded && layers.len() < ROUNDS {
            let present = layers.last().map_or(text, |layer| &layer.text);
            let Some(next) = decode::round(present) else { break };
            seen = survey::of(&next.text);
            layers.push(next);
            self.layer(&layers);
        }
        let through = layers.len();
        if seen.filled {
            let present = layers.last().map_or(text, |layer| &layer.text);
            if let Some(plain) = filler::dropped(present) {
                layers.push(plain);
                self.layer(&layers);
                layers.truncate(through);
            }
        }
        let present = layers.last().map_or(text, |layer| &layer.text);
        let how = layers.iter().fold(Encodings::NONE, |all, layer| all.and(layer.found));
        for run in base64::runs(present) {
            let whole = origin(&layers, run.start..run.end);
            let all = std::iter::once(0..run.text.len());
            self.one(&run.text, all, how.and(run.how), &|_| whole.clone());
        }
        self.report.findings = self.best.into_iter().flatten().collect();
    }

    /// The innermost layer.
    fn layer(&mut self, layers: &[Decoded]) {
        let Some(last) = layers.last() else { return };
        let how = layers.iter().fold(Encodings::NONE, |all, layer| all.and(layer.found));
        self.one(&last.text, windows(last), how, &|range| origin(layers, range));
    }

    /// Reads parts of one form, and keeps what they say where that is more than was said before.
    fn one(
        &mut self,
        text: &[u8],
        parts: impl Iterator<Item = Range<usize>>,
        how: Encodings,
        origin: &dyn Fn(Range<usize>) -> Range<usize>,
    ) {
        let mut tally = Tally::new(self.silent);
        for part in parts {
            judge::read(text, part, how, self.wanted, &mut tally);
        }
        for category in Category::ALL {
            let best = tally.best(*category);
            if best.score <= self.report.scores[*category as usize] || !self.wanted.has(*category) {
                continue;
            }
            self.report.scores[*category as usize] = best.score;
            self.best[*category as usize] = best
                .hits
                .iter()
                .map(|hit| Finding {
                    rule: hit.id.rule(),
                    bytes: origin(hit.range.start as usize..hit.range.end as usize),
                    encodings: how,
                })
                .collect();
        }
    }
}

/// The parts of a decoded text that are worth reading: what surrounds the places at which something was decoded. The rest
/// was read before.
fn windows(layer: &Decoded) -> impl Iterator<Item = Range<usize>> {
    let text = &layer.text;
    let mut changes = layer.changes().peekable();
    let (mut read, mut small) = (0, text.len() <= SMALL);
    std::iter::from_fn(move || {
        if std::mem::take(&mut small) {
            changes.by_ref().for_each(drop);
            return Some(0..text.len());
        }
        let first = changes.next()?;
        let mut last = first;
        while let Some(next) = changes.next_if(|next| *next <= last + 2 * AROUND) {
            last = next;
        }
        let start = first.saturating_sub(AROUND).max(read);
        // Not in the middle of a word, which would be another one.
        let start =
            start + text[start..].iter().take_while(|byte| start > 0 && byte.is_ascii_alphanumeric()).count();
        read = (last + AROUND).min(text.len());
        Some(start.min(read)..read)
    })
}

/// Through every layer, back to the text as it came.
fn origin(layers: &[Decoded], range: Range<usize>) -> Range<usize> {
    layers.iter().rev().fold(range, |range, layer| layer.origin(range))
}
