//! Close codes: each reason of the closed list has one (RFC 6455 §7.4). Our own say by their hundred what to do:
//! 40xx come back now, 41xx after a pause, 42xx not at all.

use tricast_core::CloseReason;

/// The code that a close frame carries for `reason`.
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
        CloseReason::Removed => 4200,
        CloseReason::Forbidden => 4201,
    }
}
