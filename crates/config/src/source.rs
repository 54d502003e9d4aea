//! Files and texts become trees.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::{Node, Origin, Problem, Value};

mod json;
mod toml;
#[cfg(feature = "yaml")]
mod yaml;

pub(crate) use toml::value as toml_value;

/// The largest file that is read: 4 MiB, a thousand times what a long configuration needs.
pub const MAX_FILE: u64 = 4 << 20;

/// The deepest a table or list may lie inside others.
pub const MAX_DEPTH: usize = 64;

/// How a text spells its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// JSON (RFC 8259), strict: no comments, no trailing commas, no key twice.
    Json,
    /// YAML 1.2 without tags, aliases, merge keys and second documents; readable with the feature `yaml`.
    Yaml,
}

impl Format {
    /// The format a file's name says; TOML when it says nothing.
    pub fn of(path: &Path) -> Format {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some(extension) if extension.eq_ignore_ascii_case("json") => Format::Json,
            Some(extension) if extension.eq_ignore_ascii_case("yaml") => Format::Yaml,
            Some(extension) if extension.eq_ignore_ascii_case("yml") => Format::Yaml,
            _ => Format::Toml,
        }
    }
}

/// Reads a text into a tree; `name` is what its origins are called.
///
/// Tolerates a byte order mark. Refuses what is not a table at its top, nesting over [`MAX_DEPTH`], a key given twice,
/// and values no configuration needs: dates without quotes, NaN and infinity, integers beyond 64 bits.
pub fn parse(text: &str, name: &str, format: Format) -> Result<Node, Problem> {
    let name: Arc<str> = Arc::from(name);
    if text.len() as u64 > MAX_FILE {
        return Err(too_large(name));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = match format {
        Format::Toml => toml::parse(&name, text),
        Format::Json => json::parse(&name, text),
        #[cfg(feature = "yaml")]
        Format::Yaml => yaml::parse(&name, text),
        #[cfg(not(feature = "yaml"))]
        Format::Yaml => Err(Problem::error(Origin::Whole(name), "", "yaml is not available yet")
            .advise("write the same tree as TOML or JSON")),
    }?;
    match tree.value {
        Value::Table(_) => Ok(tree),
        other => Err(Problem::error(tree.origin, "", format!("expected a table, found {}", other.kind()))),
    }
}

/// Reads a file's text, for [`parse`].
///
/// Refuses directories and anything else that is not a plain file, files over [`MAX_FILE`], and text that is not UTF-8.
pub fn read_file(path: &Path) -> Result<String, Problem> {
    let name: Arc<str> = Arc::from(path.to_string_lossy());
    let refuse = |message: String| Problem::error(Origin::Whole(name.clone()), "", message);
    let unreadable = |why: std::io::Error| match why.kind() {
        std::io::ErrorKind::NotFound => {
            refuse("no such file".to_owned()).advise("write it with `seawall init`, or name another with -c")
        }
        _ => refuse(format!("cannot be read: {why}")),
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(refuse("is a directory".to_owned()).advise("name a file in it"));
    }
    if !metadata.is_file() {
        return Err(refuse("is not a plain file".to_owned()).advise("name a file on disk"));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed: the size a file claims and the size it has are two things.
    let mut file = File::open(path).map_err(unreadable)?.take(MAX_FILE + 1);
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large(name));
    }
    String::from_utf8(bytes).map_err(|why| {
        let good = why.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(&why.as_bytes()[..good]);
        let place = crate::origin::Positions::new(&name, &text).at(good);
        Problem::error(place, "", "is not UTF-8 text").advise("save the file as UTF-8")
    })
}

fn too_large(name: Arc<str>) -> Problem {
    Problem::error(Origin::Whole(name), "", "is larger than 4 MiB")
        .advise("split it, or look whether it is the right file")
}

fn too_deep(place: Origin) -> Problem {
    Problem::error(place, "", format!("is nested deeper than {MAX_DEPTH} levels"))
        .advise("write fewer levels")
}

#[cfg(test)]
mod tests;
