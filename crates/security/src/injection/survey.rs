//! One quick look over a text: which of the slower looks are worth it.

use super::decode::HINTS;

/// What a text could hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Survey {
    /// Something that can be decoded.
    pub(super) encoded: bool,
    /// Marks that can stand inside of words, and something that reads over them.
    pub(super) filled: bool,
}

const ENCODED: u8 = 1;
/// Quotation marks, backslashes, carets and dollars: a shell reads over them.
const MARK: u8 = 2;
/// What separates commands; without it there is no shell.
const SHELL: u8 = 4;
/// Both are needed for a comment.
const STAR: u8 = 8;
const SLASH: u8 = 16;
/// Both are needed for `0x2e`.
const ZERO: u8 = 32;
const X: u8 = 64;
/// A zero byte.
const NONE: u8 = 128;

const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let encoded = if HINTS[byte] { ENCODED } else { 0 };
        let other = match byte as u8 {
            b'\'' | b'"' | b'\\' | b'^' => MARK,
            b'$' => MARK | SHELL,
            b';' | b'|' | b'&' | b'`' | b'\n' => SHELL,
            b'*' => STAR,
            b'/' => SLASH,
            0 => NONE,
            b'0' => ZERO,
            b'x' | b'X' => X,
            _ => 0,
        };
        kinds[byte] = encoded | other;
        byte += 1;
    }
    kinds
};

pub(super) fn of(text: &[u8]) -> Survey {
    let all = text.iter().fold(0, |all, byte| all | KINDS[usize::from(*byte)]);
    let has = |kinds| all & kinds == kinds;
    Survey {
        encoded: has(ENCODED),
        filled: has(MARK | SHELL) || has(STAR | SLASH) || has(ZERO | X) || has(NONE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sees_what_the_slower_looks_would_find() {
        assert_eq!(of(b"an ordinary line, 'quoted' (twice)"), Survey::default());
        assert!(of(b"100%").encoded && of("caf\u{2019}".as_bytes()).encoded);
        assert!(of(b"a/*b").filled && of(b"0x2e").filled && of(b";c'a't").filled);
    }
}
