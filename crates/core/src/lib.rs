//! The core of Tricast: one totally ordered log of messages, and a cursor into it for each
//! subscriber.
//!
//! A subscription reads the log from its cursor to the head. Live delivery, catching up after a
//! reconnect and a slow consumer are then the same thing, and no connection has a queue: a socket
//! that takes nothing is backpressure, and its messages stay in the log. This crate does no I/O and
//! speaks no protocol.
//!
//! # Embedding
//!
//! A program builds these parts, in this order:
//!
//! 1. [`Log`]: the messages, a ring buffer for each channel, within [`Limits`].
//! 2. [`Engine`]: numbers and feeds the messages. [`MemoryEngine`] keeps them in the log alone.
//! 3. [`Hub`]: publishes ([`Draft`]) and subscribes ([`Join`]). One task runs [`Hub::run`].
//! 4. [`Session`]: the stream of one reader. It is given the [`Access`] of that reader.
//! 5. [`Format`]: the bytes of the stream. `tricast-sse`, `tricast-chunked` and `tricast-ws` have
//!    those of the three wires; `tricast-sse` shows an axum application.
//! 6. [`Flow`]: the session as a stream of bytes, such as for the body of an HTTP response.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use bytes::Bytes;
//! use futures_util::StreamExt as _;
//! use tricast_core::{
//!     AllowAll, Control, Data, Draft, Epoch, Flow, Format, Framing, Hub, Identity, Join, Limits,
//!     Log, MemoryEngine, Message, MessageId, Meters, PresenceConfig, Session, SessionConfig,
//!     Variant, Wire, unix_millis,
//! };
//!
//! /// Encodes the data of each message as a line of its own.
//! struct Lines;
//!
//! impl Format for Lines {
//!     fn variant(&self) -> Variant {
//!         Variant { wire: Wire::Chunked, raw: true, framing: Framing::Plain }
//!     }
//!     fn message(&self, message: &Message, _: bool) -> Bytes {
//!         [message.draft.data.as_bytes(), b"\n"].concat().into()
//!     }
//!     fn control(&self, _: &Control) -> Option<Bytes> {
//!         None
//!     }
//!     fn heartbeat(&self, _: MessageId) -> Option<Bytes> {
//!         None
//!     }
//!     fn reports_gaps(&self) -> bool {
//!         false
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let log = Arc::new(Log::new(Epoch::begin(unix_millis() / 1000), Limits::default()));
//! let engine = MemoryEngine::new(log.clone(), Duration::from_secs(300), 100_000);
//! let hub = Hub::new(log, Arc::new(engine), Meters::new(), 10_000);
//! tokio::spawn(hub.clone().run(PresenceConfig::default()));
//!
//! let reader = Identity::unverified(None, None);
//! let joined = hub.join(Join::new(["news".parse()?], reader, Wire::Chunked)).await?;
//! let config = Arc::new(SessionConfig::default());
//! let session = Session::new(joined, &Lines, Arc::new(AllowAll), config);
//!
//! hub.publish(Draft::new("news".parse()?, Data::Text("hello".into()))).await?;
//! let last = Draft::new("news".parse()?, Data::Text("bye".into())).with_end(true);
//! hub.publish(last).await?;
//!
//! let chunks: Vec<_> = Flow::new(session).collect().await;
//! assert_eq!(chunks, [Ok(Bytes::from("hello\nbye\n"))]);
//! # Ok(())
//! # }
//! ```
//!
//! # The path of a message
//!
//! [`Hub::publish`] → [`Engine::append`] → [`Log::accept`], or [`Log::accept_all`] for a batch →
//! the channel's ring buffer and the wakers of its readers → [`Session::collect`] → bytes.

mod access;
mod answer_memory;
mod awake;
mod channel;
mod circuit;
mod clock;
mod engine;
mod fold;
mod format;
mod hub;
mod limits;
mod log;
mod message;
mod metrics;
mod network;
mod notify;
mod presence;
mod secret;
mod session;
mod subscription;
mod sync;
mod warning_limit;

