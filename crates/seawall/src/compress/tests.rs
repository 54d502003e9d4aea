use proptest::prelude::*;
use seawall_core::Certainty;

use super::*;

const BOUNDS: Bounds = Bounds { max_decoded: 64 << 20, max_ratio: 2000 };

/// Text as it is on the wire: some of it repeats.
fn text(size: usize) -> Vec<u8> {
    (0..size)
        .map(|place| b"the quick brown fox jumps over 0123456789 lazy dogs\n"[place * place % 52])
        .collect()
}

/// Feeds `coded` in pieces of these sizes, over and over.
fn decode_in(
    pieces: &[usize],
    algorithm: Algorithm,
    bounds: Bounds,
    coded: &[u8],
) -> (Vec<u8>, Result<(), Error>) {
    let (mut decoder, mut body, mut sizes) =
        (Decoder::new(algorithm, bounds), Vec::new(), pieces.iter().cycle());
    let mut rest = coded;
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1).clamp(1, rest.len());
        let (mut piece, next) = rest.split_at(size);
        loop {
            let before = body.len();
            match decoder.decode(piece, &mut body) {
                Ok(0) if body.len() == before => break,
                Ok(taken) => piece = &piece[taken..],
                Err(error) => {
                    assert_eq!(body.len(), before, "what is refused is not given out");
                    assert_eq!(decoder.finish(), Err(error.clone()), "an error stays the answer");
                    assert_eq!(decoder.decode(b"more", &mut body), Err(error.clone()));
                    return (body, Err(error));
                }
            }
            assert!(body.len() - before <= PIECE, "one step gave {}", body.len() - before);
        }
        assert!(piece.is_empty(), "{} bytes were left without a word", piece.len());
        rest = next;
    }
    (body, decoder.finish())
}

fn encode_in(pieces: &[usize], flush: bool, algorithm: Algorithm, level: u32, body: &[u8]) -> Vec<u8> {
    let (mut encoder, mut coded, mut sizes) =
        (Encoder::new(algorithm, level), Vec::new(), pieces.iter().cycle());
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, next) = rest.split_at(sizes.next().copied().unwrap_or(1).clamp(1, rest.len()));
        encoder.encode(piece, &mut coded).unwrap();
        if flush {
            encoder.flush(&mut coded).unwrap();
        }
        rest = next;
    }
    encoder.finish(&mut coded).unwrap();
    coded
}

#[test]
fn every_level_of_every_coding_comes_back() {
    let body = text(200_000);
    for algorithm in Algorithm::ALL {
        for level in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, u32::MAX] {
            let coded = encode(*algorithm, level, &body).unwrap();
            assert!(coded.len() < body.len() / 2, "{algorithm} {level}: {}", coded.len());
            assert_eq!(decode(*algorithm, BOUNDS, &coded).unwrap(), body, "{algorithm} {level}");
        }
    }
}

#[test]
fn what_others_write_is_read() {
    // printf hello | gzip -n -9 | xxd -p
    let gzip = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0,
        0, 0,
    ];
    assert_eq!(decode(Algorithm::Gzip, BOUNDS, &gzip).unwrap(), b"hello");
    // zlib.compress(b"hello"), and the same without its wrapping.
    let zlib = [0x78, 0x9c, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 6, 0x2c, 2, 0x15];
    assert_eq!(decode(Algorithm::Deflate, BOUNDS, &zlib).unwrap(), b"hello");
    assert_eq!(decode(Algorithm::Deflate, BOUNDS, &zlib[2..9]).unwrap(), b"hello");
    for pieces in [[1].as_slice(), &[2], &[1, 3]] {
        assert_eq!(decode_in(pieces, Algorithm::Deflate, BOUNDS, &zlib[2..9]), (b"hello".to_vec(), Ok(())));
    }
    // Raw deflate whose first two bytes are the whole of it.
    assert_eq!(decode(Algorithm::Deflate, BOUNDS, &[3, 0]).unwrap(), b"");
}

