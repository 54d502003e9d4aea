//! One line of JSON: how it is put together, on the thread that logs.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::time::UNIX_EPOCH;

use seawall_core::CallId;
use seawall_core::clock::wall_now;

use super::Shared;
use super::errors::cause;
use super::options::{Level, Stream};
use super::queue::Item;
use super::secrets::HIDDEN;

/// The longest text of one field or message that is written, in bytes; the rest is cut, and said to be.
const LONGEST: usize = 4096;
/// No field is begun beyond so many bytes of a line.
const LONGEST_LINE: usize = 16 << 10;

/// A line that is being put together. Dropped without [`Line::write`] it was never there.
#[must_use = "a line is written by write()"]
pub struct Line<'l> {
    logs: Option<&'l Shared>,
    stream: Stream,
    text: String,
    /// What groups an error with others.
    cause: Option<u64>,
    target: &'l str,
    cut: bool,
    called: bool,
}

impl<'l> Line<'l> {
    /// `logs` is none where nobody listens: then nothing is done.
    pub(super) fn new(
        logs: Option<&'l Shared>,
        stream: Stream,
        level: Level,
        target: &'l str,
        message: &str,
    ) -> Self {
        let mut line =
            Self { logs, stream, text: String::new(), cause: None, target, cut: false, called: false };
        if let Some(logs) = logs {
            line.text.reserve(384);
            line.text.push_str("{\"ts\":\"");
            stamp(&mut line.text);
            line.text.push_str("\",\"level\":\"");
            line.text.push_str(level.as_str());
            line.text.push_str("\",\"stream\":\"");
            line.text.push_str(stream.as_str());
            line.text.push_str("\",\"target\":\"");
            escape(target, &mut line.text);
            line.text.push_str("\",\"run\":\"");
            line.text.push_str(&logs.run);
            line.text.push_str("\",\"msg\":\"");
            let message = short(message);
            escape(message, &mut line.text);
            line.text.push('"');
            if level == Level::Error {
                line.cause = Some(cause(target, None, message));
            }
        }
        line
    }

    /// The beginning of what a span adds to the lines inside it.
    pub(super) fn inside(logs: &'l Shared, name: &str) -> Self {
        let mut text = String::from("{\"name\":\"");
        escape(name, &mut text);
        text.push('"');
        Self {
            logs: Some(logs),
            stream: Stream::App,
            text,
            cause: None,
            target: "",
            cut: false,
            called: false,
        }
    }

    /// What a span adds.
    pub(super) fn into_piece(mut self) -> String {
        self.text.push('}');
        self.text
    }

    /// The call it belongs to.
    pub fn call(mut self, id: CallId) -> Self {
        self.call_named(id.encode(&mut [0; 36]));
        self
    }

    /// A field with a text. A value whose name says that it is secret is hidden.
    pub fn text(mut self, name: &str, value: &str) -> Self {
        if self.begin(name) {
            self.text.push('"');
            escape(short(value), &mut self.text);
            self.text.push('"');
        }
        self
    }

    /// A field with whatever prints itself.
    pub fn shown(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.print(name, format_args!("{value}"));
        self
    }

    /// A field with a number.
    pub fn number(mut self, name: &str, value: f64) -> Self {
        self.float(name, value);
        self
    }

    /// A field with a whole number.
    pub fn count(mut self, name: &str, value: u64) -> Self {
        self.print_bare(name, format_args!("{value}"));
        self
    }

    /// A field with yes or no.
    pub fn flag(mut self, name: &str, value: bool) -> Self {
        self.print_bare(name, format_args!("{value}"));
        self
    }

    /// What an error is grouped by, in place of its message: a code, say.
    pub fn caused_by(mut self, what: &str) -> Self {
        if self.cause.is_some() {
            self.cause = Some(cause(self.target, Some(what), ""));
        }
        self.text("cause", what)
    }

    /// Puts it into the queue, or counts it as lost.
    pub fn write(mut self) {
        let Some(logs) = self.logs else { return };
        if !self.called {
            self.text.push_str(",\"call\":null");
        }
        if self.cut {
            self.text.push_str(",\"cut\":true");
        }
        self.text.push_str("}\n");
        let item = Item { stream: self.stream, text: self.text, cause: self.cause };
        logs.queue.push(item);
    }

    /// The call it belongs to, by its name.
    pub(super) fn call_named(&mut self, id: &str) {
        if self.logs.is_some() && !std::mem::replace(&mut self.called, true) {
            self.text.push_str(",\"call\":\"");
            escape(short(id), &mut self.text);
            self.text.push('"');
        }
    }

