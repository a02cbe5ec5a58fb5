//! `tricast log cat`: the messages of a channel, as they are on a wire.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, bail};
use clap::Args;
use tricast_core::{
    BadSince, ChannelName, Control, Gap, Hole, MessageId, Portion, ReadLimit, ReadMemory,
    ReadRequest, Seq, Start, write_document,
};
use tricast_disk::Looked;

use super::sight::{Sight, look, report};

/// The most to read at once.
const PORTION: ReadLimit = ReadLimit { messages: 4096, bytes: 1 << 20 };

/// The arguments of `tricast log cat`.
#[derive(Debug, Args)]
pub(super) struct CatArgs {
    /// The channel
    #[arg(long, value_name = "NAME")]
    channel: ChannelName,
    /// Where to begin: earliest, a number of newest messages, or after an id
    #[arg(long, value_name = "SINCE", default_value = "earliest")]
    since: Since,
    /// The directory of the log [default: log.path of the settings]
    #[arg(value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

/// Where to begin: as `since` in a request, or after an id.
#[derive(Clone, Copy, Debug)]
struct Since(Start);

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let since = |_: BadSince| "it is earliest, a number of newest messages, or an id";
        let start = match text.parse::<MessageId>() {
            Ok(id) => Start::After(id),
            Err(_) => text.parse().map_err(since)?,
        };
        if start.is_compact() {
            return Err(since(BadSince).to_owned());
        }
        Ok(Self(start))
    }
}

/// Prints messages of the log in `path`; returns whether all of them could be read.
pub(super) fn cat(path: &Path, args: &CatArgs) -> anyhow::Result<bool> {
    let mut out = BufWriter::new(io::stdout().lock());
    let looked = match look(path)? {
        Sight::Log(looked) => looked,
        Sight::Damaged(error) => return Ok(report(&mut io::stderr(), &error)?),
    };
    let failed = || format!("cannot read the log in {}", path.display());
    let head = looked.reader.head();
    let mut after = begin(&looked, args, head)?;
    let erased = looked.reader.erased().into_iter().find(|(channel, _)| *channel == args.channel);
    if let Some((_, erased)) = erased.filter(|(_, erased)| *erased > after) {
        if matches!(args.since.0, Start::After(_)) {
            let hole = Hole { first: after + 1, last: erased };
            print_gap(&mut out, hole, &looked, &args.channel)?;
        }
        after = erased;
    }
    while after < head {
        let request = ReadRequest {
            channels: vec![(args.channel.clone(), after)],
            until: head,
            limit: PORTION,
            user: None,
            address: None,
        };
        let portion = looked.read(&request, &ReadMemory::new(0)).with_context(failed)?;
        print(&mut out, &portion, &looked, &args.channel)?;
        after = portion.upto();
    }
    out.flush()?;
    Ok(looked.reader.damaged() == 0)
}

/// Returns the position after which to begin.
fn begin(looked: &Looked, args: &CatArgs, head: Seq) -> anyhow::Result<Seq> {
    Ok(match args.since.0 {
        Start::Earliest | Start::Foreign | Start::Compact(_) => looked.reader.floor(),
        Start::Latest => head,
        Start::Newest(n) => looked.reader.locate(&args.channel, n, head)?.after,
        Start::After(id) => {
            let is_known = |(epoch, upto): &(_, Seq)| *epoch == id.epoch && id.seq <= *upto;
            if !is_known(&(looked.epoch, head)) && !looked.lineage.iter().any(is_known) {
                bail!("the log has no id {id}; `tricast log stats` says which it has");
            }
            id.seq
        }
    })
}

/// Prints a portion: a gap comes before what follows it.
fn print(
    out: &mut impl Write,
    portion: &Portion,
    looked: &Looked,
    channel: &ChannelName,
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut holes = portion.holes().iter().peekable();
    for message in portion.messages() {
        while let Some(hole) = holes.next_if(|hole| hole.first < message.id.seq) {
            print_gap(out, *hole, looked, channel)?;
        }
        line.clear();
        write_document(message, &mut line);
        line.push(b'\n');
        out.write_all(&line)?;
    }
    holes.try_for_each(|hole| print_gap(out, *hole, looked, channel))
}

fn print_gap(
    out: &mut impl Write,
    Hole { first, last }: Hole,
    looked: &Looked,
    channel: &ChannelName,
) -> io::Result<()> {
    let id = MessageId { epoch: looked.epoch, seq: last };
    let (first, last) = (Some(first), Some(last));
    let gap = Gap { id, channel: channel.clone(), first, last, certain: false };
    let mut line = Control::Gap(gap).document();
    line.push(b'\n');
    out.write_all(&line)
}
