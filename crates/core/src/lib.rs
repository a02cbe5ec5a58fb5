//! The heart of Tricast: one totally ordered log, and a cursor into it for each subscriber.
//!
//! What may enter here: at least two transports need it, and it speaks no protocol. The way of a
//! message through this crate: [`Hub::publish`] → [`Engine::append`] → [`Log::accept`] → the
//! channel's ring and bells → [`Session::collect`] → bytes.

mod access;
mod answers;
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
pub use access::{Access, Act, Asked, Denied, Open, admit, admit_message};
pub use answers::{AnswerShare, Answers, AnswersFull, json_length};
pub use channel::name::{BadChannelName, CHANNEL_MAX, ChannelName};
pub use channel::pattern::{BadChannelPattern, ChannelPattern};
pub use channel::rules::{ChannelRules, Namespaces};
pub use clock::unix_millis;
pub use engine::idempotency::{BadIdempotencyId, idempotency_id};
pub use engine::memory::MemoryEngine;
pub use engine::{Engine, EngineError, Older, Pending, Receipt};
pub use format::close::{CloseReason, Reconnect};
pub use format::control::{
    Ack, Alive, CommandError, Control, Done, Expiring, Gap, Goodbye, Hello, NotRecovered,
    OnlineChange, Subscribed,
};
pub use format::problem::{Kind, Problem};
pub use format::variant::{Framing, Variant, Wire};
pub use format::{Ending, Format};
pub use hub::{Hub, Overloaded, PublishError};
pub use limits::Limits;
pub use log::cursor::Portion;
pub use log::query::{Census, HistoryPage, OnlineHidden, PRESENCE_PAGE, PresenceOff, PresencePage};
pub use log::ring::Bounds;
pub use log::start::{AheadOfLog, BadSince, Start};
pub use log::table::{ChannelFull, TooManyChannels};
pub use log::{Accepted, ChannelSummary, Fill, History, Log, NotAccepted};
pub use message::data::{BadData, Data};
pub use message::document::{text_of, write_document};
pub use message::draft::{Draft, Message, Stored};
pub use message::event::{BadEventName, EventName};
pub use message::id::{BadMessageId, Epoch, MessageId, Seq};
pub use message::identity::{
    BadClientId, BadUserId, ClientId, Forbidden, Identity, Persona, Publisher, Standing, UserId,
};
pub use network::network_of;
pub use notify::occupancy::Attendance;
pub use notify::shard::{Doorbell, Run, ShardId, Stand};
pub use presence::PresenceRules;
pub use session::config::{Pace, SlowReader};
pub use session::flow::Flow;
pub use session::inbound::{Answer, Ear, Heard, Reply, Work};
pub use session::{Session, Step, jittered_retry};
pub use subscription::change::{Change, ChangeError};
pub use subscription::connections::{Connection, Farewell, Which};
pub use subscription::counts::{Count, Online};
pub use subscription::{Join, JoinError, Subscription, Welcome};
