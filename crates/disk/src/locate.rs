//! Where the newest records of a channel begin: found by the index, without reading their bodies.

use std::io;

use tricast_core::{ChannelName, Located, Seq};

use crate::{
    head::Head,
    postings::Nth,
    reader::Reader,
    segment::Segment,
    walk::{Found, Walk},
    window::{Taken, Window},
};

/// How many places are looked up at once, of which as a rule the first is the one.
const PLACES: usize = 64;

/// A search from the newest record backwards.
struct Search<'a> {
    reader: &'a Reader,
    channel: &'a ChannelName,
    until: Seq,
    /// How many more records are wanted.
    left: u64,
    /// The last record up to `until` once it was met, and whether it ends the channel.
    last: Option<(Seq, bool)>,
}

impl Reader {
    /// Finds the position after which a channel has its newest `n` records up to `until`, and
    /// whether the last of them ends the channel. Reads two records of the channel, and the few
    /// that stand close to `until`.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub fn locate(&self, channel: &ChannelName, n: usize, until: Seq) -> io::Result<Located> {
        let upto = until.min(self.head());
        let mut search =
            Search { reader: self, channel, until: upto, left: n.max(1) as u64, last: None };
        let segments = self.shared.segments();
        let mut begin = None;
        for segment in segments.iter().rev().filter(|segment| segment.base <= upto) {
            begin = search.search(segment)?;
            if begin.is_some() {
                break;
            }
        }
        let after = match (n, begin) {
            (0, _) => until,
            (_, Some(first)) => first - 1,
            (_, None) => self.floor().min(until),
        };
        let ended = search.last.filter(|(_, end)| *end).map(|(seq, _)| seq);
        Ok(Located { after, ended, hidden: 0 })
    }

    /// Finds the last position before the records that were published at `time` or later, in
    /// milliseconds since 1970. Times grow with seqs, so this holds for all channels.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub fn before_time(&self, time: u64) -> io::Result<Seq> {
        let segments = self.shared.segments();
        let old = segments.partition_point(|segment| segment.summary().newest < time);
        let Some(segment) = segments.get(old) else { return Ok(self.head()) };
        let marks = segment.marks(self.shared.finder())?;
        let (mut low, mut high) = (0, marks.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match first_since(segment, marks[middle].at, 0)? {
                Some((_, at)) if at < time => low = middle + 1,
                _ => high = middle,
            }
        }
        let from = low.checked_sub(1).map_or(0, |mark| marks[mark].at);
        let first = first_since(segment, from, time)?;
        Ok(first.map_or(segment.summary().last, |(seq, _)| seq - 1))
    }
}

/// The seq and the time of the first record from a place on that was published at `time` or later.
fn first_since(segment: &Segment, from: u64, time: u64) -> io::Result<Option<(Seq, u64)>> {
    let mut walk = Walk::new(&*segment.file, segment.base, from, segment.summary().length)?;
    loop {
        match walk.step()? {
            Found::End { .. } => return Ok(None),
            Found::Record { bytes, .. } => match Head::parse(bytes) {
                Ok(head) if head.time >= time => return Ok(Some((head.seq, head.time))),
                _ => {}
            },
        }
    }
}

