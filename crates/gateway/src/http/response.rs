//! Answers that are made whole: pages of history, lists, metrics. They are held until the client has taken them. So each connection has
//! room for a few, and all of them together have so much memory.

use std::{
    convert::Infallible,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
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
use tricast_core::{AnswerMemory, Kind};
use tricast_net::{ConnHandle, ReadProgress, ResponsePermit};

use crate::http::{forwarded, problem::Problem, state::App};

/// An answer of no more than so many bytes needs no room on its connection, and does not wait for those that do.
const SMALL_RESPONSE: usize = 16 * 1024;

/// What is handed on at once.
const SLICE: usize = 32 * 1024;

/// Where answers count beside their connection, and for whom.
pub(crate) struct ResponseAccount {
    answers: Arc<AnswerMemory>,
    address: Option<IpAddr>,
}

/// What is left of an answer.
struct SlicedBody {
    bytes: Bytes,
    progress: ReadProgress,
}

/// An answer's bytes with its share of the connection's room.
struct ReservedBytes {
    bytes: Box<[u8]>,
    _permit: Option<ResponsePermit>,
}

impl ResponseAccount {
    /// That of the client that `request` comes from.
    pub(crate) fn of(app: &App, request: &Request) -> Self {
        let conn = request.extensions().get::<ConnHandle>();
        let proxy = &app.settings().proxy;
        let client =
            |conn: &ConnHandle| forwarded::client_address(conn.peer(), request.headers(), proxy);
        Self { answers: app.hub.answer_memory().clone(), address: conn.and_then(client) }
    }
}

/// Answers `request` with what `made` gives, in JSON. `account` is `None` for the operator, who wants to be answered above all when the
/// memory of all others is used up.
///
/// # Errors
/// As `made`; when there is no memory for it; and when the client does not take what it has asked for before.
pub(crate) async fn json_response<T: Serialize, F>(
    account: Option<ResponseAccount>,
    request: Request,
    make: impl Fn() -> F,
) -> Result<Response, Problem>
where
    F: Future<Output = Result<T, Problem>>,
{
    let text =
        || async { make().await.map(|value| serde_json::to_vec(&value).unwrap_or_default()) };
    let body = whole_body(account, request, text).await?;
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

/// The body of the answer to `request`, which `made` gives when its turn has come. What finds no room on its connection is dropped, and
/// made again when there is room: what waits takes no memory, and keeps nothing small from going out.
///
/// # Errors
/// As for [`document`].
pub(crate) async fn whole_body<F>(
    account: Option<ResponseAccount>,
    request: Request,
    make: impl Fn() -> F,
) -> Result<Body, Problem>
where
    F: Future<Output = Result<Vec<u8>, Problem>>,
{
    let conn = request.extensions().get::<ConnHandle>().cloned();
    // A thousand may wait, and their heads would be more than the answers.
    drop(request);
    let Some(conn) = conn else { return make().await.map(Body::from) };
    let budget = conn.response_budget();
    let mut permit: Option<ResponsePermit> = None;
    loop {
        let guard = budget.exclusive().await;
        let bytes = make().await?.into_boxed_slice();
        drop(guard);
        let length = bytes.len();
        let counted = match &account {
            Some(account) => Some(account.answers.reserve(account.address, length)?),
            None => None,
        };
        if length > SMALL_RESPONSE && !permit.as_ref().is_some_and(|permit| permit.covers(length)) {
            permit = budget.try_acquire(length);
            if permit.is_none() {
                drop((bytes, counted));
                permit = Some(budget.acquire(length).await.ok_or_else(responses_unread)?);
                continue;
            }
        }
        let reserved = ReservedBytes { bytes, _permit: permit };
        let bytes = match counted {
            Some(counted) => counted.attach_to(reserved),
            None => Bytes::from_owner(reserved),
        };
        return Ok(Body::new(SlicedBody { bytes, progress: budget.progress() }));
    }
}

fn responses_unread() -> Problem {
    let detail = "other answers on this connection are not read, and no more are made for it until they are; \
                  read them, or ask on another connection";
    Problem::new(Kind::Overloaded, detail)
}

impl AsRef<[u8]> for ReservedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// In slices, so that what waits for room sees that the client reads.
impl http_body::Body for SlicedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        self.progress.record();
        let length = self.bytes.len().min(SLICE);
        Poll::Ready(Some(Ok(Frame::data(self.bytes.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
