//! An engine over a folder of its own, and readers that a test reads frame by frame.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tricast_core::{
    AllowAll, Bounds, ChannelName, Control, Data, Draft, Epoch, Flow, Format, Framing, Gap, Hub,
    Identity, Join, Limits, Log, Message, MessageId, Meters, Seq, Session, SessionConfig, Start,
    Variant, Wire,
};
use tricast_disk::{DiskEngine, DiskMeters, EngineConfig, Fsync};

/// What no test reaches.
const DEADLINE: Duration = Duration::from_secs(120);

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Hello { recovered: bool },
    Message { seq: Seq },
    Gap { channel: String, first: Seq, last: Seq },
    Other,
}

pub(crate) fn seqs(frames: &[Frame]) -> Vec<Seq> {
    let seq = |frame: &Frame| match frame {
        Frame::Message { seq } => Some(*seq),
        _ => None,
    };
    frames.iter().filter_map(seq).collect()
}

pub(crate) fn gaps(frames: &[Frame]) -> Vec<(String, Seq, Seq)> {
    let gap = |frame: &Frame| match frame {
        Frame::Gap { channel, first, last } => Some((channel.clone(), *first, *last)),
        _ => None,
    };
    frames.iter().filter_map(gap).collect()
}

/// The data of a message, which its seq decides.
fn data(seq: Seq) -> String {
    format!("{seq}:{}", "x".repeat(100 + (seq % 200) as usize))
}

#[derive(Debug)]
struct Lines;

static LINES: Lines = Lines;

impl Format for Lines {
    fn variant(&self) -> Variant {
        Variant { wire: Wire::Chunked, raw: false, framing: Framing::Plain }
    }

    fn message(&self, message: &Message, _: bool) -> Bytes {
        let seq = message.id.seq;
        let right = message.draft.data.as_bytes() == data(seq).as_bytes();
        assert!(right, "{:?} is not the data of {seq}", message.draft.data);
        format!("m {seq}\n").into()
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        Some(match control {
            Control::Hello(hello) => format!("h {}\n", hello.recovered).into(),
            Control::Gap(Gap { channel, first, last, .. }) => {
                let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
                format!("g {channel} {first} {last}\n").into()
            }
            other => format!("? {other:?}\n").into(),
        })
    }

    fn heartbeat(&self, _: MessageId) -> Option<Bytes> {
        None
    }

    fn reports_gaps(&self) -> bool {
        true
    }
}

fn parse(line: &str) -> Frame {
    let number = |text: &str| text.parse().expect("a seq");
    match line.split(' ').collect::<Vec<_>>()[..] {
        ["h", recovered] => Frame::Hello { recovered: recovered == "true" },
        ["m", seq] => Frame::Message { seq: number(seq) },
        ["g", channel, first, last] => {
            Frame::Gap { channel: channel.to_owned(), first: number(first), last: number(last) }
        }
        _ => Frame::Other,
    }
}

pub(crate) struct World {
    folder: TempDir,
    pub(crate) hub: Arc<Hub>,
    pub(crate) engine: Arc<DiskEngine>,
    pub(crate) read_memory: usize,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let bounds = Bounds::default().with_messages(8);
        let limits = Limits::default().with_rules(bounds).with_channels(1000);
        let log = Arc::new(Log::new("test".parse::<Epoch>().expect("an epoch"), limits));
        let mut config = EngineConfig::new(Fsync::Os, 1 << 30);
        config.store.segment_bytes = 128 << 10;
        config.read_memory = 2 << 20;
        let read_memory = config.read_memory;
        let path = folder.path().join("log");
        let engine =
            DiskEngine::open(&path, config, log.clone(), DiskMeters::new()).expect("opens");
        let hub = Hub::new(log, engine.clone(), Meters::new(), 2000);
        Self { folder, hub, engine, read_memory }
    }

    /// Publishes to the channels in turn.
    pub(crate) async fn publish(&self, channels: &[&str], messages: usize) {
        let names: Vec<ChannelName> =
            channels.iter().map(|name| name.parse().expect("a channel")).collect();
        let head = self.hub.log().head().seq;
        let mut tickets = Vec::with_capacity(messages);
        for n in 0..messages {
            let seq = head + 1 + n as Seq;
            let draft = Draft::new(names[n % names.len()].clone(), Data::Text(data(seq)));
            tickets.push(self.hub.append_despite_load(draft).expect("not draining"));
        }
        for (ticket, n) in tickets.into_iter().zip(1..) {
            let receipt = ticket.await.expect("published");
            assert_eq!(receipt.id.seq, head + n);
        }
    }

    /// The files of the log with an ending, in order.
    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.folder.path().join("log")).expect("a folder");
        let paths = folder.map(|entry| entry.expect("an entry").path());
        let mut files: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|end| end == ending)).collect();
        files.sort();
        files
    }

    /// Flips one bit in the data of a record in the middle of the log, once that has its index.
    pub(crate) async fn damage_the_middle(&self) {
        self.until(|world| world.files("idx").len() + 1 == world.files("log").len()).await;
        let segments = self.files("log");
        assert!(segments.len() > 4, "{segments:?}");
        let path = segments[segments.len() / 2].clone();
        let mut bytes = std::fs::read(&path).expect("a segment");
        let middle = bytes.windows(8).skip(40_000).position(|at| at == b"xxxxxxxx");
        let at = 40_000 + middle.expect("the data of a message");
        bytes[at] ^= 4;
        // In its place: the engine has the file open.
        use std::os::unix::fs::FileExt as _;
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("opens");
        file.write_all_at(&bytes[at..=at], at as u64).expect("writes");
    }

    /// Waits until the engine is as it should be.
    pub(crate) async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let wait = async {
            while !is_so(self) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, wait).await.expect("the engine is as it should be in time");
    }
}

/// A reader.
pub(crate) struct Reader {
    flow: Flow,
    frames: Vec<Frame>,
}

impl Reader {
    pub(crate) async fn join(world: &World, channels: &[&str], start: Start) -> Self {
        let channels = channels.iter().map(|name| name.parse().expect("a channel"));
        let identity = Identity::unverified(None, None);
        let join = Join::new(channels, identity, Wire::Chunked).with_start(start);
        let joined = world.hub.join(join).await.expect("joins");
        let config = Arc::new(SessionConfig::default());
        let session = Session::new(joined, &LINES, Arc::new(AllowAll), config);
        Self { flow: Flow::new(session), frames: Vec::new() }
    }

    /// Takes hello, and asks for what comes next.
    pub(crate) fn ask(&mut self) {
        let _hello = self.flow.next().now_or_never();
        let _next = self.flow.next().now_or_never();
    }

    /// Reads up to the message at `seq`.
    pub(crate) async fn read_to(&mut self, seq: Seq) -> Vec<Frame> {
        let read = async {
            while self.frames.last() != Some(&Frame::Message { seq }) {
                let chunk = self.flow.next().await.expect("goes on").expect("goes on");
                let text = std::str::from_utf8(&chunk).expect("text");
                self.frames.extend(text.lines().map(parse));
                assert!(self.frames.last() != Some(&Frame::Other), "{text}");
            }
        };
        timeout(DEADLINE, read).await.expect("reads in time");
        std::mem::take(&mut self.frames)
    }
}
