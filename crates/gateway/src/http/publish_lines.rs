//! A publish request whose body is a stream of messages, as JSON lines.

use std::{future::Future, pin::pin, time::Duration};

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tricast_admission::Pass;
use tricast_core::{Access as _, ChannelName, Data, Kind, PublishError, unix_millis};

use crate::http::{
    body,
    budget::BodyReservation,
    ndjson::{LineSplitter, LineTooLong, is_blank},
    problem::Problem,
    publish::Metadata,
    publish_window::{LineFailure, PublishWindow},
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
    let window = PublishWindow::default();
    let mut stream = LinePublisher { app, channel, metadata, pass, line: 0, window };
    if let Err(failure) = stream.run(&mut body, end).await {
        let problem = stream.window.settle_after(failure).await;
        body::discard(&mut body).await;
        return Err(problem);
    }
    Ok(Json(stream.window.confirmed()).into_response())
}

/// Publishes the lines of one body.
struct LinePublisher<'a> {
    app: &'a App,
    channel: ChannelName,
    metadata: Metadata,
    pass: &'a Pass,
    /// Number of the line to publish next, from 1; 0 before the first.
    line: u64,
    window: PublishWindow,
}

impl LinePublisher<'_> {
    async fn run(&mut self, body: &mut Body, end: bool) -> Result<(), LineFailure> {
        let limit = self.app.message_bytes();
        let (mut lines, mut reservation) =
            (LineSplitter::new(limit), self.app.body_budget.reserve());
        self.line = 1;
        while let Some(piece) = self.next_chunk(body).await? {
            self.reserve(&mut reservation, lines.pending_bytes() + piece.len()).await?;
            lines.push(&piece);
            while let Some(line) = lines.next_line() {
                let line = line.map_err(|LineTooLong| self.failure(body::too_large(limit)))?;
                self.publish_line(&line).await?;
                self.line += 1;
                // A fast publisher must yield its worker to other tasks.
                tokio::task::consume_budget().await;
            }
        }
        let rest = lines.rest();
        if !is_blank(&rest) {
            self.publish_line(&rest).await?;
            self.line += 1;
        }
        self.window.settle_all().await?;
        if end {
            self.metadata.end = true;
            self.metadata.event = Some("end".parse().map_err(|error| self.failure(error))?);
            self.publish_data(Data::Json("null".to_owned())).await?;
            self.window.settle_all().await?;
        }
        Ok(())
    }

    /// Returns a failure at the current line.
    fn failure(&self, problem: impl Into<Problem>) -> LineFailure {
        LineFailure { line: self.line, problem: problem.into() }
    }

    /// Waits for `event`, while what is in flight settles. A publisher that waits also gets a
    /// response when the gateway drains, so that it knows where to continue on another one.
    async fn wait_for<T>(&mut self, event: impl Future<Output = T>) -> Result<T, LineFailure> {
        let mut event = pin!(event);
        loop {
            tokio::select! {
                // A failure comes before further lines.
                biased;
                settled = self.window.settle_next(), if !self.window.is_empty() => settled?,
                output = &mut event => return Ok(output),
                () = self.app.draining.cancelled() => {
                    return Err(self.failure(PublishError::Draining));
                }
            }
        }
    }

    /// Waits for the next chunk.
    async fn next_chunk(&mut self, body: &mut Body) -> Result<Option<Bytes>, LineFailure> {
        loop {
            let Some(frame) = self.wait_for(body.frame()).await? else { return Ok(None) };
            let frame = frame.map_err(|error| self.failure(body::incomplete(error)))?;
            if let Ok(piece) = frame.into_data() {
                return Ok(Some(piece));
            }
        }
    }

    /// Reserves memory for `bytes` of the body, and for what is in flight. When there is none, the
    /// stream goes on without a window.
    async fn reserve(
        &mut self,
        reservation: &mut BodyReservation,
        bytes: usize,
    ) -> Result<(), LineFailure> {
        if reservation.grow_to(bytes + self.window.bytes()).is_err() {
            self.window.settle_all().await?;
            reservation.grow_to(bytes).map_err(|problem| self.failure(problem))?;
        }
        Ok(())
    }

    /// Waits until the window has room. The body is not read meanwhile.
    async fn wait_for_room(&mut self, bytes: usize) -> Result<(), LineFailure> {
        self.window.settle_ready()?;
        while !self.window.has_room(bytes) {
            self.window.settle_next().await?;
        }
        Ok(())
    }

    /// Waits while the gateway is overloaded: load shedding slows a stream down and does not end
    /// it.
    async fn wait_for_load(&mut self) -> Result<(), LineFailure> {
        const PAUSE: Duration = Duration::from_millis(50);
        while self.app.hub.is_overloaded() {
            self.wait_for(tokio::time::sleep(PAUSE)).await?;
        }
        Ok(())
    }

    /// Waits until the rate limits permit a message of `bytes`. The stream ends with its token.
    async fn wait_for_rate(&mut self, bytes: usize) -> Result<(), LineFailure> {
        loop {
            if self.pass.expires().is_some_and(|end| end <= unix_millis()) {
                let detail = "the token has expired; continue after the last line with a new one";
                return Err(self.failure(Problem::new(Kind::TokenExpired, detail)));
            }
            let denied = match self.pass.consume_rate(&self.channel, bytes) {
                Ok(()) => return Ok(()),
                Err(denied) => denied,
            };
            let Some(wait) = denied.retry_after else { return Err(self.failure(denied)) };
            self.wait_for(tokio::time::sleep(wait)).await?;
        }
    }

    async fn publish_line(&mut self, line: &Bytes) -> Result<(), LineFailure> {
        if is_blank(line) {
            return Ok(());
        }
        let data = Data::json(line).map_err(|error| self.failure(error))?;
        self.publish_data(data).await
    }

    async fn publish_data(&mut self, data: Data) -> Result<(), LineFailure> {
        let draft = self.metadata.draft(self.channel.clone(), data);
        let bytes = draft.data.as_bytes().len();
        self.wait_for_room(bytes).await?;
        self.wait_for_rate(bytes).await?;
        self.wait_for_load().await?;
        let publication = self.app.hub.append_despite_load(draft);
        let publication = publication.map_err(|error| self.failure(error))?;
        self.window.push(publication, self.line, bytes)
    }
}
