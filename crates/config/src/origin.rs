//! Where a value was written.

use std::fmt;
use std::sync::Arc;

/// The place a key or a value came from. Cheap to clone: a name is shared by everything that came from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A place in a file.
    File {
        /// The file's name, as it was given.
        name: Arc<str>,
        /// From 1.
        line: u32,
        /// From 1, counted in characters.
        column: u32,
    },
    /// A file as a whole: one that could not be read.
    Whole(Arc<str>),
    /// An environment variable, by name.
    Environment(Arc<str>),
    /// An option of the command line.
    CommandLine,
    /// The program itself; the word says which part, for example `"default"`.
    Builtin(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Origin::Whole(name) => f.write_str(name),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::CommandLine => f.write_str("command line"),
            Origin::Builtin(word) => f.write_str(word),
        }
    }
}

/// Turns byte offsets into lines and columns.
///
/// Remembers the position at every 256th byte, so that a file of one endless line costs no more than any other.
pub(crate) struct Positions<'a> {
    name: Arc<str>,
    text: &'a str,
    marks: Vec<(u32, u32)>,
}

const STRIDE: usize = 256;

impl<'a> Positions<'a> {
    pub(crate) fn new(name: &Arc<str>, text: &'a str) -> Positions<'a> {
        let mut marks = Vec::with_capacity(text.len() / STRIDE + 1);
        let mut at = (1, 1);
        for chunk in text.as_bytes().chunks(STRIDE) {
            marks.push(at);
            at = advance(at, chunk);
        }
        Positions { name: name.clone(), text, marks }
    }

    /// The place of a byte; one past the end is the end.
    pub(crate) fn at(&self, offset: usize) -> Origin {
        let offset = offset.min(self.text.len());
        let mark = (offset / STRIDE).min(self.marks.len().saturating_sub(1));
        let start = self.marks.get(mark).copied().unwrap_or((1, 1));
        let (line, column) = advance(start, &self.text.as_bytes()[mark * STRIDE..offset]);
        Origin::File { name: self.name.clone(), line, column }
    }
}

fn advance((mut line, mut column): (u32, u32), bytes: &[u8]) -> (u32, u32) {
    for byte in bytes {
        match byte {
            b'\n' => (line, column) = (line + 1, 1),
            // A continuation byte belongs to the character already counted.
            0x80..=0xbf => {}
            _ => column += 1,
        }
    }
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_start_at_one() {
        let text = format!("é = 'x'\n{}ß!", "ä".repeat(1000));
        let positions = Positions::new(&Arc::from("f"), &text);
        let place = |needle: &str| positions.at(text.find(needle).unwrap()).to_string();
        assert_eq!(place("é"), "f:1:1");
        assert_eq!(place("'x'"), "f:1:5");
        assert_eq!(place("ß"), "f:2:1001");
        assert_eq!(place("!"), "f:2:1002");
        assert_eq!(positions.at(usize::MAX).to_string(), "f:2:1003");
        assert_eq!(Positions::new(&Arc::from("f"), "").at(0).to_string(), "f:1:1");
    }
}
