//! The smaller pieces of a condition: which series, over which span, by which labels.

use std::time::Duration;

use seawall_core::units::{format_duration, parse_duration};

use super::lex::{Token, wrong};
use super::parse::Parser;
use super::{Matcher, ParseError, SPAN, Selector};

impl Parser {
    /// `(metric{…}[5m])`, the span only where there is one.
    pub(super) fn argument(&mut self, function: &str) -> Result<(Selector, Option<Duration>), ParseError> {
        self.expect("(")?;
        let (token, column) = self.next();
        let Token::Name(name) = token else {
            return Err(wrong(
                column,
                format!("{function} takes a metric: write \"{function}(calls_total[5m])\""),
            ));
        };
        let selector = self.selector(name, column)?;
        let span = match self.peek().clone() {
            Token::Span(text) => {
                let (_, column) = self.next();
                Some(span(&text, column)?)
            }
            _ => None,
        };
        match self.take(")") {
            true => Ok((selector, span)),
            false => {
                let message = format!("{function} takes one metric, found {}", self.found());
                Err(wrong(self.column(), message))
            }
        }
    }

    pub(super) fn grouping(&mut self) -> Result<Option<Vec<String>>, ParseError> {
        if matches!(self.peek(), Token::Name(word) if word == "without") {
            return Err(wrong(
                self.column(),
                "\"without\" is not understood: write \"by\" with the labels to keep",
            ));
        }
        if !self.word("by") {
            return Ok(None);
        }
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.take(")") {
            match self.next() {
                (Token::Name(name), _) => labels.push(name),
                (_, column) => {
                    return Err(wrong(column, "expected the name of a label: write \"by (upstream)\""));
                }
            }
            if !self.take(",") && *self.peek() != Token::Sign(")") {
                return Err(wrong(self.column(), format!("expected \")\", found {}", self.found())));
            }
        }
        Ok(Some(labels))
    }

    pub(super) fn selector(&mut self, name: String, column: usize) -> Result<Selector, ParseError> {
        if matches!(name.as_str(), "and" | "or" | "by") {
            return Err(wrong(column, format!("expected a metric or a number, found {name:?}")));
        }
        let mut matchers = Vec::new();
        if self.take("{") {
            while !self.take("}") {
                matchers.push(self.matcher()?);
                if !self.take(",") && *self.peek() != Token::Sign("}") {
                    return Err(wrong(self.column(), format!("expected \"}}\", found {}", self.found())));
                }
            }
        }
        // With or without its prefix it is the same metric.
        let metric = if name.starts_with("seawall_") { name } else { format!("seawall_{name}") };
        Ok(Selector { metric, matchers })
    }

    fn matcher(&mut self) -> Result<Matcher, ParseError> {
        let (token, column) = self.next();
        let Token::Name(label) = token else {
            return Err(wrong(column, "expected the name of a label: write \"upstream='exchange'\""));
        };
        let (token, sign_at) = self.next();
        let (wanted, several) = match token {
            Token::Sign("=") => (true, false),
            Token::Sign("!=") => (false, false),
            Token::Sign("=~") => (true, true),
            Token::Sign("!~") => (false, true),
            _ => {
                let message = format!("a label is compared with = or !=: write \"{label}='…'\"");
                return Err(wrong(sign_at, message));
            }
        };
        let (token, column) = self.next();
        let Token::Text(text) = token else {
            return Err(wrong(
                column,
                format!("the value of a label stands in quotes: write \"{label}='…'\""),
            ));
        };
        if !several {
            return Ok(Matcher { label, wanted, words: vec![text] });
        }
        if let Some(c) = text.chars().find(|c| r".*+?()[]{}^$\".contains(*c)) {
            let message = format!(
                "{:?} has a meaning here that is not understood: write words with | between them",
                c.to_string()
            );
            return Err(wrong(column, message));
        }
        Ok(Matcher { label, wanted, words: text.split('|').map(str::to_owned).collect() })
    }
}

fn span(text: &str, column: usize) -> Result<Duration, ParseError> {
    let span = parse_duration(text.trim()).map_err(|message| wrong(column, message))?;
    match span {
        Duration::ZERO => Err(wrong(column, "a span of nothing holds no sample: write \"[5m]\"")),
        span if span > SPAN => {
            let message =
                format!("nothing is remembered for longer than {}: write \"[1h]\"", format_duration(SPAN));
            Err(wrong(column, message))
        }
        span => Ok(span),
    }
}
