//! A line of a log that is one line, moves no cursor and cannot pretend to be another.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Any bytes as one printable line: control characters, ends of lines, escape sequences, marks that turn the direction
/// of text and bytes that are no UTF-8 are written out (`\n`, `\x1b`, `\u{202e}`), and so is the backslash (`\\`).
///
/// The bytes can be had back with [`read_log`]. Borrows where nothing had to be changed.
///
/// ```
/// use seawall_security::sanitize::log;
///
/// assert_eq!(log(b"login of alice"), "login of alice");
/// assert_eq!(log(b"bob\n12:00 INFO all is well \x1b[2J"), r"bob\n12:00 INFO all is well \x1b[2J");
/// ```
pub fn log(text: &[u8]) -> Cow<'_, str> {
    if let Some(plain) = std::str::from_utf8(text).ok().filter(|text| !text.chars().any(is_odd)) {
        return Cow::Borrowed(plain);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for piece in text.utf8_chunks() {
        for c in piece.valid().chars() {
            match c {
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                '\t' => line.push_str("\\t"),
                '\\' => line.push_str("\\\\"),
                c if !is_odd(c) => line.push(c),
                c if c.is_ascii() => put(&mut line, format_args!("\\x{:02x}", u32::from(c))),
                c => put(&mut line, format_args!("\\u{{{:x}}}", u32::from(c))),
            }
        }
        piece.invalid().iter().for_each(|byte| put(&mut line, format_args!("\\x{byte:02x}")));
    }
    Cow::Owned(line)
}

fn put(line: &mut String, escape: std::fmt::Arguments<'_>) {
    // Writing into a text cannot fail.
    let _ = line.write_fmt(escape);
}

/// Is it written out? Control characters, ends of lines, what turns the direction of text or has no width, and what
/// writes all the others.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\\' | '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The bytes that [`log`] made this line of; nothing, where a backslash begins none of its escapes.
pub fn read_log(line: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let used = match escape.chars().next()? {
            'x' => {
                bytes.push(u8::try_from(hexadecimal(escape.get(1..3)?)?).ok()?);
                3
            }
            'u' => {
                let (code, _) = escape.strip_prefix("u{")?.split_once('}')?;
                let c = char::from_u32(hexadecimal(code)?)?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                code.len() + 3
            }
            letter => {
                let (_, byte) = [('n', b'\n'), ('r', b'\r'), ('t', b'\t'), ('\\', b'\\')]
                    .into_iter()
                    .find(|(known, _)| *known == letter)?;
                bytes.push(byte);
                1
            }
        };
        rest = &escape[used..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

fn hexadecimal(digits: &str) -> Option<u32> {
    // Of itself it would take a sign.
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}
