//! One word of a POSIX shell's command.

use std::borrow::Cow;

use super::Refused;

/// A text as one word of a command for `sh` and its kin: nothing in it is expanded, and nothing ends it.
///
/// Refuses a zero byte, which no program's argument can hold. Does not keep a program from taking the word for an option:
/// write `--` before it. Not for `cmd.exe` or PowerShell, whose rules are others. Borrows where nothing had to be changed.
///
/// ```
/// use seawall_security::sanitize::shell;
///
/// assert_eq!(shell("notes.txt").unwrap(), "notes.txt");
/// assert_eq!(shell("it's; rm -rf /").unwrap(), r"'it'\''s; rm -rf /'");
/// ```
pub fn shell(text: &str) -> Result<Cow<'_, str>, Refused> {
    if text.contains('\0') {
        return Err(Refused("a zero byte cannot be part of a command: leave it out"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./,:@%+".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return Ok(Cow::Borrowed(text));
    }
    Ok(Cow::Owned(format!("'{}'", text.replace('\'', r"'\''"))))
}
