//! Alerts that need not be told while another is active, because it says the same or more.

use super::{Labels, Rule};

/// An alert that makes others quiet: `breaker_open`, or with labels that must be the same, `breaker_open{breaker=check}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiet {
    rule: String,
    /// A label of that alert, and the label of ours that must have its value.
    same: Vec<(String, String)>,
}

impl Quiet {
    /// Reads `rule`, which means every alert of it whose labels agree with ours, or `rule{theirs=ours}`, which means those
    /// of which a label has the value that a label of ours has. Says what to write instead.
    ///
    /// # Examples
    /// ```
    /// # use seawall_policy::alert::{Labels, Quiet};
    /// let quiet = Quiet::parse("breaker_open{breaker=check}").unwrap();
    /// let [theirs, ours] = [("breaker", "exchange"), ("check", "exchange")].map(|pair| Labels::new([pair]));
    /// assert!(quiet.covers(&theirs, &ours));
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            let shown: String = text.chars().take(80).collect();
            format!(
                "{shown:?} cannot be read: write the name of an alert, or \"breaker_open{{breaker=check}}\""
            )
        };
        let is_name = |name: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            !name.is_empty() && name.len() <= 64 && name.chars().all(fits)
        };
        let (rule, labels) = match text.split_once('{') {
            None => (text, None),
            Some((rule, rest)) => (rule, Some(rest.strip_suffix('}').ok_or_else(wrong)?)),
        };
        let pair = |pair: &str| {
            let (theirs, ours) = pair.split_once('=')?;
            let pair = (theirs.trim().to_owned(), ours.trim().to_owned());
            (is_name(&pair.0) && is_name(&pair.1)).then_some(pair)
        };
        let same: Option<Vec<_>> =
            labels.map_or(Some(Vec::new()), |labels| labels.split(',').map(pair).collect());
        match same {
            Some(same) if is_name(rule) => Ok(Self { rule: rule.to_owned(), same }),
            _ => Err(wrong()),
        }
    }

    /// The rule of the alerts it means.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Is an alert with their labels one that makes one with our labels quiet?
    pub fn covers(&self, theirs: &Labels, ours: &Labels) -> bool {
        let same = |(their, our): &(String, String)| {
            let value = theirs.get(their);
            !value.is_empty() && value == ours.get(our)
        };
        match self.same.is_empty() {
            true => theirs.agrees(ours),
            false => self.same.iter().all(same),
        }
    }
}

/// Rules that make each other quiet in a circle, by name: of those nobody would ever be told.
pub fn circle(rules: &[Rule]) -> Option<Vec<String>> {
    // What is not in a circle makes nobody quiet in the end: taken away until only circles are left, and what leads to them.
    let mut left: Vec<&Rule> = rules.iter().collect();
    loop {
        let names: Vec<&str> = left.iter().map(|rule| rule.name.as_str()).collect();
        let before = left.len();
        left.retain(|rule| rule.quiet_while.iter().any(|quiet| names.contains(&quiet.rule())));
        if left.len() == before {
            break;
        }
    }
    let mut path: Vec<&str> = vec![&left.first()?.name];
    loop {
        let last = left.iter().find(|rule| Some(&rule.name.as_str()) == path.last())?;
        let next = last
            .quiet_while
            .iter()
            .map(Quiet::rule)
            .find(|name| left.iter().any(|rule| rule.name == *name))?;
        if let Some(begin) = path.iter().position(|name| *name == next) {
            return Some(path.split_off(begin).into_iter().map(str::to_owned).collect());
        }
        path.push(next);
    }
}