#[test]
fn a_flush_brings_out_all_that_was_written() {
    for algorithm in Algorithm::ALL {
        let (mut encoder, mut decoder) = (Encoder::new(*algorithm, 4), Decoder::new(*algorithm, BOUNDS));
        let mut read = Vec::new();
        for piece in [text(1), text(5_000), text(100_000), text(3)] {
            let mut wire = Vec::new();
            encoder.encode(&piece, &mut wire).unwrap();
            assert!(encoder.holds_back());
            encoder.flush(&mut wire).unwrap();
            assert!(!encoder.holds_back());
            let before = (wire.len(), read.len());
            encoder.flush(&mut wire).unwrap();
            assert_eq!(wire.len(), before.0, "there was nothing left to flush");
            let mut rest = &wire[..];
            loop {
                let had = read.len();
                let taken = decoder.decode(rest, &mut read).unwrap();
                rest = &rest[taken..];
                if taken == 0 && read.len() == had {
                    break;
                }
            }
            assert_eq!(read.len() - before.1, piece.len());
        }
        assert_eq!(decoder.finish(), Err(Error::Truncated));
    }
}

#[test]
fn nothing_can_be_written_after_the_end() {
    let (mut encoder, mut out) = (Encoder::new(Algorithm::Gzip, 4), Vec::new());
    encoder.encode(b"a", &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    assert!(encoder.encode(b"b", &mut out).is_err());
}

#[test]
fn several_gzip_bodies_in_a_row_are_one() {
    let one = encode(Algorithm::Gzip, 4, b"one, ").unwrap();
    let none = encode(Algorithm::Gzip, 4, b"").unwrap();
    let two = encode(Algorithm::Gzip, 4, b"two").unwrap();
    let all = [&one[..], &none, &two].concat();
    assert_eq!(decode(Algorithm::Gzip, BOUNDS, &all).unwrap(), b"one, two");
    assert_eq!(decode_in(&[1], Algorithm::Gzip, BOUNDS, &all), (b"one, two".to_vec(), Ok(())));
    assert_eq!(decode(Algorithm::Gzip, BOUNDS, &all[..all.len() - 1]), Err(Error::Truncated));
    let followed = [&one[..], b"\0\0"].concat();
    assert!(matches!(decode(Algorithm::Gzip, BOUNDS, &followed), Err(Error::Broken(_) | Error::Truncated)));
    let followed = [encode(Algorithm::Deflate, 4, b"one").unwrap(), vec![0]].concat();
    assert!(matches!(decode(Algorithm::Deflate, BOUNDS, &followed), Err(Error::Broken(_))));
    // Only the outer layer is taken off.
    let nested = encode(Algorithm::Gzip, 4, &one).unwrap();
    assert_eq!(decode(Algorithm::Gzip, BOUNDS, &nested).unwrap(), one);
}

#[test]
fn bounds_hold_over_all_the_bodies_in_a_row() {
    let kilobyte = encode(Algorithm::Gzip, 4, &[7; 1024]).unwrap();
    let coded = kilobyte.repeat(100);
    let bounds = Bounds { max_decoded: 50 * 1024, ..BOUNDS };
    let (body, end) = decode_in(&[1000], Algorithm::Gzip, bounds, &coded);
    assert!(matches!(end, Err(Error::Swollen { .. })), "{end:?}");
    assert!(body.len() <= 50 * 1024);
}

#[test]
fn a_bomb_is_refused_before_it_has_gone_off() {
    let bomb = encode(Algorithm::Gzip, 1, &vec![0; 8 << 20]).unwrap();
    let bounds = Bounds::from(&Options::default());
    let (body, end) = decode_in(&[4096], Algorithm::Gzip, bounds, &bomb);
    let Err(error @ Error::Swollen { coded, decoded }) = end else { panic!("{end:?}") };
    assert!(coded < 4096 && decoded < 256 << 10 && body.len() as u64 <= decoded, "{error}");
    let rejection = Rejection::from(error);
    assert_eq!((rejection.code.to_string(), rejection.code.status()), ("SW0035".into(), 502));
    assert_eq!(rejection.certainty, Certainty::Partial);
    // By size alone, to the byte.
    let bounds = Bounds { max_decoded: 1 << 20, max_ratio: u32::MAX };
    let exact = encode(Algorithm::Deflate, 9, &vec![0; 1 << 20]).unwrap();
    assert_eq!(decode(Algorithm::Deflate, bounds, &exact).unwrap().len(), 1 << 20);
    let over = encode(Algorithm::Deflate, 9, &vec![0; (1 << 20) + 1]).unwrap();
    assert!(matches!(decode(Algorithm::Deflate, bounds, &over), Err(Error::Swollen { .. })));
}

#[test]
fn a_lie_about_the_length_or_the_sum_is_an_error() {
    let whole = encode(Algorithm::Gzip, 4, &text(1000)).unwrap();
    for place in 1..=8 {
        let mut lie = whole.clone();
        let place = lie.len() - place;
        lie[place] ^= 0x40;
        assert!(matches!(decode(Algorithm::Gzip, BOUNDS, &lie), Err(Error::Broken(_))), "byte {place}");
    }
    assert!(matches!(decode(Algorithm::Gzip, BOUNDS, b"<html>not gzip</html>"), Err(Error::Broken(_))));
    assert_eq!(decode(Algorithm::Gzip, BOUNDS, b""), Err(Error::Truncated));
    assert_eq!(decode(Algorithm::Deflate, BOUNDS, b"x"), Err(Error::Truncated));
    // A header that asks for a dictionary (FDICT).
    let dictionary = [0x78, 0xbb, 1, 2, 3, 4, 0, 0, 0];
    assert!(matches!(decode(Algorithm::Deflate, BOUNDS, &dictionary), Err(Error::Broken(_))));
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    proptest::sample::select(Algorithm::ALL)
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![1usize..8, 1usize..5000], 1..6)
}

