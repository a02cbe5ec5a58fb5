//! The log against a simple model: under any sequence of publishes, joins, leaves, resumes and
//! evictions, each reader gets exactly its messages in order, or a correct gap.

mod probe;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::FutureExt as _;
use probe::{Frame, Reader, store::StoreEngine};
use proptest::prelude::*;
use tricast_core::{
    ChannelRules, Hub, JoinError, Limits, Log, Namespaces, ReadLimit, Seq, Start, SubscribeError,
    unix_millis,
};

const CHANNELS: [&str; 5] = ["a", "b", "c.d", "e", "f"];
const READERS: usize = 4;

#[derive(Clone, Debug)]
enum Op {
    Publish {
        channel: usize,
        by: Option<usize>,
        skip_self: bool,
        end: bool,
    },
    Join {
        reader: usize,
        channels: Vec<usize>,
        start: Begin,
    },
    /// The reader's connection breaks after it has received `taken` of the frames under way.
    Leave {
        reader: usize,
        taken: usize,
    },
    Read {
        reader: usize,
    },
    /// The reader reads everything, and nothing is published for the interval of a heartbeat.
    Heartbeat {
        reader: usize,
    },
    /// Adds a channel to the open connection.
    Subscribe {
        reader: usize,
        channel: usize,
        start: Addition,
    },
    Unsubscribe {
        reader: usize,
        channel: usize,
    },
    /// All messages expire; idle channels are forgotten.
    Forget,
    /// The reader's socket takes one write.
    Collect {
        reader: usize,
    },
    /// The engine answers its oldest read.
    Answer,
    /// The engine takes back the portions that are not read yet.
    TakeBack,
    /// The engine lets go of the oldest hundredths of the log.
    Retire(u64),
    /// The engine loses messages, from this hundredth of the log on.
    Damage(u64, u64),
}

#[derive(Clone, Copy, Debug)]
enum Begin {
    /// Resumes with the same channels: a loss before the resume has to be reported too.
    Resume,
    /// Resumes with other channels.
    ResumeOthers,
    Latest,
    Earliest,
    Newest(usize),
}

