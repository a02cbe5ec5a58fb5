//! Decodes the frames that a client sends (RFC 6455 §5): bytes that may be split anywhere go in,
//! whole messages come out, and the first byte that breaks a rule ends the connection.

mod header;
mod message;
#[cfg(test)]
mod tests;

use bytes::{Buf as _, Bytes, BytesMut};
use tricast_core::CloseReason;

pub(crate) use self::header::{Compression, is_shortest_length};
use self::{
    header::{FrameHeader, Opcode},
    message::PartialMessage,
};
use crate::compressed::CompressedMessage;

/// A complete message or control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    Text(String),
    Binary(Bytes),
    /// A message that may take long to decompress.
    Compressed(CompressedMessage),
    /// To be answered with a pong that has the same payload.
    Ping(Bytes),
    Pong,
    /// The peer closes the connection; with its code, if it gave one.
    Close(Option<u16>),
}

/// The decoder of one connection. It holds no memory between messages.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// The longest message.
    limit: usize,
    compression: Compression,
    unread: BytesMut,
    frame: Option<PartialFrame>,
    message: Option<PartialMessage>,
    /// The payload of a control frame.
    control: Vec<u8>,
}

/// A frame whose payload is not complete.
#[derive(Clone, Copy, Debug)]
struct PartialFrame {
    opcode: Opcode,
    fin: bool,
    mask: [u8; 4],
    payload_read: usize,
    length: usize,
}

impl Decoder {
    /// Makes a decoder for messages of at most `limit` bytes.
    pub(crate) fn new(limit: usize, compression: Compression) -> Self {
        Self {
            limit,
            compression,
            unread: BytesMut::new(),
            frame: None,
            message: None,
            control: Vec::new(),
        }
    }

    /// Returns whether nothing is incomplete, so that a new decoder could take this one's place.
    pub(crate) fn is_idle(&self) -> bool {
        self.unread.is_empty() && self.frame.is_none() && self.message.is_none()
    }

    /// Returns whether a message is incomplete.
    pub(crate) fn is_in_message(&self) -> bool {
        self.message.is_some()
    }

    /// Gives back the capacity of the read buffer; call it on an idle decoder.
    pub(crate) fn release_buffer(&mut self) {
        self.unread = BytesMut::new();
    }

    /// Returns how many bytes it holds.
    #[cfg(fuzzing)]
    pub(crate) fn buffered_bytes(&self) -> usize {
        let message = self.message.as_ref().map_or(0, PartialMessage::len);
        self.unread.len() + message + self.control.len()
    }

    /// Adds bytes that have arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// Decodes the next message or control frame, if it is complete.
    ///
    /// # Errors
    /// The reason with which the connection must end.
    pub(crate) fn decode_next(&mut self) -> Result<Option<Decoded>, CloseReason> {
        loop {
            let begun = match self.frame.take() {
                Some(frame) => Some(frame),
                None => self.begin_frame()?,
            };
            let Some(mut frame) = begun else { return Ok(None) };
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

    /// Takes a frame's header, once it is complete.
    fn begin_frame(&mut self) -> Result<Option<PartialFrame>, CloseReason> {
        let Some(header) = FrameHeader::parse(&self.unread, self.compression)? else {
            return Ok(None);
        };
        let length = self.check_length(&header)?;
        let Some(mask) = header.mask(&self.unread) else { return Ok(None) };
        self.unread.advance(header.size());
        let FrameHeader { opcode, fin, compressed, .. } = header;
        if opcode.begins_message() {
            self.message = Some(PartialMessage::new(opcode == Opcode::Text, compressed));
        }
        Ok(Some(PartialFrame { opcode, fin, mask, payload_read: 0, length }))
    }

    /// Checks a frame against the message that it belongs to, and returns its payload's length.
    fn check_length(&self, header: &FrameHeader) -> Result<usize, CloseReason> {
        if header.opcode.is_control() {
            return Ok(header.length as usize);
        }
        let (read, compressed) = match (&self.message, header.opcode) {
            (Some(message), Opcode::Continuation) => (message.len(), message.compressed),
            (None, Opcode::Text | Opcode::Binary) => (0, header.compressed),
            // RFC 6455 §5.4: a continuation needs a message, and messages are not interleaved.
            _ => return Err(CloseReason::Protocol),
        };
        // Data that cannot be compressed grows a little.
        let most = if compressed { self.limit + self.limit / 1000 + 64 } else { self.limit };
        let length = usize::try_from(header.length).ok();
        length.filter(|length| *length <= most - read).ok_or(CloseReason::TooLarge)
    }

    /// Unmasks what has arrived of a frame's payload.
    fn unmask_payload(&mut self, frame: &mut PartialFrame) -> Result<(), CloseReason> {
        let count = self.unread.len().min(frame.length - frame.payload_read);
        let payload = self.unread.split_to(count);
        let offset = frame.payload_read;
        let unmasked =
            payload.iter().enumerate().map(|(at, byte)| byte ^ frame.mask[(offset + at) % 4]);
        frame.payload_read += count;
        if frame.opcode.is_control() {
            self.control.extend(unmasked);
            return Ok(());
        }
        self.message.as_mut().map_or(Ok(()), |message| message.extend(unmasked))
    }

    /// Handles a complete frame; gives what it completes.
    fn finish(&mut self, frame: PartialFrame) -> Result<Option<Decoded>, CloseReason> {
        Ok(match frame.opcode {
            Opcode::Close => Some(Decoded::Close(parse_close_payload(&self.take_control())?)),
            Opcode::Ping => Some(Decoded::Ping(self.take_control().into())),
            Opcode::Pong => {
                self.take_control();
                Some(Decoded::Pong)
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary if frame.fin => {
                self.message.take().map(|message| message.finish(self.limit)).transpose()?
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => None,
        })
    }

    fn take_control(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.control)
    }
}

/// Parses the payload of a close frame (RFC 6455 §5.5.1, §7.4): nothing, or a code that may be sent
/// and a reason in UTF-8.
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
