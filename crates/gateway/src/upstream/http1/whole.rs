//! An answer whose bytes are at hand already, read as the pool would read it from a socket.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, response};

use super::super::framing::{self, Asked, Ending};
use super::head::{self, Limits};
use super::length::{Decoder, Piece};

/// What a connection's bytes were taken for.
#[derive(Debug)]
pub struct Answer {
    /// Its head, as it is passed on.
    pub head: response::Parts,
    /// Its body; all of it where `end` says so.
    pub body: Bytes,
    /// Trailers, if any came.
    pub trailers: HeaderMap,
    /// How it ended.
    pub end: End,
    /// Bytes that came behind its end. They are nobody's answer, and the connection is closed for them.
    pub surplus: usize,
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Whole. `reusable`: another request may follow on the connection.
    Whole {
        /// Whether nothing forbids it: no `close`, no HTTP/1.0 without `keep-alive`, no surplus, no body without length.
        reusable: bool,
    },
    /// The connection ended before it did, or its chunks make no sense; and why.
    Cut(String),
    /// It has switched protocols.
    Switched,
}

/// Reads an answer to a request (`HEAD` where `to_head`, with an `Upgrade` where `upgrade`) from pieces that arrive one
/// after the other and then end. The same bytes give the same answer however they are cut into pieces.
///
/// # Errors
/// No answer, and why: bytes that are not HTTP, a length that can be read two ways, a head that is too large, an end
/// before the head's.
pub fn read_answer<'p>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    to_head: bool,
    upgrade: bool,
) -> Result<Answer, String> {
    let mut pieces = pieces.into_iter();
    let mut buffer = BytesMut::new();
    let limits = Limits::default();
    let head::Head { mut parts, goes_on } = loop {
        if let Some(head) = head::read(&mut buffer, limits).map_err(|bad| bad.why)? {
            break head;
        }
        buffer.extend_from_slice(pieces.next().ok_or("connection closed before an answer")?);
    };
    let (mut decoder, framed) = match framing::judge(&mut parts, Asked { head: to_head, upgrade })? {
        Ending::Length(length) => (Decoder::bytes(length), true),
        Ending::Chunked => (Decoder::chunked(limits), true),
        Ending::UntilClose => (Decoder::until_close(), false),
        Ending::Upgrade => {
            let (body, trailers) = (Bytes::new(), HeaderMap::new());
            let surplus = buffer.len() + pieces.map(<[u8]>::len).sum::<usize>();
            return Ok(Answer { head: parts, body, trailers, end: End::Switched, surplus });
        }
    };
    let (mut body, mut trailers) = (BytesMut::new(), HeaderMap::new());
    let end = loop {
        match decoder.next(&mut buffer) {
            Ok(Piece::Data(data)) => body.extend_from_slice(&data),
            Ok(Piece::Trailers(came)) => trailers = came,
            Ok(Piece::End) => break None,
            Ok(Piece::More) => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None if decoder.hung_up() => {}
                None => break Some("it stopped before its end".to_owned()),
            },
            Err(why) => break Some(why),
        }
    };
    let surplus = buffer.len() + pieces.map(<[u8]>::len).sum::<usize>();
    let end = match end {
        Some(why) => End::Cut(why),
        None => End::Whole { reusable: framed && goes_on && surplus == 0 },
    };
    Ok(Answer { head: parts, body: body.freeze(), trailers, end, surplus })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Answer, String> {
        read_answer([text.as_bytes()], false, false)
    }

    /// Cut at these places.
    fn pieces<'b>(bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|two| &bytes[two[0]..two[1]]).collect()
    }

    /// Everything that is seen of it.
    fn seen(read: Result<Answer, String>) -> String {
        match read {
            Err(_) => "none".to_owned(),
            Ok(answer) => {
                let cut = matches!(answer.end, End::Cut(_));
                let end = if cut { "cut".to_owned() } else { format!("{:?} {}", answer.end, answer.surplus) };
                let Answer { head, body, trailers, .. } = answer;
                // What had come before something was wrong depends on when it came.
                let body = if cut { Bytes::new() } else { body };
                format!("{} {:?} {:?} {body:?} {trailers:?} {end}", head.status, head.version, head.headers)
            }
        }
    }

    /// Text that is nearly HTTP.
    fn nearly() -> impl Strategy<Value = Vec<u8>> {
        const WORDS: &[&str] = &[
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.0 200 OK\r\n",
            "HTTP/1.1 204 No Content\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 101 S\r\n",
            "content-length: 5\r\n",
            "content-length: 0\r\n",
            "transfer-encoding: chunked\r\n",
            "connection: close\r\n",
            "connection: keep-alive\r\n",
            "x: y\r\n",
            "\r\n",
            "\n",
            "\r",
            "0\r\n\r\n",
            "5\r\nhello\r\n",
            "5;a=b\r\nhello\r\n",
            "A\r\n0123456789\r\n",
            "0\r\nx-sum: 1\r\n\r\n",
            "hello",
            "ffffffffffffffff\r\n",
            ":",
            " ",
            "\0",
        ];
        let word = prop_oneof![
            8 => proptest::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 0..4),
        ];
        proptest::collection::vec(word, 0..14).prop_map(|words| words.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_same_bytes_are_the_same_answer_however_they_arrive(
            bytes in nearly(),
            cuts in proptest::collection::vec(any::<usize>(), 0..12),
            to_head: bool,
            upgrade: bool,
        ) {
            let whole = seen(read_answer([&bytes[..]], to_head, upgrade));
            prop_assert_eq!(&seen(read_answer(pieces(&bytes, &cuts), to_head, upgrade)), &whole);
            prop_assert_eq!(&seen(read_answer(bytes.chunks(1), to_head, upgrade)), &whole);
        }

        #[test]
        fn what_a_server_writes_is_what_is_read(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            surplus in proptest::collection::vec(any::<u8>(), 0..3),
            cuts in proptest::collection::vec(any::<usize>(), 0..12),
            by_length: bool,
        ) {
            let body = chunks.concat();
            let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
            if by_length {
                bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
                bytes.extend(&body);
            } else {
                bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
                for chunk in &chunks {
                    bytes.extend(format!("{:X}; note=\"x\"\r\n", chunk.len()).bytes());
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
            bytes.extend(&surplus);
            let answer = read_answer(pieces(&bytes, &cuts), false, false).unwrap();
            prop_assert_eq!(&answer.body[..], &body[..]);
            prop_assert_eq!(answer.surplus, surplus.len());
            prop_assert_eq!(answer.end, End::Whole { reusable: surplus.is_empty() });
        }
    }

    #[test]
    fn a_connection_goes_on_only_after_an_answer_that_says_where_it_ends() {
        for (head, reusable) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 0", true),
            ("HTTP/1.1 304 Not Modified\r\ncontent-length: 9", true),
            ("HTTP/1.1 204 No Content", true),
            ("HTTP/1.1 200 OK", false),
            ("HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 0", false),
            ("HTTP/1.0 200 OK\r\ncontent-length: 0", false),
            ("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0", true),
        ] {
            let answer = read(&format!("{head}\r\n\r\n")).unwrap();
            assert_eq!(answer.end, End::Whole { reusable }, "{head}");
        }
        let answer =
            read_answer([&b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"[..]], true, false).unwrap();
        assert_eq!((answer.end, answer.body.len()), (End::Whole { reusable: true }, 0));
    }

    #[test]
    fn sizes_of_chunks_are_hexadecimal_numbers_on_lines_of_their_own() {
        let sized = |line: &str, body: &str| {
            read(&format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{line}{body}\r\n0\r\n\r\n"))
        };
        for line in ["5\r\n", "05\r\n", "0000000000000005\r\n", "5 \t\r\n", "5;a=b;c\r\n", "5 ; a=\"b\"\r\n"]
        {
            let answer = sized(line, "hello").unwrap();
            assert_eq!(
                (answer.end, &answer.body[..]),
                (End::Whole { reusable: true }, &b"hello"[..]),
                "{line:?}"
            );
        }
        let long = format!("5;{}\r\n", "x".repeat(5000));
        for line in [
            "\r\n",
            " 5\r\n",
            "0x5\r\n",
            "+5\r\n",
            "-5\r\n",
            "5\n",
            "5 5\r\n",
            "g\r\n",
            "5;a\nb\r\n",
            "5;a\rb\r\n",
            "5;\0\r\n",
            "00000000000000005\r\n",
            "fffffffffffffffff\r\n",
            &long,
        ] {
            let answer = sized(line, "hello").unwrap();
            assert!(matches!(answer.end, End::Cut(_)), "{line:?}: {answer:?}");
        }
    }

    #[test]
    fn reasons_of_the_servers_own_are_kept() {
        let reason = |text: &str| {
            let answer = read(text).unwrap();
            answer.head.extensions.get::<hyper::ext::ReasonPhrase>().map(|reason| reason.as_bytes().to_vec())
        };
        assert_eq!(reason("HTTP/1.1 200 Fine\r\ncontent-length: 0\r\n\r\n"), Some(b"Fine".to_vec()));
        assert_eq!(reason("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), None);
        assert_eq!(reason("HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n"), None);
    }
}
