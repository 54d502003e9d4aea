//! Recognises an API's paths by how they end, whatever stands before: `/v1`, `/openai/deployments/x`, a proxy's prefix.

/// Does the path end with one of these endings, segment by segment? Neither a query nor slashes too many matter.
///
/// Spelling does: another case or a percent-encoded letter is another path, and gets the careful default.
pub(crate) fn ends_with_any(path: &str, endings: &[&str]) -> bool {
    let path = path.split_once('?').map_or(path, |(path, _query)| path);
    endings.iter().any(|ending| ends_with(path, ending))
}

fn ends_with(path: &str, ending: &str) -> bool {
    let mut segments = path.rsplit('/').filter(|segment| !segment.is_empty());
    ending.rsplit('/').all(|wanted| segments.next() == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_segments_at_the_end_count() {
        for path in [
            "/v1/chat/completions",
            "chat/completions",
            "/a/b/v1/chat//completions/",
            "/chat/completions?x=/y",
        ] {
            assert!(ends_with_any(path, &["embeddings", "chat/completions"]), "{path}");
        }
        for path in [
            "",
            "/",
            "?",
            "/completions",
            "/v1/chat/completions/cmpl-1",
            "/v1/livechat/completions",
            "/v1/chat/completions2",
            "/v1/Chat/Completions",
            "/v1/chat%2Fcompletions",
            "/v1/files?next=/chat/completions",
        ] {
            assert!(!ends_with_any(path, &["embeddings", "chat/completions"]), "{path}");
        }
    }
}
