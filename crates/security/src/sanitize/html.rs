//! Text inside of HTML that stays text.

use std::borrow::Cow;

/// A text as it stands between tags, or in an attribute with quotation marks around it: no markup begins or ends in it.
///
/// Not enough inside of `<script>`, `<style>`, an attribute without quotation marks, or an address: `javascript:` needs no
/// mark at all. A zero byte, which HTML has no way to write, becomes U+FFFD. Borrows where nothing had to be changed.
///
/// ```
/// use seawall_security::sanitize::html;
///
/// assert_eq!(html("5 < 6 & \"so\" on"), "5 &lt; 6 &amp; &quot;so&quot; on");
/// ```
pub fn html(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(is_special) else { return Cow::Borrowed(text) };
    let mut safe = String::with_capacity(text.len() + 16);
    safe.push_str(&text[..first]);
    for c in text[first..].chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Old browsers took it for a quotation mark.
            '`' => safe.push_str("&#96;"),
            '\0' => safe.push('\u{fffd}'),
            // HTML reads a carriage return as the end of a line.
            '\r' => safe.push_str("&#13;"),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

fn is_special(c: char) -> bool {
    matches!(c, '&' | '<' | '>' | '"' | '\'' | '`' | '\0' | '\r')
}
