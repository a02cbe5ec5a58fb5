//! The limits of what clients send: the size of a message, and the rate.

use std::{num::NonZeroU32, sync::Arc};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::Prompts;

/// Limits of what each client sends, and who carries out its prompts.
#[derive(Clone, Debug)]
pub struct InboundLimits {
    /// The most bytes of data in one message.
    pub message_bytes: usize,
    /// The rate limit of one connection in messages per second, which is also the burst size;
    /// `None` is unlimited.
    pub rate: Option<NonZeroU32>,
    /// Carries out prompts; `None` refuses them.
    pub prompts: Option<Arc<dyn Prompts>>,
}

/// Bytes of a command beside its data.
const COMMAND_ENVELOPE_BYTES: usize = 4096;

impl InboundLimits {
    /// Returns the most bytes of a WebSocket message. The JSON of a command may be longer than the
    /// data that it encodes; data above the limit is then refused with an error, and does not end
    /// the connection.
    pub(crate) fn max_message_bytes(&self, raw: bool) -> usize {
        if raw { self.message_bytes } else { 2 * self.message_bytes + COMMAND_ENVELOPE_BYTES }
    }
}

/// The rate limiter of one connection. It takes no memory until the first message.
#[derive(Debug, Default)]
pub(crate) struct CommandRateLimiter(Option<Box<DefaultDirectRateLimiter>>);

/// The rate limiter's verdict on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RateCheck {
    Allowed,
    TooFast,
}

impl CommandRateLimiter {
    /// Returns whether nothing was counted.
    pub(crate) fn is_unused(&self) -> bool {
        self.0.is_none()
    }

    /// Counts a message.
    pub(crate) fn check(&mut self, limits: &InboundLimits) -> RateCheck {
        let Some(rate) = limits.rate else { return RateCheck::Allowed };
        let limiter = || Box::new(RateLimiter::direct(Quota::per_second(rate)));
        match self.0.get_or_insert_with(limiter).check() {
            Ok(()) => RateCheck::Allowed,
            Err(_) => RateCheck::TooFast,
        }
    }
}
