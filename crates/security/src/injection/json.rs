//! The texts of a JSON document with the place of each, without building the document.
//!
//! Lenient on purpose: a body that the application's parser takes and this one would refuse must not pass unread.

use super::decode;

/// Steps of a pointer that are told; deeper ones are `…`.
const DEEPEST: usize = 12;
/// Bytes of a key that are told.
const KEY: usize = 64;

/// Calls `seen` for every text and every key, with a pointer to its place (`/messages/0/content`) and its decoded text.
/// What stands outside of texts and is neither a number nor a word of JSON is seen as one text at the end.
///
/// Nesting costs nothing: only the outermost steps are remembered.
pub(super) fn texts(body: &[u8], mut seen: impl FnMut(&str, &[u8])) {
    let mut path = Path::default();
    let mut at = 0;
    let mut odd = false;
    // Inside an object, a text before a colon is a key.
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => {
                let (text, end) = text(body, at + 1);
                let colon = body[end..].iter().position(|byte| !byte.is_ascii_whitespace());
                let key = path.in_object() && colon.is_some_and(|skip| body[end + skip] == b':');
                if key {
                    path.key(&text);
                }
                seen(&path.pointer(), &text);
                at = end;
                continue;
            }
            b'{' => path.enter(true),
            b'[' => path.enter(false),
            b'}' | b']' => path.leave(),
            b',' => path.next(),
            b':' | b'-' | b'+' | b'.' | b'0'..=b'9' | b' ' | b'\t' | b'\r' | b'\n' => {}
            b'a'..=b'z' | b'E' => {
                let word = body[at..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                odd |= !matches!(&body[at..at + word], b"true" | b"false" | b"null" | b"e" | b"E");
                at += word;
                continue;
            }
            _ => odd = true,
        }
        at += 1;
    }
    if odd || path.depth > 0 {
        seen("", body);
    }
}

/// A text from behind its quotation mark, unescaped; and the place behind it.
fn text(body: &[u8], start: usize) -> (Vec<u8>, usize) {
    let mut text = Vec::new();
    let mut at = start;
    while at < body.len() {
        let plain =
            body[at..].iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(body.len() - at);
        text.extend_from_slice(&body[at..at + plain]);
        at += plain;
        let Some(byte) = body.get(at) else { break };
        match (byte, body.get(at + 1)) {
            (b'"', _) => return (text, at + 1),
            (b'\\', Some(b'u')) => {
                let code = |at: usize| body.get(at + 2..at + 6).and_then(decode::hex);
                match code(at) {
                    Some(high @ 0xd800..=0xdbff) => {
                        let low = (body.get(at + 6..at + 8) == Some(b"\\u")).then(|| code(at + 6)).flatten();
                        let low = low.filter(|low| (0xdc00..=0xdfff).contains(low));
                        let joined = low.map(|low| 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                        push(&mut text, joined.unwrap_or(0xfffd));
                        at += if low.is_some() { 12 } else { 6 };
                    }
                    Some(code) => {
                        push(&mut text, code);
                        at += 6;
                    }
                    None => {
                        text.push(b'\\');
                        at += 1;
                    }
                }
            }
            (b'\\', Some(next)) => {
                match next {
                    b'n' => text.push(b'\n'),
                    b't' => text.push(b'\t'),
                    b'r' => text.push(b'\r'),
                    b'b' => text.push(8),
                    b'f' => text.push(12),
                    b'"' | b'\\' | b'/' => text.push(*next),
                    other => text.extend([b'\\', *other]),
                }
                at += 2;
            }
            (byte, _) => {
                text.push(*byte);
                at += 1;
            }
        }
    }
    (text, at)
}

fn push(text: &mut Vec<u8>, code: u32) {
    let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Where in the document we are, as far as it is told.
#[derive(Debug, Default)]
struct Path {
    steps: Vec<Step>,
    depth: usize,
}

#[derive(Debug)]
enum Step {
    Key(String),
    Item(usize),
}

impl Path {
    fn enter(&mut self, object: bool) {
        self.depth += 1;
        if self.steps.len() < DEEPEST {
            self.steps.push(if object { Step::Key(String::new()) } else { Step::Item(0) });
        }
    }

    fn leave(&mut self) {
        if self.depth > 0 && self.depth <= self.steps.len() {
            self.steps.pop();
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// Deeper than is told, every text before a colon is a key.
    fn in_object(&self) -> bool {
        self.depth > self.steps.len() || matches!(self.steps.last(), Some(Step::Key(_)))
    }

    fn innermost(&mut self) -> Option<&mut Step> {
        (self.depth == self.steps.len()).then(|| self.steps.last_mut()).flatten()
    }

    fn key(&mut self, text: &[u8]) {
        if let Some(Step::Key(key)) = self.innermost() {
            *key = String::from_utf8_lossy(&text[..text.len().min(KEY)]).replace('/', "~1");
        }
    }

    fn next(&mut self) {
        if let Some(Step::Item(number)) = self.innermost() {
            *number += 1;
        }
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.steps {
            pointer.push('/');
            match step {
                Step::Key(key) => pointer.push_str(key),
                Step::Item(number) => pointer.push_str(&number.to_string()),
            }
        }
        if self.depth > self.steps.len() {
            pointer.push_str("/…");
        }
        pointer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(body: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        texts(body.as_bytes(), |place, text| {
            found.push((place.to_owned(), String::from_utf8_lossy(text).into_owned()));
        });
        found
    }

    #[test]
    fn every_text_is_seen_at_its_place() {
        let body = r#"{"model":"m","messages":[{"role":"user"},{"content":["a",true,{"b/c":"d\"\u00e9\ud83d\ude00\n"}]}],"n":-1.5e3}"#;
        let found = all(body);
        let texts = |place: &str| -> Vec<&str> {
            found.iter().filter(|(at, _)| at == place).map(|(_, text)| text.as_str()).collect()
        };
        assert_eq!(texts("/model"), ["model", "m"]);
        assert_eq!(texts("/messages/0/role"), ["role", "user"]);
        assert_eq!(texts("/messages/1/content/0"), ["a"]);
        assert_eq!(texts("/messages/1/content/2/b~1c"), ["b/c", "d\"é😀\n"]);
        assert_eq!(found.len(), 10, "{found:?}");
    }

    #[test]
    fn what_is_no_json_is_seen_as_a_whole() {
        for body in ["<script>", "{'a': '<script>'}", "{\"a\": 1", "undefined"] {
            assert_eq!(all(body).last().unwrap(), &(String::new(), body.to_owned()), "{body}");
        }
        assert_eq!(all("\"open").last().unwrap().1, "open");
        assert!(all("[1, 2.5, null, true]").is_empty());
    }

    #[test]
    fn nesting_costs_nothing_and_the_way_back_is_found() {
        let deep = format!("{}\"x\"{},\"y\"]", "[".repeat(100_000), "]".repeat(99_999));
        let found = all(&deep);
        assert_eq!(found.len(), 2);
        assert!(found[0].0.ends_with("/…") && found[0].0.len() < 64, "{}", found[0].0);
        assert_eq!(found[1].0, "/1");
    }
}
