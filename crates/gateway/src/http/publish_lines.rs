//! A publish request whose body is a stream of messages, as JSON lines.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde::Serialize;
use tricast_admission::Pass;
use tricast_core::{Access as _, ChannelName, Data, Kind, MessageId, PublishError, unix_millis};

use crate::http::{
    body,
    ndjson::{LineSplitter, LineTooLong, is_blank},
    problem::{Problem, PublishProgress},
    publish::Metadata,
    state::App,
};

/// Publishes every line of `body` to `channel`, as `metadata` says.
pub(crate) async fn publish_lines(
    app: &App,
    channel: ChannelName,
    mut metadata: Metadata,
    pass: &Pass,
    mut body: Body,
) -> Result<Response, Problem> {
    if metadata.idempotency.is_some() {
        let detail = "id identifies one message, but JSON lines are many; leave it out";
        return Err(Problem::new(Kind::BadIdempotencyId, detail).for_parameter("id"));
    }
    let end = std::mem::take(&mut metadata.end);
    let mut stream =
        LinePublisher { app, channel, metadata, pass, progress: PublishProgress::default() };
    if let Err(problem) = stream.run(&mut body, end).await {
        body::discard(&mut body).await;
        return Err(problem.with_progress(stream.progress));
    }
    let PublishProgress { published, first, last, .. } = stream.progress;
    Ok(Json(LinesResponse { published, first, last }).into_response())
}

#[derive(Debug, Serialize)]
struct LinesResponse {
    published: u64,
    first: Option<MessageId>,
    last: Option<MessageId>,
}

/// Publishes the lines of one body.
struct LinePublisher<'a> {
    app: &'a App,
    channel: ChannelName,
    metadata: Metadata,
    pass: &'a Pass,
    progress: PublishProgress,
}

impl LinePublisher<'_> {
    async fn run(&mut self, body: &mut Body, end: bool) -> Result<(), Problem> {
        let limit = self.app.message_bytes();
        let (mut lines, mut reservation) =
            (LineSplitter::new(limit), self.app.body_budget.reserve());
        while let Some(piece) = self.next_chunk(body).await? {
            reservation.grow_to(lines.pending_bytes() + piece.len())?;
            lines.push(&piece);
            while let Some(line) = lines.next_line() {
                self.progress.line += 1;
                self.publish_line(&line.map_err(|LineTooLong| body::too_large(limit))?).await?;
                // A fast publisher must yield its worker to other tasks.
                tokio::task::consume_budget().await;
            }
        }
        self.progress.line += 1;
        self.publish_line(&lines.rest()).await?;
        if end {
            self.metadata.end = true;
            self.metadata.event = Some("end".parse()?);
            self.publish_data(Data::Json("null".to_owned())).await?;
        }
        Ok(())
    }

    /// Waits for the next chunk. A publisher that sends nothing also gets a response when the
    /// gateway drains, so that it knows where to continue on another one.
    async fn next_chunk(&self, body: &mut Body) -> Result<Option<Bytes>, Problem> {
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = self.app.draining.cancelled() => return Err(PublishError::Draining.into()),
            };
            let Some(frame) = frame else { return Ok(None) };
            if let Ok(piece) = frame.map_err(body::incomplete)?.into_data() {
                return Ok(Some(piece));
            }
        }
    }

    /// Waits while the gateway is overloaded: load shedding slows a stream down and does not end
    /// it.
    async fn wait_for_load(&self) -> Result<(), Problem> {
        const PAUSE: Duration = Duration::from_millis(50);
        while self.app.hub.is_overloaded() {
            self.pause(PAUSE).await?;
        }
        Ok(())
    }

    /// Waits for `time`, unless the gateway drains.
    async fn pause(&self, time: Duration) -> Result<(), Problem> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.app.draining.cancelled() => Err(PublishError::Draining.into()),
        }
    }

    /// Waits until the rate limits permit a message of `bytes`. The stream ends with its token.
    async fn wait_for_rate(&self, bytes: usize) -> Result<(), Problem> {
        loop {
            if self.pass.expires().is_some_and(|end| end <= unix_millis()) {
                let detail = "the token has expired; continue after the last line with a new one";
                return Err(Problem::new(Kind::TokenExpired, detail));
            }
            let denied = match self.pass.consume_rate(&self.channel, bytes) {
                Ok(()) => return Ok(()),
                Err(denied) => denied,
            };
            let Some(wait) = denied.retry_after else { return Err(denied.into()) };
            self.pause(wait).await?;
        }
    }

    async fn publish_line(&mut self, line: &Bytes) -> Result<(), Problem> {
        if is_blank(line) {
            return Ok(());
        }
        self.publish_data(Data::json(line)?).await
    }

    async fn publish_data(&mut self, data: Data) -> Result<(), Problem> {
        let draft = self.metadata.draft(self.channel.clone(), data);
        self.wait_for_rate(draft.data.as_bytes().len()).await?;
        self.wait_for_load().await?;
        let receipt = self.app.hub.append_despite_load(draft)?.await?;
        self.progress.published += 1;
        self.progress.first.get_or_insert(receipt.id);
        self.progress.last = Some(receipt.id);
        Ok(())
    }
}
