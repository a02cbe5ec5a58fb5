//! The desk at which readers ask for portions: decides who is served next, and what is in memory.
//!
//! It does no I/O and knows no time of its own.

use std::{collections::HashMap, sync::Arc, time::Instant};

use tricast_core::{Portion, ReadMemory, ReadRequest, Seq};

use super::{
    fair_queue::{FairQueue, Verdict},
    party::Party,
    shelf::{Lent, Place, PortionId, Shelf},
};

/// One party may have the memory for reads divided by this.
const SHARE: usize = 8;
/// What a message occupies beside its data, for an estimate before it is read.
const MESSAGE: usize = 512;

/// A reader that waits, and how it is answered.
#[derive(Debug)]
pub(super) struct Asked<A> {
    pub(super) request: ReadRequest,
    pub(super) parties: Vec<Party>,
    /// When it asked.
    pub(super) at: Instant,
    pub(super) answer: A,
}

impl<A> Asked<A> {
    pub(super) fn new(request: ReadRequest, at: Instant, answer: A) -> Self {
        let parties = Party::all_of(&request);
        Self { request, parties, at, answer }
    }

    /// The most that its portion is expected to occupy; a request without a limit is expected to
    /// need all memory.
    fn estimate(&self, memory: usize) -> usize {
        let limit = self.request.limit;
        limit.bytes.saturating_add(limit.messages.saturating_mul(MESSAGE)).min(memory)
    }
}

/// A portion for a reader.
#[derive(Debug)]
pub(super) struct Served<A> {
    pub(super) asked: Asked<A>,
    pub(super) portion: Arc<Portion>,
    /// By which it is given back; `None` if the reader keeps it.
    pub(super) id: Option<PortionId>,
}

/// The next thing to do.
#[derive(Debug)]
pub(super) enum Task<A> {
    /// To answer a reader.
    Serve(Served<A>),
    /// To read what was asked for.
    Read(Reading<A>),
}

/// A portion that is being read.
#[derive(Debug)]
pub(super) struct Reading<A> {
    pub(super) asked: Asked<A>,
    estimate: usize,
    /// Whether others join it.
    is_open: bool,
}

/// Those who have joined a portion that is being read.
struct Joined<A> {
    until: Seq,
    others: Vec<Asked<A>>,
}

/// The desk.
pub(super) struct Desk<A> {
    memory: ReadMemory,
    queue: FairQueue<Option<Party>, Asked<A>>,
    shelf: Shelf,
    reading: HashMap<Place, Joined<A>>,
    /// What the portions that are being read are expected to occupy.
    reserved: usize,
}

impl<A> Desk<A> {
    pub(super) fn new(memory: ReadMemory) -> Self {
        let (queue, shelf, reading) = Default::default();
        Self { memory, queue, shelf, reading, reserved: 0 }
    }

    fn share(&self) -> usize {
        self.memory.limit() / SHARE
    }

    /// Whether somebody waits.
    pub(super) fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Serves a reader at once if its portion is in memory, and queues it otherwise.
    pub(super) fn ask(&mut self, asked: Asked<A>, now: Instant) -> Option<Served<A>> {
        match self.find(&asked) {
            Some(id) => self.serve(asked, id, now),
            None => {
                self.queue.push(asked.parties.first().cloned(), asked);
                None
            }
        }
    }

    /// The portion in memory that answers a reader, if the shares of its parties allow that.
    fn find(&self, asked: &Asked<A>) -> Option<PortionId> {
        let id = self.shelf.find(&Place::of(&asked.request), asked.request.until)?;
        let charge = self.shelf.charge_of(id, &asked.parties);
        let fits = self.shelf.charges.admit(&asked.parties, charge, self.share());
        fits.then_some(id)
    }

    fn serve(&mut self, asked: Asked<A>, id: PortionId, now: Instant) -> Option<Served<A>> {
        let Lent { id, portion } = self.shelf.lend(id, &asked.parties, now)?;
        Some(Served { asked, portion, id: Some(id) })
    }

