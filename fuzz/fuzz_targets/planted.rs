//! Three mistakes on purpose: `cargo xtask fuzz --self-test` looks whether they are found.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// More than the self-test allows one input.
const LARGE: usize = 300 << 20;

fuzz_target!(|input: &[u8]| {
    match input {
        [b'w', b'a', b'l', b'l', ..] => panic!("planted"),
        b"endless" => loop {
            std::hint::spin_loop();
        },
        b"greedy" => {
            let large = vec![1u8; LARGE];
            while std::hint::black_box(&large)[LARGE / 2] == 1 {
                std::thread::yield_now();
            }
        }
        _ => {}
    }
});
