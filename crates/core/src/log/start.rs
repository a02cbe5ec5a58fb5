//! Start points: a reader starts at the head, at the oldest message, at the newest n, or where it
//! left off.

use crate::{
    AheadOfLog, ChannelName, Epoch, Gap, Kind, MessageId, NotRecovered, Problem, Seq,
    log::{
        channel_cursor::ChannelCursor,
        ring::{Floor, Ring},
        table::Table,
    },
};

/// The point from which a reader reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Only new messages.
    Latest,
    /// All messages in memory.
    Earliest,
    /// This many of the newest messages of each channel.
    Newest(usize),
    /// The messages after this one.
    After(MessageId),
}

/// More than any ring holds.
const NEWEST_MAX: usize = 1_000_000_000;

/// The error for a text that is no valid `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("since is earliest, latest, or a number of newest messages")]
pub struct BadSince;

impl Problem for BadSince {
    fn kind(&self) -> Kind {
        Kind::BadResume
    }
}

/// Parses the value of `since`, in a query or a command.
impl std::str::FromStr for Start {
    type Err = BadSince;

    fn from_str(text: &str) -> Result<Self, BadSince> {
        match text {
            "earliest" => Ok(Start::Earliest),
            "latest" => Ok(Start::Latest),
            _ => match text.parse() {
                Ok(newest) if newest <= NEWEST_MAX => Ok(Start::Newest(newest)),
                _ => Err(BadSince),
            },
        }
    }
}

/// A start point, resolved for some channels of a table.
pub(crate) struct ResolvedStart {
    /// The cursor to start from.
    pub(crate) position: Seq,
    /// The position in each channel; the reader does not need anything up to it.
    pub(crate) positions: Vec<Seq>,
    /// Whether the resume point is of another epoch.
    pub(crate) foreign: bool,
    /// The reason that the reader does not continue where it left off.
    pub(crate) not_recovered: Option<NotRecovered>,
}

impl ResolvedStart {
    /// Makes the cursor in the channel at `index`, in `slot`.
    pub(crate) fn channel_cursor(
        &self,
        index: usize,
        slot: usize,
        table: &Table,
        explicit: bool,
    ) -> ChannelCursor {
        let position = self.positions[index];
        let mut cursor = ChannelCursor::new(slot, position, explicit, table.watermark);
        let resumes = matches!(self.not_recovered, None | Some(NotRecovered::Evicted));
        cursor.ended = resumes && table.slots[slot].has_ended_at(position);
        cursor.is_presence = table.slots[slot].name.is_presence();
        cursor
    }
}

impl Start {
    /// Checks that the start point is not ahead of a log with this head.
    pub(crate) fn check(self, epoch: Epoch, head: Seq) -> Result<(), AheadOfLog> {
        match self {
            Start::After(id) if id.epoch == epoch && id.seq > head => {
                Err(AheadOfLog(MessageId { epoch, seq: head }))
            }
            _ => Ok(()),
        }
    }

    /// Resolves the start point for the channels in `slots`. Call [`check`](Self::check) first.
    pub(crate) fn resolve(self, table: &Table, slots: &[usize]) -> ResolvedStart {
        let rings = || slots.iter().map(|slot| &table.slots[*slot].ring);
        let head = table.watermark;
        let same = |seq: Seq| vec![seq; slots.len()];
        let (position, positions, not_recovered) = match self {
            Start::Latest => (head, same(head), Some(NotRecovered::Fresh)),
            Start::After(id) if id.epoch == table.epoch => {
                let evicted = rings().any(|ring| ring.floor().seq > id.seq);
                (id.seq, same(id.seq), evicted.then_some(NotRecovered::Evicted))
            }
            Start::After(_) | Start::Earliest | Start::Newest(_) => {
                let newest = match self {
                    Start::Newest(n) => n,
                    _ => usize::MAX,
                };
                let positions: Vec<Seq> = rings().map(|ring| before_newest(ring, newest)).collect();
                let first_of = |(ring, after): (&Ring, &Seq)| {
                    ring.iter_after(*after).next().map(|message| message.id.seq)
                };
                let first = rings().zip(&positions).filter_map(first_of).min();
                let reason = match self {
                    Start::After(_) => NotRecovered::Epoch,
                    _ => NotRecovered::Fresh,
                };
                (first.map_or(head, |seq| seq - 1), positions, Some(reason))
            }
        };
        let foreign = not_recovered == Some(NotRecovered::Epoch);
        ResolvedStart { position, positions, foreign, not_recovered }
    }

    /// Returns the gap of a reader of a channel that is not in the table.
    pub(crate) fn gap_below(
        self,
        head: MessageId,
        channel: &ChannelName,
        floor: Floor,
    ) -> Option<Gap> {
        let Start::After(id) = self else { return None };
        if id.epoch != head.epoch {
            return Some(Gap::unknown(head, channel.clone()));
        }
        (floor.seq > id.seq).then(|| Gap {
            id: MessageId { seq: floor.seq, ..id },
            channel: channel.clone(),
            first: Some(id.seq + 1),
            last: Some(floor.seq),
            certain: floor.certain,
        })
    }
}

/// Returns the position after which the ring has exactly its newest `n` messages.
fn before_newest(ring: &Ring, n: usize) -> Seq {
    match ring.len().checked_sub(n) {
        None | Some(0) => ring.floor().seq,
        Some(older) => ring.get(older - 1).map_or(ring.floor().seq, |message| message.id.seq),
    }
}
