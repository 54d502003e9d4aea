//! Makes a text harmless for one place: a line of a log, a page of HTML, a shell's command, an SQL name.
//!
//! Each is for its own place and for no other: what is harmless in HTML is not in a shell. And each reads back: the
//! reader of that place sees the text that was given, nothing more and nothing less.
//!
//! Values belong into bound parameters, programs' arguments into an array, HTML into a template that escapes. These are
//! for where that is out of reach.

mod html;
mod identifier;
mod log;
mod shell;
#[cfg(test)]
mod tests;

use std::fmt;

pub use html::html;
pub use identifier::{Dialect, identifier};
pub use log::{log, read_log};
pub use shell::shell;

/// A text that no quoting makes harmless there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(&'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refused {}
