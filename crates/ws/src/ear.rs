//! What a client says on a socket that we read ourselves: frames in, answers and commands out.

use std::sync::Arc;

use tricast_core::{Ear, Heard, Session};

use crate::{
    decoder::{Decoder, Inbound},
    format::Ws,
    frame,
    rules::{Rules, Tempo},
    speaker::{Saying, respond},
};

/// The hearing half of a connection. Small, because each keeps one; who speaks, and where, its session knows.
#[derive(Debug)]
pub struct WsEar {
    rules: Arc<Rules>,
    format: &'static Ws,
    /// Most connections never say a word.
    talk: Option<Box<Talk>>,
}

/// What is kept of somebody who speaks.
#[derive(Debug)]
struct Talk {
    decoder: Decoder,
    tempo: Tempo,
}

impl WsEar {
    /// For a connection on which `rules` hold, and that is spelled in `format`.
    pub fn new(rules: Arc<Rules>, format: &'static Ws) -> Self {
        Self { rules, format, talk: None }
    }
}

impl Ear for WsEar {
    fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let talk = self.talk.get_or_insert_with(|| {
            let limit = self.rules.inbound_bytes(self.format.is_raw());
            let decoder = Decoder::new(limit, self.format.is_deflated());
            Box::new(Talk { decoder, tempo: Tempo::default() })
        });
        talk.decoder.push(bytes);
    }

    fn hear(&mut self, mut session: Option<&mut Session>) -> Heard {
        let Some(talk) = &mut self.talk else { return Heard::Nothing };
        loop {
            let inbound = match talk.decoder.next_inbound() {
                Err(reason) => return Heard::Broken(reason),
                Ok(None) => break,
                Ok(Some(inbound)) => inbound,
            };
            // To answer pings in the middle of a message does not make it whole.
            let whole =
                matches!(inbound, Inbound::Text(_) | Inbound::Binary(_) | Inbound::Packed(_));
            if whole || !talk.decoder.is_in_message() {
                session.iter_mut().for_each(|session| session.heard());
            }
            let saying = match inbound {
                Inbound::Pong => continue,
                Inbound::Ping(payload) => return Heard::Reply(frame::pong(&payload)),
                // RFC 6455 §5.5.1: the answer repeats the code.
                Inbound::Close(code) => return Heard::Left(frame::close_answer(code)),
                Inbound::Text(text) => Saying::Text(text),
                Inbound::Binary(bytes) => Saying::Binary(bytes),
                Inbound::Packed(packed) => Saying::Packed(packed),
            };
            let Some(session) = &session else { continue };
            let allowed = talk.tempo.allows(&self.rules);
            return Heard::Work(respond(session, saying, &self.rules, allowed));
        }
        if talk.decoder.is_idle() {
            match talk.tempo.is_blank() {
                true => self.talk = None,
                false => talk.decoder.give_room_back(),
            }
        }
        Heard::Nothing
    }
}
