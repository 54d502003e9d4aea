//! Files of an earlier version of the format: read as those of today, with advice.

use seawall_config::{Entry, Node, Origin, Problem, Value};

use super::{Finding, Findings, Key};

/// How a file of one version becomes one of the next, and what its owner should write.
pub(super) type Step = (&'static str, fn(Node) -> Node);

/// From version 1 on, one for each that came after it: none yet.
pub(super) const STEPS: &[Step] = &[];

/// The tree as today's version has it, and what is worth writing otherwise. A file that does not say is of version 1.
///
/// Refuses a version that is none, or later than this program: every key of it may mean something else.
pub(super) fn of_today(mut tree: Node, steps: &[Step]) -> Result<(Node, Vec<Finding>), Findings> {
    let today = 1 + steps.len() as i64;
    let place = Key::top("version").value_place(&tree);
    let refuse = |what: String| -> Findings {
        Problem::error(place.clone(), "version", what).advise(format!("write version = {today}")).into()
    };
    let written = match tree.get("version").map(|version| &version.value) {
        None => 1,
        Some(Value::Int(number)) if (1..=today).contains(number) => *number,
        Some(Value::Int(number)) => return Err(refuse(format!("version {number} is not known"))),
        Some(other) => return Err(refuse(format!("expected a whole number, found {}", other.kind()))),
    };
    let mut findings = Vec::new();
    let left = usize::try_from(written - 1).unwrap_or(0);
    for (number, (advice, step)) in (written..).zip(steps.iter().skip(left)) {
        tree = step(tree);
        let what = format!("a file of version {number} is read as one of version {}", number + 1);
        let problem = Problem::warning(place.clone(), "version", what).advise(*advice);
        findings.push(Finding::from(problem));
    }
    if written != today
        && let Some(table) = tree.as_table_mut()
    {
        let origin = Origin::Builtin("version");
        let node = Node::new(Value::Int(today), origin.clone());
        table.insert("version".to_owned(), Entry { key: origin, node });
    }
    Ok((tree, findings))
}

#[cfg(test)]
mod tests {
    use seawall_config::{Format, parse};

    use super::*;

    /// A version 2 that calls `listen` what version 1 called `port`.
    fn renamed(mut tree: Node) -> Node {
        if let Some(table) = tree.as_table_mut()
            && let Some(entry) = table.shift_remove("port")
        {
            table.insert("listen".to_owned(), entry);
        }
        tree
    }

    #[test]
    fn a_file_of_an_earlier_version_is_read_with_advice_and_a_later_one_is_refused() {
        let read = |text: &str| parse(text, "f", Format::Toml).unwrap();
        let steps: &[Step] = &[("write version = 2, and listen for port", renamed)];
        for old in ["version = 1\nport = 'x'", "port = 'x'"] {
            let (tree, findings) = of_today(read(old), steps).unwrap();
            assert_eq!(tree.get("listen").and_then(Node::as_str), Some("x"));
            assert!(matches!(tree.get("version").map(|node| &node.value), Some(Value::Int(2))));
            let told = findings[0].to_string();
            assert!(
                told.ends_with(
                    "a file of version 1 is read as one of version 2, write version = 2, and listen for port"
                ),
                "{told}"
            );
        }
        let (tree, findings) = of_today(read("version = 2\nlisten = 'x'"), steps).unwrap();
        assert!(findings.is_empty() && tree.get("listen").is_some());
        for (bad, told) in [
            ("3", "version 3 is not known"),
            ("0", "version 0 is not known"),
            ("true", "expected a whole number"),
        ] {
            let findings = of_today(read(&format!("version = {bad}")), steps).unwrap_err();
            assert!(findings.0[0].to_string().contains(told), "{}", findings.0[0]);
        }
        let (same, findings) = of_today(read("version = 1\nlisten = 'x'"), STEPS).unwrap();
        assert!(findings.is_empty() && same.get("listen").is_some());
    }
}
