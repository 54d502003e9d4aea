//! One layer of encoding taken off: URL, HTML entities, script escapes, overlong and odd Unicode.
//!
//! What is decoded is never longer than what it was decoded from, so a few rounds cost a few times the text.

use std::ops::Range;

/// Which encodings were taken off, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encodings(u8);

impl Encodings {
    /// None: the text as it came.
    pub const NONE: Encodings = Encodings(0);
    /// `%27`, `%u0027`.
    pub const URL: Encodings = Encodings(1);
    /// `&#39;`, `&lt;`.
    pub const HTML: Encodings = Encodings(2);
    /// `\x27`, `\u0027`.
    pub const ESCAPE: Encodings = Encodings(4);
    /// Overlong UTF-8, full-width forms, characters without a width.
    pub const UNICODE: Encodings = Encodings(8);
    /// Base64 of readable text.
    pub const BASE64: Encodings = Encodings(16);
    /// Marks that databases or shells read over, between the letters of a word.
    pub const FILLER: Encodings = Encodings(32);

    const NAMES: [(Encodings, &str); 6] = [
        (Encodings::URL, "url"),
        (Encodings::HTML, "html"),
        (Encodings::ESCAPE, "escape"),
        (Encodings::UNICODE, "unicode"),
        (Encodings::BASE64, "base64"),
        (Encodings::FILLER, "filler"),
    ];

    /// Both.
    pub(super) const fn and(self, other: Encodings) -> Encodings {
        Encodings(self.0 | other.0)
    }

    /// Does it hold this one?
    pub const fn has(self, one: Encodings) -> bool {
        self.0 & one.0 == one.0
    }

    /// Does it hold any of these?
    pub(super) const fn has_any(self, these: Encodings) -> bool {
        self.0 & these.0 != 0
    }

    /// A word for each of them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(one, _)| self.has(*one)).map(|(_, name)| name)
    }
}

/// A text, and where each of its bytes was before.
#[derive(Debug, Clone, Default)]
pub(super) struct Decoded {
    pub(super) text: Vec<u8>,
    /// From this byte of the text on, bytes were written one for one from that byte on.
    runs: Vec<(u32, u32)>,
    /// How long the text was before.
    before: u32,
    pub(super) found: Encodings,
}

impl Decoded {
    pub(super) fn of(text: &[u8]) -> Self {
        Self { text: Vec::new(), runs: vec![(0, 0)], before: text.len() as u32, found: Encodings::NONE }
    }

    /// The bytes up to there stay as they are.
    pub(super) fn keep(&mut self, from: &[u8], range: Range<usize>) {
        self.run(range.start);
        self.text.extend_from_slice(&from[range]);
    }

    /// In the place of what stood there comes this.
    pub(super) fn put(&mut self, was: usize, bytes: &[u8], encoding: Encodings) {
        self.run(was);
        let here = self.text.len() as u32;
        // A change of one byte into another is a change.
        if self.runs.last().is_none_or(|last| last.0 != here) {
            self.runs.push((here, was as u32));
        }
        self.text.extend_from_slice(bytes);
        self.found = self.found.and(encoding);
    }

    fn run(&mut self, was: usize) {
        let here = (self.text.len() as u32, was as u32);
        match self.runs.last_mut() {
            // Nothing was written since.
            Some(last) if last.0 == here.0 => last.1 = here.1,
            Some(last) if here.0 - last.0 == here.1.saturating_sub(last.1) => {}
            _ => self.runs.push(here),
        }
    }

    /// Places in the text at which something was decoded, or just behind it; in order.
    pub(super) fn changes(&self) -> impl Iterator<Item = usize> {
        self.runs.iter().skip(1).map(|(here, _)| *here as usize)
    }

    /// Where these bytes were before.
    pub(super) fn origin(&self, range: Range<usize>) -> Range<usize> {
        let start = self.place(range.start);
        let end = match range.end.checked_sub(1) {
            // The end of an encoded byte is where the next one begins.
            Some(_) if range.end >= self.text.len() => self.before as usize,
            Some(_) => self.place(range.end),
            None => start,
        };
        start..end.max(start)
    }

    fn place(&self, at: usize) -> usize {
        let after = self.runs.partition_point(|(here, _)| *here as usize <= at);
        let (here, was) = self.runs[after.saturating_sub(1)];
        ((was as usize) + (at - here as usize)).min(self.before as usize)
    }
}

