//! JSON, strict, with the place of every key and value.

use std::sync::Arc;

use super::{MAX_DEPTH, too_deep};
use crate::node::{Step, dotted};
use crate::origin::Positions;
use crate::{Entry, Node, Problem, Table, Value};

pub(super) fn parse(name: &Arc<str>, text: &str) -> Result<Node, Problem> {
    let positions = Positions::new(name, text);
    let mut reader = Reader { text, at: 0, positions: &positions };
    reader.space();
    let tree = reader.value(0)?;
    reader.space();
    match reader.peek() {
        None => Ok(tree),
        Some(_) => Err(reader.wrong("text after the end", "write one value only")),
    }
}

/// Reads from `at` on. Every step looks at one byte and either moves on or says what is wrong there.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    positions: &'a Positions<'a>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self, word: &str) -> bool {
        let there = self.text[self.at..].starts_with(word);
        self.at += if there { word.len() } else { 0 };
        there
    }

    fn wrong(&self, what: &str, advice: &str) -> Problem {
        Problem::error(self.positions.at(self.at), "", format!("invalid JSON: {what}")).advise(advice)
    }

    fn value(&mut self, depth: usize) -> Result<Node, Problem> {
        let origin = self.positions.at(self.at);
        if depth > MAX_DEPTH {
            return Err(too_deep(origin));
        }
        let value = match self.peek() {
            Some(b'{') => Value::Table(self.table(depth)?),
            Some(b'[') => Value::Array(self.array(depth)?),
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') if self.word("true") => Value::Bool(true),
            Some(b'f') if self.word("false") => Value::Bool(false),
            Some(b'n') if self.word("null") => Value::Null,
            Some(_) => {
                return Err(self
                    .wrong("no value starts here", "write a string in double quotes, a number, {…} or […]"));
            }
            None => return Err(self.wrong("the text ends where a value should be", "write {…}")),
        };
        Ok(Node::new(value, origin))
    }

    fn table(&mut self, depth: usize) -> Result<Table, Problem> {
        let mut table = Table::new();
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Ok(table);
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self
                    .wrong("a key should be here", "write it in double quotes, without a comma before `}`"));
            }
            let place = self.positions.at(self.at);
            let key = self.string()?;
            if table.contains_key(&key) {
                return Err(Problem::error(place, dotted(&[Step::Key(key)]), "the key is given twice")
                    .advise("write it once"));
            }
            self.space();
            if !self.take(b':') {
                return Err(self.wrong("the key has no value", "write `:` and the value"));
            }
            self.space();
            let node = self.value(depth + 1)?;
            table.insert(key, Entry { key: place, node });
            self.space();
            if self.take(b'}') {
                return Ok(table);
            }
            if !self.take(b',') {
                return Err(self.wrong("the table does not go on", "write `,` or `}`"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Ok(items);
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(items);
            }
            if !self.take(b',') {
                return Err(self.wrong("the list does not go on", "write `,` or `]`"));
            }
        }
    }

    /// A number as RFC 8259 has it: no leading zeros, no `+`, digits on both sides of a point.
    fn number(&mut self) -> Result<Value, Problem> {
        let start = self.at;
        let mut whole = true;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            whole = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            whole = false;
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text: &'a str = &self.text[start..self.at];
        let read = if whole {
            text.parse().ok().map(Value::Int)
        } else {
            text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float)
        };
        read.ok_or_else(|| {
            self.at = start;
            self.wrong("the number is too large", "write a number of at most 64 bits")
        })
    }

    fn digits(&mut self) -> Result<(), Problem> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            Err(self.wrong("a digit should be here", "write a number like 0.5"))
        } else {
            Ok(())
        }
    }

    fn string(&mut self) -> Result<String, Problem> {
        let mut out = String::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => {
                    return Err(
                        self.wrong("a control character inside a string", "write it as \\n or \\u000a")
                    );
                }
                None => return Err(self.wrong("the string does not end", "write `\"`")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Problem> {
        self.at += 1;
        let Some(kind) = self.peek() else {
            return Err(self.wrong("the string does not end", "write `\"`"));
        };
        let plain = match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.wrong("no such escape", "write `\\\\` for a backslash")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// `\uXXXX`, or the two of them that make one character beyond the first 65,536.
    fn unicode(&mut self) -> Result<char, Problem> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff if self.word("\\") => match self.hex()? {
                second @ 0xdc00..=0xdfff => 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                _ => first,
            },
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| self.wrong("half a character", "write the character itself"))
    }

    fn hex(&mut self) -> Result<u32, Problem> {
        let digits = if self.take(b'u') { self.text.get(self.at..self.at + 4) } else { None };
        let code = digits
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code =
            code.ok_or_else(|| self.wrong("four hexadecimal digits should be here", "write \\u00e9"))?;
        self.at += 4;
        Ok(code)
    }
}
