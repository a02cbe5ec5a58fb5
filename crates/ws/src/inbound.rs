//! Decodes what clients send on sockets that the shards read: frames in, replies and commands out.

use std::sync::Arc;

use tricast_core::{Inbound, InboundEvent, Session};

use crate::{
    command_handler::{ClientMessage, respond},
    decoder::{Compression, Decoded, Decoder},
    format::Ws,
    frame,
    limits::{CommandRateLimiter, InboundLimits},
    publish_window::PublishWindow,
};

/// Decodes one connection. Small, because each connection keeps one: its client and its channels
/// are known to its session.
#[derive(Debug)]
pub struct WsInbound {
    limits: Arc<InboundLimits>,
    format: &'static Ws,
    /// `None` for most connections, which never send a message.
    state: Option<Box<InboundState>>,
}

/// The state of a connection that sends messages.
#[derive(Debug)]
struct InboundState {
    decoder: Decoder,
    rate_limiter: CommandRateLimiter,
    window: PublishWindow,
}

impl WsInbound {
    /// Makes a decoder for a connection that is written in `format`.
    pub fn new(limits: Arc<InboundLimits>, format: &'static Ws) -> Self {
        Self { limits, format, state: None }
    }

    fn new_state(&self) -> Box<InboundState> {
        let limit = self.limits.max_message_bytes(self.format.is_raw());
        let compression = match self.format.is_deflated() {
            true => Compression::Negotiated,
            false => Compression::Off,
        };
        let decoder = Decoder::new(limit, compression);
        let (rate_limiter, window) = (CommandRateLimiter::default(), PublishWindow::default());
        Box::new(InboundState { decoder, rate_limiter, window })
    }
}

impl Inbound for WsInbound {
    fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut state = self.state.take().unwrap_or_else(|| self.new_state());
        state.decoder.push(bytes);
        self.state = Some(state);
    }

    fn next_event(&mut self, mut session: Option<&mut Session>) -> InboundEvent {
        let Some(state) = &mut self.state else { return InboundEvent::Incomplete };
        loop {
            let decoded = match state.decoder.decode_next() {
                Err(reason) => return InboundEvent::Violation(reason),
                Ok(None) => break,
                Ok(Some(decoded)) => decoded,
            };
            // A pong in the middle of a message proves no liveness: the message could stay
            // incomplete for ever.
            let message =
                matches!(decoded, Decoded::Text(_) | Decoded::Binary(_) | Decoded::Compressed(_));
            if message || !state.decoder.is_in_message() {
                session.iter_mut().for_each(|session| session.record_peer_activity());
            }
            let message = match decoded {
                Decoded::Pong => continue,
                Decoded::Ping(payload) => return InboundEvent::Respond(frame::pong(&payload)),
                // RFC 6455 §5.5.1: the reply repeats the code.
                Decoded::Close(code) => return InboundEvent::Close(frame::close_reply(code)),
                Decoded::Text(text) => ClientMessage::Text(text),
                Decoded::Binary(bytes) => ClientMessage::Binary(bytes),
                Decoded::Compressed(compressed) => ClientMessage::Compressed(compressed),
            };
            let Some(session) = &session else { continue };
            let InboundState { rate_limiter, window, .. } = &mut **state;
            let command = respond(session, message, &self.limits, rate_limiter, window);
            return InboundEvent::Command(command);
        }
        if state.decoder.is_idle() {
            match state.rate_limiter.is_unused() && state.window.is_unused() {
                true => self.state = None,
                false => state.decoder.release_buffer(),
            }
        }
        InboundEvent::Incomplete
    }
}