/// Can something of this be decoded?
pub(super) const HINTS: [bool; 256] = {
    let mut hints = [false; 256];
    let bytes = b"%&\\+\xa0\xa2\xa7\xbc\xbe\xc0\xc1\xc2\xca\xe0\xe2\xee\xef\xf0";
    let mut at = 0;
    while at < bytes.len() {
        hints[bytes[at] as usize] = true;
        at += 1;
    }
    hints
};

/// The text with one layer of encoding taken off everywhere; nothing, if there was none.
pub(super) fn round(text: &[u8]) -> Option<Decoded> {
    let mut decoded: Option<Decoded> = None;
    let (mut kept, mut at, mut dropping) = (0, 0, false);
    while let Some(skip) = text[at..].iter().position(|byte| HINTS[usize::from(*byte)]) {
        at += skip;
        let mut buffer = [0; 4];
        // In UTF-8 such a byte never follows an ASCII one.
        let lone = (at == 0 || text[at - 1].is_ascii()).then(|| latin(text[at])).flatten();
        let found = match lone {
            Some(byte) => {
                buffer[0] = byte;
                Some((1, 1, Encodings::UNICODE))
            }
            None => piece(&text[at..], dropping && at <= kept + 1, &mut buffer),
        };
        match found {
            Some((used, written, encoding)) => {
                let decoded = decoded.get_or_insert_with(|| Decoded::of(text));
                decoded.keep(text, kept..at);
                decoded.put(at, &buffer[..written], encoding);
                dropping = encoding == Encodings::FILLER;
                at += used;
                kept = at;
            }
            None => at += 1,
        }
    }
    let mut decoded = decoded?;
    decoded.keep(text, kept..text.len());
    Some(decoded)
}

/// A byte of Latin-1 that somebody may read for one of ASCII: the no-break space, and those that are marks of markup
/// where the highest bit is dropped.
const fn latin(byte: u8) -> Option<u8> {
    match byte {
        0xa0 => Some(b' '),
        0xa2 | 0xa7 | 0xbc | 0xbe => Some(byte & 0x7f),
        _ => None,
    }
}

/// What stands encoded at the beginning: the bytes it takes, the bytes it stands for.
fn piece(text: &[u8], dropping: bool, out: &mut [u8; 4]) -> Option<(usize, usize, Encodings)> {
    match text[0] {
        b'%' => percent(text, dropping, out),
        b'&' => entity(text, out),
        b'\\' => escape(text, out),
        b'+' => utf7(text, out),
        _ => unicode(text, out),
    }
}

pub(super) fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |sum, digit| Some(sum.checked_mul(16)? + char::from(*digit).to_digit(16)?))
}

/// A code point as UTF-8; what is none becomes a question mark.
fn written(code: u32, out: &mut [u8; 4]) -> usize {
    char::from_u32(code).unwrap_or('?').encode_utf8(out).len()
}

fn percent(text: &[u8], dropping: bool, out: &mut [u8; 4]) -> Option<(usize, usize, Encodings)> {
    if matches!(text.get(1), Some(b'u' | b'U'))
        && let Some(code) = text.get(2..6).and_then(hex)
    {
        return Some((6, written(code, out), Encodings::URL));
    }
    if let Some(byte) = text.get(1..3).and_then(hex) {
        out[0] = byte as u8;
        return Some((3, 1, Encodings::URL));
    }
    // `%S%E%L`: some servers drop a percent sign that begins nothing.
    let byte = *text.get(1).filter(|byte| byte.is_ascii_graphic() && **byte != b'%')?;
    out[0] = byte;
    (dropping || text.get(2) == Some(&b'%')).then_some((2, 1, Encodings::FILLER))
}

const ENTITIES: [(&[u8], u8); 34] = [
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"amp", b'&'),
    (b"quot", b'"'),
    (b"apos", b'\''),
    (b"nbsp", b' '),
    (b"Tab", b'\t'),
    (b"NewLine", b'\n'),
    (b"colon", b':'),
    (b"semi", b';'),
    (b"lpar", b'('),
    (b"rpar", b')'),
    (b"equals", b'='),
    (b"sol", b'/'),
    (b"bsol", b'\\'),
    (b"period", b'.'),
    (b"comma", b','),
    (b"num", b'#'),
    (b"excl", b'!'),
    (b"dollar", b'$'),
    (b"percnt", b'%'),
    (b"ast", b'*'),
    (b"plus", b'+'),
    (b"quest", b'?'),
    (b"commat", b'@'),
    (b"lsqb", b'['),
    (b"rsqb", b']'),
    (b"lcub", b'{'),
    (b"rcub", b'}'),
    (b"verbar", b'|'),
    (b"grave", b'`'),
    (b"lowbar", b'_'),
    (b"hyphen", b'-'),
    (b"Hat", b'^'),
];

