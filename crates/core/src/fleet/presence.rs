//! Who is there: each member says so again and again.

use std::time::Duration;

use super::Member;

/// What a member says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// I am here, and count me for so long.
    Here(Member, Duration),
    /// I go.
    Gone(Member),
}
