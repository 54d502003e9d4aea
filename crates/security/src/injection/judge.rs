//! Walks over the tokens of one text and asks, at each, the rules that could begin there.

use std::ops::Range;

use super::decode::Encodings;
use super::lex::{BANG, END, Lexer, Look, OPEN, Token, WORD};
use super::rules::{Category, Id};
use super::tally::Tally;
use super::traversal;
use super::words::{self, Word};

/// Tokens a batch grows to.
const BATCH: usize = 1024;
/// Tokens a rule may look ahead and still find what is there.
const AHEAD: usize = 192;
/// Tokens a rule may look back.
const BEHIND: usize = 64;

/// One place in a text, and everything a rule may know about it.
pub(super) struct Judge<'j> {
    pub(super) look: Look<'j>,
    pub(super) how: Encodings,
    tally: &'j mut Tally,
    /// The batch begins where the text does.
    first: bool,
    /// How long the whole text is, of which this may be a part.
    length: usize,
    wanted: Wanted,
    /// The whole value is a path.
    pub(super) path: bool,
    /// The whole value is one piece.
    pub(super) unbroken: bool,
}

/// Which categories are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted([bool; Category::ALL.len()]);

impl Wanted {
    pub(super) fn of(categories: impl IntoIterator<Item = Category>) -> Self {
        let mut wanted = [false; Category::ALL.len()];
        for category in categories {
            wanted[category as usize] = true;
        }
        Self(wanted)
    }

    pub(super) fn has(self, category: Category) -> bool {
        self.0[category as usize]
    }
}

/// Reads a part of a text once, from its beginning to its end.
///
/// Every rule looks at a bounded number of tokens, so that the time grows with the text and with nothing else.
pub(super) fn read(text: &[u8], part: Range<usize>, how: Encodings, wanted: Wanted, tally: &mut Tally) {
    let length = text.len();
    let mut lexer = Lexer::new(&text[..part.end], part.start);
    let mut batch: Vec<Token> = Vec::with_capacity(BATCH.min(part.len() + 1));
    let (mut at, mut first) = (0, part.start == 0);
    let (path, unbroken) = (traversal::is_path(text), traversal::is_unbroken(text));
    loop {
        lexer.fill(&mut batch, BATCH);
        let ready = if lexer.is_done() { batch.len() } else { batch.len().saturating_sub(AHEAD) };
        let mut judge =
            Judge { look: Look { text, tokens: &batch }, how, tally, first, length, wanted, path, unbroken };
        while at < ready {
            judge.token(at);
            at += 1;
        }
        if lexer.is_done() {
            return;
        }
        let gone = at.saturating_sub(BEHIND);
        batch.drain(..gone);
        lexer.forget(gone);
        at -= gone;
        first &= gone == 0;
    }
}

impl Judge<'_> {
    /// Something was found in the tokens from one to before another.
    pub(super) fn say(&mut self, id: Id, from: usize, to: usize) {
        let start = self.look.at(from).start;
        let last = self.look.tokens.get(to.saturating_sub(1).max(from)).or(self.look.tokens.last());
        let end = last.map_or(start, |token| token.end).max(start);
        self.tally.add(id, start..end);
    }

    /// Is this the first token of the whole text?
    pub(super) fn begins(&self, at: usize) -> bool {
        at == 0 && self.first
    }

    /// How long the whole text is.
    pub(super) fn whole(&self) -> usize {
        self.length
    }

    fn token(&mut self, at: usize) {
        let kind = self.look.kind(at);
        if self.begins(at) && self.wanted.has(Category::Command) {
            self.first_line(at);
        }
        let (sql, xss) = (self.wanted.has(Category::Sql), self.wanted.has(Category::Xss));
        let (paths, commands) = (self.wanted.has(Category::Traversal), self.wanted.has(Category::Command));
        if kind == WORD {
            let word = self.look.word(at);
            if word == Word::Other {
                return;
            }
            if sql {
                self.sql_word(at);
            }
            if xss {
                self.xss_word(at);
            }
            if paths && word.is(words::SCHEME) {
                self.scheme(at);
            }
            if commands {
                self.command_word(at);
            }
            return;
        }
        match kind {
            b'\'' | b'"' => {
                if sql {
                    self.sql_quote(at);
                }
                if xss {
                    self.xss_quote(at);
                }
            }
            b'<' => {
                if xss || commands {
                    self.xss_open(at);
                }
                if commands {
                    self.code_tag(at);
                }
            }
            b'.' if paths => self.climb(at),
            b'/' | b'\\' if paths => self.absolute(at),
            b'=' => {
                if sql {
                    self.sql_equals(at);
                }
                if xss {
                    self.xss_equals(at);
                }
            }
            b'@' if sql => self.sql_variable(at),
            BANG | OPEN if sql => self.sql_comment(at),
            b'#' | b'-' if sql => self.sql_cut(at),
            b'|' | b'&' => {
                let double = self.look.joined(at + 1, kind);
                if sql && double {
                    self.condition(at, at + 1);
                }
                if xss && kind == b'&' {
                    self.xss_entity(at);
                }
                if commands && !double {
                    self.separated(at, at + 1);
                }
            }
            b';' if commands => self.separated(at, at + 1),
            b'`' if commands => self.substituted(at, at + 1),
            b'$' => {
                if paths {
                    self.stream(at);
                }
                if commands {
                    self.dollar(at);
                }
            }
            b'>' if commands => self.redirected(at),
            b'(' if commands => self.shell_function(at),
            b'{' if commands => self.braces(at),
            END => {}
            _ => {}
        }
    }
}
