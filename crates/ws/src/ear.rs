//! What a client says on a socket that we read ourselves: frames in, answers and commands out.

use tricast_core::{Ear, Heard, Session};

use crate::{
    decoder::{Decoder, Inbound},
    frame,
    speaker::{Saying, Speaker},
};

/// The hearing half of a connection. Small, because each keeps one; who speaks, and where, its session knows.
#[derive(Debug)]
pub struct WsEar {
    /// The most that a message may carry.
    message_bytes: usize,
    /// Only while something is half heard: most connections never say a word.
    decoder: Option<Box<Decoder>>,
}

impl WsEar {
    /// For messages that carry at most `message_bytes`.
    pub fn new(message_bytes: usize) -> Self {
        Self { message_bytes, decoder: None }
    }
}

impl Ear for WsEar {
    fn push(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let limit = self.message_bytes;
            self.decoder.get_or_insert_with(|| Box::new(Decoder::new(limit))).push(bytes);
        }
    }

    fn hear(&mut self, session: Option<&Session>) -> Heard {
        let Some(decoder) = &mut self.decoder else { return Heard::Nothing };
        loop {
            let saying = match decoder.next_inbound() {
                Err(reason) => return Heard::Broken(reason),
                Ok(None) => break,
                Ok(Some(Inbound::Pong)) => continue,
                Ok(Some(Inbound::Ping(payload))) => return Heard::Reply(frame::pong(&payload)),
                // RFC 6455 §5.5.1: the answer repeats the code.
                Ok(Some(Inbound::Close(code))) => return Heard::Left(frame::close_answer(code)),
                Ok(Some(Inbound::Text(text))) => Saying::Text(text),
                Ok(Some(Inbound::Binary(bytes))) => Saying::Binary(bytes),
            };
            let Some(speaker) = session.map(Speaker::of) else { continue };
            return Heard::Work(Box::pin(async move { speaker.hear(saying).await }));
        }
        if decoder.is_idle() {
            self.decoder = None;
        }
        Heard::Nothing
    }
}
