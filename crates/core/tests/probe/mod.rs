//! A wire format for tests, whose frames say only what they are, and a hub to read from.
#![allow(dead_code, unreachable_pub)]

pub mod store;
pub mod texts;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tricast_core::{
    Alive, AllowAll, Bounds, Change, ChangeError, Changed, ChannelName, ClientId, CloseReason,
    Control, Data, Draft, Engine, Epoch, Format, Framing, Gap, Hub, Identity, Join, JoinError,
    Limits, Log, MemoryEngine, Message, MessageId, Meters, Publisher, ReadLimit, Receipt, Reply,
    Seq, Session, SessionConfig, Start, Step, Variant, Wire,
};

/// One frame, as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Hello {
        id: Seq,
        recovered: bool,
    },
    Message {
        seq: Seq,
        channel: String,
    },
    Gap {
        id: Seq,
        channel: String,
        first: Option<Seq>,
        last: Option<Seq>,
        certain: bool,
    },
    Goodbye,
    /// A heartbeat that carries the cursor.
    Alive {
        id: Seq,
    },
    /// A heartbeat without the cursor.
    Heartbeat,
    /// Another channel is subscribed, after `from`; messages up to `to` are history.
    Subscribed {
        id: Seq,
        from: Seq,
        to: Seq,
    },
    Unsubscribed,
    Refused,
    Other,
}

/// So long that no test reaches it in real time.
const HEARTBEAT: Duration = Duration::from_secs(3600);

#[derive(Debug)]
struct Probe;

static PROBE: Probe = Probe;

impl Format for Probe {
    fn variant(&self) -> Variant {
        Variant { wire: Wire::Chunked, raw: false, framing: Framing::Plain }
    }

    fn message(&self, message: &Message, _: bool) -> Bytes {
        format!("m {} {}", message.id.seq, message.draft.channel).into()
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        Some(match control {
            Control::Hello(hello) => format!("h {} {}", hello.id.seq, hello.recovered).into(),
            Control::Gap(Gap { id, channel, first, last, certain }) => {
                let number = |seq: &Option<Seq>| seq.map_or("-".to_owned(), |seq| seq.to_string());
                format!("g {} {channel} {} {} {certain}", id.seq, number(first), number(last))
                    .into()
            }
            Control::Goodbye(_) => "bye".into(),
            Control::Alive(Alive { id }) => format!("a {}", id.seq).into(),
            _ => "?".into(),
        })
    }

    fn heartbeat(&self, _: MessageId) -> Option<Bytes> {
        Some("b".into())
    }

    fn reports_gaps(&self) -> bool {
        true
    }
}

/// Applies `change` and answers with its result.
pub fn reply_to(change: Change) -> Reply {
    let encode = |result: Result<Changed, ChangeError>| match result {
        Ok(Changed::Subscribed(done)) => {
            format!("s {} {} {}", done.id.seq, done.from.seq, done.to.seq).into()
        }
        Ok(Changed::Unsubscribed(_)) => "u".into(),
        Ok(Changed::Renewed { .. }) => "?".into(),
        Err(_) => "e".into(),
    };
    Reply::Change(Box::new(change), Box::new(encode))
}

fn read_frame(bytes: &Bytes) -> Frame {
    let text = std::str::from_utf8(bytes).expect("text");
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        ["h", id, recovered] => {
            Frame::Hello { id: id.parse().expect("seq"), recovered: recovered == "true" }
        }
        ["m", seq, channel] => {
            Frame::Message { seq: seq.parse().expect("seq"), channel: channel.to_owned() }
        }
        ["g", id, channel, first, last, certain] => Frame::Gap {
            id: id.parse().expect("seq"),
            channel: channel.to_owned(),
            first: first.parse().ok(),
            last: last.parse().ok(),
            certain: certain == "true",
        },
        ["bye"] => Frame::Goodbye,
        ["a", id] => Frame::Alive { id: id.parse().expect("seq") },
        ["b"] => Frame::Heartbeat,
        ["s", id, from, to] => Frame::Subscribed {
            id: id.parse().expect("seq"),
            from: from.parse().expect("seq"),
            to: to.parse().expect("seq"),
        },
        ["u"] => Frame::Unsubscribed,
        ["e"] => Frame::Refused,
        _ => Frame::Other,
    }
}

pub fn epoch() -> Epoch {
    "test".parse().expect("an epoch")
}

pub fn id(seq: Seq) -> MessageId {
    MessageId { epoch: epoch(), seq }
}

pub fn channel(name: &str) -> ChannelName {
    name.parse().expect("a channel")
}

pub fn client(n: usize) -> ClientId {
    format!("client-{n:0>12}").parse().expect("a client id")
}

