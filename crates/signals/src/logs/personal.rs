//! Texts that look like a person's: an address of mail, the number of a phone or of a payment card.

use std::borrow::Cow;

/// What stands in the place of what was hidden.
const HIDDEN: &str = "[personal]";

/// The text without what looks personal. Addresses have a name, an `@` and a host with a dot; phones begin with `+` and
/// have 8 to 15 digits; cards have 13 to 19 digits of which the last fits the others (Luhn) and are no part of a longer
/// word.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut shown = String::new();
    let (mut kept, mut at) = (0, 0);
    while at < bytes.len() {
        let found = match bytes[at] {
            b'@' => mail(bytes, at).filter(|(start, _)| *start >= kept),
            b'+' => number(bytes, at + 1, |digits| (8..=15).contains(&digits.len())).map(|end| (at, end)),
            b'0'..=b'9' if at == 0 || !bytes[at - 1].is_ascii_alphanumeric() => {
                number(bytes, at, is_card).map(|end| (at, end))
            }
            _ => None,
        };
        match found {
            Some((start, end)) => {
                shown.push_str(&text[kept..start]);
                shown.push_str(HIDDEN);
                (kept, at) = (end, end);
            }
            None => at += 1,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[kept..]);
    Cow::Owned(shown)
}

/// Where an address begins and ends whose `@` is here.
fn mail(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let of_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(byte);
    let of_host = |byte: &&u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    let name = bytes[..at].iter().rev().take_while(of_name).count();
    let host = bytes[at + 1..].iter().take_while(of_host).count();
    let written = &bytes[at + 1..at + 1 + host];
    let end = written.iter().rposition(|byte| !b".-".contains(byte))?;
    let dot = written[..=end].iter().rposition(|byte| *byte == b'.')?;
    (name > 0 && dot > 0 && end - dot >= 2).then_some((at - name, at + 2 + end))
}

/// Where a number ends that begins here, with single spaces and dashes in it, if its digits are what is looked for.
fn number(bytes: &[u8], start: usize, is: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let mut digits = Vec::with_capacity(20);
    let mut at = start;
    let mut end = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' => {
                digits.push(byte - b'0');
                end = at + 1;
            }
            b' ' | b'-' if at == end && at > start => {}
            _ => break,
        }
        if digits.len() > 19 {
            return None;
        }
        at += 1;
    }
    let goes_on = bytes.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.');
    (!goes_on && is(&digits)).then_some(end)
}

fn is_card(digits: &[u8]) -> bool {
    let twice = |digit: u8| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let each = digits.iter().rev().enumerate();
    let sum: u32 = each.map(|(n, digit)| u32::from(if n % 2 == 1 { twice(*digit) } else { *digit })).sum();
    // Cards begin with 2 to 6; so do fewer moments in milliseconds than by chance.
    (13..=19).contains(&digits.len()) && (2..=6).contains(&digits[0]) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn what_looks_personal_is_hidden_and_what_does_not_is_left() {
        assert_eq!(hide("to ann.o+x@mail.example.org."), "to [personal].");
        assert_eq!(hide(r#"{"tel":"+49 30 1234-5678"}"#), r#"{"tel":"[personal]"}"#);
        assert_eq!(hide("card 4111 1111 1111 1111, or 4111111111111111"), "card [personal], or [personal]");
        for plain in [
            r#"{"ts":"2026-03-01T09:30:00.125Z","call":"0190f3a4-8c1e-7c44-9c1f-3f2f5d5d9e11"}"#,
            "4111 1111 1111 1112",
            "1772357400125",
            "a@b",
            "@example.org",
            "x@example.",
            "1 + 12345",
            "+1",
            "took 4111111111111111.5",
        ] {
            assert_eq!(hide(plain), plain);
        }
    }

    proptest! {
        /// Law: whatever the text, nothing panics, and an address in it does not survive.
        #[test]
        fn an_address_does_not_survive_any_text(before in "\\PC{0,30}[ \"]", after in "[ \",]\\PC{0,30}") {
            let hidden = hide(&format!("{before}ann@example.org{after}")).into_owned();
            prop_assert!(!hidden.contains("ann@example.org"), "{}", hidden);
        }
    }
}
