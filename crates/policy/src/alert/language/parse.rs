//! Pieces in, a condition out, or the column at which it stops making sense.

use std::time::Duration;

use super::lex::{Token, meant, tokens, wrong};
use super::{Comparison, Fold, LONGEST, Operator, Over, ParseError, Test, Value};

/// How deep parentheses may be nested.
const DEEPEST: usize = 32;

/// Words of PromQL that are understood by nobody here, and what says the same.
const ELSEWHERE: [(&str, &str); 6] = [
    ("unless", "two rules"),
    ("irate", "rate"),
    ("delta", "increase"),
    ("quantile", "max"),
    ("topk", "max"),
    ("histogram_quantile", "rate(m_sum[5m]) / rate(m_count[5m])"),
];

pub(super) fn condition(text: &str) -> Result<Test, ParseError> {
    if text.len() > LONGEST {
        let message = format!("the condition has {} bytes: write at most {LONGEST}", text.len());
        return Err(wrong(LONGEST, message));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    if *parser.peek() == Token::End {
        return Err(wrong(1, "there is no condition: write \"breaker_open > 0\""));
    }
    let (node, column) = (parser.any()?, 1);
    if *parser.peek() != Token::End {
        return Err(parser.unexpected());
    }
    node.test(column)
}

/// What may stand in parentheses: only what it is used for tells which of the two it had to be.
enum Node {
    Test(Test),
    Value(Value),
}

impl Node {
    fn test(self, column: usize) -> Result<Test, ParseError> {
        match self {
            Node::Test(test) => Ok(test),
            Node::Value(_) => {
                Err(wrong(column, "this is a value and no condition: compare it, as in \"… > 0\""))
            }
        }
    }

    fn value(self, column: usize) -> Result<Value, ParseError> {
        match self {
            Node::Value(value) => Ok(value),
            Node::Test(_) => {
                Err(wrong(column, "this is a condition and no value: join conditions with and, or"))
            }
        }
    }
}

pub(super) struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
}

