use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

type Decoded = (Vec<u8>, Option<Headers>, Vec<u8>);

/// Feeds `pieces` one after the other; the body, the trailers once it ended, and what was left over.
fn decode(mut framing: Framing, pieces: &[&[u8]]) -> Result<Decoded, Malformed> {
    let (mut buffer, mut body) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match framing.step(&mut buffer)? {
                Step::Data(data) => body.extend_from_slice(&data),
                Step::More => break,
                Step::End(trailers) => {
                    let fed: usize = pieces.iter().map(|piece| piece.len()).sum();
                    assert!(buffer.len() <= fed);
                    return Ok((body, Some(trailers), buffer.to_vec()));
                }
            }
        }
    }
    Ok((body, None, buffer.to_vec()))
}

fn chunked() -> Framing {
    Framing::Chunked(Place::Size)
}

#[test]
fn a_chunked_body_ends_only_with_its_last_chunk() {
    let whole = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\nnext";
    assert_eq!(decode(chunked(), &[whole]).unwrap(), (b"abcde".to_vec(), Some(vec![]), b"next".to_vec()));
    for cut in 0..whole.len() - 4 {
        assert_eq!(decode(chunked(), &[&whole[..cut]]).unwrap().1, None, "cut at {cut} looked finished");
    }
}

#[test]
fn trailers_are_read_and_kept() {
    let (_, trailers, rest) = decode(chunked(), &[b"0\r\nX-A: 1\r\nX-B: 2\r\n\r\n"]).unwrap();
    assert_eq!((trailers, rest), (Some(headers(&[("X-A", "1"), ("X-B", "2")])), vec![]));
}

#[test]
fn broken_chunks_are_refused() {
    for wrong in ["zz\r\n", "\r\n", "-1\r\n", "+1\r\n", "3\r\nabcd\r\n", "11111111111111111\r\n", " 3\r\n"] {
        assert!(decode(chunked(), &[wrong.as_bytes()]).is_err(), "{wrong:?} was taken");
    }
    assert!(decode(chunked(), &[&[b'1'; SIZE_LINE]]).is_err());
}

#[test]
fn content_length_is_digits_and_agrees_with_itself() {
    let framing = |pairs: &[(&str, &str)]| Framing::of_request(&headers(pairs));
    assert_eq!(framing(&[("Content-Length", "12")]), Ok(Framing::Length(12)));
    assert_eq!(framing(&[("content-length", "12"), ("content-length", "12")]), Ok(Framing::Length(12)));
    for wrong in ["", "+1", "1a", "0x1", "99999999999999999999999"] {
        assert!(framing(&[("content-length", wrong)]).is_err(), "{wrong:?} was taken");
    }
    assert!(framing(&[("content-length", "1"), ("content-length", "2")]).is_err());
    assert_eq!(framing(&[("content-length", "1"), ("transfer-encoding", "gzip, Chunked")]), Ok(chunked()));
    assert_eq!(framing(&[]), Ok(Framing::Length(0)));
}

#[test]
fn an_answer_without_a_length_runs_until_close_unless_it_has_no_body() {
    assert_eq!(Framing::of_answer("GET", 200, &vec![]), Ok(Framing::UntilClose));
    let long = headers(&[("content-length", "9")]);
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 103)] {
        assert_eq!(Framing::of_answer(method, status, &long), Ok(Framing::empty()));
    }
}

#[test]
fn text_loses_no_byte() {
    assert_eq!(text("/ü".as_bytes()), "/ü");
    let odd = text(&[b'/', 0xff, 0x80]);
    assert_eq!(odd.chars().map(|c| c as u32).collect::<Vec<_>>(), [0x2f, 0xff, 0x80]);
}

proptest! {
    #[test]
    fn how_the_bytes_are_split_changes_nothing(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            wire.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).collect();
        at.extend([0, wire.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &wire[pair[0]..pair[1]]).collect();
        prop_assert_eq!(decode(chunked(), &pieces).unwrap(), (chunks.concat(), Some(vec![]), vec![]));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(chunked(), &[&bytes]);
        let _ = crate::Request::parse(&bytes, 1);
    }

    #[test]
    fn a_digest_does_not_depend_on_the_pieces(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
        let mut digester = crate::request::Digester::default();
        bytes.chunks(piece).for_each(|piece| digester.add(piece));
        prop_assert_eq!(digester.finish(), crate::digest(&bytes));
    }
}
