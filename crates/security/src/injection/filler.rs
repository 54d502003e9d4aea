//! Takes out what databases and shells read over inside of words: comments, quotation marks, backslashes, carets.

use super::decode::{Decoded, Encodings};

/// A comment up to so long may stand inside of a word.
const COMMENT: usize = 24;
/// A comment from so long on may hide that what stands around it belongs together.
const LONG: usize = 96;

/// Where something could be taken out.
const MARKS: [bool; 256] = {
    let mut marks = [false; 256];
    let bytes = b"\0/0'\"\\^$";
    let mut at = 0;
    while at < bytes.len() {
        marks[bytes[at] as usize] = true;
        at += 1;
    }
    marks
};

/// The text without them; nothing, if there were none.
pub(super) fn dropped(text: &[u8]) -> Option<Decoded> {
    let shell = text.iter().any(|byte| matches!(byte, b';' | b'|' | b'&' | b'`' | b'$' | b'\n'));
    let mut decoded: Option<Decoded> = None;
    let (mut kept, mut at) = (0, 0);
    // A comment that is not closed is looked for once.
    let mut open = false;
    while let Some(skip) = text[at..].iter().position(|byte| MARKS[usize::from(*byte)]) {
        at += skip;
        let before = at.checked_sub(1).map_or(0, |at| text[at]);
        let found = match text[at] {
            b'/' if !open && text[at..].starts_with(b"/*") && text.get(at + 2) != Some(&b'!') => {
                let length = text[at + 2..].windows(2).position(|two| two == b"*/").map(|length| length + 4);
                open = length.is_none();
                match length {
                    Some(length) if length >= LONG => Some((length, &b" "[..])),
                    Some(length) if length <= COMMENT && within(text, at, length) => Some((length, &b""[..])),
                    Some(length) => {
                        at += length;
                        continue;
                    }
                    None => None,
                }
            }
            // Read over by browsers, the end of everything to others.
            0 => Some((1, &b""[..])),
            // `0x2e0x2e0x2f`: points and slashes by their numbers.
            b'0' if text.get(at + 1).is_some_and(|byte| byte | 0x20 == b'x') => {
                match text.get(at + 2..at + 4) {
                    Some(b"2e" | b"2E") => Some((4, &b"."[..])),
                    Some(b"2f" | b"2F") => Some((4, &b"/"[..])),
                    Some(b"5c" | b"5C") => Some((4, &b"\\"[..])),
                    _ => None,
                }
            }
            _ if !shell => None,
            quote @ (b'\'' | b'"') => {
                if text.get(at + 1) == Some(&quote) && within(text, at, 2) {
                    Some((2, &b""[..]))
                } else {
                    // `w'h'o`: marks around a part of a word.
                    let inside = text[at + 1..].iter().take(8).position(|byte| *byte == quote);
                    let part = inside.is_some_and(|length| {
                        text[at + 1..at + 1 + length].iter().all(u8::is_ascii_alphabetic)
                            && within(text, at, length + 2)
                    });
                    match inside {
                        Some(length) if part => {
                            let decoded = decoded.get_or_insert_with(|| Decoded::of(text));
                            decoded.keep(text, kept..at);
                            decoded.put(at, b"", Encodings::FILLER);
                            decoded.keep(text, at + 1..at + 1 + length);
                            at += length + 1;
                            kept = at;
                            Some((1, &b""[..]))
                        }
                        _ => None,
                    }
                }
            }
            b'\\' | b'^'
                if before.is_ascii_alphabetic() && text.get(at + 1).is_some_and(u8::is_ascii_alphabetic) =>
            {
                Some((1, &b""[..]))
            }
            b'$' if text[at..].starts_with(b"${IFS}") => Some((6, &b" "[..])),
            b'$' if text[at..].starts_with(b"$IFS$9") => Some((6, &b" "[..])),
            b'$' if text[at..].starts_with(b"$IFS") => Some((4, &b" "[..])),
            b'$' if text[at..].starts_with(b"$@") && within(text, at, 2) => Some((2, &b""[..])),
            _ => None,
        };
        let Some((length, instead)) = found else {
            at += 1;
            continue;
        };
        let decoded = decoded.get_or_insert_with(|| Decoded::of(text));
        decoded.keep(text, kept..at);
        decoded.put(at, instead, Encodings::FILLER);
        at += length;
        kept = at;
    }
    let mut decoded = decoded?;
    decoded.keep(text, kept..text.len());
    Some(decoded)
}

/// Are there letters on both sides?
fn within(text: &[u8], at: usize, length: usize) -> bool {
    let letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
    at > 0 && letter(text.get(at - 1)) && letter(text.get(at + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        dropped(text.as_bytes())
            .map_or_else(|| text.to_owned(), |plain| String::from_utf8(plain.text).unwrap())
    }

    #[test]
    fn words_are_put_together_again() {
        assert_eq!(plain("U/**/NI/*x*/ON SE/**/LECT"), "UNION SELECT");
        assert_eq!(plain("UNION/**/ SELECT"), "UNION/**/ SELECT");
        assert_eq!(plain(&format!("UNION/*{}*/SELECT", "x ".repeat(60))), "UNION SELECT");
        assert_eq!(plain(";c''at /e\\tc/pa\"\"sswd"), ";cat /etc/passwd");
        assert_eq!(plain(";w'h'o\"am\"i"), ";whoami");
        assert_eq!(plain("rock 'n' roll; don't"), "rock 'n' roll; don't");
        assert_eq!(plain(";cat${IFS}x|w^hoami"), ";cat x|whoami");
        assert_eq!(plain("<scr\0ipt>"), "<script>");
        assert_eq!(plain("/*!50000UNION*/"), "/*!50000UNION*/");
    }

    #[test]
    fn an_open_comment_is_looked_for_once() {
        let text = "/*".repeat(500_000);
        assert!(dropped(text.as_bytes()).is_none());
    }
}
