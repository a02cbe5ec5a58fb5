//! What holds for everybody who speaks: how much in one message, and how often.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// What holds for everybody who speaks.
#[derive(Clone, Copy, Debug)]
pub struct InboundLimits {
    /// The most bytes that one message's data may have.
    pub message_bytes: usize,
    /// Messages that one connection may send in a second, and at once; `None` is any number.
    pub rate: Option<NonZeroU32>,
}

/// Room for what stands around a command's data.
const COMMAND_ENVELOPE_BYTES: usize = 4096;

impl InboundLimits {
    /// The most that a WebSocket message may have. JSON may spell its data longer than it is, and is then
    /// refused with a word rather than with the end of the connection.
    pub(crate) fn max_message_bytes(&self, raw: bool) -> usize {
        if raw { self.message_bytes } else { 2 * self.message_bytes + COMMAND_ENVELOPE_BYTES }
    }
}

/// Counts what one connection says. Nothing is kept for those who say nothing.
#[derive(Debug, Default)]
pub(crate) struct CommandRateLimiter(Option<Box<DefaultDirectRateLimiter>>);

impl CommandRateLimiter {
    /// Whether nothing was counted.
    pub(crate) fn is_unused(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it may say one thing more now.
    pub(crate) fn try_acquire(&mut self, limits: &InboundLimits) -> bool {
        let Some(rate) = limits.rate else { return true };
        let limiter = || Box::new(RateLimiter::direct(Quota::per_second(rate)));
        self.0.get_or_insert_with(limiter).check().is_ok()
    }
}
