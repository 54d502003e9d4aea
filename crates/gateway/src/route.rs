//! Which route a request takes: the most specific one.

use std::fmt;
use std::str::FromStr;

use http::Method;

/// A path with wildcards: `*` is one segment, `**` (only at the end) any number of them.
///
/// Patterns are compared with the path as it came, byte for byte; nothing is decoded, joined or cleaned up, because the
/// upstream will read the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Exact(String),
    One,
    Any,
}

/// How specific a match is; the greatest wins. Exact segments over `*` over `**`, longer over shorter, a method over
/// any method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    open_end: std::cmp::Reverse<bool>,
    exact: usize,
    segments: usize,
    method: bool,
}

impl Pattern {
    /// Does it match a path?
    pub fn matches(&self, path: &str) -> bool {
        let mut parts = path.strip_prefix('/').unwrap_or(path).split('/');
        for segment in &self.segments {
            match (segment, parts.next()) {
                (Segment::Any, _) => return true,
                (Segment::One, Some(part)) if !part.is_empty() => {}
                (Segment::Exact(exact), Some(part)) if exact == part => {}
                _ => return false,
            }
        }
        parts.next().is_none()
    }

    /// The first segment, where it is exact: the upstream a path under this pattern names.
    pub fn first(&self) -> Option<&str> {
        match self.segments.first() {
            Some(Segment::Exact(first)) => Some(first),
            _ => None,
        }
    }

    /// How specific it is, for a route that is for one method or for all.
    pub fn specificity(&self, method: Option<&Method>) -> Specificity {
        Specificity {
            open_end: std::cmp::Reverse(self.segments.last() == Some(&Segment::Any)),
            exact: self.segments.iter().filter(|segment| matches!(segment, Segment::Exact(_))).count(),
            segments: self.segments.len(),
            method: method.is_some(),
        }
    }

    /// Could one path match both patterns?
    pub fn overlaps(&self, other: &Pattern) -> bool {
        let (mut ours, mut theirs) = (self.segments.iter(), other.segments.iter());
        loop {
            match (ours.next(), theirs.next()) {
                (Some(Segment::Any), _) | (_, Some(Segment::Any)) | (None, None) => return true,
                (Some(Segment::Exact(a)), Some(Segment::Exact(b))) if a != b => return false,
                // A star is one segment, and an empty one is none.
                (Some(Segment::Exact(a)), Some(Segment::One)) if a.is_empty() => return false,
                (Some(Segment::One), Some(Segment::Exact(b))) if b.is_empty() => return false,
                (None, Some(_)) | (Some(_), None) => return false,
                _ => {}
            }
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("{text:?} does not begin with a slash: write \"/{text}\""));
        };
        if text.contains(['?', '#']) {
            return Err(format!("{text:?} has a query: a route is matched by its path alone"));
        }
        let parts: Vec<&str> = rest.split('/').collect();
        let mut segments = Vec::with_capacity(parts.len());
        for (place, part) in parts.iter().enumerate() {
            segments.push(match *part {
                "**" if place + 1 == parts.len() => Segment::Any,
                "**" => return Err(format!("{text:?} has \"**\" in the middle: it stands only at the end")),
                "*" => Segment::One,
                part if part.contains('*') => {
                    return Err(format!(
                        "{part:?} mixes letters and a wildcard: \"*\" stands for a whole segment"
                    ));
                }
                part => Segment::Exact(part.to_owned()),
            });
        }
        Ok(Self { text: text.to_owned(), segments })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_star_is_one_segment_and_two_stars_are_the_rest() {
        for (text, path, expected) in [
            ("/openai/v1/**", "/openai/v1/chat/completions", true),
            ("/openai/v1/**", "/openai/v1", true),
            ("/openai/v1/**", "/openai/v10/x", false),
            ("/x/*/y", "/x/1/y", true),
            ("/x/*/y", "/x//y", false),
            ("/x/*/y", "/x/1/2/y", false),
            ("/exchange/orders", "/exchange/orders", true),
            ("/exchange/orders", "/exchange/orders/", false),
            ("/exchange/orders", "/exchange//orders", false),
            ("/exchange/orders", "/exchange/%6frders", false),
            ("/**", "/", true),
        ] {
            assert_eq!(pattern(text).matches(path), expected, "{text} {path}");
        }
    }

    #[test]
    fn the_most_specific_is_exact_over_star_over_two_stars_then_longer_then_with_a_method() {
        let rank = |text: &str, method: Option<&Method>| pattern(text).specificity(method);
        let get = Method::GET;
        assert!(rank("/a/b", None) > rank("/a/*", Some(&get)));
        assert!(rank("/a/*", None) > rank("/a/**", Some(&get)));
        assert!(rank("/a/b/**", None) > rank("/a/**", Some(&get)));
        assert!(rank("/a/b", Some(&get)) > rank("/a/b", None));
        assert_eq!(rank("/a/*/c", None), rank("/a/b/*", None), "a tie, which the configuration refuses");
    }

    #[test]
    fn overlap_is_seen() {
        for (a, b, expected) in [
            ("/a/*/c", "/a/b/*", true),
            ("/a/b", "/a/c", false),
            ("/a/**", "/a/b/c", true),
            ("/a/*", "/a/b/c", false),
            ("/a/*/b", "/a//b", false),
        ] {
            assert_eq!(pattern(a).overlaps(&pattern(b)), expected, "{a} {b}");
            assert_eq!(pattern(b).overlaps(&pattern(a)), expected, "{b} {a}");
        }
    }

    #[test]
    fn bad_patterns_say_what_to_write() {
        for bad in ["openai/v1", "/a/**/b", "/a/b*", "/a?x=1"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }
}
