//! A shard with real sockets that a test runs round by round, with senders and peers of the test's
//! choice.

mod faults;
mod turns;

use std::{
    io::{self, Read as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use metrics::Counter;
use socket2::SockRef;
use tricast_core::{
    AllowAll, Bounds, ChannelName, ClientId, Control, Data, Draft, Epoch, Format, Framing, Hub,
    Identity, Join, Limits, Log, MemoryEngine, Message, MessageId, Meters, Publisher, ReadLimit,
    Seq, Session, SessionConfig, Variant, Wire,
};

use crate::{Handoff, Sender, ShardConfig, inbox::ShardEvent, shard::Shard};

/// The head of a connection's response.
const HEAD: &str = "head\n";

/// A format that a test can read.
#[derive(Debug)]
struct Plain;

fn encode(seq: Seq, data: &str) -> String {
    format!("{seq} {data}\n")
}

impl Format for Plain {
    fn variant(&self) -> Variant {
        Variant { wire: Wire::Chunked, raw: false, framing: Framing::Plain }
    }

    fn message(&self, message: &Message, _: bool) -> Bytes {
        encode(message.id.seq, &String::from_utf8_lossy(message.draft.data.as_bytes())).into()
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        Some(match control {
            Control::Hello(_) => "hello\n".into(),
            Control::Goodbye(_) => "bye\n".into(),
            other => format!("{other:?}\n").into(),
        })
    }

    fn heartbeat(&self, _: MessageId) -> Option<Bytes> {
        None
    }

    fn reports_gaps(&self) -> bool {
        true
    }
}

/// A shard and its hub.
struct TestBench {
    hub: Arc<Hub>,
    shard: Shard,
    listener: TcpListener,
    session_config: Arc<SessionConfig>,
    /// Has one clone for each connection that is not closed.
    open_conns: Arc<()>,
    _runtime: tokio::runtime::Runtime,
}

/// The other end of a connection.
struct Peer {
    socket: TcpStream,
    received: Vec<u8>,
    ended: bool,
}

impl TestBench {
    fn new() -> Self {
        let history = Bounds::default().with_messages(1 << 20).with_bytes(1 << 28);
        let limits = Limits::default().with_rules(history).with_memory_bytes(1 << 28);
        let epoch: Epoch = "test".parse().expect("fits");
        let log = Arc::new(Log::new(epoch, limits));
        let engine = MemoryEngine::new(log.clone(), Duration::from_secs(60), 100);
        let hub = Hub::new(log, Arc::new(engine), Meters::new(), 10_000);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let config =
            ShardConfig { stall_timeout: Duration::from_secs(60), stalled: Counter::noop() };
        let shard = Shard::new(hub.clone(), config, runtime.handle().clone()).expect("a shard");
        let session_config = SessionConfig::default()
            .with_heartbeat(Duration::from_secs(3600))
            .with_read_limit(ReadLimit { messages: 5, bytes: 1 << 20 });
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let (session_config, open_conns) = (Arc::new(session_config), Arc::new(()));
        Self { hub, shard, listener, session_config, open_conns, _runtime: runtime }
    }

    /// Connects a reader of `channels`, and hands its connection to the shard.
    fn connect(&mut self, client: usize, channels: &[usize]) -> Peer {
        let address = self.listener.local_addr().expect("bound");
        let there = TcpStream::connect(address).expect("connects");
        let (here, _) = self.listener.accept().expect("accepts");
        // Small socket buffers, so that much has to wait.
        SockRef::from(&here).set_send_buffer_size(4096).expect("a socket");
        SockRef::from(&there).set_recv_buffer_size(1 << 16).expect("a socket");
        here.set_nonblocking(true).expect("a socket");
        there.set_nonblocking(true).expect("a socket");
        let identity = Identity::unverified(Some(client_id(client)), None);
        let channels = channels.iter().map(|n| channel(*n));
        let join = Join::new(channels, identity, Wire::Chunked);
        let joined = self.hub.join(join).now_or_never().expect("does not wait").expect("joins");
        let posted = self.shard.inbox().post(ShardEvent::Handoff(Box::new(Handoff {
            socket: here,
            head: HEAD.into(),
            session: Session::new(joined, &Plain, Arc::new(AllowAll), self.session_config.clone()),
            inbound: None,
            read_ahead: Bytes::new(),
            permit: Box::new(self.open_conns.clone()),
            handshake_permit: Box::new(()),
        })));
        assert!(posted.is_ok(), "the shard is open");
        Peer { socket: there, received: Vec::new(), ended: false }
    }

    /// Publishes, and returns the message as it is encoded.
    fn publish(&self, to: usize, data: &str, hidden_from: Option<usize>, end: bool) -> String {
        let publisher = Publisher { client: hidden_from.map(client_id), ..Publisher::default() };
        let draft = Draft::new(channel(to), Data::Text(data.to_owned()))
            .with_publisher(publisher)
            .with_skip_self(hidden_from.is_some())
            .with_end(end);
        let receipt =
            self.hub.publish(draft).now_or_never().expect("does not wait").expect("accepted");
        encode(receipt.id.seq, data)
    }

    /// Runs one round of the shard.
    fn run_round(&mut self, sender: &mut dyn Sender) {
        let mut events = mio::Events::with_capacity(64);
        self.shard.io.poll.poll(&mut events, Some(Duration::ZERO)).expect("polls");
        self.shard.round(&events, sender);
    }

    /// Runs rounds of the shard until `done`.
    fn run_until(&mut self, sender: &mut dyn Sender, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done(self) {
            assert!(Instant::now() < deadline, "not done in 20 s");
            self.run_round(sender);
        }
    }

    /// Returns the number of open connections.
    fn open(&self) -> usize {
        Arc::strong_count(&self.open_conns) - 1
    }
}

impl Peer {
    /// Reads at most `most` bytes.
    fn receive(&mut self, most: usize) {
        let mut buffer = vec![0; most];
        match self.socket.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.ended = true,
        }
    }
}

fn channel(n: usize) -> ChannelName {
    format!("channel-{n}").parse().expect("fits")
}

fn client_id(n: usize) -> ClientId {
    format!("client-{n:0>12}").parse().expect("fits")
}
