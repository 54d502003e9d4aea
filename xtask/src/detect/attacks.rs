//! Attack strings as their authors list them: the word lists of wfuzz and the payload files of wapiti.

use super::read as text_of;
use super::sample::{Kind, Sample};
use std::path::Path;

const WFUZZ: &str = "tree/usr/share/wfuzz/wordlist";
const WAPITI: &str = "tree/usr/lib/python3/dist-packages/wapitiCore/data/attacks";

/// Lists with an attack on each line.
const LISTS: [(&str, &str, &str, Kind); 10] = [
    ("wfuzz SQL", WFUZZ, "Injections/SQL.txt", Kind::Sql),
    ("wfuzz SQL", WFUZZ, "vulns/sql_inj.txt", Kind::Sql),
    ("wfuzz XSS", WFUZZ, "Injections/XSS.txt", Kind::Xss),
    ("wfuzz traversal", WFUZZ, "Injections/Traversal.txt", Kind::Traversal),
    ("wfuzz traversal, by depth", WFUZZ, "vulns/dirTraversal.txt", Kind::Traversal),
    ("wfuzz traversal, by depth", WFUZZ, "vulns/dirTraversal-nix.txt", Kind::Traversal),
    ("wfuzz traversal, by depth", WFUZZ, "vulns/dirTraversal-win.txt", Kind::Traversal),
    ("wfuzz all attacks", WFUZZ, "Injections/All_attack.txt", Kind::Mixed),
    ("wapiti commands", WAPITI, "execPayloads.txt", Kind::Command),
    ("wapiti blind SQL", WAPITI, "blindSQLPayloads.txt", Kind::Sql),
];

/// Files with an attack behind each `payload =`.
const SECTIONS: [(&str, &str, Kind); 2] = [
    ("wapiti XSS", "xssPayloads.ini", Kind::Xss),
    ("wapiti files", "fileHandlingPayloads.ini", Kind::Traversal),
];

/// Every attack of both packages but those on XML parsers, which are nobody's to find here.
pub(super) fn read(folder: &Path) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::new();
    let mut add = |corpus, kind, file: &str, line: &str| {
        let text = filled(file, line);
        samples.push(Sample::new(corpus, kind, text, line));
    };
    for (corpus, place, file, kind) in LISTS {
        let text = text_of(&folder.join(place).join(file))?;
        text.lines().for_each(|line| add(corpus, kind, file, line.trim_matches(' ')));
    }
    for (corpus, file, kind) in SECTIONS {
        let text = text_of(&folder.join(WAPITI).join(file))?;
        payloads(&text).iter().for_each(|payload| add(corpus, kind, file, payload));
    }
    Ok(samples)
}

/// The values of `payload = …`, with the indented lines that go on.
fn payloads(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(payload) = line.strip_prefix("payload = ") {
            found.push(payload.to_owned());
            inside = true;
        } else if let (true, true, Some(last)) = (inside, line.starts_with([' ', '\t']), found.last_mut()) {
            last.push('\n');
            last.push_str(line.trim());
        } else {
            inside = false;
        }
    }
    found
}

/// What the scanners put in the place of their own words.
fn filled(file: &str, line: &str) -> String {
    if file.starts_with("vulns/") {
        return line.replace("{FILE}", if file.ends_with("-win.txt") { "boot.ini" } else { "etc/passwd" });
    }
    if file.starts_with("Injections/") {
        return line.to_owned();
    }
    [
        ("[TIMEOUT]", ""),
        ("[TIME]", "7"),
        ("[TAB]", "\t"),
        ("[LF]", "\n"),
        ("[FF]", "\u{c}"),
        ("[VALUE]", "default"),
        ("[DIRVALUE]", "."),
        ("[EXTVALUE]", "txt"),
        ("[FILE_NAME]", "index.php"),
        ("[FILE_NOEXT]", "index"),
        ("[EXTERNAL_ENDPOINT]", "http://wapiti.example/"),
        ("__XSS__", "w5hrlk2"),
        ("\\0", "\0"),
    ]
    .iter()
    .fold(line.to_owned(), |text, (word, meaning)| text.replace(word, meaning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_goes_on_where_its_lines_are_indented() {
        let text = "[a]\npayload = one\n    two\nrules = x\n    y\n\n[b]\npayload = three\n";
        assert_eq!(payloads(text), ["one\ntwo", "three"]);
        assert_eq!(filled("execPayloads.txt", "[VALUE];sleep [TIME]\\0"), "default;sleep 7\0");
    }
}