/// The start of a channel that is added to an open connection.
#[derive(Clone, Copy, Debug)]
enum Addition {
    /// After the message at this offset, in hundredths of the log.
    After(u64),
    Latest,
    Earliest,
    Newest(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let channel = 0..CHANNELS.len();
    let begin = prop_oneof![
        6 => Just(Begin::Resume),
        2 => Just(Begin::ResumeOthers),
        1 => Just(Begin::Latest),
        1 => Just(Begin::Earliest),
        1 => (0..4usize).prop_map(Begin::Newest),
    ];
    let addition = prop_oneof![
        4 => (0..=100u64).prop_map(Addition::After),
        1 => Just(Addition::Latest),
        1 => Just(Addition::Earliest),
        1 => (0..4usize).prop_map(Addition::Newest),
    ];
    let channels = prop::sample::subsequence((0..CHANNELS.len()).collect::<Vec<_>>(), 1..4);
    prop_oneof![
        10 => (channel, prop::option::of(0..READERS), any::<bool>(), prop::bool::weighted(0.05))
            .prop_map(|(channel, by, skip, end)| Op::Publish {
                channel,
                by,
                skip_self: skip && by.is_some(),
                end,
            }),
        4 => (0..READERS, channels, begin)
            .prop_map(|(reader, channels, start)| Op::Join { reader, channels, start }),
        2 => (0..READERS, 0..6usize).prop_map(|(reader, taken)| Op::Leave { reader, taken }),
        4 => (0..READERS).prop_map(|reader| Op::Read { reader }),
        2 => (0..READERS).prop_map(|reader| Op::Heartbeat { reader }),
        3 => (0..READERS, 0..CHANNELS.len(), addition)
            .prop_map(|(reader, channel, start)| Op::Subscribe { reader, channel, start }),
        1 => (0..READERS, 0..CHANNELS.len())
            .prop_map(|(reader, channel)| Op::Unsubscribe { reader, channel }),
        1 => Just(Op::Forget),
        3 => (0..READERS).prop_map(|reader| Op::Collect { reader }),
        3 => Just(Op::Answer),
        1 => Just(Op::TakeBack),
        1 => (0..=100u64).prop_map(Op::Retire),
        1 => (0..=100u64, 0..4u64).prop_map(|(from, count)| Op::Damage(from, count)),
    ]
}

/// Channels that a store does not store.
fn is_logged(channel: &str) -> bool {
    channel != "f"
}

#[derive(Clone, Debug)]
struct Published {
    seq: Seq,
    channel: &'static str,
    hidden_from: Option<usize>,
}

/// The messages that a client may expect of one of its channels.
#[derive(Clone, Copy, Debug)]
struct Since {
    /// After this each message has to arrive or to be reported as lost.
    from: Seq,
    /// The position at which the present connection began.
    began: Seq,
}

/// The state of one client over all its connections.
#[derive(Debug, Default)]
struct Client {
    reader: Option<Reader>,
    channels: BTreeMap<&'static str, Since>,
    /// The id of the last frame that had one, to resume from.
    last_id: Option<Seq>,
    /// Whether it has had the hello of its last connection.
    greeted: bool,
    received: BTreeSet<Seq>,
    gaps: BTreeMap<String, Seq>,
    /// The highest id on the present connection, or since it began to catch up with an added
    /// channel.
    newest: Seq,
}

struct Model {
    hub: Arc<Hub>,
    /// The engine, if it has a store.
    store: Option<Arc<StoreEngine>>,
    /// Messages that the store has let go or lost.
    gone: BTreeSet<Seq>,
    /// The store has let go of everything up to here.
    retired: Seq,
    all: Vec<Published>,
    clients: Vec<Client>,
    read_limit: ReadLimit,
}

impl Model {
    /// Makes a model of a log with the memory engine, or with a store whose portions have so many
    /// messages.
    fn new(limits: Limits, read_limit: ReadLimit, portion: Option<usize>) -> Self {
        let clients = (0..READERS).map(|_| Client::default()).collect();
        let (hub, store) = match portion {
            None => (probe::memory_hub(limits), None),
            Some(portion) => {
                let log = Arc::new(Log::new(probe::epoch(), limits));
                let engine = StoreEngine::new(log.clone(), portion);
                engine.defer_reads();
                (probe::hub(log, engine.clone()), Some(engine))
            }
        };
        Self { hub, store, gone: BTreeSet::new(), retired: 0, all: Vec::new(), clients, read_limit }
    }

    /// Whether every message of a channel that was not reported as lost has to be there.
    fn is_stored(&self, channel: &str) -> bool {
        self.store.is_some() && is_logged(channel)
    }

    /// Returns the seq after which a new reader of `channel` gets everything.
    fn begin_of(&self, channel: &str, start: Start, head: Seq) -> Seq {
        let held = |published: &&Published| {
            published.channel == channel && !self.gone.contains(&published.seq)
        };
        match start {
            Start::Earliest if self.is_stored(channel) => self.retired,
            Start::Newest(n) if self.is_stored(channel) && self.gone.is_empty() => {
                let newest = self.all.iter().rev().filter(held).take(n);
                newest.last().map_or(head, |published| published.seq - 1)
            }
            _ => head,
        }
    }