    /// Returns what is to be done next; `has_left` says of a reader whether it still waits.
    pub(super) fn next(&mut self, now: Instant, has_left: impl Fn(&A) -> bool) -> Option<Task<A>> {
        loop {
            let mut queue = std::mem::take(&mut self.queue);
            let asked = queue.pop(|asked| match has_left(&asked.answer) {
                true => Verdict::Discard,
                false => self.judge(asked),
            });
            self.queue = queue;
            let asked = asked?;
            if let Some(id) = self.find(&asked) {
                return self.serve(asked, id, now).map(Task::Serve);
            }
            let place = Place::of(&asked.request);
            let until = asked.request.until;
            let is_open = match self.reading.get_mut(&place) {
                Some(joined) if joined.until <= until => {
                    joined.others.push(asked);
                    continue;
                }
                Some(_) => false,
                None => true,
            };
            if is_open {
                self.reading.insert(place, Joined { until, others: Vec::new() });
            }
            let estimate = asked.estimate(self.memory.limit());
            self.reserved += estimate;
            asked.parties.iter().for_each(|party| self.shelf.charges.add(party, estimate));
            return Some(Task::Read(Reading { asked, estimate, is_open }));
        }
    }

    /// Whether a reader can be served now.
    fn judge(&mut self, asked: &Asked<A>) -> Verdict {
        let place = Place::of(&asked.request);
        let joins = |joined: &Joined<A>| joined.until <= asked.request.until;
        if self.find(asked).is_some() || self.reading.get(&place).is_some_and(joins) {
            return Verdict::Take;
        }
        let estimate = asked.estimate(self.memory.limit());
        if !self.shelf.charges.admit(&asked.parties, estimate, self.share()) {
            return Verdict::Pass;
        }
        let limit = self.memory.limit();
        while self.memory.bytes() + self.reserved + estimate > limit {
            if !self.shelf.drop_idle() {
                // What is in use then is in use by those who hold pages that they have not
                // finished, and they may wait for just this one.
                let is_stuck = self.reading.is_empty() && !self.shelf.has_lent();
                return if is_stuck { Verdict::Take } else { Verdict::Stop };
            }
        }
        Verdict::Take
    }

    /// Takes in a portion that was read, and serves those who wait for it. A portion without
    /// messages occupies nothing, and is not lent.
    pub(super) fn finish(
        &mut self,
        reading: Reading<A>,
        portion: Arc<Portion>,
        now: Instant,
    ) -> Vec<Served<A>> {
        let place = Place::of(&reading.asked.request);
        let all = self.end(reading);
        if portion.messages().is_empty() {
            let serve = |asked| Served { asked, portion: portion.clone(), id: None };
            return all.into_iter().map(serve).collect();
        }
        let id = self.shelf.add(place, portion, now);
        all.into_iter().filter_map(|asked| self.serve(asked, id, now)).collect()
    }

    /// Ends the reading of a portion, and returns those who wait for it.
    pub(super) fn end(&mut self, reading: Reading<A>) -> Vec<Asked<A>> {
        let Reading { asked, estimate, is_open } = reading;
        self.reserved -= estimate;
        asked.parties.iter().for_each(|party| self.shelf.charges.remove(party, estimate));
        let joined = is_open.then(|| self.reading.remove(&Place::of(&asked.request))).flatten();
        let others = joined.into_iter().flat_map(|joined| joined.others);
        std::iter::once(asked).chain(others).collect()
    }

    /// Takes a portion back from a reader that is done with it.
    pub(super) fn give_back(&mut self, id: PortionId, parties: &[Party]) {
        self.shelf.give_back(id, parties);
    }

    /// Takes back the portions whose time is over.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Arc<Portion>> {
        self.shelf.expire(now)
    }

    /// When the next portion expires.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.shelf.next_deadline()
    }

    /// Whether nothing is in memory, and nobody waits.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.shelf.is_empty()
            && self.reading.is_empty()
            && self.reserved == 0
            && !self.has_waiting()
    }
}
