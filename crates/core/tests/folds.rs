//! Folds against a model: under any sequence of pieces, ends, ordinary messages, joins, resumes and
//! evictions, each reader ends up with exactly the texts, no piece twice, and every other message
//! or a gap.

mod probe;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use probe::{
    store::StoreEngine,
    texts::{self, Client, PLAIN, Texts},
};
use proptest::prelude::*;
use tricast_core::{
    AllowAll, CompactStart, Draft, Hub, Identity, Join, Limits, Log, MemoryEngine, ReadLimit, Seq,
    Session, SessionConfig, Start, Step, Wire, unix_millis,
};

const CHANNELS: [&str; 3] = ["a", "b", "c"];
const READERS: usize = 3;
/// Texts that are written at once in one channel.
const AT_ONCE: usize = 2;

#[derive(Clone, Debug)]
enum Op {
    Publish {
        channel: usize,
    },
    /// Begins a text, or adds to it.
    Write {
        channel: usize,
        text: usize,
        length: usize,
    },
    End {
        channel: usize,
        text: usize,
    },
    Join {
        reader: usize,
        channels: Vec<usize>,
        begin: Begin,
    },
    /// The reader is cut after it has had `taken` of the frames under way.
    Leave {
        reader: usize,
        taken: usize,
    },
    Resume {
        reader: usize,
    },
    Read {
        reader: usize,
    },
    /// The reader's socket takes one write.
    Collect {
        reader: usize,
    },
    /// All messages expire.
    Forget,
    Sweep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    Earliest,
    Compact,
    Latest,
    Newest(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let channel = || 0..CHANNELS.len();
    let reader = || 0..READERS;
    let begin = prop_oneof![
        2 => Just(Begin::Earliest),
        3 => Just(Begin::Compact),
        1 => Just(Begin::Latest),
        1 => (0..3usize).prop_map(Begin::Newest),
    ];
    let channels = prop::sample::subsequence((0..CHANNELS.len()).collect::<Vec<_>>(), 1..3);
    prop_oneof![
        5 => channel().prop_map(|channel| Op::Publish { channel }),
        14 => (channel(), 0..AT_ONCE, 1..4usize)
            .prop_map(|(channel, text, length)| Op::Write { channel, text, length }),
        2 => (channel(), 0..AT_ONCE).prop_map(|(channel, text)| Op::End { channel, text }),
        3 => (reader(), channels, begin)
            .prop_map(|(reader, channels, begin)| Op::Join { reader, channels, begin }),
        3 => (reader(), 0..6usize).prop_map(|(reader, taken)| Op::Leave { reader, taken }),
        4 => reader().prop_map(|reader| Op::Resume { reader }),
        3 => reader().prop_map(|reader| Op::Read { reader }),
        4 => reader().prop_map(|reader| Op::Collect { reader }),
        1 => Just(Op::Forget),
        1 => Just(Op::Sweep),
    ]
}

/// A text, as it was written.
#[derive(Clone, Debug)]
struct Text {
    channel: &'static str,
    name: String,
    begun: Seq,
    written: String,
    ended: Option<Seq>,
}

#[derive(Debug, Default)]
struct Reader {
    session: Option<Session>,
    client: Client,
    channels: Vec<&'static str>,
    begin: Option<Begin>,
    /// After this everything has to come.
    since: Seq,
}

struct Model {
    hub: Arc<Hub>,
    has_store: bool,
    read_limit: ReadLimit,
    texts: Vec<Text>,
    /// The text that is written at each place of each channel.
    open: BTreeMap<(usize, usize), usize>,
    published: Vec<(&'static str, Seq)>,
    readers: Vec<Reader>,
}

fn hub(limits: Limits, portion: Option<usize>) -> Arc<Hub> {
    let log = Arc::new(Log::new(probe::epoch(), limits));
    log.set_folds(Arc::new(Texts));
    match portion {
        Some(portion) => probe::hub(log.clone(), StoreEngine::new(log, portion)),
        None => {
            let engine = MemoryEngine::new(log.clone(), Duration::from_secs(60), 100);
            probe::hub(log, Arc::new(engine))
        }
    }
}

fn join(hub: &Arc<Hub>, channels: &[&str], start: Start, read_limit: ReadLimit) -> Session {
    let names = channels.iter().map(|name| probe::channel(name));
    let reader = Identity::unverified(None, None);
    let join = Join::new(names, reader, Wire::Chunked).with_start(start);
    let config = SessionConfig::default().with_read_limit(read_limit);
    let joined = hub.join(join).now_or_never().expect("at once").expect("joins");
    Session::new(joined, &PLAIN, Arc::new(AllowAll), Arc::new(config))
}

/// Returns the frames of one write; none if there is nothing to send.
fn collect(session: &mut Session) -> Vec<Bytes> {
    let mut frames = Vec::new();
    // What a store has is read at once, but asked for first.
    while let Step::Fetch(_) = session.collect(Instant::now(), &mut frames) {}
    frames
}

fn read(session: &mut Session, client: &mut Client) {
    loop {
        let frames = collect(session);
        if frames.is_empty() {
            return;
        }
        frames.iter().for_each(|frame| client.take(frame));
    }
}

impl Model {
    fn publish(&self, draft: Draft) -> Seq {
        probe::publish(&self.hub, draft).id.seq
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Publish { channel } => {
                let channel = CHANNELS[channel];
                let seq = self.publish(probe::draft(channel, None, false, false));
                self.published.push((channel, seq));
            }
            Op::Write { channel, text, length } => self.write(channel, text, length),
            Op::End { channel, text } => {
                if let Some(index) = self.open.remove(&(channel, text)) {
                    let Text { channel, name, written, .. } = self.texts[index].clone();
                    let seq = self.publish(texts::end(channel, &name, &written));
                    self.texts[index].ended = Some(seq);
                }
            }
            Op::Join { reader, channels, begin } => {
                let channels: Vec<&str> = channels.into_iter().map(|at| CHANNELS[at]).collect();
                let head = self.hub.log().head().seq;
                let since = match begin {
                    Begin::Earliest | Begin::Compact if self.has_store => 0,
                    _ => head,
                };
                let (client, session) = (Client::default(), None);
                self.readers[reader] =
                    Reader { session, client, channels, begin: Some(begin), since };
                let start = match begin {
                    Begin::Earliest => Start::Earliest,
                    Begin::Compact => Start::Compact(CompactStart::Earliest),
                    Begin::Latest => Start::Latest,
                    Begin::Newest(n) => Start::Newest(n),
                };
                self.open_session(reader, start);
            }
            Op::Leave { reader, taken } => {
                let Reader { session, client, .. } = &mut self.readers[reader];
                if let Some(mut session) = session.take() {
                    collect(&mut session).iter().take(taken).for_each(|frame| client.take(frame));
                }
            }
            Op::Resume { reader } => {
                let Reader { session, client, begin, .. } = &self.readers[reader];
                let (None, Some(begin), Some(last)) = (session, begin, client.last_id) else {
                    return;
                };
                let start = Start::After(probe::id(last));
                let is_compact = *begin == Begin::Compact;
                self.open_session(reader, if is_compact { start.compacted() } else { start });
            }
            Op::Read { reader } => self.read(reader),
            Op::Collect { reader } => {
                let Reader { session, client, .. } = &mut self.readers[reader];
                let frames = session.as_mut().map(collect).unwrap_or_default();
                frames.iter().for_each(|frame| client.take(frame));
            }
            Op::Forget => self.hub.log().sweep(unix_millis() + 100_000_000),
            Op::Sweep => self.hub.log().sweep(unix_millis() + 10_000),
        }
    }

