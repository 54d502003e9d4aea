use super::*;

#[test]
fn a_bulkhead_of_zero_is_refused() {
    for concurrent in [0, MOST + 1, u32::MAX] {
        assert_eq!(Options { concurrent, ..Options::default() }.check().unwrap_err().key, "concurrent");
    }
}
