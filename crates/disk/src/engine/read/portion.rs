//! One portion, read from the store for readers.

use std::{io, sync::Arc};

use tricast_core::{
    ChannelName, Epoch, Hole, Locate, Located, Portion, ReadMemory, ReadRequest, Seq, Tagger,
};

use crate::{PortionLimit, Reader, engine::convert::stored_of, planted};

/// Where portions are read from.
pub(crate) struct Source {
    pub(crate) reader: Reader,
    /// By which the publishers in records are compared.
    pub(crate) tagger: Arc<dyn Tagger>,
}

impl Source {
    /// Answers a question about a channel.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub(crate) fn locate(&self, question: &Locate) -> io::Result<Located> {
        let Locate { channel, newest, until, visible, since } = question;
        let located = self.reader.locate(channel, *newest, *until)?;
        let by_number = match *visible {
            usize::MAX => 0,
            visible => self.reader.locate(channel, visible, *until)?.after,
        };
        let by_age = match *since {
            0 => 0,
            since => self.reader.before_time(since)?.min(*until),
        };
        Ok(Located { hidden: by_number.max(by_age), ..located })
    }

    /// Reads what was asked for. The portion is complete up to its end: what is not in it is in one
    /// of its holes, or was never there.
    ///
    /// # Errors
    /// If the disk cannot be read. What is damaged or was let go is no error, but a hole.
    pub(crate) fn read(
        &self,
        request: &ReadRequest,
        epoch: Epoch,
        memory: &ReadMemory,
    ) -> io::Result<Portion> {
        let ReadRequest { channels, until, .. } = request;
        let after = channels.iter().map(|(_, after)| *after).min().unwrap_or(*until);
        let names: Vec<ChannelName> = channels.iter().map(|(name, _)| name.clone()).collect();
        let limit = PortionLimit {
            messages: request.limit.messages.max(1),
            bytes: request.limit.bytes as u64,
        };
        let read = self.reader.read(&names, after, *until, limit)?;
        // Without more, whatever is above the last record was given to messages that are not
        // logged.
        let upto = if read.more { read.upto } else { *until };
        let mut holes: Vec<Hole> = Vec::new();
        if read.floor > after && !planted::FloorSilent.is_on() {
            holes.push(Hole { first: after + 1, last: read.floor });
        }
        holes.extend(read.holes.into_iter().map(|(first, last)| Hole { first, last }));
        let is_wanted = |channel: &ChannelName, seq: Seq| {
            channels.iter().any(|(name, after)| name == channel && seq > *after)
        };
        let mut messages = Vec::with_capacity(read.records.len());
        for record in read.records {
            let seq = record.seq;
            if is_wanted(&record.channel, seq) {
                match stored_of(record, &self.tagger) {
                    Some(stored) => messages.push(stored),
                    // Nothing of ours wrote it: it is lost, and that is told.
                    None => holes.push(Hole { first: seq, last: seq }),
                }
            }
        }
        if planted::PortionCut.is_on() {
            messages.pop();
        }
        if planted::HoleSilent.is_on() {
            holes.clear();
        }
        Ok(Portion::new(epoch, messages, joined(holes, upto), upto, memory))
    }
}

/// Holes in order, joined, and none above `upto`.
fn joined(mut holes: Vec<Hole>, upto: Seq) -> Vec<Hole> {
    holes.sort_unstable_by_key(|hole| hole.first);
    let mut joined: Vec<Hole> = Vec::with_capacity(holes.len());
    for hole in holes {
        let hole = Hole { last: hole.last.min(upto), ..hole };
        match joined.last_mut() {
            _ if hole.first > hole.last => {}
            Some(before) if hole.first <= before.last + 1 => {
                before.last = before.last.max(hole.last);
            }
            _ => joined.push(hole),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_that_touch_are_one_and_end_with_the_portion() {
        let hole = |first, last| Hole { first, last };
        let holes = vec![hole(20, 29), hole(1, 5), hole(6, 8), hole(40, 90), hole(25, 31)];
        assert_eq!(joined(holes, 50), [hole(1, 8), hole(20, 31), hole(40, 50)]);
        assert_eq!(joined(vec![hole(60, 70)], 50), []);
    }
}
