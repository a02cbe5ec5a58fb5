//! Start points: a reader starts at the head, at the oldest message, at the newest n, or where it
//! left off.

use crate::{
    ChannelName, Epoch, Gap, Kind, MessageId, NotRecovered, Problem, Seq,
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
    /// The messages after this one. If this log cannot have issued the id, the same as `Foreign`.
    After(MessageId),
    /// All messages in memory, after a gap of unknown extent: the reader has a resume point that
    /// this log has not issued, such as an id of another server.
    Foreign,
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
    /// The reason that the reader does not continue where it left off.
    pub(crate) not_recovered: Option<NotRecovered>,
}

impl ResolvedStart {
    /// Whether this log has not issued the resume point.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self.not_recovered, Some(NotRecovered::Epoch | NotRecovered::Foreign))
    }

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
    /// Returns the seq after which a reader resumes in the log with this epoch and head, or why it
    /// cannot; `None` if it starts without an id.
    pub(crate) fn resume_seq(self, epoch: Epoch, head: Seq) -> Option<Result<Seq, NotRecovered>> {
        match self {
            Start::Latest | Start::Earliest | Start::Newest(_) => None,
            Start::After(id) if id.epoch != epoch => Some(Err(NotRecovered::Epoch)),
            Start::After(id) if id.seq <= head => Some(Ok(id.seq)),
            Start::After(_) | Start::Foreign => Some(Err(NotRecovered::Foreign)),
        }
    }

    /// Resolves the start point for the channels in `slots`.
    pub(crate) fn resolve(self, table: &Table, slots: &[usize]) -> ResolvedStart {
        let rings = || slots.iter().map(|slot| &table.slots[*slot].ring);
        let head = table.watermark;
        let same = |seq: Seq| vec![seq; slots.len()];
        let resume = self.resume_seq(table.epoch, head);
        let (position, positions, not_recovered) = match (self, resume) {
            (Start::Latest, _) => (head, same(head), Some(NotRecovered::Fresh)),
            (_, Some(Ok(seq))) => {
                let evicted = rings().any(|ring| ring.floor().seq > seq);
                (seq, same(seq), evicted.then_some(NotRecovered::Evicted))
            }
            (_, resume) => {
                let newest = match self {
                    Start::Newest(n) => n,
                    _ => usize::MAX,
                };
                let positions: Vec<Seq> = rings().map(|ring| before_newest(ring, newest)).collect();
                let first_of = |(ring, after): (&Ring, &Seq)| {
                    ring.iter_after(*after).next().map(|message| message.id.seq)
                };
                let first = rings().zip(&positions).filter_map(first_of).min();
                let reason = resume.and_then(Result::err).unwrap_or(NotRecovered::Fresh);
                (first.map_or(head, |seq| seq - 1), positions, Some(reason))
            }
        };
        ResolvedStart { position, positions, not_recovered }
    }

    /// Returns the gap of a reader of a channel that is not in the table.
    pub(crate) fn gap_below(
        self,
        head: MessageId,
        channel: &ChannelName,
        floor: Floor,
    ) -> Option<Gap> {
        let Ok(seq) = self.resume_seq(head.epoch, head.seq)? else {
            return Some(Gap::unknown(head, channel.clone()));
        };
        (floor.seq > seq).then(|| Gap {
            id: MessageId { seq: floor.seq, ..head },
            channel: channel.clone(),
            first: Some(seq + 1),
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
