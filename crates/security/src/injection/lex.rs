//! Text cut into words, numbers and punctuation, in one pass, a batch at a time.
//!
//! The cut knows no language: a quotation mark is a token like any other, so that it does not matter whether the text
//! begins inside somebody's string or outside of it. What a sequence of tokens means is said by the rules.

use super::words::{self, Word};

/// A run of letters, digits and underscores that begins with a letter; bytes beyond ASCII are letters.
pub(super) const WORD: u8 = b'a';
/// Digits, with a point, an exponent or `0x` before them.
pub(super) const NUMBER: u8 = b'0';
/// `/*`, unless it is [`BANG`].
pub(super) const OPEN: u8 = 1;
/// `*/`.
pub(super) const CLOSE: u8 = 2;
/// `/*!` and the digits behind it: the inside of such a comment is executed.
pub(super) const BANG: u8 = 3;
/// There is no token.
pub(super) const END: u8 = 0;

/// What stands between a token and the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    Nothing,
    Space,
    /// White space with the end of a line in it.
    Line,
}

/// A piece of the text. `kind` is one of the constants above, or the byte of a punctuation mark; points and hyphens
/// come as runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: u8,
    pub(super) gap: Gap,
    pub(super) word: Word,
    /// From the beginning of a comment to its end, in tokens; 0 where that is not known.
    pub(super) jump: u16,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Token {
    pub(super) const NONE: Token =
        Token { kind: END, gap: Gap::Line, word: Word::Other, jump: 0, start: u32::MAX, end: u32::MAX };

    pub(super) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }
}

/// Where the lexer is in its text.
#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    /// The last comment that was opened, as an index into the batch.
    open: Option<usize>,
}

impl<'t> Lexer<'t> {
    /// Texts end at 4 GiB: see [`super::LONGEST`].
    pub(super) fn new(text: &'t [u8], at: usize) -> Self {
        Self { text, at, open: None }
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.text.len()
    }

    /// The batch has lost so many tokens at its beginning.
    pub(super) fn forget(&mut self, tokens: usize) {
        self.open = self.open.and_then(|open| open.checked_sub(tokens));
    }

    /// Fills the batch up to `limit` tokens.
    pub(super) fn fill(&mut self, batch: &mut Vec<Token>, limit: usize) {
        while batch.len() < limit {
            let gap = self.skip_space();
            let start = self.at;
            let Some(first) = self.text.get(start) else { return };
            let mut word = Word::Other;
            let kind = match CLASSES[usize::from(*first)] {
                LETTER => {
                    word = self.word();
                    WORD
                }
                DIGIT => {
                    self.number();
                    NUMBER
                }
                _ => self.punctuation(*first),
            };
            match (kind, self.open) {
                (OPEN, None) => self.open = Some(batch.len()),
                (CLOSE, Some(open)) => {
                    batch[open].jump = u16::try_from(batch.len() - open).unwrap_or(0);
                    self.open = None;
                }
                _ => {}
            }
            batch.push(Token { kind, gap, word, jump: 0, start: start as u32, end: self.at as u32 });
        }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_space(&mut self) -> Gap {
        let mut gap = Gap::Nothing;
        while let Some(byte) = self.text.get(self.at) {
            if CLASSES[usize::from(*byte)] != SPACE {
                break;
            }
            gap = gap.max(if matches!(byte, b'\n' | b'\r') { Gap::Line } else { Gap::Space });
            self.at += 1;
        }
        gap
    }

    fn word(&mut self) -> Word {
        let start = self.at;
        self.at = word_end(self.text, start);
        words::find(self.text, start, self.at)
    }

    fn digits(&mut self, digit: fn(&u8) -> bool) {
        while self.text.get(self.at).is_some_and(digit) {
            self.at += 1;
        }
    }

    fn number(&mut self) {
        if self.peek(0) == b'0' && matches!(self.peek(1), b'x' | b'X') && self.peek(2).is_ascii_hexdigit() {
            self.at += 2;
            return self.digits(u8::is_ascii_hexdigit);
        }
        self.digits(u8::is_ascii_digit);
        if self.peek(0) == b'.' && self.peek(1) != b'.' {
            self.at += 1;
            self.digits(u8::is_ascii_digit);
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'-' | b'+'));
            if self.peek(1 + sign).is_ascii_digit() {
                self.at += 1 + sign;
                self.digits(u8::is_ascii_digit);
            } else if sign == 0 && CLASSES[usize::from(self.peek(1))] > DIGIT {
                // `1.e,`: MySQL reads it as a number.
                self.at += 1;
            }
        }
    }

    fn punctuation(&mut self, first: u8) -> u8 {
        match (first, self.peek(1)) {
            (b'/', b'*') if self.peek(2) == b'!' => {
                self.at += 3;
                self.digits(u8::is_ascii_digit);
                BANG
            }
            (b'/', b'*') => {
                self.at += 2;
                OPEN
            }
            (b'*', b'/') => {
                self.at += 2;
                CLOSE
            }
            (b'.' | b'-', _) => {
                while self.peek(0) == first {
                    self.at += 1;
                }
                first
            }
            _ => {
                self.at += 1;
                first
            }
        }
    }
}