    fn subscriber_count(&self, channel: &str) -> usize {
        let there = self.clients.iter().filter(|client| client.reader.is_some());
        there.filter(|client| client.channels.contains_key(channel)).count()
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Publish { channel, by, skip_self, end } => {
                let channel = CHANNELS[channel];
                let draft = probe::draft(channel, by, skip_self, end);
                let published = self.hub.publish(draft).now_or_never().expect("at once");
                // Refused only if there are as many channels as allowed, all of them occupied.
                let Ok(receipt) = published else { return };
                assert_eq!(
                    receipt.subscribers as usize,
                    self.subscriber_count(channel),
                    "subscribers of {channel}"
                );
                let hidden_from = by.filter(|_| skip_self);
                self.all.push(Published { seq: receipt.id.seq, channel, hidden_from });
            }
            Op::Join { reader, channels, start } => self.join(reader, &channels, start),
            Op::Leave { reader, taken } => self.clients[reader].leave(&self.all, reader, taken),
            Op::Read { reader } => self.read(reader),
            Op::Heartbeat { reader } => {
                self.read(reader);
                self.clients[reader].heartbeat();
            }
            Op::Subscribe { reader, channel, start } => {
                self.subscribe(reader, CHANNELS[channel], start);
            }
            Op::Unsubscribe { reader, channel } => self.unsubscribe(reader, CHANNELS[channel]),
            Op::Forget => self.hub.log().sweep(unix_millis() + 100_000_000),
            Op::Collect { reader } => self.collect(reader),
            Op::Answer => drop(self.store.as_ref().map(|store| store.answer())),
            Op::TakeBack => self.store.iter().for_each(|store| store.take_back()),
            Op::Retire(hundredths) => {
                let Some(store) = &self.store else { return };
                let upto = self.hub.log().head().seq * hundredths / 100;
                store.retire(upto);
                self.retired = self.retired.max(upto);
                self.gone.extend(1..=upto);
            }
            Op::Damage(hundredths, count) => {
                let Some(store) = &self.store else { return };
                let first = self.hub.log().head().seq * hundredths / 100 + 1;
                store.damage(first, first + count);
                self.gone.extend(first..=first + count);
            }
        }
        for channel in CHANNELS {
            let online = self.hub.log().online(&probe::channel(channel)).total;
            assert_eq!(
                online.users as usize,
                self.subscriber_count(channel),
                "online of {channel}"
            );
        }
    }

    fn join(&mut self, client_index: usize, channels: &[usize], begin: Begin) {
        let client = &mut self.clients[client_index];
        client.leave(&self.all, client_index, usize::MAX);
        let head = self.hub.log().head().seq;
        let start = match (begin, client.last_id) {
            (Begin::Resume | Begin::ResumeOthers, Some(seq)) => Start::After(probe::id(seq)),
            (Begin::Resume | Begin::ResumeOthers, None) | (Begin::Latest, _) => Start::Latest,
            (Begin::Earliest, _) => Start::Earliest,
            (Begin::Newest(n), _) => Start::Newest(n),
        };
        let resumes = matches!(start, Start::After(_));
        let began = client.last_id.filter(|_| resumes).unwrap_or(head);
        let begins: Vec<Seq> = channels
            .iter()
            .map(|index| if resumes { began } else { self.begin_of(CHANNELS[*index], start, head) })
            .collect();
        let client = &mut self.clients[client_index];
        let goes_on = client.greeted && !client.channels.is_empty();
        if matches!(begin, Begin::Resume) && resumes && goes_on {
            // A reader that was disconnected while it caught up with an added channel resumes
            // from before what it has of the others.
            client.received.retain(|seq| *seq <= began);
            client.gaps.values_mut().for_each(|last| *last = began.min(*last));
            client.channels.values_mut().for_each(|since| since.began = began);
        } else {
            let names = channels.iter().map(|index| CHANNELS[*index]);
            let since = |from| Since { from, began: from };
            client.channels = names.zip(begins.into_iter().map(since)).collect();
            client.received.clear();
            client.gaps.clear();
        }
        let names: Vec<&str> = client.channels.keys().copied().collect();
        let (hub, read_limit) = (&self.hub, self.read_limit);
        let reader = Reader::join_with_limit(hub, &names, client_index, start, read_limit);
        match reader {
            Ok(reader) => {
                client.greeted = false;
                client.reader = Some(reader);
            }
            // It has begun nothing that it could resume.
            Err(JoinError::Subscribe(SubscribeError::TooManyChannels(_))) if !resumes => {
                client.channels.clear();
            }
            Err(JoinError::Subscribe(SubscribeError::TooManyChannels(_))) => {}
            Err(refused) => panic!("{refused}"),
        }
    }

