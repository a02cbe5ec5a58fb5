//! The messages of a run, on their way into the log.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use serde::Serialize;
use serde_json::value::RawValue;
use tricast_core::{
    ChannelName, Data, Draft, EngineError, EventName, Hub, MessageId, Overloaded, Part, PartStep,
    PublishError, Publisher, Trust, UserId, awake_timeout,
};

use crate::{By, Planted, Run, RunEnd, RunError, RunId, run_end::Times};

/// How long a message may wait for the log.
const LOG_WAIT: Duration = Duration::from_secs(15);

/// The time between two tries.
const RETRY: Duration = Duration::from_millis(200);

/// Publishes the messages of one run.
pub(crate) struct RunLog {
    hub: Arc<Hub>,
    channel: ChannelName,
    run: RunId,
    start: Kind,
    delta: Kind,
    end: Kind,
    /// Nobody else has this publisher, so nobody else uses up its idempotency ids.
    publisher: Publisher,
}

/// A kind of messages of a run: its event, and what it does to the fold of the run.
struct Kind {
    event: EventName,
    part: Arc<Part>,
}

/// What a message does when the log has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// It waits.
    Awaited,
    /// It is refused.
    Required,
}

/// The log has not taken a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error(transparent)]
    Refused(#[from] PublishError),
    #[error("the log has not taken a message for {LOG_WAIT:?}")]
    Late,
}

impl LogError {
    /// Whether the message may be in the log all the same.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Late | Self::Refused(PublishError::Engine(EngineError::Unknown(_))))
    }
}

impl From<LogError> for PublishError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Refused(error) => error,
            LogError::Late => PublishError::Engine(EngineError::Unknown(error.to_string())),
        }
    }
}

#[derive(Serialize)]
struct Start<'a> {
    run: RunId,
    model: &'a str,
    time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a UserId>,
}

#[derive(Serialize)]
struct End<'a> {
    run: RunId,
    status: &'static str,
    choices: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a RawValue>,
    ms: Times,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<By>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RunError>,
}

impl RunLog {
    pub(crate) fn new(hub: Arc<Hub>, run: &Run) -> Self {
        let publisher =
            Publisher { trust: Trust::ApiKey("tricast.llm".into()), ..Publisher::default() };
        let key: Arc<str> = run.id.to_string().into();
        let kind = |(name, step)| Kind {
            event: EventName::internal(name),
            part: Arc::new(Part { key: key.clone(), step }),
        };
        let [start, delta, end] = [
            ("llm.start", PartStep::Begin),
            ("llm.delta", PartStep::Add),
            ("llm.end", PartStep::End),
        ]
        .map(kind);
        Self { hub, channel: run.channel.clone(), run: run.id, start, delta, end, publisher }
    }

    /// Whether the hub sheds load, so that work in progress slows down.
    pub(crate) fn is_overloaded(&self) -> bool {
        self.hub.is_overloaded()
    }

    /// Returns how many connections listen to the channel.
    pub(crate) fn connection_count(&self) -> u32 {
        self.hub.log().online(&self.channel).total.connections
    }

    /// Publishes the first message, or refuses the run: a prompt does not wait for room.
    pub(crate) async fn publish_start(&self, run: &Run) -> Result<MessageId, LogError> {
        if self.hub.is_overloaded() {
            return Err(PublishError::Overloaded(Overloaded).into());
        }
        let user = run.starter.user().filter(|_| run.shows_user);
        let start = Start { run: run.id, model: &run.model, time: run.time, user };
        let id: Arc<str> = format!("start-{}", self.run).into();
        let draft = self.draft(&self.start, document(&start)).with_idempotency(id);
        self.publish(draft, Room::Required).await
    }

    /// Publishes the choices of a delta.
    pub(crate) async fn publish_delta(&self, choices: &str) -> Result<MessageId, LogError> {
        let run = self.run.to_string();
        let mut data = String::with_capacity(choices.len() + run.len() + 24);
        data.extend(["{\"run\":\"", &run, "\",\"choices\":", choices, "}"]);
        self.publish(self.draft(&self.delta, crate::run::on_one_line(data)), Room::Awaited).await
    }

    /// Publishes the last message. It is in the log once, however often this is tried.
    pub(crate) async fn publish_end(&self, end: &RunEnd) -> Result<MessageId, LogError> {
        let document = document(&End {
            run: self.run,
            status: end.status.name(),
            choices: &end.choices,
            usage: end.usage.as_deref(),
            ms: Times::new(end.first, Some(end.all)),
            by: end.by,
            error: end.error.as_ref(),
        });
        let id: Arc<str> = format!("end-{}", self.run).into();
        self.publish(self.draft(&self.end, document).with_idempotency(id), Room::Awaited).await
    }

    fn draft(&self, kind: &Kind, data: String) -> Draft {
        Draft::new(self.channel.clone(), Data::Json(data))
            .with_event(kind.event.clone())
            .with_part(kind.part.clone())
            .with_publisher(self.publisher.clone())
    }

    /// Publishes a message.
    async fn publish(&self, draft: Draft, room: Room) -> Result<MessageId, LogError> {
        let is_repeatable = draft.idempotency.is_some() || Planted::UnknownRepeated.is_on();
        // Most messages are in the log at once, and need no timer.
        let mut publication = self.hub.append_despite_load(draft.clone())?;
        let mut settled = (&mut publication).now_or_never();
        if let Some(Ok(receipt)) = settled {
            return Ok(receipt.id);
        }
        let published = async {
            loop {
                let result = match settled.take() {
                    Some(result) => result,
                    None => (&mut publication).await,
                };
                match result {
                    Ok(receipt) => return Ok(receipt.id),
                    Err(PublishError::Engine(EngineError::Full | EngineError::Unavailable(_)))
                        if room == Room::Awaited => {}
                    // Otherwise it might be there twice.
                    Err(PublishError::Engine(EngineError::Unknown(_))) if is_repeatable => {}
                    Err(error) => return Err(error.into()),
                }
                tokio::time::sleep(RETRY).await;
                publication = self.hub.append_despite_load(draft.clone())?;
            }
        };
        if Planted::LogAwaited.is_on() {
            return published.await;
        }
        awake_timeout(LOG_WAIT, published).await.unwrap_or(Err(LogError::Late))
    }
}

/// Returns the JSON of a document with text keys, which always serializes.
fn document(document: &impl Serialize) -> String {
    serde_json::to_string(document).unwrap_or_default()
}

#[cfg(test)]
#[path = "tests/run_log.rs"]
mod tests;