/// Noise, text, and long runs.
fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..3000),
        (0usize..200_000).prop_map(text),
        (any::<u8>(), 0usize..300_000).prop_map(|(byte, size)| vec![byte; size]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_encoded_decodes_to_the_same(
        algorithm in algorithm(), body in body(), written in pieces(), read in pieces(), flush: bool, level in 1u32..=9,
    ) {
        // Each flush costs, and there may be a quarter of a million of them.
        let flush = flush && body.len() < 5_000;
        let coded = encode_in(&written, flush, algorithm, level, &body);
        let (decoded, end) = decode_in(&read, algorithm, BOUNDS, &coded);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(decoded, body);
    }

    #[test]
    fn no_decoder_gives_more_than_its_bounds(
        algorithm in algorithm(), body in body(), read in pieces(), max_decoded in 0u64..400_000, max_ratio in 0u32..1200,
    ) {
        let bounds = Bounds { max_decoded, max_ratio };
        let coded = encode(algorithm, 6, &body).unwrap();
        let (decoded, end) = decode_in(&read, algorithm, bounds, &coded);
        prop_assert!(decoded.len() as u64 <= max_decoded);
        prop_assert!(decoded.len() as u64 <= GRACE.max(coded.len() as u64 * u64::from(max_ratio)));
        prop_assert!(body.starts_with(&decoded));
        prop_assert!(decoded.capacity() <= 2 * (decoded.len() + PIECE) + 64);
        match end {
            Ok(()) => prop_assert_eq!(decoded, body),
            Err(error) => prop_assert!(matches!(error, Error::Swollen { .. }), "{}", error),
        }
    }

    #[test]
    fn what_is_cut_short_is_never_whole(algorithm in algorithm(), body in body(), read in pieces(), at in 0.0f64..1.0) {
        let coded = encode(algorithm, 4, &body).unwrap();
        let kept = (coded.len() as f64 * at) as usize;
        let (decoded, end) = decode_in(&read, algorithm, BOUNDS, &coded[..kept]);
        prop_assert_eq!(end, Err(Error::Truncated));
        prop_assert!(body.starts_with(&decoded));
    }

    #[test]
    fn damage_is_an_error_or_changes_nothing(
        body in body(), read in pieces(), place in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let mut coded = encode(Algorithm::Gzip, 4, &body).unwrap();
        let place = place.index(coded.len());
        coded[place] ^= flip;
        let (decoded, end) = decode_in(&read, Algorithm::Gzip, BOUNDS, &coded);
        if end.is_ok() {
            prop_assert_eq!(decoded, body);
        }
    }

    #[test]
    fn garbage_never_panics(
        algorithm in algorithm(), garbage in proptest::collection::vec(any::<u8>(), 0..2000), read in pieces(),
        gzip: bool,
    ) {
        let garbage = if gzip { [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], &garbage[..]].concat() } else { garbage };
        let bounds = Bounds { max_decoded: 10_000, max_ratio: 100 };
        let (decoded, _) = decode_in(&read, algorithm, bounds, &garbage);
        prop_assert!(decoded.len() <= 10_000);
    }
}