    fn subscribe(&mut self, client_index: usize, channel: &'static str, addition: Addition) {
        let head = self.hub.log().head().seq;
        let (start, from) = match addition {
            Addition::After(hundredths) => {
                let seq = head * hundredths / 100;
                (Start::After(probe::id(seq)), seq)
            }
            Addition::Latest => (Start::Latest, head),
            Addition::Earliest => (Start::Earliest, head),
            Addition::Newest(n) => (Start::Newest(n), head),
        };
        let from = match start {
            Start::After(_) => from,
            start => self.begin_of(channel, start, head),
        };
        let client = &mut self.clients[client_index];
        let Some(reader) = &mut client.reader else { return };
        match reader.subscribe(&self.hub, channel, start) {
            Frame::Subscribed { id, from: reported, to } => {
                assert_eq!(to, head, "everything until now is history");
                let is_after = matches!(addition, Addition::After(_));
                assert!(reported <= to && (reported == from || !is_after));
                assert!(!client.channels.contains_key(channel), "it was new");
                let of_channel = |seq: &Seq| self.all[*seq as usize - 1].channel == channel;
                client.received.retain(|seq| !of_channel(seq));
                client.gaps.remove(channel);
                client.channels.insert(channel, Since { from, began: from });
                // Its history follows in its own order, with nothing newer in between.
                client.newest = client.newest.min(reported);
                client.last_id = Some(id);
            }
            Frame::Refused => {}
            other => panic!("{other:?}"),
        }
    }

    fn unsubscribe(&mut self, client_index: usize, channel: &str) {
        let client = &mut self.clients[client_index];
        let Some(reader) = &mut client.reader else { return };
        let left = reader.unsubscribe(channel);
        let was_there = client.channels.remove(channel).is_some();
        assert_eq!(left == Frame::Unsubscribed, was_there);
    }

    fn read(&mut self, client_index: usize) {
        let client = &mut self.clients[client_index];
        let Some(mut reader) = client.reader.take() else { return };
        loop {
            for frame in reader.drain() {
                check_gap(&self.gone, self.store.is_some(), &frame);
                client.take(&self.all, client_index, frame);
            }
            let Some(store) = self.store.as_ref().filter(|_| reader.fetching) else { break };
            assert!(store.answer(), "it waits for an answer that is due");
        }
        if reader.ended.is_none() {
            client.is_complete(&self.all, client_index);
            // After everything is read the cursor is at the head, also after hidden messages.
            assert_eq!(reader.session.position(), self.hub.log().head());
            client.reader = Some(reader);
        }
    }
}

/// Checks that a store has lost what a gap in a stored channel is about.
fn check_gap(gone: &BTreeSet<Seq>, store: bool, frame: &Frame) {
    let Frame::Gap { channel, first: Some(first), last: Some(last), .. } = frame else { return };
    if store && is_logged(channel) {
        let all_gone = (*first..=*last).all(|seq| gone.contains(&seq));
        assert!(all_gone, "nothing from {first} to {last} was lost");
    }
}

impl Model {
    fn collect(&mut self, client_index: usize) {
        let client = &mut self.clients[client_index];
        let Some(mut reader) = client.reader.take() else { return };
        for frame in reader.collect() {
            check_gap(&self.gone, self.store.is_some(), &frame);
            client.take(&self.all, client_index, frame);
        }
        client.reader = Some(reader).filter(|reader| reader.ended.is_none());
    }
}

impl Client {
    fn leave(&mut self, all: &[Published], client_index: usize, taken: usize) {
        let Some(mut reader) = self.reader.take() else { return };
        for frame in reader.collect().into_iter().take(taken) {
            self.take(all, client_index, frame);
        }
    }

