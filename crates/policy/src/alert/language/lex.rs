//! Cuts a condition into pieces, each with the column it began at.

use super::ParseError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name, or a word such as `and`.
    Name(String),
    Number(f64),
    /// What stood in quotes.
    Text(String),
    /// What stood in square brackets.
    Span(String),
    /// An operator, a brace, a comma.
    Sign(&'static str),
    End,
}

/// Longer ones first.
const SIGNS: [&str; 21] = [
    ">=", "<=", "==", "!=", "=~", "!~", "&&", "||", "=>", "=<", ">", "<", "=", "(", ")", "{", "}", ",", "+",
    "-", "*",
];

/// What somebody meant by a sign that is none of ours.
pub(super) fn meant(sign: &str) -> Option<&'static str> {
    Some(match sign {
        "&&" => "and",
        "||" => "or",
        "=>" => ">=",
        "=<" => "<=",
        "=" => "==",
        _ => return None,
    })
}

pub(super) fn wrong(column: usize, message: impl Into<String>) -> ParseError {
    ParseError { column, message: message.into() }
}

/// Every piece and where it began, then the end.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, ParseError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let column = at + 1;
        if c.is_whitespace() {
            at += 1;
            continue;
        }
        let rest = &chars[at..];
        let (token, length) = match c {
            '\'' | '"' => quoted(rest, column)?,
            '[' => {
                let end = rest.iter().position(|c| *c == ']');
                let end = end.ok_or_else(|| wrong(column, "the \"[\" is never closed: write \"[5m]\""))?;
                (Token::Span(rest[1..end].iter().collect()), end + 1)
            }
            '/' => (Token::Sign("/"), 1),
            c if c.is_ascii_digit() || c == '.' => number(rest, column)?,
            c if is_name(c) => {
                let length =
                    rest.iter().position(|c| !(is_name(*c) || c.is_ascii_digit())).unwrap_or(rest.len());
                (word(rest[..length].iter().collect()), length)
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| sign.chars().eq(rest.iter().copied().take(sign.len())));
                let sign = sign.ok_or_else(|| wrong(column, format!("unexpected {:?}", c.to_string())))?;
                (Token::Sign(sign), sign.len())
            }
        };
        tokens.push((token, column));
        at += length;
    }
    tokens.push((Token::End, chars.len() + 1));
    Ok(tokens)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':'
}

/// Two numbers look like names.
fn word(name: String) -> Token {
    match name.to_ascii_lowercase().as_str() {
        "inf" => Token::Number(f64::INFINITY),
        "nan" => Token::Number(f64::NAN),
        _ => Token::Name(name),
    }
}

fn quoted(rest: &[char], column: usize) -> Result<(Token, usize), ParseError> {
    let mut text = String::new();
    let mut at = 1;
    while let Some(&c) = rest.get(at) {
        at += 1;
        match c {
            c if c == rest[0] => return Ok((Token::Text(text), at)),
            '\\' => {
                match rest.get(at) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(&c @ ('\\' | '\'' | '"')) => text.push(c),
                    _ => {
                        return Err(wrong(
                            column + at,
                            "there is no such escape: write \"\\\\\" for a backslash",
                        ));
                    }
                }
                at += 1;
            }
            c => text.push(c),
        }
    }
    Err(wrong(column, format!("the quote is never closed: write {} at its end", rest[0])))
}

fn number(rest: &[char], column: usize) -> Result<(Token, usize), ParseError> {
    let mut length = 0;
    while let Some(&c) = rest.get(length) {
        // A sign belongs to a number only behind its exponent.
        let exponent = matches!(c, '+' | '-') && length > 0 && matches!(rest[length - 1], 'e' | 'E');
        if !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || c == '%' || exponent) {
            break;
        }
        length += 1;
    }
    let text: String = rest[..length].iter().collect();
    if let Some(share) = text.strip_suffix('%').and_then(|share| share.parse::<f64>().ok()) {
        return Err(wrong(
            column,
            format!("a share is a number from 0 to 1: write {} for {text:?}", share / 100.0),
        ));
    }
    let parsed = text.parse().ok().filter(|_| !text.contains('_'));
    let number = parsed.ok_or_else(|| wrong(column, format!("{text:?} is not a number: write 10 or 0.5")))?;
    Ok((Token::Number(number), length))
}
