//! The heart of Tricast: one totally ordered log, and a cursor into it for each subscriber.
//!
//! What may enter here: at least two transports need it, and it speaks no protocol. The way of a
//! message through this crate: [`Hub::publish`] → [`Engine::append`] → [`Log::accept`] → the
//! channel's ring and bells → [`Session::collect`] → bytes.

mod access;
mod answer_memory;
mod channel;
mod clock;
mod engine;
mod format;
mod hub;
mod limits;
mod log;
mod message;
mod metrics;
mod network;
mod notify;
mod presence;
mod session;
mod subscription;
mod sync;

pub use self::metrics::{LATENCY, Meters, WireMeters};
pub use access::{Access, AccessFuture, Action, AllowAll, Denied, authorize, authorize_publish};
pub use answer_memory::{AnswerMemory, AnswerMemoryFull, AnswerReservation, json_length};
pub use channel::name::{BadChannelName, CHANNEL_MAX, ChannelName};
pub use channel::pattern::{BadChannelPattern, ChannelPattern};
pub use channel::rules::{ChannelRules, Namespaces};
pub use clock::unix_millis;
pub use engine::idempotency::{BadIdempotencyId, idempotency_id};
pub use engine::memory::MemoryEngine;
pub use engine::{Engine, EngineError, EngineFuture, OlderMessages, Receipt};
pub use format::close::{CloseReason, Reconnect};
pub use format::control::{
    Ack, AckBody, Alive, CommandError, Control, Expiring, Gap, Goodbye, Hello, NotRecovered,
    OnlineChange, Subscribed,
};
pub use format::problem::{Kind, Problem};
pub use format::variant::{Framing, Variant, Wire};
pub use format::{Ending, Format};
pub use hub::{Hub, Overloaded, PublishError};
pub use limits::Limits;
pub use log::cursor::ReadLimit;
pub use log::history_page::{HistoryPage, HistorySelection};
pub use log::query::{OnlineHidden, OnlineReport, PRESENCE_PAGE, PresenceOff, PresencePage};
pub use log::ring::Bounds;
pub use log::start::{AheadOfLog, BadSince, Start};
pub use log::table::{ChannelFull, TooManyChannels};
pub use log::{Accepted, ChannelSummary, History, Log, LogStats, NotAccepted};
pub use message::data::{BadData, Data};
pub use message::document::{document_length, text_of, write_document};
pub use message::draft::{Draft, Message, Stored};
pub use message::event::{BadEventName, EventName};
pub use message::id::{BadMessageId, Epoch, MessageId, Seq};
pub use message::identity::{
    BadClientId, BadUserId, ClientId, Forbidden, Identity, OnlineKey, Publisher, Trust, UserId,
};
pub use network::network_of;
pub use notify::occupancy::OccupancyObserver;
pub use notify::shard::{Alignment, Batch, ShardId, ShardWaker};
pub use presence::PresenceConfig;
pub use session::config::{SessionConfig, SlowReader};
pub use session::flow::Flow;
pub use session::inbound::{CommandFuture, CommandResult, Inbound, InboundEvent, Reply};
pub use session::{Session, Step, jittered_retry};
pub use subscription::change::{Change, ChangeError};
pub use subscription::connections::{CloseHandle, ConnectionFilter, ConnectionSummary};
pub use subscription::counts::{Count, OnlineCounts};
pub use subscription::{Join, JoinError, JoinInfo, Subscription};
