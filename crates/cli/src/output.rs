//! Data goes to stdout, everything else to stderr; a reader that goes away is no failure.

mod people;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

pub(crate) use people::{note, settle, wait_for_nobody};

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: u8,
    message: String,
}

impl Failure {
    /// It failed: exit code 1.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self { exit: 1, message: message.to_string() }
    }

    /// What came in was bad, the configuration included: exit code 2.
    pub(crate) fn bad_input(message: impl fmt::Display) -> Self {
        Self { exit: 2, message: message.to_string() }
    }

    /// Says it on stderr.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            note(format_args!("seawall: {}", self.message));
        }
        ExitCode::from(self.exit)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Writes data as it is.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read this has seen enough, as `head` does.
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => {
            Err(Failure { exit: 0, message: String::new() })
        }
        Err(why) => Err(Failure::failed(format_args!("stdout cannot be written: {why}"))),
        Ok(()) => Ok(()),
    }
}

/// Writes one JSON value.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|why| Failure::failed(format_args!("the answer cannot be written as JSON: {why}")))?;
    data(&format!("{text}\n"))
}

/// How a word is shown where colour is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Stands out.
    Bold,
    /// All is well.
    Good,
    /// Worth a look.
    Odd,
    /// Something is broken.
    Bad,
}

/// A word in colour, where stdout is a terminal and nobody set NO_COLOR.
pub(crate) fn painted(word: &str, paint: Paint) -> String {
    if colourful() { coloured(word, paint) } else { word.to_owned() }
}

fn colourful() -> bool {
    let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    io::stdout().is_terminal()
        && unset("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn coloured(word: &str, paint: Paint) -> String {
    let number = match paint {
        Paint::Bold => 1,
        Paint::Good => 32,
        Paint::Odd => 33,
        Paint::Bad => 31,
    };
    format!("\u{1b}[{number}m{word}\u{1b}[0m")
}

/// A table: columns as wide as their widest cell, the last one as it comes. Nothing under the head is said with `empty`.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>], empty: &str) -> String {
    if rows.is_empty() {
        return format!("{empty}\n");
    }
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| visible(cell));
        cells.chain(head.get(column).map(|title| title.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    let head = head.iter().map(|title| painted(title, Paint::Bold)).collect::<Vec<_>>();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + 2 - visible(cell).min(*width)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// How many characters of a cell are seen: colours take no room.
fn visible(cell: &str) -> usize {
    let mut count = 0;
    let mut escape = false;
    for c in cell.chars() {
        match (c, escape) {
            ('\u{1b}', _) => escape = true,
            ('m', true) => escape = false,
            (_, true) => {}
            _ => count += 1,
        }
    }
    count
}

/// A text from elsewhere, safe to show on a terminal: control characters become spaces.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colours() {
        let rows = vec![
            vec!["a".to_owned(), coloured("open", Paint::Bad), "x".to_owned()],
            vec!["longer".to_owned(), "closed".to_owned(), "y".to_owned()],
        ];
        let text = table(&["name", "state", "why"], &rows, "");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "name    state   why");
        assert_eq!(lines[1], "a       \u{1b}[31mopen\u{1b}[0m    x");
        assert_eq!(lines[2], "longer  closed  y");
        assert_eq!(table(&["name"], &[], "nothing here"), "nothing here\n");
    }

    #[test]
    fn texts_from_elsewhere_move_no_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }
}