fn entity(text: &[u8], out: &mut [u8; 4]) -> Option<(usize, usize, Encodings)> {
    let rest = &text[1..];
    if let [b'#', rest @ ..] = rest {
        let (radix, digits, lead) = match rest {
            [b'x' | b'X', rest @ ..] => (16, rest, 3),
            _ => (10, rest, 2),
        };
        let count = digits.iter().take(8).take_while(|digit| char::from(**digit).is_digit(radix)).count();
        let text = std::str::from_utf8(digits.get(..count)?).ok()?;
        let code = u32::from_str_radix(text, radix).ok()?;
        let semicolon = usize::from(digits.get(count) == Some(&b';'));
        // An entity is at least as long as the character: `&#9` for one byte, `&#128` for two, and so on.
        return Some((lead + count + semicolon, written(code, out), Encodings::HTML));
    }
    let count = rest.iter().take(8).take_while(|byte| byte.is_ascii_alphabetic()).count();
    if rest.get(count) != Some(&b';') {
        return None;
    }
    let (_, byte) = ENTITIES.iter().find(|(name, _)| name.eq_ignore_ascii_case(&rest[..count]))?;
    out[0] = *byte;
    Some((count + 2, 1, Encodings::HTML))
}

/// `+ADw-`: UTF-7, which old browsers guess.
fn utf7(text: &[u8], out: &mut [u8; 4]) -> Option<(usize, usize, Encodings)> {
    let [_, b'A', second, third, b'-', ..] = *text else { return None };
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        _ => None,
    };
    // Eighteen bits: sixteen of the character, two of nothing. The first six are zero here.
    let bits = u16::from(value(second)?) << 6 | u16::from(value(third)?);
    out[0] = u8::try_from(bits >> 2).ok().filter(u8::is_ascii)?;
    Some((5, 1, Encodings::UNICODE))
}

fn escape(text: &[u8], out: &mut [u8; 4]) -> Option<(usize, usize, Encodings)> {
    match text.get(1)? {
        b'x' | b'X' => {
            out[0] = hex(text.get(2..4)?)? as u8;
            Some((4, 1, Encodings::ESCAPE))
        }
        b'u' | b'U' if text.get(2) == Some(&b'{') => {
            let count = text[3..].iter().take(6).take_while(|digit| digit.is_ascii_hexdigit()).count();
            let code = hex(text.get(3..3 + count)?).filter(|_| count > 0)?;
            (text.get(3 + count) == Some(&b'}')).then(|| (4 + count, written(code, out), Encodings::ESCAPE))
        }
        b'u' | b'U' => Some((6, written(hex(text.get(2..6)?)?, out), Encodings::ESCAPE)),
        // `\0075` and `\000075`: what style sheets read.
        b'0' if text.get(2) == Some(&b'0') => {
            let zeros = if text.get(3..5) == Some(b"00") { 4 } else { 2 };
            out[0] = u8::try_from(hex(text.get(1 + zeros..3 + zeros)?)?).ok().filter(u8::is_ascii_graphic)?;
            Some((3 + zeros, 1, Encodings::ESCAPE))
        }
        _ => None,
    }
}

