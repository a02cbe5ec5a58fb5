//! The portions that are in memory: lent to readers that are at the same place, and kept for a
//! moment for those that come there next.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use tricast_core::{ChannelName, Portion, ReadRequest, Seq};

use super::party::{Charges, Party};
use crate::planted;

/// How long a portion stays after it was last lent.
pub(super) const LOAN: Duration = Duration::from_secs(1);

/// What makes reads the same: the channels with their positions, and the limit. Up to where the
/// rings are to be read moves all the time, and is compared when a portion is lent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    channels: Vec<(ChannelName, Seq)>,
    messages: usize,
    bytes: usize,
}

impl Place {
    pub(super) fn of(request: &ReadRequest) -> Self {
        let (messages, bytes) = (request.limit.messages, request.limit.bytes);
        Self { channels: request.channels.clone(), messages, bytes }
    }
}

/// Names one portion on the shelf.
pub(super) type PortionId = u64;

/// A portion that was lent.
#[derive(Clone, Debug)]
pub(super) struct Lent {
    pub(super) id: PortionId,
    pub(super) portion: Arc<Portion>,
}

struct Entry {
    place: Place,
    portion: Arc<Portion>,
    /// What it counts for, until it is gone.
    bytes: usize,
    until: Instant,
    borrowers: usize,
    /// How many borrowers count for each party. A party is charged once.
    parties: HashMap<Party, usize>,
}

/// All portions in memory.
#[derive(Default)]
pub(super) struct Shelf {
    entries: HashMap<PortionId, Entry>,
    by_place: HashMap<Place, PortionId>,
    deadlines: BTreeSet<(Instant, PortionId)>,
    /// Portions that nobody borrows.
    idle: BTreeSet<PortionId>,
    last: PortionId,
    pub(super) charges: Charges,
}

impl Shelf {
    /// Whether some portion is lent.
    pub(super) fn has_lent(&self) -> bool {
        self.idle.len() < self.entries.len()
    }

    /// The portion at a place, if it is here and does not reach above `until`.
    pub(super) fn find(&self, place: &Place, until: Seq) -> Option<PortionId> {
        let id = *self.by_place.get(place)?;
        let fits = |entry: &&Entry| entry.portion.upto() <= until;
        self.entries.get(&id).filter(fits).map(|_| id)
    }

    /// Puts a portion here that was just read.
    pub(super) fn add(&mut self, place: Place, portion: Arc<Portion>, now: Instant) -> PortionId {
        self.last += 1;
        let id = self.last;
        let bytes = portion.bytes();
        self.by_place.insert(place.clone(), id);
        let (until, parties) = (now + LOAN, HashMap::new());
        self.entries.insert(id, Entry { place, portion, bytes, until, borrowers: 0, parties });
        self.deadlines.insert((until, id));
        self.idle.insert(id);
        id
    }

    /// The bytes with which each of the parties would be charged for one more portion: nothing if
    /// it borrows this one already.
    pub(super) fn charge_of(&self, id: PortionId, parties: &[Party]) -> usize {
        let Some(entry) = self.entries.get(&id) else { return 0 };
        let borrows = parties.iter().all(|party| entry.parties.contains_key(party));
        if borrows { 0 } else { entry.bytes }
    }

    /// Lends a portion to a reader.
    pub(super) fn lend(&mut self, id: PortionId, parties: &[Party], now: Instant) -> Option<Lent> {
        let entry = self.entries.get_mut(&id)?;
        self.idle.remove(&id);
        entry.borrowers += 1;
        for party in parties {
            let borrowers = entry.parties.entry(party.clone()).or_default();
            if *borrowers == 0 {
                self.charges.add(party, entry.bytes);
            }
            *borrowers += 1;
        }
        self.deadlines.remove(&(entry.until, id));
        entry.until = now + LOAN;
        self.deadlines.insert((entry.until, id));
        Some(Lent { id, portion: entry.portion.clone() })
    }

    /// Takes a portion back from a reader that is done with it. It stays for others while there is
    /// room. Nothing happens if it is gone already.
    pub(super) fn give_back(&mut self, id: PortionId, parties: &[Party]) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.borrowers -= 1;
        for party in parties {
            if let Some(borrowers) = entry.parties.get_mut(party) {
                *borrowers -= 1;
                if *borrowers == 0 {
                    entry.parties.remove(party);
                    self.charges.remove(party, entry.bytes);
                }
            }
        }
        if entry.borrowers == 0 {
            self.idle.insert(id);
        }
    }

    /// Takes back the portions whose time is over.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Arc<Portion>> {
        let mut expired = Vec::new();
        if planted::LoanEndless.is_on() {
            return expired;
        }
        while let Some((_, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            expired.extend(self.remove(id));
        }
        expired
    }

    /// When the next portion expires.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Lets go of the oldest portion that nobody borrows; false if there is none.
    pub(super) fn drop_idle(&mut self) -> bool {
        self.idle.first().copied().and_then(|id| self.remove(id)).is_some()
    }

    fn remove(&mut self, id: PortionId) -> Option<Arc<Portion>> {
        let entry = self.entries.remove(&id)?;
        self.idle.remove(&id);
        self.deadlines.remove(&(entry.until, id));
        entry.parties.keys().for_each(|party| self.charges.remove(party, entry.bytes));
        if self.by_place.get(&entry.place) == Some(&id) {
            self.by_place.remove(&entry.place);
        }
        Some(entry.portion)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.by_place.is_empty()
            && self.deadlines.is_empty()
            && self.idle.is_empty()
            && self.charges.is_empty()
    }
}
