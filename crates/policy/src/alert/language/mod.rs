//! Reads a condition over metrics, and says for which series it holds.
//!
//! The language is a part of PromQL, with the same meaning:
//!
//! ```text
//! condition   value > value    (also >= < <= == !=)
//!             absent(metric)   absent(metric[5m])
//!             condition and condition      condition or condition      (condition)
//! value       42    metric    metric{upstream='exchange', outcome!='ok', code=~'SW0001|SW0002'}
//!             rate(metric[5m])    increase    avg_over_time  sum_over_time  min_over_time  max_over_time  count_over_time
//!             sum(value)  sum by (upstream) (value)    avg  min  max  count
//!             value + value    -  *  /      -value      (value)
//! ```
//!
//! Metrics are named with or without `seawall_`. Two things are meant for people who do not know PromQL. A value is no
//! condition: `breaker_open` alone is refused, for it would hold for a breaker that is closed. And the two sides of an
//! operator are matched by the labels that *both* have, so that `… by upstream` can be compared with a total; PromQL would
//! match nothing there, silently. Where both sides have the same labels the two agree.

mod eval;
mod labels;
mod lex;
mod over;
mod parse;
mod selector;

use std::fmt;
use std::time::Duration;

pub use eval::{Point, Reading, Samples};
pub use labels::Labels;

/// The longest condition that is read.
pub const LONGEST: usize = 4096;

/// The longest span that can be looked back on.
pub const SPAN: Duration = Duration::from_secs(24 * 3600);

/// What is wrong with a condition, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The character at which it shows, from 1.
    pub column: usize,
    /// What is wrong and what to write, lower case, no full stop.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

/// A condition over metrics, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(Test);

/// A metric that a condition looks at, and how far back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// Its whole name.
    pub metric: String,
    /// How far back; zero for its present value alone.
    pub span: Duration,
}

/// Something that holds or does not.
#[derive(Debug, Clone, PartialEq)]
enum Test {
    Compare(Comparison, Value, Value),
    Absent(Selector, Duration),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
}

/// Something that has a number for each set of labels, or is a number.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Number(f64),
    Present(Selector),
    Past(Over, Selector, Duration),
    Fold(Fold, Vec<String>, Box<Value>),
    Calculate(Operator, Box<Value>, Box<Value>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Greater,
    AtLeast,
    Less,
    AtMost,
    Equal,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Plus,
    Minus,
    Times,
    Per,
}

seawall_core::words! {
    /// What is made of the numbers of one series over a span of time.
    Over {
        /// By how much a counter grew in a second, on average.
        Rate = "rate",
        /// By how much a counter grew.
        Increase = "increase",
        /// The mean.
        Avg = "avg_over_time",
        /// The sum.
        Sum = "sum_over_time",
        /// The smallest.
        Min = "min_over_time",
        /// The largest.
        Max = "max_over_time",
        /// How many.
        Count = "count_over_time",
    }
}

seawall_core::words! {
    /// What is made of the numbers of several series.
    Fold {
        /// Their sum.
        Sum = "sum",
        /// Their mean.
        Avg = "avg",
        /// The smallest.
        Min = "min",
        /// The largest.
        Max = "max",
        /// How many.
        Count = "count",
    }
}

/// A metric, and which of its series.
#[derive(Debug, Clone, PartialEq)]
struct Selector {
    metric: String,
    matchers: Vec<Matcher>,
}

/// What the value of one label must be. A series without the label has it empty.
#[derive(Debug, Clone, PartialEq)]
struct Matcher {
    label: String,
    /// It must be one of these, or none of them.
    wanted: bool,
    words: Vec<String>,
}

impl Matcher {
    fn fits(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.label);
        self.words.iter().any(|word| word == value) == self.wanted
    }
}

impl Condition {
    /// Reads a condition. Refuses what is no condition, longer than [`LONGEST`], nested deeper than anybody reads, or looks
    /// back further than [`SPAN`].
    ///
    /// ```
    /// use seawall_policy::alert::Condition;
    ///
    /// Condition::parse("breaker_open{upstream='exchange'} > 0").unwrap();
    /// let wrong = Condition::parse("breaker_open => 0").unwrap_err();
    /// assert_eq!(wrong.to_string(), "column 14: unexpected \"=>\": write \">=\"");
    /// ```
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::condition(text).map(Self)
    }

    /// The metrics it looks at, each once for each span, in order.
    pub fn needs(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        self.0.each(&mut |selector, span| needs.push(Need { metric: selector.metric.clone(), span }));
        needs.sort_unstable();
        needs.dedup();
        needs
    }

    /// Does it hold when a number is large, rather than small? Of its first comparison; true where there is none.
    pub fn is_upward(&self) -> bool {
        self.0.is_upward()
    }
}

impl Test {
    fn each<'t>(&'t self, see: &mut dyn FnMut(&'t Selector, Duration)) {
        match self {
            Test::Compare(_, left, right) => {
                left.each(see);
                right.each(see);
            }
            Test::Absent(selector, span) => see(selector, *span),
            Test::And(left, right) | Test::Or(left, right) => {
                left.each(see);
                right.each(see);
            }
        }
    }

    fn is_upward(&self) -> bool {
        match self {
            Test::Compare(comparison, ..) => !matches!(comparison, Comparison::Less | Comparison::AtMost),
            Test::Absent(..) => true,
            Test::And(left, _) | Test::Or(left, _) => left.is_upward(),
        }
    }
}

impl Value {
    fn each<'t>(&'t self, see: &mut dyn FnMut(&'t Selector, Duration)) {
        match self {
            Value::Number(_) => {}
            Value::Present(selector) => see(selector, Duration::ZERO),
            Value::Past(_, selector, span) => see(selector, *span),
            Value::Fold(_, _, inner) => inner.each(see),
            Value::Calculate(_, left, right) => {
                left.each(see);
                right.each(see);
            }
        }
    }

    fn is_number(&self) -> bool {
        match self {
            Value::Number(_) => true,
            Value::Present(_) | Value::Past(..) | Value::Fold(..) => false,
            Value::Calculate(_, left, right) => left.is_number() && right.is_number(),
        }
    }
}
