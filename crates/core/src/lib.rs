//! The heart of Tricast: one totally ordered log, and a cursor into it for each subscriber.
//!
//! What may enter here: at least two transports need it, and it speaks no protocol. The way of a
//! message through this crate: [`Hub::publish`] → [`Engine::append`] → [`Log::accept`] → the
//! channel's ring and bells → [`Session::collect`] → bytes.

mod access;
mod answers;
mod attendance;
mod bell;
mod change;
mod channel;
mod clock;
mod close;
mod control;
mod cursor;
mod data;
mod desk;
mod ear;
mod engine;
mod envelope;
mod event;
mod expiry;
mod flow;
mod format;
mod hub;
mod id;
mod idempotency;
mod identity;
mod limits;
mod listeners;
mod log;
mod look;
mod memory;
mod message;
mod meters;
mod name;
mod namespace;
mod network;
mod online_watch;
mod pace;
mod pattern;
mod presence;
mod problem;
mod ring;
mod roster;
mod seat;
mod session;
mod start;
mod subscription;
mod sync;
mod table;
mod tombstones;
mod wire;

pub use access::{Access, Act, Asked, Denied, Open, admit, admit_message};
pub use answers::{AnswerShare, Answers, AnswersFull, json_length};
pub use attendance::Attendance;
pub use change::{Change, ChangeError};
pub use clock::unix_millis;
pub use close::{CloseReason, Reconnect};
pub use control::{
    Ack, Alive, CommandError, Control, Done, Expiring, Gap, Goodbye, Hello, NotRecovered,
    OnlineChange, Subscribed,
};
pub use cursor::Portion;
pub use data::{BadData, Data};
pub use desk::{Doorbell, Run, ShardId, Stand};
pub use ear::{Answer, Ear, Heard, Reply, Work};
pub use engine::{Engine, EngineError, Older, Pending, Receipt};
pub use envelope::{text_of, write_document};
pub use event::{BadEventName, EventName};
pub use flow::Flow;
pub use format::{Ending, Format};
pub use hub::{Hub, Overloaded, PublishError};
pub use id::{BadMessageId, Epoch, MessageId, Seq};
pub use idempotency::{BadIdempotencyId, idempotency_id};
pub use identity::{
    BadClientId, BadUserId, ClientId, Forbidden, Identity, Persona, Publisher, Standing, UserId,
};
pub use limits::Limits;
pub use listeners::{Connection, Farewell, Which};
pub use log::{Accepted, ChannelSummary, Fill, History, Log, NotAccepted};
pub use look::{Census, HistoryPage, OnlineHidden, PRESENCE_PAGE, PresenceOff, PresencePage};
pub use memory::MemoryEngine;
pub use message::{Draft, Message, Stored};
pub use meters::{LATENCY, Meters, WireMeters};
pub use name::{BadChannelName, CHANNEL_MAX, ChannelName};
pub use namespace::{ChannelRules, Namespaces};
pub use network::network_of;
pub use pace::{Pace, SlowReader};
pub use pattern::{BadChannelPattern, ChannelPattern};
pub use presence::PresenceRules;
pub use problem::{Kind, Problem};
pub use ring::Bounds;
pub use roster::{Count, Online};
pub use session::{Session, Step, jittered_retry};
pub use start::{AheadOfLog, BadSince, Start};
pub use subscription::{Join, JoinError, Subscription, Welcome};
pub use table::{ChannelFull, TooManyChannels};
pub use wire::{Framing, Variant, Wire};
