//! `POST /publish/{channel}`: one message, or a stream of messages as JSON lines.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tricast_core::{
    Action, ChannelName, Data, Draft, EventName, Kind, MessageId, Publisher, Receipt,
    idempotency_id,
};

use crate::http::{
    admission,
    body::{self, Media},
    channel_path::path_channel,
    problem::Problem,
    publish_lines::publish_lines,
    query::Query,
    state::SharedApp,
};

/// Query parameters that describe a message.
pub(crate) const MESSAGE_PARAMETERS: [&str; 5] =
    ["event", "skip_self", "id", "require_online", "end"];

/// Query parameters that identify the publisher.
const PUBLISHER_PARAMETERS: [&str; 3] = ["client", "user", "token"];

/// The query's description of the message in the body.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    pub(crate) event: Option<EventName>,
    pub(crate) skip_self: bool,
    pub(crate) idempotency: Option<Arc<str>>,
    /// Subscribers without which the message is refused.
    pub(crate) min_subscribers: u32,
    pub(crate) end: bool,
    pub(crate) publisher: Publisher,
}

impl Metadata {
    pub(crate) fn of(query: &Query, publisher: Publisher) -> Result<Self, Problem> {
        let skip_self = query.flag("skip_self")?;
        if skip_self && publisher.client.is_none() {
            let detail =
                "skip_self needs your client id: pass the same client= as in the subscribe request";
            return Err(Problem::new(Kind::NoIdentity, detail).for_parameter("skip_self"));
        }
        Ok(Self {
            event: query.read("event", str::parse)?,
            skip_self,
            idempotency: query.read("id", idempotency_id)?,
            min_subscribers: query.flag("require_online")?.into(),
            end: query.flag("end")?,
            publisher,
        })
    }

    pub(crate) fn draft(&self, channel: ChannelName, data: Data) -> Draft {
        Draft::new(channel, data)
            .with_event(self.event.clone())
            .with_publisher(self.publisher.clone())
            .with_skip_self(self.skip_self)
            .with_end(self.end)
            .with_idempotency(self.idempotency.clone())
            .with_min_subscribers(self.min_subscribers)
    }
}

pub(crate) async fn publish(
    State(app): State<SharedApp>,
    channel: Result<Path<String>, PathRejection>,
    mut request: Request,
) -> Result<Response, Problem> {
    let channel = path_channel(channel)?;
    let query = Query::parse(
        request.uri().query(),
        &[&MESSAGE_PARAMETERS[..], &PUBLISHER_PARAMETERS].concat(),
    )?;
    let pass = admission::pass_for_publish(&app, &request, &query).await?;
    admission::check_rules(&pass, Action::Publish, &channel)?;
    let identity = pass.identity();
    let mut publisher = Publisher::from(&**identity);
    // The client does not know an id that was issued for one request.
    publisher.client.take_if(|_| identity.issued);
    let metadata = Metadata::of(&query, publisher)?;
    let media = Media::of(request.headers())?;
    if media == Media::Ndjson {
        // Checked once for all lines: asking the hook for each would delay them.
        admission::check(&pass, Action::Publish, std::slice::from_ref(&channel)).await?;
        return publish_lines(&app, channel, metadata, &pass, request.into_body()).await;
    }
    let time = app.settings().limits.body_timeout;
    let mut reservation = app.body_budget.reserve();
    let body = body::read(&mut request, app.message_bytes(), time, &mut reservation).await?;
    let draft = metadata.draft(channel, media.data(body)?);
    let bytes = draft.data.as_bytes().len();
    admission::check_message(&pass, &draft.channel, bytes).await?;
    let counts_visible = pass.is_backend() || app.hub.log().rules_for(&draft.channel).online;
    let Receipt { id, subscribers, duplicate } = app.hub.publish(draft).await?;
    let subscribers = counts_visible.then_some(subscribers);
    Ok(Json(PublishResponse { id, subscribers, duplicate }).into_response())
}

#[derive(Debug, Serialize)]
struct PublishResponse {
    id: MessageId,
    /// Present if the publisher may see the count.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribers: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
}