/// Where a word ends that begins there: eight bytes at a time, because where a word ends is what no processor guesses.
fn word_end(text: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(eight) = text.get(at..at + 8).and_then(|eight| eight.try_into().ok()) {
        let others = !letters(u64::from_le_bytes(eight)) & HIGH;
        if others != 0 {
            return at + others.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &text[at..];
    at + rest.iter().position(|byte| CLASSES[usize::from(*byte)] > DIGIT).unwrap_or(rest.len())
}

/// The high bit of each byte.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte that is a letter, a digit, an underscore or beyond ASCII.
const fn letters(eight: u64) -> u64 {
    const fn all(byte: u8) -> u64 {
        0x0101_0101_0101_0101 * byte as u64
    }
    let low = eight & !HIGH;
    let small = low | all(0x20);
    // Adding what is missing to 128 sets the high bit of what is large enough; seven bits never carry into the next byte.
    let alphabetic = (small + all(0x80 - b'a')) & !(small + all(0x80 - (b'z' + 1)));
    let digit = (low + all(0x80 - b'0')) & !(low + all(0x80 - (b'9' + 1)));
    let underscore = !((low ^ all(b'_')) + all(0x7f));
    (alphabetic | digit | underscore | eight) & HIGH
}

const LETTER: u8 = 0;
const DIGIT: u8 = 1;
const SPACE: u8 = 2;
const MARK: u8 = 3;

/// What each byte is. Control characters separate words as blanks do, for databases and for browsers.
const CLASSES: [u8; 256] = {
    let mut classes = [MARK; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => LETTER,
            b'0'..=b'9' => DIGIT,
            0..=b' ' | 0x7f => SPACE,
            _ => MARK,
        };
        byte += 1;
    }
    classes
};

/// A stretch of tokens with the text they were cut from. Looking beyond either end finds [`Token::NONE`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'l> {
    pub(super) text: &'l [u8],
    pub(super) tokens: &'l [Token],
}

impl<'l> Look<'l> {
    pub(super) fn at(&self, place: usize) -> Token {
        self.tokens.get(place).copied().unwrap_or(Token::NONE)
    }

    pub(super) fn kind(&self, place: usize) -> u8 {
        self.tokens.get(place).map_or(END, |token| token.kind)
    }

    pub(super) fn word(&self, place: usize) -> Word {
        self.tokens.get(place).map_or(Word::Other, |token| token.word)
    }

    /// The token before, if there is one within reach.
    pub(super) fn before(&self, place: usize) -> Token {
        place.checked_sub(1).map_or(Token::NONE, |place| self.at(place))
    }

