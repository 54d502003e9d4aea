//! Base64 with the alphabet of URLs and with padding (RFC 4648, section 5): what Fernet keys and tokens are written in.

use zeroize::Zeroizing;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Writes bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// Reads the one spelling that [`encode`] writes; `None` for every other text, such as one with bits left over.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3));
    let groups = text.len() / 4;
    for (index, group) in text.chunks(4).enumerate() {
        let padding = group.iter().rev().take_while(|letter| **letter == b'=').count();
        if padding > 2 || (padding > 0 && index + 1 < groups) {
            return None;
        }
        let mut bits = 0u32;
        for letter in &group[..4 - padding] {
            bits = bits << 6 | u32::from(value(*letter)?);
        }
        bits <<= 6 * padding;
        let [_, a, b, c] = bits.to_be_bytes();
        let whole = 3 - padding;
        if [a, b, c][whole..].iter().any(|left| *left != 0) {
            return None;
        }
        bytes.extend_from_slice(&[a, b, c][..whole]);
    }
    Some(bytes)
}

fn value(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: what is written is read back, and nothing else reads as it.
        #[test]
        fn what_is_written_is_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..70), flip in 0..100usize, to in "[A-Za-z0-9_=+/ -]") {
            let text = encode(&bytes);
            prop_assert_eq!(&**decode(&text).unwrap(), &bytes[..]);
            if flip < text.len() && text[flip..=flip] != to {
                let changed = format!("{}{to}{}", &text[..flip], &text[flip + 1..]);
                prop_assert!(decode(&changed).is_none_or(|other| **other != bytes[..]));
            }
        }
    }

    #[test]
    fn the_alphabet_is_that_of_urls_and_other_spellings_are_refused() {
        assert_eq!(encode(&[0xfb, 0xff, 0xfe]), "-__-");
        assert_eq!(encode(b"foob"), "Zm9vYg==");
        for wrong in ["Zm9vYg", "Zm9vYg=", "Zm9vYh==", "+//+", "=", "====", "Zg==Zg==", "Z===", "Zm 9"] {
            assert!(decode(wrong).is_none(), "{wrong}");
        }
    }
}
