//! One message as it stands in a segment.
//!
//! ```text
//! length u32      of the body
//! checksum u32    CRC-32C of the segment's base, the length and the body
//! body            seq u64, time u64, flags u16, standing u8, length of the channel's name u8,
//!                 name, then what the flags name, in their order, then the data to the end;
//!                 data with a zero byte is masked by the four bytes before it
//! ```
//! All numbers are little-endian. The base is in the checksum, so that no record of another file
//! passes as one of this segment.

use bytes::Bytes;
use tricast_core::{ChannelName, Seq};

use crate::{mask, planted};

/// The bytes before a record's body.
pub(crate) const FRAME: usize = 8;
/// The bytes of a body before the channel's name.
pub(crate) const FIXED: usize = 20;
/// The longest body in bytes; a length above it is damage.
pub(crate) const LONGEST_BODY: usize = 1 << 30;
/// A channel's name and all that comes before it fit in this many bytes.
pub(crate) const LONGEST_HEAD: usize = FRAME + FIXED + 255;

/// What kind of data a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// One JSON value.
    Json,
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Bytes,
}

pub(crate) const KIND: u16 = 0b11;
pub(crate) const END: u16 = 1 << 2;
pub(crate) const SKIP_SELF: u16 = 1 << 3;
pub(crate) const SKIPPED: u16 = 1 << 4;
pub(crate) const EVENT: u16 = 1 << 5;
pub(crate) const ONLINE: u16 = 1 << 6;
pub(crate) const SUBSCRIBERS: u16 = 1 << 7;
pub(crate) const IDEMPOTENCY: u16 = 1 << 8;
pub(crate) const CLIENT: u16 = 1 << 9;
pub(crate) const USER: u16 = 1 << 10;
pub(crate) const ERASES: u16 = 1 << 11;
pub(crate) const MASKED: u16 = 1 << 12;
pub(crate) const KNOWN: u16 = (1 << 13) - 1;

/// A message in the log, or the erasure of a channel's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The message's place in the order of all messages.
    pub seq: Seq,
    /// How many seqs directly before this one were given to messages that are not in the log.
    pub skipped: u64,
    /// When the message was published, in milliseconds since 1970.
    pub time: u64,
    /// Whether the message ends its channel.
    pub end: bool,
    /// Whether the message is hidden from its publisher.
    pub skip_self: bool,
    /// The publisher's standing, a number of the caller's.
    pub standing: u8,
    /// The channel.
    pub channel: ChannelName,
    /// The event's name, if it has one.
    pub event: Option<Box<str>>,
    /// How many were online when the message was published.
    pub online: Option<u32>,
    /// How many were subscribed when the message was published.
    pub subscribers: Option<u32>,
    /// A digest of the idempotency id.
    pub idempotency: Option<[u8; 16]>,
    /// A keyed digest of the publishing client.
    pub client: Option<[u8; 16]>,
    /// A keyed digest of the publishing user.
    pub user: Option<[u8; 16]>,
    /// If this is no message: the channel's messages up to this seq are erased.
    pub erases: Option<Seq>,
    /// The kind of the data.
    pub kind: DataKind,
    /// The data.
    pub data: Bytes,
}

impl Record {
    /// Makes a record that has a seq, a time, a channel and data, and nothing else.
    pub fn new(seq: Seq, time: u64, channel: ChannelName, kind: DataKind, data: Bytes) -> Self {
        Self {
            seq,
            skipped: 0,
            time,
            end: false,
            skip_self: false,
            standing: 0,
            channel,
            event: None,
            online: None,
            subscribers: None,
            idempotency: None,
            client: None,
            user: None,
            erases: None,
            kind,
            data,
        }
    }

    /// The record without what belongs to it.
    pub(crate) fn view(&self) -> RecordView<'_> {
        let Self { seq, skipped, time, end, skip_self, standing, .. } = *self;
        let Self { online, subscribers, idempotency, client, user, erases, kind, .. } = *self;
        RecordView {
            seq,
            skipped,
            time,
            end,
            skip_self,
            standing,
            channel: &self.channel,
            event: self.event.as_deref(),
            online,
            subscribers,
            idempotency,
            client,
            user,
            erases,
            kind,
            data: &self.data,
        }
    }
}

/// A [`Record`] whose channel, event and data are somebody else's: writing a message copies them
/// once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordView<'r> {
    pub(crate) seq: Seq,
    pub(crate) skipped: u64,
    pub(crate) time: u64,
    pub(crate) end: bool,
    pub(crate) skip_self: bool,
    pub(crate) standing: u8,
    pub(crate) channel: &'r ChannelName,
    pub(crate) event: Option<&'r str>,
    pub(crate) online: Option<u32>,
    pub(crate) subscribers: Option<u32>,
    pub(crate) idempotency: Option<[u8; 16]>,
    pub(crate) client: Option<[u8; 16]>,
    pub(crate) user: Option<[u8; 16]>,
    pub(crate) erases: Option<Seq>,
    pub(crate) kind: DataKind,
    pub(crate) data: &'r [u8],
}