impl Parser {
    pub(super) fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    pub(super) fn column(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(_, column)| *column)
    }

    pub(super) fn next(&mut self) -> (Token, usize) {
        let next = (self.peek().clone(), self.column());
        self.at += 1;
        next
    }

    pub(super) fn take(&mut self, sign: &'static str) -> bool {
        let found = *self.peek() == Token::Sign(sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, sign: &'static str) -> Result<(), ParseError> {
        match self.take(sign) {
            true => Ok(()),
            false => Err(wrong(self.column(), format!("expected {sign:?}, found {}", self.found()))),
        }
    }

    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Name(name) if name.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    pub(super) fn found(&self) -> String {
        match self.peek() {
            Token::Name(name) => format!("{name:?}"),
            Token::Number(number) => number.to_string(),
            Token::Text(text) => format!("{text:?}"),
            Token::Span(span) => format!("\"[{span}]\""),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::End => "the end".to_owned(),
        }
    }

    fn unexpected(&self) -> ParseError {
        let mut message = format!("unexpected {}", self.found());
        match self.peek() {
            Token::Sign(sign) => {
                if let Some(meant) = meant(sign) {
                    message.push_str(&format!(": write {meant:?}"));
                }
            }
            Token::Name(name) => match ELSEWHERE.iter().find(|(word, _)| word == name) {
                Some((_, instead)) => message.push_str(&format!(": write {instead}")),
                None => message.push_str(": join conditions with and, or"),
            },
            Token::Span(_) => {
                message.push_str(": a span belongs to a metric in a function, as in \"rate(m[5m])\"");
            }
            _ => {}
        }
        wrong(self.column(), message)
    }

    /// `or` binds loosest.
    fn any(&mut self) -> Result<Node, ParseError> {
        let start = self.column();
        let mut left = self.all()?;
        while self.word("or") {
            let column = self.column();
            let right = self.all()?.test(column)?;
            left = Node::Test(Test::Or(Box::new(left.test(start)?), Box::new(right)));
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Node, ParseError> {
        let start = self.column();
        let mut left = self.compared()?;
        while self.word("and") {
            let column = self.column();
            let right = self.compared()?.test(column)?;
            left = Node::Test(Test::And(Box::new(left.test(start)?), Box::new(right)));
        }
        Ok(left)
    }

    fn compared(&mut self) -> Result<Node, ParseError> {
        let start = self.column();
        let left = self.sum()?;
        let (comparison, sign) = match self.peek() {
            Token::Sign(sign @ ">") => (Comparison::Greater, *sign),
            Token::Sign(sign @ ">=") => (Comparison::AtLeast, *sign),
            Token::Sign(sign @ "<") => (Comparison::Less, *sign),
            Token::Sign(sign @ "<=") => (Comparison::AtMost, *sign),
            Token::Sign(sign @ "==") => (Comparison::Equal, *sign),
            Token::Sign(sign @ "!=") => (Comparison::Other, *sign),
            _ => return Ok(left),
        };
        let sign_at = self.next().1;
        let left = left.value(start)?;
        let column = self.column();
        let right = self.sum()?.value(column)?;
        if left.is_number() && right.is_number() {
            return Err(wrong(
                start,
                format!("both sides of {sign:?} are numbers: name a metric on one of them"),
            ));
        }
        if let Token::Sign(">" | ">=" | "<" | "<=" | "==" | "!=") = self.peek() {
            let message = format!(
                "three values are compared at once, see column {sign_at}: join two comparisons with and"
            );
            return Err(wrong(self.column(), message));
        }
        Ok(Node::Test(Test::Compare(comparison, left, right)))
    }

    fn sum(&mut self) -> Result<Node, ParseError> {
        self.calculated(&[("+", Operator::Plus), ("-", Operator::Minus)], Self::product)
    }

    fn product(&mut self) -> Result<Node, ParseError> {
        self.calculated(&[("*", Operator::Times), ("/", Operator::Per)], Self::signed)
    }

    fn calculated(
        &mut self,
        operators: &[(&'static str, Operator)],
        inner: fn(&mut Self) -> Result<Node, ParseError>,
    ) -> Result<Node, ParseError> {
        let start = self.column();
        let mut left = inner(self)?;
        loop {
            let Some((_, operator)) = operators.iter().find(|(sign, _)| *self.peek() == Token::Sign(sign))
            else {
                return Ok(left);
            };
            self.at += 1;
            let column = self.column();
            let right = inner(self)?.value(column)?;
            left = Node::Value(Value::Calculate(*operator, Box::new(left.value(start)?), Box::new(right)));
        }
    }

    fn signed(&mut self) -> Result<Node, ParseError> {
        self.deeper()?;
        let minus = self.take("-");
        let node = match minus || self.take("+") {
            true => {
                let column = self.column();
                let value = self.signed()?.value(column)?;
                Node::Value(match (minus, value) {
                    (false, value) => value,
                    (true, Value::Number(number)) => Value::Number(-number),
                    (true, value) => {
                        Value::Calculate(Operator::Times, Box::new(value), Box::new(Value::Number(-1.0)))
                    }
                })
            }
            false => self.atom()?,
        };
        self.depth -= 1;
        Ok(node)
    }

    fn deeper(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        match self.depth > DEEPEST {
            true => Err(wrong(self.column(), format!("nested deeper than {DEEPEST}: write it flatter"))),
            false => Ok(()),
        }
    }

    fn atom(&mut self) -> Result<Node, ParseError> {
        let (token, column) = self.next();
        match token {
            Token::Number(number) => Ok(Node::Value(Value::Number(number))),
            Token::Sign("(") => {
                let node = self.any()?;
                self.expect(")")?;
                Ok(node)
            }
            Token::Name(name) => self.named(name, column),
            Token::Text(text) => {
                Err(wrong(column, format!("{text:?} is a text: write a metric's name without quotes")))
            }
            Token::Sign(_) | Token::Span(_) | Token::End => {
                self.at -= 1;
                let message = format!("expected a metric or a number, found {}", self.found());
                let instead = match self.peek() {
                    Token::Sign(sign) => meant(sign).map(|meant| format!(": write {meant:?}")),
                    _ => None,
                };
                Err(wrong(column, message + &instead.unwrap_or_default()))
            }
        }
    }

    fn named(&mut self, name: String, column: usize) -> Result<Node, ParseError> {
        let opens = matches!(self.peek(), Token::Sign("("));
        let grouped = matches!(self.peek(), Token::Name(word) if word == "by" || word == "without");
        if let Some(fold) = Fold::ALL.iter().find(|fold| fold.as_str() == name && (opens || grouped)) {
            return self.fold(*fold).map(Node::Value);
        }
        if !opens {
            let selector = self.selector(name, column)?;
            return match self.peek() {
                Token::Span(_) => Err(self.unexpected()),
                _ => Ok(Node::Value(Value::Present(selector))),
            };
        }
        if name == "absent" || name == "absent_over_time" {
            let (selector, span) = self.argument(&name)?;
            return Ok(Node::Test(Test::Absent(selector, span.unwrap_or_default())));
        }
        let Some(over) = Over::ALL.iter().find(|over| over.as_str() == name) else {
            let known =
                Over::ALL.iter().map(|over| over.as_str()).chain(Fold::ALL.iter().map(|fold| fold.as_str()));
            let instead = match ELSEWHERE.iter().find(|(word, _)| *word == name) {
                Some((_, instead)) => (*instead).to_owned(),
                None => format!("one of absent, {}", known.collect::<Vec<_>>().join(", ")),
            };
            return Err(wrong(column, format!("there is no function {name:?}: write {instead}")));
        };
        let start = self.column() + 1;
        let (selector, span) = self.argument(&name)?;
        let span = span.ok_or_else(|| {
            wrong(start, format!("{name} needs a span of time: write \"{name}({}[5m])\"", selector.metric))
        })?;
        if matches!(over, Over::Rate | Over::Increase) && span < Duration::from_secs(2) {
            let message = "a span under 2s holds no two samples: write \"[5m]\"";
            return Err(wrong(start, message));
        }
        Ok(Node::Value(Value::Past(*over, selector, span)))
    }

    /// `by (a, b) (value)`, or `(value)`, or `(value) by (a, b)`.
    fn fold(&mut self, fold: Fold) -> Result<Value, ParseError> {
        let mut labels = self.grouping()?;
        self.expect("(")?;
        self.deeper()?;
        let column = self.column();
        let inner = self.any()?.value(column)?;
        self.depth -= 1;
        if inner.is_number() {
            return Err(wrong(column, format!("{fold} of a number is that number: name a metric")));
        }
        self.expect(")")?;
        if labels.is_none() {
            labels = self.grouping()?;
        }
        Ok(Value::Fold(fold, labels.unwrap_or_default(), Box::new(inner)))
    }
}