impl Search<'_> {
    /// Searches one segment. Returns the seq of the oldest record that is wanted, once it is found.
    fn search(&mut self, segment: &Segment) -> io::Result<Option<Seq>> {
        let (finder, hash) = (self.reader.shared.finder(), self.reader.channel_hash(self.channel));
        let mut before = segment.place_beyond(finder, self.until)?;
        if self.last.is_none() {
            let Some(newest) = self.find_last(segment, hash, before)? else { return Ok(None) };
            before = newest + 1;
        }
        match segment.nth_newest(finder, hash, before, self.left)? {
            Nth::Place(place) => self.seq_at(segment, place).map(Some),
            Nth::Fewer(fewer) => {
                self.left -= fewer;
                Ok(None)
            }
        }
    }

    /// Finds the place of the last record before `before` that is not above `until`.
    fn find_last(
        &mut self,
        segment: &Segment,
        hash: u64,
        mut before: u32,
    ) -> io::Result<Option<u32>> {
        let finder = self.reader.shared.finder();
        let mut window = Window::new(segment);
        let mut places = Vec::new();
        loop {
            places.clear();
            segment.places_before(finder, hash, before, PLACES, &mut places)?;
            for place in &places {
                match window.take(*place, std::iter::empty(), self.channel)? {
                    Taken::Record(record, _) if record.seq <= self.until => {
                        self.last = Some((record.seq, record.end));
                        return Ok(Some(*place));
                    }
                    Taken::Record(..) | Taken::Other | Taken::Damaged => {}
                }
            }
            match places.last() {
                Some(oldest) if places.len() == PLACES => before = *oldest,
                _ => return Ok(None),
            }
        }
    }

    /// The seq of the record at a place, or the lowest that it can have had if it is damaged.
    fn seq_at(&self, segment: &Segment, place: u32) -> io::Result<Seq> {
        match Window::new(segment).take(place, std::iter::empty(), self.channel)? {
            Taken::Record(record, _) => Ok(record.seq),
            Taken::Other | Taken::Damaged => {
                let (low, _) = segment.seqs_around(self.reader.shared.finder(), place.into())?;
                Ok(low)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use bytes::Bytes;

    use super::*;
    use crate::{Config, DataKind, Machine, Record, Store, disk::real::RealDisk};

    const RECORDS: u64 = 5000;

    /// Two of three records are of `busy`; some seqs are of no record. The newest segment is open.
    fn store(folder: &Path) -> (Store, Vec<Record>) {
        let disk = RealDisk::open(folder).expect("a folder");
        let config = Config::for_bytes(1 << 30, Machine::this());
        let config = Config { segment_bytes: 64 << 10, ballast: 4096, ..config };
        let epoch = || "e".parse().expect("an epoch");
        let (mut store, _) = Store::open(Arc::new(disk), config, epoch).expect("opens");
        let record = |n: u64| {
            let name = if n.is_multiple_of(3) { "rare" } else { "busy" };
            let (channel, data) = (name.parse().expect("a name"), Bytes::from(vec![b'x'; 40]));
            let mut record = Record::new(n * 2, 1000 + n / 2 * 10, channel, DataKind::Text, data);
            (record.skipped, record.end) = (1, n == RECORDS);
            record
        };
        let records: Vec<Record> = (1..=RECORDS).map(record).collect();
        for batch in records.chunks(64) {
            store.append(batch).expect("appends");
        }
        store.seal_jobs().iter().for_each(|job| job.run().expect("is sealed"));
        assert!(store.reader().segments() > 3);
        (store, records)
    }

    #[test]
    fn the_newest_are_found_up_to_any_seq() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, records) = store(folder.path());
        let reader = store.reader();
        for name in ["busy", "rare", "nobody"] {
            let channel: ChannelName = name.parse().expect("a name");
            let of: Vec<&Record> =
                records.iter().filter(|record| record.channel == channel).collect();
            for until in [0, 1, 2, 3, 100, 1999, 5000, 2 * RECORDS - 1, 2 * RECORDS, Seq::MAX] {
                let held = of.partition_point(|record| record.seq <= until);
                for n in [0, 1, 2, 63, 64, 65, 500, 1023, 1024, 1025, 3000, usize::MAX] {
                    let located = reader.locate(&channel, n, until).expect("reads");
                    let after = match (n, held.checked_sub(n)) {
                        (0, _) => until,
                        (_, Some(older)) => of[older].seq - 1,
                        (_, None) => 0,
                    };
                    assert_eq!(located.after, after, "{name}: the newest {n} up to {until}");
                    let last = held.checked_sub(1).map(|last| of[last]);
                    let ended = last.filter(|last| last.end).map(|last| last.seq);
                    assert_eq!(located.ended, ended, "{name} up to {until}");
                }
            }
        }
    }

    #[test]
    fn a_time_is_found_in_any_segment() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, records) = store(folder.path());
        let reader = store.reader();
        let last = records.last().expect("a record").time;
        for time in (0..=1010).chain((1010..last).step_by(97)).chain(last - 10..last + 10) {
            let old = records.partition_point(|record| record.time < time);
            // Nothing is between two records.
            let (low, high) = match (old, records.get(old)) {
                (0, Some(first)) => (0, first.seq - 1),
                (_, Some(first)) => (records[old - 1].seq, first.seq - 1),
                (_, None) => (reader.head(), reader.head()),
            };
            let before = reader.before_time(time).expect("reads");
            assert!((low..=high).contains(&before), "{before} is not in {low}..={high} at {time}");
        }
    }
}
