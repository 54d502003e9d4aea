//! The page of every error code, carried in the binary.

use seawall_core::Code;

macro_rules! pages {
    ($($number:literal)+) => {
        /// Codes and their pages, by number.
        const PAGES: &[(&str, &str)] =
            &[$((concat!("SW", $number), include_str!(concat!("../../../../../docs/errors/SW", $number, ".md"))),)+];
    };
}

pages! {
    "0001" "0002" "0003" "0004" "0005" "0006" "0007" "0008" "0009" "0010" "0011" "0012" "0013" "0014" "0015" "0016" "0017"
    "0018" "0019" "0020" "0021" "0022" "0023" "0024" "0025" "0026" "0027" "0028" "0029" "0030" "0031" "0032" "0033" "0034"
    "0035" "0036" "0037" "0038" "0039" "0040" "0041" "0042" "0043" "0044" "0050" "0051" "0052" "0055" "0056" "0057" "0062" "0064"
    "0065" "0090"
}

/// The page of a code; every code has one.
pub(super) fn page(code: Code) -> &'static str {
    let name = code.to_string();
    PAGES.iter().find(|(number, _)| *number == name).map_or(code.title(), |(_, page)| page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_that_names_it_and_every_page_a_code() {
        let names: Vec<String> = Code::ALL.iter().map(ToString::to_string).collect();
        let pages: Vec<&str> = PAGES.iter().map(|(name, _)| *name).collect();
        assert_eq!(pages, names);
        for (name, page) in PAGES {
            assert!(
                page.lines().next().unwrap_or_default().contains(name),
                "{name} is not in its page's first line"
            );
        }
    }
}
