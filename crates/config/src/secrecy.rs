//! Guesses which values nobody should read over a shoulder.

/// What is shown in place of a value that looks secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// Words in a key that announce a secret. `tokens` is not one: those are counted, not kept.
const WORDS: [&str; 17] = [
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "key",
    "keys",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "pin",
    "secret",
    "secrets",
    "token",
];

/// How provider keys, tokens and headers begin.
const BEGINNINGS: [&str; 15] = [
    "-----begin",
    "akia",
    "basic ",
    "bearer ",
    "eyj",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "pk_",
    "rk_",
    "sk-",
    "sk_",
    "whsec_",
    "xox",
];

/// Whether any word of a key, or of a dotted path of keys, announces a secret: `upstream.openai.apiKey`, `API_KEY`.
pub(crate) fn key_looks_secret(key: &str) -> bool {
    let mut word = String::new();
    let mut after_lower = false;
    for c in key.chars().chain([' ']) {
        if !c.is_alphanumeric() || (c.is_uppercase() && after_lower) {
            if WORDS.contains(&word.as_str()) {
                return true;
            }
            word.clear();
        }
        after_lower = c.is_lowercase() || c.is_numeric();
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    false
}

/// Whether a text looks like a secret wherever it stands: the beginning of a known kind of key, or a URL that carries
/// a password.
pub(crate) fn text_looks_secret(text: &str) -> bool {
    let starts = |beginning: &&str| {
        text.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
    };
    BEGINNINGS.iter().any(starts) || carries_userinfo(text)
}

/// Whether a URL has a user, and so perhaps a password, before its host.
pub(crate) fn carries_userinfo(text: &str) -> bool {
    text.split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?', '#']).next())
        .is_some_and(|authority| authority.contains('@'))
}

/// Whether a text only says where a secret is kept. One that would be refused as a reference may be the secret itself.
pub(crate) fn is_reference(text: &str) -> bool {
    text.parse::<crate::SecretRef>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_judged_by_their_words() {
        for key in [
            "key",
            "api_key",
            "apiKey",
            "API_KEY",
            "upstream.a.auth.bearer",
            "Password",
            "admin_token",
            "x-api-key",
        ] {
            assert!(key_looks_secret(key), "{key}");
        }
        for key in ["monkey", "tokens", "max_tokens", "keyboard", "author", "url", "", "limits[1].requests"] {
            assert!(!key_looks_secret(key), "{key}");
        }
    }

    #[test]
    fn texts_are_judged_by_their_beginning() {
        for text in
            ["sk-abc", "Bearer x", "redis://:pw@host/0", "https://user@host", "-----BEGIN PRIVATE KEY-----"]
        {
            assert!(text_looks_secret(text), "{text}");
        }
        for text in ["https://host/a@b", "https://host?x=a@b", "skate", "", "s"] {
            assert!(!text_looks_secret(text), "{text}");
        }
    }
}
