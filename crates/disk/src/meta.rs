//! `meta`: the little that the log must know of itself before it reads a segment. Text, so that a
//! person can read it, with a checksum, so that a flipped bit is no number.

use std::{fmt::Write as _, io};

use tricast_core::{Epoch, Seq};

use crate::disk::{self, Disk, read_all};

/// The name of the file.
pub(crate) const META: &str = "meta";
/// The format that this version reads and writes.
const FORMAT: u32 = 1;

/// What the log knows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) epoch: Epoch,
    /// Earlier epochs of these messages, and the last seq of each.
    pub(crate) lineage: Vec<(Epoch, Seq)>,
    /// A random key for digests and for the hash of channels.
    pub(crate) key: [u8; 32],
    /// The first seq that the present life may give: all below it were given, or are lost.
    pub(crate) begin: Seq,
    /// The seqs from this one up to `begin` were given to no message that is lost.
    pub(crate) explained: Seq,
    /// Seqs up to this one may have been given.
    pub(crate) reserved: Seq,
    /// Segments up to this seq were let go.
    pub(crate) floor: Seq,
    /// The time that retention last went by, in milliseconds since 1970.
    pub(crate) retained_at: u64,
    /// For how long the clock has been ahead of that, in milliseconds.
    pub(crate) held: u64,
    /// Whether the life ended with everything on the disk.
    pub(crate) clean: bool,
    /// Whether the disk failed: what this boot shows of it may not be what was seen.
    pub(crate) suspect: bool,
    /// Whether the life made each message durable before it was seen.
    pub(crate) always: bool,
    /// The boot of the machine in which the life began; empty if unknown.
    pub(crate) boot: String,
    /// The machine; empty if unknown.
    pub(crate) machine: String,
    /// The inode of the lock's file.
    pub(crate) inode: u64,
    /// Which messages are logged, in the caller's words.
    pub(crate) logged: String,
    /// What that was in earlier parts of the log, and the last seq of each.
    pub(crate) earlier: Vec<(Seq, String)>,
}

/// Why `meta` cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetaError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is damaged")]
    Damaged,
    #[error("its format is {0}, and this version of Tricast reads format {FORMAT}")]
    Format(String),
}

