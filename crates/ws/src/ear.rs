//! What a client says on a socket that we read ourselves: frames in, answers and commands out.

use std::sync::Arc;

use tricast_core::{Ear, Heard, Session};

use crate::{
    decoder::{Decoder, Decoded},
    format::Ws,
    frame,
    rules::{InboundLimits, CommandRateLimiter},
    speaker::{ClientMessage, respond},
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

impl Ear for WsInbound {
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

    fn hear(&mut self, mut session: Option<&mut Session>) -> Heard {
        let Some(state) = &mut self.state else { return Heard::Nothing };
        loop {
            let decoded = match state.decoder.decode_next() {
                Err(reason) => return Heard::Broken(reason),
                Ok(None) => break,
                Ok(Some(inbound)) => inbound,
            };
            // To answer pings in the middle of a message does not make it whole.
            let whole =
                matches!(decoded, Decoded::Text(_) | Decoded::Binary(_) | Decoded::Compressed(_));
            if whole || !state.decoder.is_in_message() {
                session.iter_mut().for_each(|session| session.heard());
            }
            let message = match decoded {
                Decoded::Pong => continue,
                Decoded::Ping(payload) => return Heard::Reply(frame::pong(&payload)),
                // RFC 6455 §5.5.1: the answer repeats the code.
                Decoded::Close(code) => return Heard::Left(frame::close_reply(code)),
                Decoded::Text(text) => ClientMessage::Text(text),
                Decoded::Binary(bytes) => ClientMessage::Binary(bytes),
                Decoded::Compressed(compressed) => ClientMessage::Compressed(compressed),
            };
            let Some(session) = &session else { continue };
            let allowed = state.rate_limiter.try_acquire(&self.limits);
            return Heard::Work(respond(session, message, &self.limits, allowed));
        }
        if state.decoder.is_idle() {
            match state.rate_limiter.is_unused() {
                true => self.state = None,
                false => state.decoder.release_buffer(),
            }
        }
        Heard::Nothing
    }
}