    /// A piece of JSON that was put together before, with its name.
    pub(super) fn piece(&mut self, piece: &str) {
        if self.logs.is_some() {
            self.text.push(',');
            self.text.push_str(piece);
        }
    }

    pub(super) fn group_by(&mut self, what: &str) {
        if self.cause.is_some() {
            self.cause = Some(cause(self.target, Some(what), ""));
        }
    }

    pub(super) fn print(&mut self, name: &str, value: fmt::Arguments<'_>) {
        if !self.begin(name) {
            return;
        }
        self.text.push('"');
        printed(value, |text| escape(short(text), &mut self.text));
        self.text.push('"');
    }

    pub(super) fn print_bare(&mut self, name: &str, value: fmt::Arguments<'_>) {
        if self.begin(name) {
            let _ = self.text.write_fmt(value);
        }
    }

    pub(super) fn float(&mut self, name: &str, value: f64) {
        if value.is_finite() {
            self.print_bare(name, format_args!("{value}"));
        } else {
            // JSON has no word for it.
            self.print(name, format_args!("{value}"));
        }
    }

    /// Begins a field. `false` where its value is not wanted: nobody listens, it is secret, or the line is long enough.
    fn begin(&mut self, name: &str) -> bool {
        let Some(logs) = self.logs else { return false };
        if self.text.len() > LONGEST_LINE {
            self.cut = true;
            return false;
        }
        self.text.push_str(",\"");
        // What bears the name of something that is there already would hide it from half of all readers.
        let taken = ["ts", "level", "stream", "target", "run", "msg", "call", "cut", "spans"].contains(&name);
        if taken {
            self.text.push_str("field_");
        }
        escape(name, &mut self.text);
        self.text.push_str("\":");
        if logs.names.hides(name) {
            self.text.push('"');
            self.text.push_str(HIDDEN);
            self.text.push('"');
            return false;
        }
        true
    }
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// Prints something into a buffer of this thread's. What is printed may itself log: then the buffer is lent already, and
/// another is made.
pub(super) fn printed(value: fmt::Arguments<'_>, with: impl FnOnce(&str)) {
    thread_local! {
        static BUFFER: RefCell<String> = const { RefCell::new(String::new()) };
    }
    if let Some(text) = value.as_str() {
        return with(text);
    }
    let mut buffer = BUFFER
        .with(|kept| kept.try_borrow_mut().map(|mut kept| std::mem::take(&mut *kept)))
        .unwrap_or_default();
    buffer.clear();
    // A value that cannot print itself has printed what it could.
    let _ = Bounded(&mut buffer).write_fmt(value);
    with(&buffer);
    BUFFER.with(|kept| {
        if let Ok(mut kept) = kept.try_borrow_mut() {
            *kept = buffer;
        }
    });
}

/// Takes what will be written, and pretends to take the rest.
struct Bounded<'b>(&'b mut String);

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() <= LONGEST {
            self.0.push_str(&text[..text.floor_char_boundary(LONGEST + 1)]);
        }
        Ok(())
    }
}

/// A text as it is, or its beginning.
pub(super) fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

/// Escapes for JSON, and everything by which a terminal could be commanded as well.
pub(super) fn escape(text: &str, into: &mut String) {
    let mut kept = 0;
    for (at, c) in text.char_indices() {
        let written = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' => {
                ""
            }
            _ => continue,
        };
        into.push_str(&text[kept..at]);
        kept = at + c.len_utf8();
        if written.is_empty() {
            let _ = write!(into, "\\u{:04x}", u32::from(c));
        } else {
            into.push_str(written);
        }
    }
    into.push_str(&text[kept..]);
}

/// The moment: RFC 3339, in UTC, to the microsecond. What is the same for a second is kept for it.
fn stamp(into: &mut String) {
    thread_local! {
        static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    let now = wall_now().duration_since(UNIX_EPOCH).unwrap_or_default();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.as_secs() {
            *second = now.as_secs();
            text.clear();
            let seconds = i64::try_from(*second).unwrap_or(i64::MAX);
            let moment = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
            let _ = write!(text, "{}", moment.strftime("%Y-%m-%dT%H:%M:%S"));
        }
        into.push_str(text);
    });
    let mut micros = now.subsec_micros();
    let mut digits = *b".000000Z";
    for place in (1..7).rev() {
        digits[place] = b'0' + u8::try_from(micros % 10).unwrap_or(0);
        micros /= 10;
    }
    into.push_str(std::str::from_utf8(&digits).unwrap_or(".000000Z"));
}
