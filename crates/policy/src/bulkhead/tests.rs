use std::time::Duration;

use super::*;

fn load(in_flight: usize, waiting: usize) -> Load {
    Load { in_flight, waiting }
}

#[test]
fn a_newcomer_enters_waits_or_is_refused() {
    let options = Options { concurrent: 2, queue: Queue { max: 1, wait: Duration::from_secs(1) } };
    assert_eq!(arrive(&options, load(1, 0)), Decision::Enter);
    assert_eq!(arrive(&options, load(2, 0)), Decision::Wait);
    assert_eq!(arrive(&options, load(2, 1)), Decision::Refuse);
    assert_eq!(arrive(&options, load(1, 1)), Decision::Refuse, "a free place belongs to those who wait");
    let at_once = Options { queue: Queue { wait: Duration::ZERO, ..options.queue }, ..options };
    assert_eq!(arrive(&at_once, load(2, 0)), Decision::Refuse);
}

#[test]
fn a_bulkhead_of_zero_is_refused() {
    assert_eq!(Options { concurrent: 0, ..Options::default() }.check().unwrap_err().key, "concurrent");
}
