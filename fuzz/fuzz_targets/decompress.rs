//! Any bytes as a compressed body, in pieces of any size: decoded within its bounds, or refused; and as a plain one,
//! that comes back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall::compress::{Accept, Algorithm, Bounds, Decoder, Encoder, Error, PIECE, decode};

const BOUNDS: Bounds = Bounds { max_decoded: 200_000, max_ratio: 50 };

// How (a coding, whether to flush, a level), the size of pieces, then the body.
fuzz_target!(|input: &[u8]| {
    let [how, size, body @ ..] = input else { return };
    let algorithm = Algorithm::ALL[usize::from(how % 2)];
    let size = usize::from(*size) + 1;

    let (decoded, end) = in_pieces(algorithm, size, body);
    assert!(decoded.len() as u64 <= BOUNDS.max_decoded);
    match decode(algorithm, BOUNDS, body) {
        Ok(whole) => assert_eq!((whole, Ok(())), (decoded, end)),
        Err(_) => assert!(end.is_err()),
    }

    let (mut encoder, mut coded) = (Encoder::new(algorithm, u32::from(how >> 2)), Vec::new());
    for piece in body.chunks(size) {
        encoder.encode(piece, &mut coded).expect("it has not ended");
        if how & 2 != 0 {
            encoder.flush(&mut coded).expect("it has not ended");
        }
    }
    encoder.finish(&mut coded).expect("it has not ended");
    let bounds = Bounds { max_decoded: body.len() as u64, max_ratio: u32::MAX };
    assert_eq!(decode(algorithm, bounds, &coded).as_deref(), Ok(body));
    assert_eq!(decode(algorithm, bounds, &coded[..coded.len() - 1]), Err(Error::Truncated));

    let accept = Accept::read([body]);
    assert!(accept.choose(Algorithm::ALL).is_none_or(|choice| accept.reads(choice)));
});

fn in_pieces(algorithm: Algorithm, size: usize, coded: &[u8]) -> (Vec<u8>, Result<(), Error>) {
    let (mut decoder, mut body) = (Decoder::new(algorithm, BOUNDS), Vec::new());
    for mut piece in coded.chunks(size) {
        loop {
            let before = body.len();
            match decoder.decode(piece, &mut body) {
                Ok(0) if body.len() == before => break,
                Ok(taken) => piece = &piece[taken..],
                Err(error) => return (body, Err(error)),
            }
            assert!(body.len() - before <= PIECE);
        }
    }
    let end = decoder.finish();
    (body, end)
}
