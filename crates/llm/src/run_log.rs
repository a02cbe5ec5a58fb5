//! The messages of a run, on their way into the log.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use serde::Serialize;
use serde_json::value::RawValue;
use tricast_core::{
    ChannelName, Data, Draft, EngineError, EventName, Hub, MessageId, PublishError, Publisher,
    Trust, UserId, awake_timeout,
};

use crate::{By, Run, RunEnd, RunError, RunId, run_end::Times};

/// How long a message may wait for the log.
const LOG_WAIT: Duration = Duration::from_secs(15);

/// The time between two tries.
const RETRY: Duration = Duration::from_millis(200);

/// Publishes the messages of one run.
pub(crate) struct RunLog {
    hub: Arc<Hub>,
    channel: ChannelName,
    run: RunId,
    start: EventName,
    delta: EventName,
    end: EventName,
    /// Nobody else has this publisher, so nobody else uses up its idempotency ids.
    publisher: Publisher,
}

/// The log has not taken a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error(transparent)]
    Refused(#[from] PublishError),
    #[error("the log has not taken a message for {LOG_WAIT:?}")]
    Late,
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
        let [start, delta, end] = ["llm.start", "llm.delta", "llm.end"].map(EventName::internal);
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

    /// Publishes the first message, or refuses the run: there is no waiting here.
    pub(crate) async fn publish_start(&self, run: &Run) -> Result<MessageId, PublishError> {
        let user = run.starter.user().filter(|_| run.shows_user);
        let start = Start { run: run.id, model: &run.model, time: run.time, user };
        let draft = self.draft(&self.start, document(&start));
        Ok(self.hub.publish(draft).await?.id)
    }

    /// Publishes the choices of a delta.
    pub(crate) async fn publish_delta(&self, choices: &str) -> Result<MessageId, LogError> {
        let run = self.run.to_string();
        let mut data = String::with_capacity(choices.len() + run.len() + 24);
        data.extend(["{\"run\":\"", &run, "\",\"choices\":", choices, "}"]);
        self.publish(self.draft(&self.delta, crate::run::on_one_line(data))).await
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
        self.publish(self.draft(&self.end, document).with_idempotency(id)).await
    }

    fn draft(&self, event: &EventName, data: String) -> Draft {
        Draft::new(self.channel.clone(), Data::Json(data))
            .with_event(event.clone())
            .with_publisher(self.publisher.clone())
    }

    /// Publishes a message, and waits while the log has no room.
    async fn publish(&self, draft: Draft) -> Result<MessageId, LogError> {
        let is_repeatable = draft.idempotency.is_some();
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
                    Err(PublishError::Engine(EngineError::Full | EngineError::Unavailable(_))) => {}
                    // Otherwise it might be there twice.
                    Err(PublishError::Engine(EngineError::Unknown(_))) if is_repeatable => {}
                    Err(error) => return Err(error.into()),
                }
                tokio::time::sleep(RETRY).await;
                publication = self.hub.append_despite_load(draft.clone())?;
            }
        };
        awake_timeout(LOG_WAIT, published).await.unwrap_or(Err(LogError::Late))
    }
}

/// Returns the JSON of a document with text keys, which always serializes.
fn document(document: &impl Serialize) -> String {
    serde_json::to_string(document).unwrap_or_default()
}
