//! As much of SQL's grammar as tells an expression from a sentence, over a bounded number of tokens.

use super::super::lex::{BANG, CLOSE, END, Gap, Look, NUMBER, OPEN, WORD};
use super::super::words::{COMPARE, CONSTANT, Word};

/// Tokens within which what was opened is looked for.
const REACH: usize = 24;
/// The same for parentheses and comments of one line.
const FAR: usize = 64;
/// Comments in a row that are read over.
const HOPS: usize = 16;
/// Signs and parentheses before and behind an operand.
const NESTED: usize = 8;

/// What an operand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand {
    Number,
    Text,
    /// A text whose end is the end of everything: the rest stands in the victim's statement.
    OpenText,
    Constant,
    Variable,
    Call,
    Name,
    Query,
}

impl Operand {
    /// Is its value the same in every row?
    pub(super) fn is_literal(self) -> bool {
        matches!(self, Operand::Number | Operand::Text | Operand::OpenText | Operand::Constant)
    }
}

impl Look<'_> {
    /// The first token from there on that a database reads: comments, signs of execution and `+` for a blank are not.
    pub(super) fn read(&self, mut place: usize) -> usize {
        for _ in 0..HOPS {
            place = match self.kind(place) {
                OPEN => match self.at(place).jump {
                    0 => return self.tokens.len(),
                    jump => place + usize::from(jump) + 1,
                },
                BANG | CLOSE => place + 1,
                b'+' if self.kind(place + 1) == WORD || self.before(place).kind == WORD => place + 1,
                b'-' if self.at(place).len() > 1 => match self.next_line(place) {
                    Some(line) => line,
                    None => return place,
                },
                b'#' => match self.next_line(place) {
                    Some(line) => line,
                    None => return place,
                },
                _ => return place,
            };
        }
        place
    }

    /// The one behind it.
    pub(super) fn after(&self, place: usize) -> usize {
        self.read(place + 1)
    }

    /// The one before it, if there is one within reach.
    pub(super) fn ahead(&self, place: usize) -> Option<usize> {
        let mut at = place.checked_sub(1)?;
        loop {
            match self.kind(at) {
                BANG => at = at.checked_sub(1)?,
                CLOSE => {
                    let opened = (at.saturating_sub(NESTED)..at).rev().find(|open| self.kind(*open) == OPEN);
                    at = opened.unwrap_or(at).checked_sub(1)?;
                }
                b'+' => at = at.checked_sub(1)?,
                _ => return Some(at),
            }
        }
    }

    /// Where the next line begins, if what stands between could be a comment.
    fn next_line(&self, place: usize) -> Option<usize> {
        (place + 1..place + REACH).find(|next| self.kind(*next) != END && self.at(*next).gap == Gap::Line)
    }

    /// Does what stands there cut off the rest: `--`, `#`, `/*` or `;` and a zero byte?
    pub(super) fn is_comment(&self, place: usize) -> bool {
        // A comment that begins a line is a signature under a text, or a heading.
        if self.at(place).gap == Gap::Line {
            return false;
        }
        match self.kind(place) {
            b'-' => self.at(place).len() >= 2,
            b'#' => true,
            OPEN => self.at(place).jump == 0,
            _ => false,
        }
    }

    /// Is nothing left there but what the victim's statement would not read?
    pub(super) fn is_over(&self, place: usize) -> bool {
        let mut place = place;
        for _ in 0..NESTED {
            match self.kind(place) {
                END => return true,
                b')' | b';' | b'\'' | b'"' | b'`' => place += 1,
                _ => return self.is_comment(place),
            }
        }
        false
    }

    /// What is compared or computed with, from there on; and the place behind it.
    pub(super) fn operand(&self, place: usize) -> Option<(Operand, usize)> {
        let mut at = self.read(place);
        for _ in 0..NESTED {
            match self.kind(at) {
                b'(' | b'!' | b'~' | b'+' => at = self.after(at),
                b'-' if self.at(at).len() == 1 => at = self.after(at),
                WORD if matches!(
                    self.word(at),
                    Word::Not | Word::Binary | Word::All | Word::Any | Word::Some
                ) =>
                {
                    at = self.after(at);
                }
                _ => break,
            }
        }
        let (operand, mut end) = match self.kind(at) {
            NUMBER => (Operand::Number, self.after(at)),
            quote @ (b'\'' | b'"' | b'`') => {
                let close = (at + 1..at + REACH)
                    .find(|close| matches!(self.kind(*close), END) || self.kind(*close) == quote)?;
                match self.kind(close) {
                    END => (Operand::OpenText, close),
                    _ => (Operand::Text, self.after(close)),
                }
            }
            b'@' => {
                let name = if self.kind(at + 1) == b'@' { at + 2 } else { at + 1 };
                (Operand::Variable, self.after(name))
            }
            WORD => self.named(at)?,
            _ => return None,
        };
        for _ in 0..NESTED {
            if self.kind(end) != b')' {
                break;
            }
            end = self.after(end);
        }
        Some((operand, end))
    }

    fn named(&self, at: usize) -> Option<(Operand, usize)> {
        let word = self.word(at);
        if word.is(CONSTANT) {
            return Some((Operand::Constant, self.after(at)));
        }
        match word {
            Word::Select => return self.queries(at).then(|| (Operand::Query, self.after(at))),
            Word::Case => return Some((Operand::Call, self.after(at))),
            Word::Exists => return self.queries(self.after(at)).then(|| (Operand::Query, self.after(at))),
            _ => {}
        }
        let mut end = self.after(at);
        while self.kind(end) == b'.' && self.kind(end + 1) == WORD {
            end = self.after(end + 1);
        }
        match self.kind(end) {
            b'(' => Some((Operand::Call, self.closed(end)?)),
            _ => Some((Operand::Name, end)),
        }
    }

    /// Behind the parenthesis that closes this one; the end, where it is left open.
    pub(super) fn closed(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for at in open..open + FAR {
            match self.kind(at) {
                b'(' => depth += 1,
                b')' => match depth {
                    1 => return Some(self.after(at)),
                    _ => depth = depth.saturating_sub(1),
                },
                END => return Some(at),
                _ => {}
            }
        }
        None
    }

    /// Behind a comparison, if one stands there; and whether it is a word.
    pub(super) fn comparison(&self, place: usize) -> Option<(usize, bool)> {
        let mut at = place;
        if self.word(at) == Word::Not {
            at = self.after(at);
        }
        if self.word(at).is(COMPARE) {
            let sounds = matches!(self.word(at), Word::Sounds | Word::Similar | Word::Is);
            at = self.after(at);
            if sounds && matches!(self.word(at), Word::Like | Word::To | Word::Not) {
                at = self.after(at);
            }
            return Some((at, true));
        }
        let mut marks = 0;
        while matches!(self.kind(at), b'=' | b'<' | b'>' | b'!') || marks > 0 && self.kind(at) == b'~' {
            marks += 1;
            if marks > 3 {
                return None;
            }
            at = self.after(at);
        }
        (marks > 0).then_some((at, false))
    }

    /// Does a query begin there, behind any parentheses: `SELECT` and something that can be selected?
    pub(super) fn queries(&self, place: usize) -> bool {
        let mut at = self.read(place);
        for _ in 0..NESTED {
            match self.kind(at) {
                b'(' => at = self.after(at),
                _ => break,
            }
        }
        self.word(at) == Word::Select && self.selects(self.after(at))
    }

    /// Can what stands there be selected? A sentence goes on with a word; a query with `*`, a number, a call, a list.
    pub(super) fn selects(&self, place: usize) -> bool {
        let mut at = place;
        while matches!(
            self.word(at),
            Word::All | Word::Distinct | Word::Distinctrow | Word::Top | Word::Binary
        ) {
            at = self.after(at);
            if self.kind(at) == NUMBER && self.kind(self.after(at)) != b',' {
                at = self.after(at);
            }
        }
        match self.kind(at) {
            b'*' | NUMBER | b'@' | b'-' | b'!' | b'~' | b'%' => true,
            b'(' => {
                let inside = self.after(at);
                let known = self.word(inside).flags() != 0 || matches!(self.word(inside), Word::Case);
                !matches!(self.kind(inside), WORD | b')')
                    || known
                    || matches!(self.kind(self.after(inside)), b')' | b',' | b'.')
            }
            b'\'' | b'"' | b'`' => self.operand(at).is_some(),
            WORD if self.word(at).is(CONSTANT) || self.word(at) == Word::Case => true,
            WORD => {
                let mut end = self.after(at);
                while self.kind(end) == b'.' {
                    end = self.after(end);
                    end = self.after(end);
                }
                match self.kind(end) {
                    // A call has its parenthesis at the name.
                    b'(' => self.at(end).gap == Gap::Nothing || self.word(at).flags() != 0,
                    b',' => self.lists(end),
                    _ => self.word(end) == Word::From && self.stands(self.after(end)),
                }
            }
            _ => false,
        }
    }

    /// Does a list of names and values go on there to a `FROM`, or to the end?
    fn lists(&self, comma: usize) -> bool {
        let mut at = comma;
        for _ in 0..REACH {
            match self.kind(at) {
                END => return true,
                b',' | b'.' | b'*' | b'(' | b')' | NUMBER | b'\'' | b'"' | b'`' | b'|' | b'@' => {
                    at = self.after(at);
                }
                WORD if self.word(at) == Word::From => return self.stands(self.after(at)),
                // Two words in a row without a comma are a sentence, but for an alias.
                WORD if self.kind(self.after(at)) != WORD || self.word(self.after(at)) == Word::From => {
                    at = self.after(at);
                }
                WORD if self.word(self.after(at)) == Word::As => at = self.after(self.after(at)),
                _ => return self.is_comment(at),
            }
        }
        false
    }

    /// Could this be a table, with what may come behind one?
    pub(super) fn stands(&self, place: usize) -> bool {
        let at = self.read(place);
        match self.kind(at) {
            b'(' | b'`' | b'[' | b'@' | b'%' => return true,
            b'"' => return self.operand(at).is_some(),
            WORD => {}
            _ => return false,
        }
        let mut end = self.after(at);
        while self.kind(end) == b'.' {
            end = self.after(end);
            if matches!(self.kind(end), WORD | b'.') {
                end = self.after(end);
            }
        }
        match self.kind(end) {
            END | b')' | b';' | b',' | b'\'' | b'"' => true,
            WORD => matches!(
                self.word(end),
                Word::Where
                    | Word::Order
                    | Word::Group
                    | Word::Limit
                    | Word::Union
                    | Word::Having
                    | Word::As
                    | Word::For
            ),
            _ => self.is_comment(end),
        }
    }
}
