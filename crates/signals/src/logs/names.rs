//! Names of fields whose values nobody should read.

/// Parts of names, without separators and in lower case. `token` alone would hide how many tokens a model was paid for.
const USUAL: [&str; 16] = [
    "authorization",
    "apikey",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "authtoken",
    "bearertoken",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "privatekey",
    "cookie",
    "credential",
    "sessionid",
    "signature",
];

/// Whole names that are hidden though they are part of harmless ones.
const WHOLE: [&str; 4] = ["token", "xtoken", "pwd", "key"];

/// The names in force.
#[derive(Debug, Clone)]
pub(super) struct Names {
    more: Vec<String>,
}

impl Names {
    pub(super) fn with(more: &[String]) -> Self {
        Self { more: more.iter().map(|name| plain(name)).collect() }
    }

    /// Is the value of a field of this name hidden? `X-Api-Key`, `apiKey` and `api_key` are one name.
    pub(super) fn hides(&self, name: &str) -> bool {
        // Names are short; what is longer than this is no name of a secret but may contain one.
        let mut buffer = [0u8; 64];
        let mut length = 0;
        let letters = name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
        for (slot, byte) in buffer.iter_mut().zip(letters) {
            *slot = byte;
            length += 1;
        }
        let plain = &buffer[..length];
        WHOLE.iter().any(|whole| whole.as_bytes() == plain)
            || USUAL.iter().any(|part| contains(plain, part.as_bytes()))
            || self.more.iter().any(|part| contains(plain, part.as_bytes()))
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn contains(name: &[u8], part: &[u8]) -> bool {
    let Some(first) = part.first() else { return false };
    name.len() >= part.len()
        && (0..=name.len() - part.len()).any(|at| name[at] == *first && name[at..].starts_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_however_they_are_spelt() {
        let names = Names::with(&["tan-number".to_owned()]);
        for name in
            ["authorization", "X-Api-Key", "apiKey", "openai_api_key", "Set-Cookie", "client_secret", "token"]
        {
            assert!(names.hides(name), "{name}");
        }
        assert!(names.hides("TAN number") && !Names::with(&[]).hides("TAN number"));
        for name in ["tokens", "input_tokens", "key_count", "upstream", "monkey", "", "é"] {
            assert!(!names.hides(name), "{name}");
        }
    }
}
