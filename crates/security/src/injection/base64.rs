//! Finds runs of Base64 that stand for readable text.

use super::decode::Encodings;

/// Shorter runs are words.
const SHORTEST: usize = 20;
/// So much of the beginning is enough to see that it is not text.
const GLANCE: usize = 12;

/// A run and the text it stands for.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) text: Vec<u8>,
    pub(super) how: Encodings,
}

/// Every run that is long enough and readable, in order; together they are shorter than what they came from.
pub(super) fn runs(text: &[u8]) -> impl Iterator<Item = Run> {
    let mut at = 0;
    std::iter::from_fn(move || {
        // A run that is long enough has a byte at every place this looks at.
        while let Some(inner) = text.get(at + SHORTEST - 1) {
            let is_part = |byte: &&u8| VALUES[usize::from(**byte)] < 64;
            if !is_part(&inner) {
                at += SHORTEST;
                continue;
            }
            let back = text[at..at + SHORTEST].iter().rev().take_while(is_part).count();
            let start = at + SHORTEST - back;
            let count = back + text[at + SHORTEST..].iter().take_while(is_part).count();
            at = start + count;
            let padding = text[at..].iter().take(2).take_while(|byte| **byte == b'=').count();
            at += padding;
            if count >= SHORTEST
                && (count + padding) % 4 != 1
                && let Some(plain) = readable(&text[start..start + count])
            {
                return Some(Run { start, end: at, text: plain, how: Encodings::BASE64 });
            }
        }
        None
    })
}

/// The text, unless too little of it is text.
fn readable(run: &[u8]) -> Option<Vec<u8>> {
    let beginning = plain(&run[..(GLANCE / 3 * 4).min(run.len())]);
    if !beginning.iter().all(|byte| is_text(*byte)) {
        return None;
    }
    let plain = plain(run);
    let text = plain.iter().filter(|byte| is_text(**byte)).count();
    (text * 20 >= plain.len() * 19).then_some(plain)
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')
}

fn plain(run: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(run.len() * 3 / 4);
    for four in run.chunks(4) {
        let bits = four.iter().fold(0u32, |bits, byte| bits << 6 | u32::from(VALUES[usize::from(*byte)]));
        let bits = bits << (6 * (4 - four.len()));
        let bytes = bits.to_be_bytes();
        plain.extend_from_slice(&bytes[1..four.len().max(1)]);
    }
    plain
}

/// Both alphabets; 64 where a byte is in neither.
const VALUES: [u8; 256] = {
    let mut values = [64; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = 0;
    while value < 64 {
        values[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_text_is_found_wherever_it_stands() {
        let text = b"q=MScgT1IgJzEnPScxJyAtLSBhYmM=&x=deadbeefdeadbeefdeadbeef";
        let found: Vec<Run> = runs(text).collect();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].start, found[0].text.as_slice()), (2, &b"1' OR '1'='1' -- abc"[..]));
        assert_eq!(&text[found[0].end..found[0].end + 1], b"&");
    }

    #[test]
    fn words_and_digests_are_not_text() {
        for text in [
            "internationalisation",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "",
            "====",
        ] {
            assert_eq!(runs(text.as_bytes()).count(), 0, "{text}");
        }
    }
}