impl Meta {
    /// Reads the file.
    pub(crate) fn read(disk: &dyn Disk) -> Result<Self, MetaError> {
        let bytes = read_all(&*disk.open(META)?)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| MetaError::Damaged)?;
        Self::parse(text)
    }

    /// Writes the file; after a crash there is the old one or this one.
    pub(crate) fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        disk::replace(disk, META, self.to_text().as_bytes())
    }

    fn to_text(&self) -> String {
        let mut text = format!("tricast-log {FORMAT}\nepoch {}\n", self.epoch);
        for (epoch, last) in &self.lineage {
            let _ = writeln!(text, "lineage {epoch} {last}");
        }
        for (last, logged) in &self.earlier {
            let _ = writeln!(text, "earlier {last} {logged}");
        }
        let Self { begin, explained, reserved, floor, retained_at, held, inode, .. } = self;
        let _ = write!(
            text,
            "key {}\nbegin {begin}\nexplained {explained}\nreserved {reserved}\nfloor {floor}\n\
             retained-at {retained_at}\nheld {held}\n\
             clean {}\nsuspect {}\nalways {}\nboot {}\nmachine {}\ninode {inode}\nlogged {}\n",
            hex(&self.key),
            self.clean,
            self.suspect,
            self.always,
            self.boot,
            self.machine,
            self.logged
        );
        let sum = crc32c::crc32c(text.as_bytes());
        let _ = writeln!(text, "crc {sum:08x}");
        text
    }

    fn parse(text: &str) -> Result<Self, MetaError> {
        let damaged = || MetaError::Damaged;
        let format = text.lines().next().and_then(|line| line.strip_prefix("tricast-log "));
        let format = format.ok_or_else(damaged)?;
        let (body, sum) = text.rsplit_once("crc ").ok_or_else(damaged)?;
        if sum != format!("{:08x}\n", crc32c::crc32c(body.as_bytes())) {
            return Err(MetaError::Damaged);
        }
        if format != FORMAT.to_string() {
            return Err(MetaError::Format(format.to_owned()));
        }
        let field = |name: &str| {
            let mut lines = body.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(of, _)| *of == name).map(|(_, value)| value).ok_or_else(damaged)
        };
        let number = |name: &str| field(name)?.parse().map_err(|_| damaged());
        let yes = |name: &str| field(name)?.parse().map_err(|_| damaged());
        let lineage = body.lines().filter_map(|line| line.strip_prefix("lineage ")).map(|line| {
            let (epoch, last) = line.split_once(' ').ok_or_else(damaged)?;
            let epoch = epoch.parse().map_err(|_| damaged())?;
            Ok((epoch, last.parse().map_err(|_| damaged())?))
        });
        let earlier = body.lines().filter_map(|line| line.strip_prefix("earlier ")).map(|line| {
            let (last, logged) = line.split_once(' ').ok_or_else(damaged)?;
            Ok((last.parse().map_err(|_| damaged())?, logged.to_owned()))
        });
        Ok(Self {
            epoch: field("epoch")?.parse().map_err(|_| damaged())?,
            lineage: lineage.collect::<Result<_, MetaError>>()?,
            key: unhex(field("key")?).ok_or_else(damaged)?,
            begin: number("begin")?,
            explained: number("explained")?,
            reserved: number("reserved")?,
            floor: number("floor")?,
            retained_at: number("retained-at")?,
            held: number("held")?,
            clean: yes("clean")?,
            suspect: yes("suspect")?,
            always: yes("always")?,
            boot: field("boot")?.to_owned(),
            machine: field("machine")?.to_owned(),
            inode: number("inode")?,
            logged: field("logged")?.to_owned(),
            earlier: earlier.collect::<Result<_, MetaError>>()?,
        })
    }

    /// Returns what was logged in the parts before a life that begins after `last` and logs
    /// `logged`, without the parts that were let go.
    pub(crate) fn earlier_than(&self, last: Seq, logged: &str) -> Vec<(Seq, String)> {
        let changed = (self.logged != logged).then(|| (last, self.logged.clone()));
        let all = self.earlier.iter().cloned().chain(changed);
        all.filter(|(upto, _)| *upto > self.floor).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[n * 2..n * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> Meta {
        Meta {
            epoch: "abc".parse().expect("an epoch"),
            lineage: vec![("old".parse().expect("an epoch"), 17)],
            key: [7; 32],
            begin: 101,
            explained: 51,
            reserved: 200,
            floor: 10,
            retained_at: 5,
            held: 0,
            suspect: false,
            clean: false,
            always: true,
            boot: String::new(),
            machine: "m".to_owned(),
            inode: 9,
            logged: "-typing.* +".to_owned(),
            earlier: vec![(9, "-old".to_owned()), (40, String::new())],
        }
    }

    #[test]
    fn what_was_logged_before_is_kept_until_it_is_let_go() {
        let rules = |parts: &[(Seq, &str)]| -> Vec<(Seq, String)> {
            parts.iter().map(|(seq, text)| (*seq, (*text).to_owned())).collect()
        };
        assert_eq!(meta().earlier_than(100, "-typing.* +"), rules(&[(40, "")]));
        assert_eq!(meta().earlier_than(100, "-a"), rules(&[(40, ""), (100, "-typing.* +")]));
        assert_eq!(Meta { floor: 100, ..meta() }.earlier_than(100, "-a"), []);
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Meta::parse(&meta().to_text()).expect("reads"), meta());
    }

    #[test]
    fn no_flipped_bit_is_read() {
        let text = meta().to_text().into_bytes();
        for at in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let read = std::str::from_utf8(&flipped).ok().and_then(|text| Meta::parse(text).ok());
            assert!(read.is_none(), "bit {at}");
        }
    }

    #[test]
    fn a_later_format_is_refused_by_its_number() {
        let text = meta().to_text().replace("tricast-log 1", "tricast-log 2");
        let (body, _) = text.rsplit_once("crc ").expect("a checksum");
        let text = format!("{body}crc {:08x}\n", crc32c::crc32c(body.as_bytes()));
        let error = Meta::parse(&text).expect_err("a later format").to_string();
        assert_eq!(error, "its format is 2, and this version of Tricast reads format 1");
    }
}