    fn open_session(&mut self, reader: usize, start: Start) {
        let channels = self.readers[reader].channels.clone();
        self.readers[reader].session = Some(join(&self.hub, &channels, start, self.read_limit));
    }

    fn write(&mut self, channel: usize, place: usize, length: usize) {
        let name = CHANNELS[channel];
        let index = *self.open.entry((channel, place)).or_insert_with(|| {
            let text = format!("t{}", self.texts.len());
            let begun = probe::publish(&self.hub, texts::begin(name, &text)).id.seq;
            let (written, ended) = (String::new(), None);
            self.texts.push(Text { channel: name, name: text, begun, written, ended });
            self.texts.len() - 1
        });
        let text = &self.texts[index];
        let seed = text.written.len() + index;
        let piece: String =
            (seed..seed + length).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
        self.publish(texts::add(name, &text.name, text.written.len(), &piece));
        self.texts[index].written.push_str(&piece);
    }

    /// Reads everything, and checks what the client knows.
    fn read(&mut self, reader: usize) {
        let Reader { session, client, channels, begin, since } = &mut self.readers[reader];
        let Some(session) = session else { return };
        read(session, client);
        for (channel, seq) in &self.published {
            let mine = channels.contains(channel) && seq > since;
            let reported = client.gaps.get(*channel).is_some_and(|last| seq <= last);
            let heard = client.heard.contains(&((*channel).to_owned(), *seq));
            assert!(!mine || reported || heard, "message {seq} of {channel} is lost: {client:?}");
        }
        for text in self.texts.iter().filter(|text| channels.contains(&text.channel)) {
            let known = client.texts.get(&text.name).cloned().unwrap_or_default();
            let reported =
                |seq: Seq| client.gaps.get(text.channel).is_some_and(|last| seq <= *last);
            if let Some(seq) = text.ended.filter(|seq| seq > since && !reported(*seq)) {
                assert!(known.has_ended, "the end {seq} of {text:?} is lost: {client:?}");
            }
            // A reader that came in the middle, and did not ask for more, knows of no more.
            let has_all = matches!(begin, Some(Begin::Earliest | Begin::Compact));
            let is_open = text.ended.is_none() && !text.written.is_empty();
            if (has_all || text.begun > *since) && is_open {
                assert_eq!(known.text.as_ref(), Some(&text.written), "{text:?} of {client:?}");
            }
            if let Some(known_text) = known.text.filter(|_| text.ended.is_none() || known.has_ended)
            {
                assert_eq!(known_text, text.written, "{text:?} of {client:?}");
            }
        }
    }
}

fn from_env(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(from_env("PROPTEST_CASES", 4096)))]

    #[test]
    fn each_reader_has_the_texts_and_every_other_message_or_a_gap(
        ops in prop::collection::vec(op(), 1..120),
        messages in 1..8usize,
        memory in prop_oneof![Just(1 << 20), 500..6000usize],
        at_once in 1..6usize,
        portion in prop::option::of(1..6usize),
    ) {
        let limits = probe::tight(messages, memory, 10);
        let mut model = Model {
            hub: hub(limits, portion),
            has_store: portion.is_some(),
            read_limit: ReadLimit { messages: at_once, ..ReadLimit::default() },
            texts: Vec::new(),
            open: BTreeMap::new(),
            published: Vec::new(),
            readers: (0..READERS).map(|_| Reader::default()).collect(),
        };
        for op in ops {
            model.run(op);
        }
        (0..READERS).for_each(|reader| model.read(reader));
        let open: Vec<_> = model.open.keys().copied().collect();
        open.into_iter().for_each(|(channel, text)| model.run(Op::End { channel, text }));
        (0..READERS).for_each(|reader| model.read(reader));
        model.readers.clear();
        model.hub.log().sweep(unix_millis() + 100_000_000);
        let stats = model.hub.log().stats();
        prop_assert_eq!((stats.channels, stats.messages, stats.bytes), (0, 0, 0), "nothing leaks");
    }
}