impl RecordView<'_> {
    /// A record with all that belongs to it.
    pub(crate) fn to_record(self) -> Record {
        let Self { seq, skipped, time, end, skip_self, standing, .. } = self;
        let Self { online, subscribers, idempotency, client, user, erases, kind, .. } = self;
        Record {
            seq,
            skipped,
            time,
            end,
            skip_self,
            standing,
            channel: self.channel.clone(),
            event: self.event.map(Into::into),
            online,
            subscribers,
            idempotency,
            client,
            user,
            erases,
            kind,
            data: Bytes::copy_from_slice(self.data),
        }
    }

    fn flags(&self, skipped: u64) -> u16 {
        let kind = match self.kind {
            DataKind::Json => 0,
            DataKind::Text => 1,
            DataKind::Bytes => 2,
        };
        let bit = |is: bool, flag: u16| if is { flag } else { 0 };
        kind | bit(self.end, END)
            | bit(self.skip_self, SKIP_SELF)
            | bit(skipped > 0, SKIPPED)
            | bit(self.event.is_some(), EVENT)
            | bit(self.online.is_some(), ONLINE)
            | bit(self.subscribers.is_some(), SUBSCRIBERS)
            | bit(self.idempotency.is_some(), IDEMPOTENCY)
            | bit(self.client.is_some(), CLIENT)
            | bit(self.user.is_some(), USER)
            | bit(self.erases.is_some(), ERASES)
            | bit(mask::is_needed(self.data), MASKED)
    }

    /// Appends the record as it stands in the segment of this base. `skipped` takes the place of
    /// the record's own.
    pub(crate) fn encode(&self, skipped: u64, base: Seq, out: &mut Vec<u8>) {
        let from = out.len();
        let name = self.channel.as_str().as_bytes();
        out.extend_from_slice(&[0; FRAME]);
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.time.to_le_bytes());
        let flags = self.flags(skipped);
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&[self.standing, name.len() as u8]);
        out.extend_from_slice(name);
        if skipped > 0 {
            put_varint(out, skipped);
        }
        if let Some(event) = self.event {
            put_varint(out, event.len() as u64);
            out.extend_from_slice(event.as_bytes());
        }
        for number in [self.online, self.subscribers].into_iter().flatten() {
            put_varint(out, number.into());
        }
        for tag in [&self.idempotency, &self.client, &self.user].into_iter().flatten() {
            out.extend_from_slice(tag);
        }
        if let Some(upto) = self.erases {
            put_varint(out, upto);
        }
        let mask = (flags & MASKED != 0).then(mask::make);
        out.extend(mask.into_iter().flatten());
        let data = out.len();
        out.extend_from_slice(self.data);
        if let Some(mask) = mask {
            mask::apply(mask, &mut out[data..]);
        }
        let length = (out.len() - from - FRAME) as u32;
        out[from..from + 4].copy_from_slice(&length.to_le_bytes());
        let sum = checksum(base, length, &out[from + FRAME..]);
        out[from + 4..from + FRAME].copy_from_slice(&sum.to_le_bytes());
    }
}

fn checksum(base: Seq, length: u32, body: &[u8]) -> u32 {
    let base = if planted::ChecksumUnseeded.is_on() { 0 } else { base };
    let mut seed = [0; 12];
    seed[..8].copy_from_slice(&base.to_le_bytes());
    seed[8..].copy_from_slice(&length.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&seed), body)
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// What stands at a place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A record whose checksum is right, of this many bytes.
    Whole(usize),
    /// Zeros: nothing was written here.
    Zeros,
    /// The record may be whole, but needs this many bytes.
    Needs(usize),
    /// No record.
    Damaged,
}

/// Looks at the bytes at a place of the segment of this base.
pub(crate) fn frame(bytes: &[u8], base: Seq) -> Frame {
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME>() else { return Frame::Needs(FRAME) };
    let (length, sum) = (u32_at(head, 0), u32_at(head, 4));
    if length == 0 && sum == 0 {
        return if planted::ZerosTaken.is_on() { Frame::Whole(FRAME) } else { Frame::Zeros };
    }
    let size = length as usize;
    if !(FIXED..=LONGEST_BODY).contains(&size) {
        return Frame::Damaged;
    }
    let Some(body) = rest.get(..size) else { return Frame::Needs(FRAME + size) };
    if checksum(base, length, body) != sum && !planted::ChecksumUnchecked.is_on() {
        return Frame::Damaged;
    }
    Frame::Whole(FRAME + size)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
