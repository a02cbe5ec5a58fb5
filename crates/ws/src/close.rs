//! Close codes (RFC 6455 §7.4): every close reason has one. Private codes: 40xx reconnect now, 41xx
//! after a delay, 42xx do not reconnect.

use tricast_core::CloseReason;

/// Returns the code of a close frame for `reason`.
pub fn close_code(reason: CloseReason) -> u16 {
    match reason {
        CloseReason::Ended => 1000,
        CloseReason::Protocol => 1002,
        CloseReason::Malformed => 1007,
        CloseReason::TooLarge => 1009,
        CloseReason::Draining => 1012,
        CloseReason::Overloaded => 1013,
        CloseReason::Gap => 4001,
        CloseReason::Unresponsive => 4002,
        CloseReason::Expired => 4003,
        CloseReason::Requested => 4004,
        CloseReason::Epoch => 4006,
        CloseReason::Removed => 4200,
        CloseReason::Forbidden => 4201,
    }
}
