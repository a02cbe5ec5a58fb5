//! Frames as a client sends them (RFC 6455 §5): bytes of any cut in, whole messages out, and the
//! first byte that breaks a rule is where it stops.

#[cfg(test)]
mod tests;

use bytes::{Buf as _, Bytes, BytesMut};
use tricast_core::CloseReason;

use crate::{
    command_handler::ClientMessage,
    compressed::{CompressedMessage, INLINE_INFLATE_BYTES, to_client_message},
};

/// The bit that says of a message that it is compressed.
const RSV1: u8 = 0x40;

/// The longest payload of a control frame.
const CONTROL_MAX: usize = 125;

/// What has come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// A whole text message.
    Text(String),
    /// A whole binary message.
    Binary(Bytes),
    /// A whole message that may take long to unpack.
    Compressed(CompressedMessage),
    /// To be answered with a pong of the same payload.
    Ping(Bytes),
    /// A sign of life.
    Pong,
    /// The peer wants to end; its code, if it gave one.
    Close(Option<u16>),
}

/// Takes frames apart. Keeps no memory while nothing is half done.
#[derive(Debug)]
pub(crate) struct Decoder {
    limit: usize,
    /// permessage-deflate is negotiated.
    deflate_negotiated: bool,
    unread: BytesMut,
    frame: Option<PartialFrame>,
    message: Option<PartialMessage>,
    control: Vec<u8>,
}

/// A frame whose payload is still coming.
#[derive(Clone, Copy, Debug)]
struct PartialFrame {
    opcode: u8,
    fin: bool,
    mask: [u8; 4],
    /// Bytes of payload that have been taken.
    payload_read: usize,
    length: usize,
}

/// A message of one or more frames.
#[derive(Debug)]
struct PartialMessage {
    text: bool,
    compressed: bool,
    data: Vec<u8>,
    /// Up to here `data` is known to be UTF-8.
    utf8_checked: usize,
}

impl Decoder {
    /// For messages of at most `limit` bytes, which may come compressed if that was negotiated.
    pub(crate) fn new(limit: usize, deflate_negotiated: bool) -> Self {
        Self {
            limit,
            deflate_negotiated,
            unread: BytesMut::new(),
            frame: None,
            message: None,
            control: Vec::new(),
        }
    }

    /// Whether nothing is half done, so that the decoder may be dropped and made anew.
    pub(crate) fn is_idle(&self) -> bool {
        self.unread.is_empty() && self.frame.is_none() && self.message.is_none()
    }

    /// Whether a message is half said.
    pub(crate) fn is_in_message(&self) -> bool {
        self.message.is_some()
    }

    /// Keeps no room for what may come.
    pub(crate) fn release_buffer(&mut self) {
        self.unread = BytesMut::new();
    }

