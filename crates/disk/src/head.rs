//! Reading a record from its bytes: its beginning, which tells what it is, and then all of it.

use bytes::Bytes;
use tricast_core::{ChannelName, Seq};

use crate::{
    contents::Erasure,
    mask, planted,
    record::{
        CLIENT, DataKind, END, ERASES, EVENT, FIXED, FRAME, IDEMPOTENCY, KIND, KNOWN, MASKED,
        ONLINE, Record, SKIP_SELF, SKIPPED, SUBSCRIBERS, USER, u64_at,
    },
};

/// The beginning of a record: all before its data that is needed to tell what it is.
#[derive(Clone, Copy)]
pub(crate) struct Head<'b> {
    pub(crate) seq: Seq,
    pub(crate) time: u64,
    flags: u16,
    standing: u8,
    pub(crate) channel: &'b [u8],
    rest: &'b [u8],
}

/// The digest of an idempotency id, and how many were subscribed.
pub(crate) type Tagged = ([u8; 16], Option<u32>);

/// Why a record whose checksum is right cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// A later version of Tricast wrote it.
    #[error("a later version of Tricast wrote it")]
    Later,
    /// The body is not in the format.
    #[error("it is not in the format")]
    Malformed,
}

impl Unreadable {
    pub(crate) fn is_later(self) -> bool {
        self == Self::Later
    }
}

impl<'b> Head<'b> {
    /// Reads the beginning of a record from its first byte. The bytes may end after the name.
    pub(crate) fn parse(bytes: &'b [u8]) -> Result<Self, Unreadable> {
        let body = bytes.get(FRAME..).unwrap_or_default();
        let (fixed, rest) = body.split_at_checked(FIXED).ok_or(Unreadable::Malformed)?;
        let flags = u16::from_le_bytes([fixed[16], fixed[17]]);
        if flags & !KNOWN != 0 || flags & KIND == KIND {
            return Err(Unreadable::Later);
        }
        let (channel, rest) =
            rest.split_at_checked(fixed[19].into()).ok_or(Unreadable::Malformed)?;
        let (seq, time) = (u64_at(fixed, 0), u64_at(fixed, 8));
        Ok(Self { seq, time, flags, standing: fixed[18], channel, rest })
    }

    pub(crate) fn end(&self) -> bool {
        self.flags & END != 0
    }

    /// What the record erases, if it is no message.
    pub(crate) fn erasure(&self) -> Result<Option<Erasure>, Unreadable> {
        if self.flags & ERASES == 0 {
            return Ok(None);
        }
        let Record { channel, seq, erases, .. } = self.record(None)?;
        Ok(erases.map(|upto| Erasure { channel, seq, upto }))
    }

    pub(crate) fn skipped(&self) -> Result<u64, Unreadable> {
        if self.flags & SKIPPED == 0 || planted::SkippedIgnored.is_on() {
            return Ok(0);
        }
        take_varint(&mut { self.rest }).ok_or(Unreadable::Malformed)
    }

    /// Reads all of the record. `channel` is the name, if the caller has it already.
    pub(crate) fn record(&self, channel: Option<&ChannelName>) -> Result<Record, Unreadable> {
        let mut rest = self.rest;
        let has = |flag: u16| self.flags & flag != 0;
        let malformed = Unreadable::Malformed;
        let number = |flag: u16, rest: &mut &'b [u8]| match has(flag) {
            true => take_varint(rest).map(Some).ok_or(malformed),
            false => Ok(None),
        };
        let skipped = number(SKIPPED, &mut rest)?.unwrap_or_default();
        let event = match number(EVENT, &mut rest)? {
            Some(length) => Some(text(take(&mut rest, length).ok_or(malformed)?)?.into()),
            None => None,
        };
        let narrow = |number: Option<u64>| number.map(u32::try_from).transpose();
        let online = narrow(number(ONLINE, &mut rest)?).map_err(|_| malformed)?;
        let subscribers = narrow(number(SUBSCRIBERS, &mut rest)?).map_err(|_| malformed)?;
        let tag = |flag: u16, rest: &mut &'b [u8]| match has(flag) {
            true => {
                let (tag, after) = rest.split_first_chunk().ok_or(malformed)?;
                *rest = after;
                Ok(Some(*tag))
            }
            false => Ok(None),
        };
        let idempotency = tag(IDEMPOTENCY, &mut rest)?;
        let client = tag(CLIENT, &mut rest)?;
        let user = tag(USER, &mut rest)?;
        let erases = number(ERASES, &mut rest)?;
        let data = match has(MASKED) {
            true => {
                let (mask, masked) = rest.split_first_chunk().ok_or(malformed)?;
                let mut data = masked.to_vec();
                mask::apply(*mask, &mut data);
                data.into()
            }
            false => Bytes::copy_from_slice(rest),
        };
        let channel = match channel {
            Some(channel) => channel.clone(),
            None => text(self.channel)?.parse().map_err(|_| malformed)?,
        };
        let kind = match self.flags & KIND {
            0 => DataKind::Json,
            1 => DataKind::Text,
            _ => DataKind::Bytes,
        };
        Ok(Record {
            seq: self.seq,
            skipped,
            time: self.time,
            end: self.end(),
            skip_self: has(SKIP_SELF),
            standing: self.standing,
            channel,
            event,
            online,
            subscribers,
            idempotency,
            client,
            user,
            erases,
            kind,
            data,
        })
    }

    /// The digest of the idempotency id and the number of subscribers, if the record has the first.
    pub(crate) fn receipt(&self) -> Result<Option<Tagged>, Unreadable> {
        if self.flags & IDEMPOTENCY == 0 {
            return Ok(None);
        }
        let malformed = Unreadable::Malformed;
        let mut rest = self.rest;
        let mut number = |flag: u16| match self.flags & flag != 0 {
            true => {
                let number = take_varint(&mut rest).ok_or(malformed)?;
                if flag == EVENT {
                    take(&mut rest, number).ok_or(malformed)?;
                }
                Ok(Some(number))
            }
            false => Ok(None),
        };
        for flag in [SKIPPED, EVENT, ONLINE] {
            number(flag)?;
        }
        let subscribers = number(SUBSCRIBERS)?;
        let (tag, _) = rest.split_first_chunk().ok_or(malformed)?;
        Ok(Some((*tag, subscribers.and_then(|number| u32::try_from(number).ok()))))
    }
}

fn text(bytes: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(bytes).map_err(|_| Unreadable::Malformed)
}

fn take<'b>(rest: &mut &'b [u8], length: u64) -> Option<&'b [u8]> {
    let (taken, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(taken)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
