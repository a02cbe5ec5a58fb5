//! Answers that are made whole: pages of history, lists, metrics. They are held until the client has taken them, and so each connection
//! has room for a few.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use tricast_core::Kind;

use crate::{
    net::{Line, Share},
    problem::Problem,
};

/// How long an answer waits for those of its connection that nobody takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer with its share of the connection's room.
struct Held {
    body: Body,
    _share: Share,
}

/// Answers `request` with what `made` gives, in JSON.
///
/// # Errors
/// As `made`, and when the client does not take what it has asked for before.
pub(crate) async fn document<T: Serialize>(
    request: Request,
    made: impl Future<Output = Result<T, Problem>>,
) -> Result<Response, Problem> {
    let text = async { made.await.map(|made| serde_json::to_vec(&made).unwrap_or_default()) };
    let body = whole(request, text).await?;
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

/// The body of the answer to `request`, which `made` gives when its turn has come.
///
/// # Errors
/// As for [`document`].
pub(crate) async fn whole(
    request: Request,
    made: impl Future<Output = Result<Vec<u8>, Problem>>,
) -> Result<Body, Problem> {
    let line = request.extensions().get::<Line>().cloned();
    // A thousand may wait, and their heads would be more than the answers.
    drop(request);
    let Some(line) = line else { return made.await.map(Body::from) };
    let (room, by) = (line.room(), Instant::now() + PATIENCE);
    let turn = timeout_at(by, room.turn()).await.map_err(|_| unread())?;
    let bytes = Bytes::from(made.await?.into_boxed_slice());
    let share = timeout_at(by, room.share(bytes.len())).await.map_err(|_| unread())?;
    drop(turn);
    Ok(Body::new(Held { body: Body::from(bytes), _share: share }))
}

fn unread() -> Problem {
    let detail = "other answers on this connection are not read, and no more are made for it until they are; \
                  read them, or ask on another connection";
    Problem::new(Kind::Overloaded, detail)
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
