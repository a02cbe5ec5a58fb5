//! A run of messages on its way to the readers of one channel.

use bytes::Bytes;
use tricast_core::{Run, Stand};

use crate::{
    conn::{Conn, State},
    send::{Parcel, Sender},
    shard::Shard,
};

/// Sockets that one channel gets in a round: about a millisecond, so that a huge channel does not keep small
/// ones waiting.
pub(crate) const SLICE: usize = 256;

/// A run, and how far it has come.
#[derive(Debug)]
pub(crate) struct Job {
    run: Run,
    /// Members below this place are still to be served.
    left: usize,
    /// The run as it goes out, by the place of the format.
    encoded: Vec<Option<Bytes>>,
}

/// What a slice has found to do.
#[derive(Debug, Default)]
struct Slice {
    /// In step, with the place of their format.
    in_step: Vec<u32>,
    /// These have to look for themselves.
    apart: Vec<u32>,
}

impl Job {
    pub(crate) fn new(run: Run, members: usize) -> Self {
        Self { run, left: members, encoded: Vec::new() }
    }

    pub(crate) fn slot(&self) -> usize {
        self.run.slot
    }
}

impl Shard {
    /// Passes a job on to the next readers; whether it is done.
    pub(crate) fn advance(&mut self, job: &mut Job, sender: &mut dyn Sender) -> bool {
        let slice = self.next_slice(job);
        self.pass_on(job, &slice.in_step, sender);
        for key in slice.apart {
            self.attend(key);
        }
        job.left == 0
    }

    fn next_slice(&self, job: &mut Job) -> Slice {
        let mut slice = Slice::default();
        let Some(desk) = self.desks.get(job.run.slot) else {
            job.left = 0;
            return slice;
        };
        job.left = job.left.min(desk.members.len());
        while job.left > 0 && slice.in_step.len() + slice.apart.len() < SLICE {
            job.left -= 1;
            let key = desk.members[job.left];
            let Some(conn) = self.conns.get(key as usize) else { continue };
            match self.stand(conn, &job.run) {
                Stand::InStep => slice.in_step.push(key),
                Stand::Apart => slice.apart.push(key),
                Stand::Past => {}
            }
        }
        slice
    }

    fn stand(&self, conn: &Conn, run: &Run) -> Stand {
        match conn.state {
            State::InStep => {}
            State::Alone => return Stand::Apart,
            // It looks for itself when its socket takes more.
            State::Behind | State::Closing => return Stand::Past,
        }
        let stand = run.stand(conn.seq);
        let hidden = || {
            let reader = conn.rest.session.as_ref();
            reader.is_some_and(|reader| run.is_hidden_from(reader.identity()))
        };
        let apart = stand == Stand::InStep
            && (conn.several && self.desks.is_busy_beside(run.slot, &conn.rest.seats)
                || run.skips() && hidden());
        if apart { Stand::Apart } else { stand }
    }

    fn pass_on(&mut self, job: &mut Job, keys: &[u32], sender: &mut dyn Sender) {
        if keys.is_empty() {
            return;
        }
        for key in keys {
            let format = usize::from(self.conns[*key as usize].format);
            if job.encoded.len() <= format {
                job.encoded.resize(format + 1, None);
            }
            job.encoded[format].get_or_insert_with(|| job.run.encoded(self.formats[format]));
        }
        let bytes_for = |conn: &Conn| job.encoded[usize::from(conn.format)].as_ref();
        let parcel = |key: &u32| {
            let conn = &self.conns[*key as usize];
            let bytes = bytes_for(conn).map_or(&[][..], |bytes| &bytes[..]);
            Parcel { socket: std::os::fd::AsFd::as_fd(&conn.socket), bytes }
        };
        let parcels: Vec<Parcel<'_>> = keys.iter().map(parcel).collect();
        self.sent.clear();
        sender.send(&parcels, &mut self.sent);
        drop(parcels);

        let now = self.timers.millis(self.now);
        let (upto, messages) = (job.run.upto(), job.run.messages());
        let mut tallies = vec![0_u64; job.encoded.len()];
        let mut failed = Vec::new();
        let mut behind = Vec::new();
        for (key, sent) in keys.iter().zip(&self.sent) {
            let conn = &mut self.conns[*key as usize];
            let format = usize::from(conn.format);
            let Some(bytes) = &job.encoded[format] else { continue };
            let taken = match sent {
                Ok(taken) => *taken,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
                Err(error) => {
                    failed.push((*key, error.kind()));
                    continue;
                }
            };
            conn.seq = upto;
            conn.passed_at = now;
            tallies[format] += 1;
            if taken < bytes.len() {
                conn.rest.waiting.push(bytes.slice(taken..));
                behind.push(*key);
            }
        }
        for (format, count) in tallies.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let bytes = job.encoded[format].as_ref().map_or(0, Bytes::len) as u64;
            let meters = self.hub.meters().of(self.formats[format].variant().wire);
            meters.delivered.increment(count * messages.len() as u64);
            meters.sent_bytes.increment(count * bytes);
            meters.latency(messages[0].time);
        }
        failed.into_iter().for_each(|(key, kind)| self.fail(key, &kind.into()));
        behind.into_iter().for_each(|key| self.fall_behind(key));
    }
}