/// ASCII that hides in longer sequences, and characters that look like ASCII to whoever comes later.
fn unicode(text: &[u8], out: &mut [u8; 4]) -> Option<(usize, usize, Encodings)> {
    let tail =
        |at: usize| text.get(at).filter(|byte| **byte & 0xc0 == 0x80).map(|byte| u32::from(byte & 0x3f));
    let mut one = |used: usize, byte: u8| {
        out[0] = byte;
        Some((used, 1, Encodings::UNICODE))
    };
    match *text {
        [lead @ (0xc0 | 0xc1), second, ..] => {
            // Old servers take any second byte: `%c0%2f` is a slash to them, `%c1%1c` the other one.
            let low = if second & 0xc0 == 0x80 || lead == 0xc1 { second & 0x3f } else { second & 0x7f };
            one(2, (lead & 1) << 6 | low)
        }
        // No-break space, soft hyphen.
        [0xc2, 0xa0, ..] => one(2, b' '),
        [0xc2, 0xad, ..] => Some((2, 0, Encodings::UNICODE)),
        // Modifier letters that become apostrophes.
        [0xca, 0xb9 | 0xbb | 0xbc, ..] => one(2, b'\''),
        [0xe0, 0x80 | 0x81, ..] => {
            let code = u32::from(text[1] & 0x3f) << 6 | tail(2)?;
            one(3, code as u8)
        }
        [0xf0, 0x80, 0x80 | 0x81, ..] => {
            let code = u32::from(text[2] & 0x3f) << 6 | tail(3)?;
            one(4, code as u8)
        }
        [0xe2, 0x80, 0x8b..=0x8f | 0xaa..=0xae, ..] | [0xe2, 0x81, 0xa0, ..] => {
            Some((3, 0, Encodings::UNICODE))
        }
        [0xe2, 0x80, 0xb2, ..] => one(3, b'\''),
        [0xe2, 0x81, 0x84, ..] | [0xe2, 0x88, 0x95, ..] => one(3, b'/'),
        [0xe2, 0x88, 0x96, ..] => one(3, b'\\'),
        // Private characters that some code pages turn into separators.
        [0xee, 0xbf, 0x88, ..] => one(3, b'\\'),
        [0xef, 0x80, 0xa5, ..] => one(3, b'/'),
        [0xef, 0xbb, 0xbf, ..] => Some((3, 0, Encodings::UNICODE)),
        // Full-width forms of all of ASCII.
        [0xef, 0xbc, third @ 0x81..=0xbf, ..] => one(3, third - 0x60),
        [0xef, 0xbd, third @ 0x80..=0x9e, ..] => one(3, third - 0x20),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &[u8]) -> Vec<u8> {
        round(text).map_or_else(|| text.to_vec(), |decoded| decoded.text)
    }

    #[test]
    fn each_encoding_is_taken_off() {
        for (text, plain) in [
            (&b"%27%20or%u0027"[..], &b"' or'"[..]),
            (b"&lt;b&#62;&#x27;&#39 &quot;&unknown;", b"<b>'' \"&unknown;"),
            (b"\\x3cb\\u003e\\u{27}\\n", b"<b>'\\n"),
            (b"..\xc0\xaf..\xc1\x9c\xe0\x80\xaf\xf0\x80\x80\xaf\xc0\x2f", b"../..\\///"),
            ("ｓｅｌｅｃｔ＇～".as_bytes(), b"select'~"),
            ("a\u{200b}b\u{ad}c\u{2bc}".as_bytes(), b"abc'"),
            (b"%S%E%L%E%C%T 100% %", b"SELECT 100% %"),
            (b"%2527", b"%27"),
            (b"+ADw-b+AD4- a+b +Abc-", b"<b> a+b +Abc-"),
            (b"\\0075\\00006C\\00zz", b"ul\\00zz"),
            (b"\xbcb\xbe 1/4 \xc3\xbc", b"<b> 1/4 \xc3\xbc"),
            (b"or\xa01 \xc3\xa0", b"or 1 \xc3\xa0"),
        ] {
            assert_eq!(String::from_utf8_lossy(&decoded(text)), String::from_utf8_lossy(plain));
        }
    }

    #[test]
    fn plain_text_is_left_alone() {
        for text in ["", "100 % of R&D, \\n and caf\u{e9}", "%zz &; \\", "\u{2014} \u{201c}quoted\u{201d}"] {
            assert!(round(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn what_was_decoded_knows_where_it_was() {
        let text = b"ab%27cd&#39;e";
        let decoded = round(text).unwrap();
        assert_eq!(decoded.text, b"ab'cd'e");
        assert_eq!(decoded.origin(2..3), 2..5);
        assert_eq!(decoded.origin(0..2), 0..2);
        assert_eq!(decoded.origin(3..5), 5..7);
        assert_eq!(decoded.origin(5..6), 7..12);
        assert_eq!(decoded.origin(6..7), 12..13);
        assert_eq!(decoded.origin(0..7), 0..13);
    }

    proptest::proptest! {
        /// Law: a round never makes a text longer, and its origins lie within the text, in order.
        #[test]
        fn a_round_shrinks_and_its_origins_are_in_order(
            text in proptest::collection::vec(proptest::sample::select(&b"%u0027&#x;lt\\x{}\xc0\xaf\xe2\x80\x8b\xef\xbc\x87 ab"[..]), 0..60),
        ) {
            if let Some(decoded) = round(&text) {
                proptest::prop_assert!(decoded.text.len() <= text.len());
                let mut last = 0;
                for at in 0..decoded.text.len() {
                    let origin = decoded.origin(at..at + 1);
                    proptest::prop_assert!(origin.start >= last && origin.end <= text.len());
                    last = origin.start;
                }
            }
        }
    }
}