// The parts, in the order in which a program builds them.
pub use engine::error::EngineError;
pub use engine::health::Health;
pub use engine::memory::MemoryEngine;
pub use engine::ticket::{Settlement, Ticket};
pub use engine::{Engine, EngineFuture, Receipt};
pub use hub::publication::Publication;
pub use hub::{Hub, PublishError};
pub use limits::{ChannelFull, Limits, Overloaded, TooManyChannels};
pub use log::Log;
pub use log::accept::{Accepted, Placed};
pub use log::beginning::Beginning;
pub use log::earlier_rules::EarlierRules;
pub use log::error::NotAccepted;
pub use log::extent::Extent;
pub use log::history::History;
pub use log::locate::{Locate, Located};
pub use log::portion::{Hole, Lease, Loan, Portion, ReadMemory, ReadRequest};
pub use log::reservation::Reservation;
pub use log::stats::{ChannelSummary, LogStats};

// Channels, and the rules of each.
pub use channel::name::{BadChannelName, CHANNEL_MAX, ChannelName};
pub use channel::pattern::{BadChannelPattern, ChannelPattern};
pub use channel::rules::{Bounds, ChannelRules, Namespaces, SlowReader, Visible};

// Messages, and the identities of publishers and readers.
pub use engine::idempotency::{BadIdempotencyId, IdempotencyKey, idempotency_id};
pub use message::client::{BadClientId, ClientId};
pub use message::data::{BadData, Data};
pub use message::document::{document_length, text_of, write_document};
pub use message::draft::{Draft, Message, Stored};
pub use message::event::{BadEventName, EventName};
pub use message::id::{BadMessageId, Epoch, MessageId, Seq};
pub use message::identity::{Forbidden, Identity, OnlineKey, Trust};
pub use message::publisher::{Publisher, PublisherTags, Tag, Tagger};
pub use message::user::{BadUserId, UserId};

// Folds: what a late reader gets in place of the messages that it has missed.
pub use fold::kind::{FoldKind, Whole};
pub use fold::part::{Part, PartStep};

// Subscriptions.
pub use log::change::{ChangeError, Subscribed};
pub use log::counts::{Count, OnlineCounts};
pub use log::error::SubscribeError;
pub use log::join::{Join, JoinInfo};
pub use log::read::ReadLimit;
pub use log::start::{BadSince, CompactStart, Start};
pub use notify::connection::{ConnectionFilter, ConnectionSummary};
pub use subscription::change::{Change, Changed};
pub use subscription::connections::CloseHandle;
pub use subscription::{JoinError, Subscription};

// Sessions: the stream of one reader.
pub use session::Session;
pub use session::config::SessionConfig;
pub use session::flow::{Flow, FlowStep, StreamAborted};
pub use session::inbound::{
    CommandFuture, CommandOutcome, CommandResult, EncodeChange, Inbound, InboundEvent, LaterResult,
    Reply,
};
pub use session::jitter::jittered_retry;
pub use session::reply_queue::ReplyQueue;
pub use session::step::Step;

// Wire formats.
pub use format::close::{CloseReason, Reconnect};
pub use format::control::{
    Alive, Control, Expiring, Gap, Goodbye, Hello, NotRecovered, OnlineChange, control_document,
};
pub use format::stream_end::StreamEnd;
pub use format::variant::{Framing, Variant};
pub use format::wire::{PerWire, Wire};
pub use format::{Ending, Format};

// Access rules and problems.
pub use access::{Access, AccessFuture, Action, AllowAll, Denied, authorize, authorize_publish};
pub use format::problem::{Kind, Problem};

// Queries: history, online counts, presence.
pub use log::history_page::{HistoryPage, HistorySelection};
pub use log::query::{OnlineHidden, OnlineReport, PRESENCE_PAGE, PresenceOff, PresencePage};
pub use notify::occupancy::OccupancyObserver;
pub use presence::PresenceConfig;

// For servers with an event loop of their own: one read of the log for all readers of a thread.
pub use log::batch::{Alignment, Batch};
pub use notify::shard::ShardId;
pub use notify::waker::ShardWaker;

// Metrics, memory and small helpers.
pub use self::circuit::{AfterFailure, Circuit, CircuitCall};
pub use self::metrics::{LATENCY, Meters, WireMeters};
pub use answer_memory::{AnswerMemory, AnswerMemoryFull, AnswerReservation, json_length};
pub use awake::{AwakeSleep, AwakeTimeout, awake_timeout, has_overslept};
pub use clock::unix_millis;
pub use network::network_of;
pub use secret::Secret;
pub use warning_limit::WarningLimit;
