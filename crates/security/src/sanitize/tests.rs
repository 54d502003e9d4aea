//! Laws: what comes out is inert in its place, and reads back as what went in.

use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;
use proptest::strategy::Strategy;

use super::*;

/// Text with much of what is special somewhere.
fn texts() -> impl Strategy<Value = String> {
    let special = select(
        &[
            "<",
            ">",
            "&",
            "\"",
            "'",
            "`",
            "\\",
            "\n",
            "\r",
            "\t",
            "\u{1b}[2J",
            "\u{202e}",
            "\u{2028}",
            "\u{85}",
            "\0",
            "$(id)",
            "`id`",
            ";",
            "|",
            "*",
            "~",
            "[",
            "]",
            "&lt;",
            "&#39;",
            "''",
            "]]",
            "--",
            "\u{7f}",
            "\u{feff}",
            "\\n",
            "\\x1b",
            "-rf",
            "é",
            "日本",
            "=",
            "{",
            "!",
            "#",
            "%s",
            " ",
        ][..],
    )
    .prop_map(str::to_owned);
    vec(prop_oneof![special, any::<char>().prop_map(String::from)], 0..24).prop_map(|pieces| pieces.concat())
}

/// As a browser reads text: the references that `html` writes.
fn browsed(text: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#96;", "`"),
        ("&#13;", "\r"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (reference, meaning)| text.replace(reference, meaning))
}

/// As a shell reads one word; nothing, if anything in it would be expanded or if it were more than one word.
fn shelled(word: &str) -> Option<String> {
    let (mut read, mut rest) = (String::new(), word);
    loop {
        let Some(c) = rest.chars().next() else { return (!word.is_empty()).then_some(read) };
        match c {
            '\'' => {
                let (quoted, behind) = rest[1..].split_once('\'')?;
                read.push_str(quoted);
                rest = behind;
            }
            '\\' => {
                let next = rest[1..].chars().next()?;
                read.push(next);
                rest = &rest[1 + next.len_utf8()..];
            }
            c if c.is_ascii_alphanumeric() || "_-./,:@%+".contains(c) => {
                read.push(c);
                rest = &rest[1..];
            }
            _ => return None,
        }
    }
}

proptest! {
    /// Law: a line of a log is one line without control characters, and its bytes can be had back.
    #[test]
    fn a_line_of_a_log_is_one_line_and_reads_back(text in prop_oneof![texts().prop_map(String::into_bytes), vec(any::<u8>(), 0..64)]) {
        let line = log(&text);
        let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}');
        prop_assert!(!line.chars().any(|c| c.is_control() || turns(c)), "{line:?}");
        prop_assert_eq!(read_log(&line), Some(text));
    }

    /// Law: lines that differ come from texts that differ: nobody writes a line that another text would have made.
    #[test]
    fn a_log_cannot_be_forged(one in texts(), other in texts()) {
        prop_assert_eq!(one == other, log(one.as_bytes()) == log(other.as_bytes()));
    }

    /// Law: no markup begins or ends in the text, and a browser reads it back.
    #[test]
    fn html_stays_text_and_reads_back(text in texts()) {
        let safe = html(&text);
        prop_assert!(!safe.contains(['<', '>', '"', '\'', '`', '\0']), "{safe}");
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;", "#96;", "#13;"];
        prop_assert!(safe.split('&').skip(1).all(|rest| known.iter().any(|known| rest.starts_with(known))), "{safe}");
        prop_assert_eq!(browsed(&safe), text.replace('\0', "\u{fffd}"));
    }

    /// Law: a shell reads one word, expands nothing in it, and it is the text.
    #[test]
    fn a_shell_reads_one_word_and_expands_nothing(text in texts()) {
        match shell(&text) {
            Ok(word) => prop_assert_eq!(shelled(&word), Some(text)),
            Err(_) => prop_assert!(text.contains('\0')),
        }
    }

    /// Law: a name ends where its mark stands alone, and reads back.
    #[test]
    fn a_name_is_one_name_and_reads_back(text in texts(), dialect in select(Dialect::ALL)) {
        let Ok(name) = identifier(&text, dialect) else {
            prop_assert!(text.is_empty() || text.len() > 63 || text.chars().any(char::is_control));
            return Ok(());
        };
        let mark = name.chars().last().unwrap();
        let inside = &name[1..name.len() - 1];
        let alone = inside.replace(&format!("{mark}{mark}"), "");
        prop_assert!(!alone.contains(mark), "{name}");
        prop_assert_eq!(inside.replace(&format!("{mark}{mark}"), &mark.to_string()), text);
    }
}

#[test]
fn a_real_shell_says_back_what_was_quoted() {
    let texts = [
        "",
        " ",
        "it's",
        "$(echo no)",
        "`echo no`",
        "a\nb",
        "*",
        "~",
        "-n",
        "\\",
        "\"",
        "é; #",
        "!x",
        "${HOME}",
        "a=b",
    ];
    for text in texts {
        let command = format!("printf '%s' {}", shell(text).unwrap());
        let Ok(output) = Command::new("sh").args(["-c", &command]).output() else { return };
        assert_eq!(String::from_utf8_lossy(&output.stdout), text, "{command}");
    }
}

#[test]
fn what_no_quoting_helps_is_refused_with_what_to_write() {
    let told = |refused: Refused| refused.to_string();
    assert_eq!(told(shell("a\0b").unwrap_err()), "a zero byte cannot be part of a command: leave it out");
    assert_eq!(told(identifier("", Dialect::MySql).unwrap_err()), "a name is empty: write one");
    assert!(
        told(identifier(&"n".repeat(64), Dialect::Standard).unwrap_err()).contains("longer than 63 bytes")
    );
    assert!(told(identifier("a\nb", Dialect::SqlServer).unwrap_err()).contains("control character"));
    assert_eq!(read_log("\\q"), None);
    assert_eq!(read_log("\\"), None);
    assert_eq!(read_log("\\x4"), None);
    assert_eq!(read_log("\\u{110000}"), None);
    assert_eq!(read_log("\\xé"), None);
    assert_eq!(read_log("\\x+4"), None);
    assert_eq!(read_log("\\u{}"), None);
}