    /// Is this token there, with nothing between it and the one before?
    pub(super) fn adjoins(&self, place: usize) -> bool {
        self.tokens.get(place).is_some_and(|token| token.gap == Gap::Nothing)
    }

    /// The token's own text.
    pub(super) fn text(&self, place: usize) -> &'l [u8] {
        self.tokens.get(place).map_or(&[], |token| &self.text[token.start as usize..token.end as usize])
    }

    /// A mark with nothing between it and the token before.
    pub(super) fn joined(&self, place: usize, mark: u8) -> bool {
        self.kind(place) == mark && self.adjoins(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(u8, String)> {
        let (mut lexer, mut batch) = (Lexer::new(text.as_bytes(), 0), Vec::new());
        lexer.fill(&mut batch, usize::MAX);
        assert!(lexer.is_done());
        let piece = |token: &Token| text[token.start as usize..token.end as usize].to_owned();
        batch.iter().map(|token| (token.kind, piece(token))).collect()
    }

    fn kinds(text: &str) -> String {
        let kind = |kind: u8| match kind {
            OPEN => '[',
            CLOSE => ']',
            BANG => '{',
            other => char::from(other),
        };
        cut(text).iter().map(|(one, _)| kind(*one)).collect()
    }

    #[test]
    fn quotation_marks_are_tokens_like_any_other() {
        assert_eq!(kinds("x' OR 'a'='a"), "a'a'a'='a");
        assert_eq!(kinds("don't"), "a'a");
    }

    #[test]
    fn eight_letters_are_told_as_one_is() {
        for byte in 0..=255u8 {
            let letter = CLASSES[usize::from(byte)] <= DIGIT;
            for place in 0..8 {
                let mut eight = [b'a', b'Z', b'0', b'9', b'_', 0xc3, b'z', b'A'];
                eight[place] = byte;
                let told = letters(u64::from_le_bytes(eight)) >> (8 * place + 7) & 1 == 1;
                assert_eq!(told, letter, "{byte:#x} at {place}");
                let end = if letter { 8 } else { place };
                assert_eq!(word_end(&eight, 0), end);
                assert_eq!(word_end(&eight[..7], 0), end.min(7));
            }
        }
    }

    #[test]
    fn numbers_end_where_a_word_begins() {
        let texts = |text| cut(text).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts("1234e0UNION"), ["1234e0", "UNION"]);
        assert_eq!(texts("0x7162,1.5e-3 1..2 3rd"), ["0x7162", ",", "1.5e-3", "1", "..", "2", "3", "rd"]);
        assert_eq!(texts("1.e,"), ["1.e", ","]);
        assert_eq!(texts("1 else"), ["1", "else"]);
    }

    #[test]
    fn comments_know_where_they_end() {
        assert_eq!(kinds("a/**/b/*!50000c*/--"), "a[]a{a]-");
        let (mut lexer, mut batch) = (Lexer::new(b"a /* b c */ d /* e", 0), Vec::new());
        lexer.fill(&mut batch, usize::MAX);
        let jumps: Vec<u16> = batch.iter().map(|token| token.jump).collect();
        assert_eq!(jumps, [0, 3, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn batches_give_the_same_tokens_as_the_whole() {
        let text = "a/*b c*/ 12.5 '..' -- d\n/*! x */ \u{e9}t\u{e9}".repeat(20);
        let whole: Vec<_> = cut(&text);
        let (mut lexer, mut batch, mut pieces) = (Lexer::new(text.as_bytes(), 0), Vec::new(), Vec::new());
        while !lexer.is_done() {
            lexer.fill(&mut batch, 7);
            pieces.extend(batch.iter().map(|token| (token.kind, token.start)));
            lexer.forget(batch.len());
            batch.clear();
        }
        assert_eq!(pieces.len(), whole.len());
        assert!(pieces.iter().zip(&whole).all(|((kind, _), (other, _))| kind == other));
    }
}
