//! The header of a frame (RFC 6455 §5.2).

use tricast_core::CloseReason;

/// The bit of the first byte that marks a compressed message.
const RSV1: u8 = 0x40;

/// All three reserved bits.
const RESERVED: u8 = 0x70;

/// The longest payload of a control frame.
const CONTROL_MAX: u64 = 125;

const MASK_BYTES: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_first_byte(first: u8) -> Option<Self> {
        Some(match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }

    /// Returns whether a frame with this opcode is the first of a message.
    pub(super) fn begins_message(self) -> bool {
        matches!(self, Opcode::Text | Opcode::Binary)
    }
}

/// The compression of the messages that a peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Negotiated,
    Off,
}

/// A frame's header up to its mask.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameHeader {
    pub(super) opcode: Opcode,
    /// It is the last frame of its message.
    pub(super) fin: bool,
    /// The first frame of a compressed message says so.
    pub(super) compressed: bool,
    pub(super) length: u64,
    mask_at: usize,
}

impl FrameHeader {
    /// Parses a header, once its length is complete.
    ///
    /// # Errors
    /// If it breaks a rule that does not depend on the frames before.
    pub(super) fn parse(
        bytes: &[u8],
        compression: Compression,
    ) -> Result<Option<Self>, CloseReason> {
        // A first byte that breaks a rule need not wait for a second.
        let Some(&first) = bytes.first() else { return Ok(None) };
        let opcode = check_first_byte(first, compression)?;
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let masked = second & 0x80 != 0;
        if !masked {
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
        let fin = first & 0x80 != 0;
        let breaks_control = opcode.is_control() && (!fin || length > CONTROL_MAX);
        if breaks_control || !is_shortest_length(second, length) {
            return Err(CloseReason::Protocol);
        }
        Ok(Some(Self { opcode, fin, compressed: first & RSV1 != 0, length, mask_at }))
    }

    /// Returns the mask, once it is complete.
    pub(super) fn mask(&self, bytes: &[u8]) -> Option<[u8; MASK_BYTES]> {
        bytes.get(self.mask_at..self.size())?.try_into().ok()
    }

    /// Returns the size of the header with its mask.
    pub(super) fn size(&self) -> usize {
        self.mask_at + MASK_BYTES
    }
}

/// Returns whether a frame whose second byte is `second` writes its length with as few bytes as
/// possible, and with a highest bit of 0 (RFC 6455 §5.2).
pub(crate) fn is_shortest_length(second: u8, length: u64) -> bool {
    match second & 0x7f {
        126 => length > 125,
        127 => (0x1_0000..1 << 63).contains(&length),
        _ => true,
    }
}

/// Checks the opcode and the reserved bits, which belong to extensions. The one extension that is
/// known here sets RSV1 on the first frame of a compressed message (RFC 7692 §6).
fn check_first_byte(first: u8, compression: Compression) -> Result<Opcode, CloseReason> {
    let opcode = Opcode::from_first_byte(first).ok_or(CloseReason::Protocol)?;
    let may_compress = compression == Compression::Negotiated && opcode.begins_message();
    let reserved = if may_compress { RESERVED & !RSV1 } else { RESERVED };
    if first & reserved == 0 { Ok(opcode) } else { Err(CloseReason::Protocol) }
}
