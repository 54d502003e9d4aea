//! What one tree says otherwise than another, a line for each, with nothing secret in it.

use crate::Node;
use crate::show::shown;

/// Tells which keys hold secrets: a key comes as the names that lead to it.
type Secret<'s> = &'s dyn Fn(&[String]) -> bool;

/// The differences in the order of the new tree, then what is gone: `key: old → new`, `key: added`, `key: removed`. Values
/// that look secret, and those under keys that are told to be, are shown as [`show_hiding`](crate::show_hiding()) shows
/// them; one that changed is named all the same. A table that says under a new name what another said is told to be a new
/// thing: nothing of the old one is its own.
///
/// ```
/// use seawall_config::{Format, differences, parse};
///
/// let read = |text: &str| parse(text, "f", Format::Toml).map_err(|problems| format!("{problems:?}"));
/// let (old, new) = (read("a = 1\n[b]\nc = 2")?, read("a = 3\n[d]\nc = 2")?);
/// assert_eq!(differences(&old, &new, &|_| false), ["a: 1 → 3", "d: added, and says what b said: under a new name it is a new thing that begins anew", "b: removed"]);
/// # Ok::<(), String>(())
/// ```
pub fn differences(old: &Node, new: &Node, secret: Secret<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    compare(&mut lines, "", old, new, secret);
    lines
}

fn compare(lines: &mut Vec<String>, path: &str, old: &Node, new: &Node, secret: Secret<'_>) {
    let (Some(before), Some(after)) = (old.as_table(), new.as_table()) else {
        if !alike(old, new) {
            lines.push(format!("{path}: {} → {}", shown(path, old, secret), shown(path, new, secret)));
        }
        return;
    };
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, entry) in after {
        let path = join(key);
        match before.get(key) {
            Some(old) => compare(lines, &path, &old.node, &entry.node, secret),
            None if entry.node.as_table().is_some() => {
                let was = |(former, old): &(&String, &crate::Entry)| {
                    !after.contains_key(*former) && alike(&old.node, &entry.node)
                };
                lines.push(match before.iter().find(was) {
                    Some((former, _)) => format!(
                        "{path}: added, and says what {} said: under a new name it is a new thing that begins anew",
                        join(former)
                    ),
                    None => format!("{path}: added"),
                });
            }
            None => lines.push(format!("{path}: added, {}", shown(&path, &entry.node, secret))),
        }
    }
    lines.extend(
        before.keys().filter(|key| !after.contains_key(*key)).map(|key| format!("{}: removed", join(key))),
    );
}

/// The same value, wherever it was written.
fn alike(a: &Node, b: &Node) -> bool {
    use crate::Value::{Array, Table};
    match (&a.value, &b.value) {
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Table(a), Table(b)) => {
            let same = |(key, entry): (&String, &crate::Entry)| {
                b.get(key).is_some_and(|other| alike(&entry.node, &other.node))
            };
            a.len() == b.len() && a.iter().all(same)
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, parse};

    fn read(text: &str) -> Node {
        parse(text, "f", Format::Toml).unwrap()
    }

    #[test]
    fn only_what_is_said_otherwise_is_told_and_no_secret_is() {
        let old = read(
            "a = 1\nlimits = [{ requests = '5/s' }]\n[up.x]\nauth = { bearer = 'sk-old-old-old-old-old' }\n[gone]\nb = 1",
        );
        let new = read(
            "# moved\n\na = 1\nlimits = [{ requests = '6/s' }]\n[up.x]\nauth = { bearer = 'sk-new-new-new-new-new' }\n[up.y]\nurl = 'u'",
        );
        let lines = differences(&old, &new, &|_| false);
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[0].starts_with("limits: [") && lines[0].contains("→"), "{lines:?}");
        assert!(lines[1].starts_with("up.x.auth.bearer: ") && !lines[1].contains("sk-"), "{lines:?}");
        assert_eq!(&lines[2..], ["up.y: added", "gone: removed"]);
        assert_eq!(differences(&old, &old, &|_| false), [""; 0]);
    }

    #[test]
    fn what_only_changed_its_name_is_told_to_be_a_new_thing() {
        let old = read("[up.a]\nurl = 'u'\n[up.b]\nurl = 'v'");
        let new = read("[up.c]\nurl = 'u'\n[up.b]\nurl = 'v'\n[up.d]\nurl = 'v'");
        assert_eq!(
            differences(&old, &new, &|_| false),
            [
                "up.c: added, and says what up.a said: under a new name it is a new thing that begins anew",
                "up.d: added",
                "up.a: removed"
            ]
        );
    }
}