    /// Bytes that it holds.
    #[cfg(fuzzing)]
    pub(crate) fn held(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |message| message.data.len());
        self.unread.len() + message + self.control.len()
    }

    /// Adds what has arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next whole message or control frame.
    ///
    /// # Errors
    /// The reason with which the connection must end.
    pub(crate) fn decode_next(&mut self) -> Result<Option<Decoded>, CloseReason> {
        loop {
            if self.frame.is_none() {
                match self.parse_header()? {
                    Some(frame) => self.frame = Some(frame),
                    None => return Ok(None),
                }
            }
            let Some(mut frame) = self.frame.take() else { return Ok(None) };
            self.unmask_payload(&mut frame)?;
            if frame.payload_read < frame.length {
                self.frame = Some(frame);
                return Ok(None);
            }
            if let Some(decoded) = self.finish(frame)? {
                return Ok(Some(decoded));
            }
        }
    }

    /// RFC 6455 §5.2: the reserved bits belong to extensions. The one that we know says on a message's first
    /// frame that all of it is compressed (RFC 7692 §6).
    fn check_first_byte(&self, first: u8) -> Result<(), CloseReason> {
        let known = matches!(first & 0x0f, 0..=2 | 8..=10);
        let may_compress = self.deflate_negotiated && matches!(first & 0x0f, 1 | 2);
        let reserved = if may_compress { 0x70 & !RSV1 } else { 0x70 };
        if first & reserved == 0 && known { Ok(()) } else { Err(CloseReason::Protocol) }
    }

    /// Reads a frame's head, once it is there.
    fn parse_header(&mut self) -> Result<Option<PartialFrame>, CloseReason> {
        let bytes = &self.unread[..];
        let &[first, second, ..] = bytes else {
            // A first byte that breaks the rules need not wait for a second.
            return bytes
                .first()
                .map_or(Ok(None), |first| self.check_first_byte(*first).map(|()| None));
        };
        self.check_first_byte(first)?;
        let (opcode, fin) = (first & 0x0f, first & 0x80 != 0);
        if second & 0x80 == 0 {
            return Err(CloseReason::Protocol);
        }
        let (length, mask_at) = match second & 0x7f {
            126 if bytes.len() >= 4 => (u64::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            127 if bytes.len() >= 10 => {
                let mut length = [0; 8];
                length.copy_from_slice(&bytes[2..10]);
                (u64::from_be_bytes(length), 10)
            }
            126 | 127 => return Ok(None),
            short => (u64::from(short), 2),
        };
        let control = opcode >= 8;
        if control && (!fin || length > CONTROL_MAX as u64) {
            return Err(CloseReason::Protocol);
        }
        // RFC 6455 §5.4: a continuation continues something, and nothing else comes in between.
        if !control && (opcode == 0) != self.message.is_some() {
            return Err(CloseReason::Protocol);
        }
        let before = self.message.as_ref().map_or(0, |message| message.data.len());
        let compressed = match &self.message {
            Some(message) => message.compressed,
            None => first & RSV1 != 0,
        };
        // What does not shrink grows a little when it is packed.
        let most = if compressed { self.limit + self.limit / 1000 + 64 } else { self.limit };
        let fits = usize::try_from(length).ok().filter(|length| *length <= most - before);
        let Some(length) = fits.or_else(|| control.then_some(length as usize)) else {
            return Err(CloseReason::TooLarge);
        };
        let Some(mask) = bytes.get(mask_at..mask_at + 4) else { return Ok(None) };
        let mask = [mask[0], mask[1], mask[2], mask[3]];
        self.unread.advance(mask_at + 4);
        if opcode == 1 || opcode == 2 {
            self.message = Some(PartialMessage {
                text: opcode == 1,
                compressed,
                data: Vec::new(),
                utf8_checked: 0,
            });
        }
        Ok(Some(PartialFrame { opcode, fin, mask, payload_read: 0, length }))
    }

    /// Unmasks what has come of a frame's payload.
    fn unmask_payload(&mut self, frame: &mut PartialFrame) -> Result<(), CloseReason> {
        let count = self.unread.len().min(frame.length - frame.payload_read);
        let payload = self.unread.split_to(count);
        let offset = frame.payload_read;
        let unmasked =
            payload.iter().enumerate().map(|(at, byte)| byte ^ frame.mask[(offset + at) % 4]);
        frame.payload_read += count;
        if frame.opcode >= 8 {
            self.control.extend(unmasked);
            return Ok(());
        }
        match &mut self.message {
            Some(message) => {
                message.data.extend(unmasked);
                message.check_utf8()
            }
            None => Ok(()),
        }
    }

    /// What a complete frame means.
    fn finish(&mut self, frame: PartialFrame) -> Result<Option<Decoded>, CloseReason> {
        if frame.opcode < 8 {
            return match (frame.fin, self.message.take()) {
                (true, Some(message)) => message.finish(self.limit).map(Some),
                (_, message) => {
                    self.message = message;
                    Ok(None)
                }
            };
        }
        let payload = std::mem::take(&mut self.control);
        Ok(Some(match frame.opcode {
            8 => Decoded::Close(parse_close_payload(&payload)?),
            9 => Decoded::Ping(payload.into()),
            _ => Decoded::Pong,
        }))
    }
}

impl PartialMessage {
    /// RFC 6455 §8.1: text is checked as it comes; a character may still be cut at the end.
    fn check_utf8(&mut self) -> Result<(), CloseReason> {
        if !self.text || self.compressed {
            return Ok(());
        }
        match std::str::from_utf8(&self.data[self.utf8_checked..]) {
            Ok(_) => self.utf8_checked = self.data.len(),
            Err(error) if error.error_len().is_none() => self.utf8_checked += error.valid_up_to(),
            Err(_) => return Err(CloseReason::Malformed),
        }
        Ok(())
    }

    fn finish(self, limit: usize) -> Result<Decoded, CloseReason> {
        let Self { text, compressed, data, .. } = self;
        let long = data.len() > INLINE_INFLATE_BYTES;
        let message = match compressed {
            false => to_client_message(data, text)?,
            true if long => ClientMessage::Compressed(CompressedMessage { text, data, limit }),
            true => CompressedMessage { text, data, limit }.decompress()?,
        };
        Ok(match message {
            ClientMessage::Text(text) => Decoded::Text(text),
            ClientMessage::Binary(bytes) => Decoded::Binary(bytes),
            ClientMessage::Compressed(compressed) => Decoded::Compressed(compressed),
        })
    }
}

/// RFC 6455 §5.5.1 and §7.4: no payload, or a code that may be sent and a reason in UTF-8.
fn parse_close_payload(payload: &[u8]) -> Result<Option<u16>, CloseReason> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(CloseReason::Protocol);
            }
            std::str::from_utf8(reason).map(|_| Some(code)).map_err(|_| CloseReason::Malformed)
        }
        [_] => Err(CloseReason::Protocol),
    }
}