    /// Checks one frame.
    fn take(&mut self, all: &[Published], client_index: usize, frame: Frame) {
        match frame {
            Frame::Hello { id, .. } => {
                self.greeted = true;
                self.newest = id;
                self.last_id = Some(id);
            }
            Frame::Message { seq, channel } => {
                assert!(seq > self.newest, "{seq} after {}", self.newest);
                let published = &all[seq as usize - 1];
                assert_eq!(published.channel, channel);
                assert!(self.channels.contains_key(published.channel), "{channel} is subscribed");
                assert_ne!(published.hidden_from, Some(client_index), "skip-self");
                let lost = self.gaps.get(&channel).copied().unwrap_or(0);
                assert!(seq > lost, "{seq}, but a gap reported all up to {lost}");
                assert!(self.received.insert(seq), "{seq} arrived twice");
                self.newest = seq;
                self.last_id = Some(seq);
            }
            Frame::Gap { id, channel, first: Some(first), last: Some(last), certain } => {
                assert!(id >= self.newest && id <= last, "a gap is in order");
                let of_channel = |seq: &Seq| all[*seq as usize - 1].channel == channel;
                let inside = self.received.range(first..=last).copied().filter(of_channel);
                assert_eq!(inside.count(), 0, "what was received is not lost");
                if certain {
                    assert!(of_channel(&last), "{last} is of {channel}");
                }
                let reported = self.gaps.get(&channel).copied().unwrap_or(0);
                let began = self.channels[channel.as_str()].began;
                let since = (began.max(reported) + 1..=last).filter(of_channel);
                let mut lost = since.filter(|seq| !self.received.contains(seq));
                let hidden = |seq: &Seq| all[*seq as usize - 1].hidden_from == Some(client_index);
                assert!(lost.all(|seq| seq >= first || hidden(&seq)), "the gap is complete");
                self.newest = id;
                self.last_id = Some(id);
                self.gaps.insert(channel, last);
            }
            Frame::Gap { .. } => panic!("the epoch never changes here"),
            Frame::Goodbye => {}
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Checks that a heartbeat carries the cursor if, and only if, the client does not have it yet.
    fn heartbeat(&mut self) {
        let Some(reader) = &mut self.reader else { return };
        let cursor = reader.session.position().seq;
        match reader.heartbeat() {
            Frame::Heartbeat => {}
            Frame::Alive { id } => {
                assert_ne!(self.last_id, Some(id), "the client had it already");
                self.newest = id;
                self.last_id = Some(id);
            }
            other => panic!("{other:?} is no heartbeat"),
        }
        assert_eq!(self.last_id, Some(cursor));
    }

    /// Checks that every message since the start has arrived, was hidden, or was reported lost.
    fn is_complete(&self, all: &[Published], client_index: usize) {
        for message in all {
            let since = self.channels.get(message.channel);
            let mine = since.is_some_and(|since| message.seq > since.from);
            let reported = self.gaps.get(message.channel).is_some_and(|last| message.seq <= *last);
            let hidden = message.hidden_from == Some(client_index);
            let fine = !mine || hidden || reported || self.received.contains(&message.seq);
            assert!(fine, "{message:?} was lost without a gap");
        }
    }
}

fn from_env(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(from_env("PROPTEST_CASES", 4096)))]

    #[test]
    fn each_reader_gets_its_messages_in_order_or_a_truthful_gap(
        ops in prop::collection::vec(op(), 1..120),
        messages in 1..8usize,
        memory in prop_oneof![Just(1 << 20), 500..4000usize],
        tombstones in 0..4usize,
        at_once in 1..6usize,
        channels in 1..8usize,
        portion in prop::option::of(1..6usize),
    ) {
        let read_limit = ReadLimit { messages: at_once, ..ReadLimit::default() };
        let limits = probe::tight(messages, memory, tombstones).with_channels(channels);
        let rules = limits.rules.for_channel(&probe::channel("a")).clone();
        let unlogged = Arc::new(ChannelRules::clone(&rules).with_log(false));
        let list = vec![("f".parse().expect("a pattern"), unlogged)];
        let limits = limits.with_rules(Namespaces::new(list, rules));
        let mut model = Model::new(limits, read_limit, portion);
        for op in ops {
            model.run(op);
        }
        (0..READERS).for_each(|reader| model.read(reader));
        model.clients.clear();
        prop_assert_eq!(model.hub.connection_count(), 0);
        model.hub.log().sweep(unix_millis() + 100_000_000);
        let stats = model.hub.log().stats();
        prop_assert_eq!((stats.channels, stats.messages, stats.bytes), (0, 0, 0), "nothing leaks");
    }
}
