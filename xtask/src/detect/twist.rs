//! The same attacks in other clothes: the four encodings everybody tries first.

use super::sample::{Form, Kind, Sample};

type Encode = fn(&[u8]) -> Vec<u8>;

/// Each with the corpus it makes.
const TWISTS: [(&str, Encode); 4] = [
    ("encoded: URL", url),
    ("encoded: URL twice", url_twice),
    ("encoded: HTML entities", entities),
    ("encoded: Unicode escapes", escapes),
];

/// Every attack once more, in one of the encodings, drawn by its hash.
pub(super) fn encoded(samples: &[Sample]) -> Vec<Sample> {
    let plain = samples.iter().filter(|sample| sample.is_attack() && sample.form == Form::Value);
    // Depth after depth of the same traversal would drown the rest.
    let plain = plain.filter(|sample| !sample.corpus.ends_with("by depth") && sample.kind != Kind::Mixed);
    plain
        .map(|sample| {
            let drawn = super::sample::hash(&sample.text) >> 32;
            let (corpus, encode) = TWISTS[drawn as usize % TWISTS.len()];
            Sample { corpus, text: encode(&sample.text), ..sample.clone() }
        })
        .collect()
}

fn url(text: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let each = |byte: &u8| if plain(byte) { vec![*byte] } else { format!("%{byte:02X}").into_bytes() };
    text.iter().flat_map(each).collect()
}

fn url_twice(text: &[u8]) -> Vec<u8> {
    url(&url(text))
}

fn entities(text: &[u8]) -> Vec<u8> {
    let each = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() || *byte == b' ' || !byte.is_ascii() => vec![*byte],
        b'<' => b"&lt;".to_vec(),
        b'>' => b"&gt;".to_vec(),
        b'"' => b"&quot;".to_vec(),
        byte if byte % 2 == 0 => format!("&#{byte};").into_bytes(),
        byte => format!("&#x{byte:x};").into_bytes(),
    };
    text.iter().flat_map(each).collect()
}

fn escapes(text: &[u8]) -> Vec<u8> {
    let each = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() || !byte.is_ascii() => vec![*byte],
        byte if byte % 2 == 0 => format!("%u{byte:04X}").into_bytes(),
        byte => format!("\\u{byte:04x}").into_bytes(),
    };
    text.iter().flat_map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_is_dressed_in_one_encoding_and_keeps_its_half() {
        assert_eq!(url(b"../a'"), b"..%2Fa%27");
        assert_eq!(url_twice(b"'"), b"%2527");
        assert_eq!(entities(b"<a b='1'>"), b"&lt;a b&#x3d;&#x27;1&#x27;&gt;");
        assert_eq!(escapes(b"a'("), b"a\\u0027%u0028");
        let sample = Sample::new("c", Kind::Xss, "<b>", "o");
        let twisted = encoded(std::slice::from_ref(&sample));
        assert_eq!((twisted.len(), twisted[0].held_out, twisted[0].kind), (1, sample.held_out, sample.kind));
    }
}
