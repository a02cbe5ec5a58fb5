//! Filling the rings at the start, so that the clients that come back need not read the disk.

use std::{io, sync::Arc};

use tricast_core::{Seq, Stored, Tagger};

use crate::{PortionLimit, Reader, engine::convert::stored_of, planted};

/// How much is read at once.
const PORTION: PortionLimit = PortionLimit { messages: usize::MAX, bytes: 1 << 20 };

/// The end of the log, with which the rings begin.
pub(super) struct Warm {
    /// All messages above this are here, and nothing above it is lost.
    pub(super) after: Seq,
    pub(super) messages: Vec<Stored>,
}

/// Reads about the newest `bytes` bytes. Rings are complete, so they begin above the last hole.
pub(super) fn read(reader: &Reader, bytes: u64, tagger: &Arc<dyn Tagger>) -> io::Result<Warm> {
    let mut warm = Warm { after: reader.begin_of_newest(bytes)?, messages: Vec::new() };
    let mut at = warm.after;
    loop {
        let portion = reader.scan(at, PORTION)?;
        warm.after = warm.after.max(portion.floor);
        for record in portion.records {
            let seq = record.seq;
            match stored_of(record, tagger) {
                Some(stored) => warm.messages.push(stored),
                None => warm.begin_after(seq),
            }
        }
        if let Some((_, last)) = portion.holes.last()
            && !planted::RingOverHole.is_on()
        {
            warm.begin_after(*last);
        }
        if !portion.more {
            return Ok(warm);
        }
        at = portion.upto;
    }
}

impl Warm {
    fn begin_after(&mut self, seq: Seq) {
        self.after = self.after.max(seq);
        self.messages.retain(|stored| stored.seq > seq);
    }
}