pub fn limits() -> Limits {
    Limits::default()
        .with_rules(Bounds::default().with_bytes(1 << 20))
        .with_memory_bytes(1 << 24)
        .with_channels(1000)
        .with_tombstones(1000)
}

pub fn memory_hub(limits: Limits) -> Arc<Hub> {
    let log = Arc::new(Log::new(epoch(), limits));
    let engine = MemoryEngine::new(log.clone(), Duration::from_secs(60), 100);
    hub(log, Arc::new(engine))
}

pub fn hub(log: Arc<Log>, engine: Arc<dyn Engine>) -> Arc<Hub> {
    Hub::new(log, engine, Meters::new(), 1000)
}

pub fn draft(name: &str, publisher: Option<usize>, skip_self: bool, end: bool) -> Draft {
    Draft::new(channel(name), Data::Text("x".repeat(20)))
        .with_publisher(Publisher { client: publisher.map(client), ..Publisher::default() })
        .with_skip_self(skip_self)
        .with_end(end)
}

pub fn publish(hub: &Arc<Hub>, draft: Draft) -> Receipt {
    hub.publish(draft).now_or_never().expect("at once").expect("accepted")
}

/// A reader that a test polls frame by frame.
#[derive(Debug)]
pub struct Reader {
    pub session: Session,
    pub ended: Option<CloseReason>,
    /// Whether it waits for the engine.
    pub fetching: bool,
    /// The time by which its clock is ahead.
    silence: Duration,
}

impl Reader {
    pub fn join(
        hub: &Arc<Hub>,
        channels: &[&str],
        number: usize,
        start: Start,
    ) -> Result<Self, JoinError> {
        Self::join_with_limit(hub, channels, number, start, ReadLimit::default())
    }

    pub fn join_with_limit(
        hub: &Arc<Hub>,
        channels: &[&str],
        number: usize,
        start: Start,
        read_limit: ReadLimit,
    ) -> Result<Self, JoinError> {
        let channels = channels.iter().map(|name| channel(name));
        let identity = Identity::unverified(Some(client(number)), None);
        let join =
            Join::new(channels, identity, Wire::Chunked).with_start(start).with_user_channel(true);
        let config = SessionConfig::default().with_heartbeat(HEARTBEAT).with_read_limit(read_limit);
        let joined = hub.join(join).now_or_never().expect("at once")?;
        let session = Session::new(joined, &PROBE, Arc::new(AllowAll), Arc::new(config));
        Ok(Self { session, ended: None, fetching: false, silence: Duration::ZERO })
    }

    /// Subscribes to one more channel; returns the reply.
    pub fn subscribe(&mut self, hub: &Arc<Hub>, name: &str, start: Start) -> Frame {
        let change = Change::subscribe(hub, channel(name), start);
        match change.now_or_never().expect("at once") {
            Ok(change) => self.change(change),
            Err(_) => Frame::Refused,
        }
    }

    /// Unsubscribes from a channel; returns the reply.
    pub fn unsubscribe(&mut self, name: &str) -> Frame {
        self.change(Change::unsubscribe(channel(name)))
    }

    fn change(&mut self, change: Change) -> Frame {
        let replies = self.session.apply_reply(reply_to(change));
        read_frame(&replies[0])
    }

    /// Returns the frames of one write; empty if there is nothing to send.
    pub fn collect(&mut self) -> Vec<Frame> {
        let mut out = Vec::new();
        let step = self.session.collect(self.now(), &mut out);
        self.fetching = matches!(step, Step::Fetch(_));
        if let Step::End(reason) = step {
            self.ended = Some(reason);
        }
        out.iter().map(read_frame).collect()
    }

    /// The time on its own clock.
    pub fn now(&self) -> Instant {
        Instant::now() + self.silence
    }

    /// Advances its clock by the heartbeat interval, and returns the heartbeat. The reader must
    /// have read everything before.
    pub fn heartbeat(&mut self) -> Frame {
        self.silence += HEARTBEAT;
        let mut frames = self.collect();
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    /// Reads everything up to the head.
    pub fn drain(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while self.ended.is_none() {
            let more = self.collect();
            if more.is_empty() {
                break;
            }
            frames.extend(more);
        }
        frames
    }
}

/// Limits so low that tests reach them.
pub fn tight(messages: usize, memory_bytes: usize, tombstones: usize) -> Limits {
    let history = Bounds::default().with_messages(messages).with_bytes(1 << 20);
    Limits::default()
        .with_rules(history)
        .with_memory_bytes(memory_bytes)
        .with_channels(100)
        .with_tombstones(tombstones)
}

/// Returns the seqs of the messages among `frames`.
pub fn seqs_of(frames: &[Frame]) -> Vec<Seq> {
    let seq = |frame: &Frame| match frame {
        Frame::Message { seq, .. } => Some(*seq),
        _ => None,
    };
    frames.iter().filter_map(seq).collect()
}
