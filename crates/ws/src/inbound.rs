//! What a client says on a socket that we read ourselves: frames in, answers and commands out.

use std::sync::Arc;

use tricast_core::{Inbound, InboundEvent, Session};

use crate::{
    command_handler::{ClientMessage, respond},
    decoder::{Decoded, Decoder},
    format::Ws,
    frame,
    limits::{CommandRateLimiter, InboundLimits},
};

/// The hearing half of a connection. Small, because each keeps one; who speaks, and where, its session knows.
#[derive(Debug)]
pub struct WsInbound {
    limits: Arc<InboundLimits>,
    format: &'static Ws,
    /// Most connections never say a word.
    state: Option<Box<InboundState>>,
}

/// What is kept of somebody who speaks.
#[derive(Debug)]
struct InboundState {
    decoder: Decoder,
    rate_limiter: CommandRateLimiter,
}

impl WsInbound {
    /// For a connection on which `rules` hold, and that is spelled in `format`.
    pub fn new(limits: Arc<InboundLimits>, format: &'static Ws) -> Self {
        Self { limits, format, state: None }
    }
}

impl Inbound for WsInbound {
    fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let state = self.state.get_or_insert_with(|| {
            let limit = self.limits.max_message_bytes(self.format.is_raw());
            let decoder = Decoder::new(limit, self.format.is_deflated());
            Box::new(InboundState { decoder, rate_limiter: CommandRateLimiter::default() })
        });
        state.decoder.push(bytes);
    }

    fn next_event(&mut self, mut session: Option<&mut Session>) -> InboundEvent {
        let Some(state) = &mut self.state else { return InboundEvent::Incomplete };
        loop {
            let decoded = match state.decoder.decode_next() {
                Err(reason) => return InboundEvent::Violation(reason),
                Ok(None) => break,
                Ok(Some(inbound)) => inbound,
            };
            // To answer pings in the middle of a message does not make it whole.
            let whole =
                matches!(decoded, Decoded::Text(_) | Decoded::Binary(_) | Decoded::Compressed(_));
            if whole || !state.decoder.is_in_message() {
                session.iter_mut().for_each(|session| session.record_peer_activity());
            }
            let message = match decoded {
                Decoded::Pong => continue,
                Decoded::Ping(payload) => return InboundEvent::Respond(frame::pong(&payload)),
                // RFC 6455 §5.5.1: the answer repeats the code.
                Decoded::Close(code) => return InboundEvent::Close(frame::close_reply(code)),
                Decoded::Text(text) => ClientMessage::Text(text),
                Decoded::Binary(bytes) => ClientMessage::Binary(bytes),
                Decoded::Compressed(compressed) => ClientMessage::Compressed(compressed),
            };
            let Some(session) = &session else { continue };
            let allowed = state.rate_limiter.try_acquire(&self.limits);
            return InboundEvent::Command(respond(session, message, &self.limits, allowed));
        }
        if state.decoder.is_idle() {
            match state.rate_limiter.is_unused() {
                true => self.state = None,
                false => state.decoder.release_buffer(),
            }
        }
        InboundEvent::Incomplete
    }
}
