//! Responses that are built as a whole: pages of history, lists, metrics. The gateway holds them
//! until the client has read them. So each connection has a budget for a few of them, and all
//! connections share `limits.answer_memory`.

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
use tricast_core::{AnswerMemory, Kind};
use tricast_net::{ConnHandle, ReadProgress, ResponseBudget, ResponsePermit};

use crate::http::{document::Document, forwarded, problem::Problem, state::App};

/// Largest response that needs no permit of its connection, and does not wait for those that do.
const SMALL_RESPONSE: usize = 16 * 1024;

/// Largest part that is passed to the HTTP library at once.
const SLICE: usize = 32 * 1024;

/// The memory for responses, and the client whose share of it a response uses.
pub(crate) struct ResponseAccount {
    answers: Arc<AnswerMemory>,
    address: Option<IpAddr>,
}

/// The rest of a response.
struct SlicedBody {
    bytes: Bytes,
    progress: ReadProgress,
}

/// The bytes of a response with its permit of the connection's budget.
struct ReservedBytes {
    bytes: Box<[u8]>,
    _permit: Option<ResponsePermit>,
}

impl ResponseAccount {
    /// Returns the account of the client of `request`.
    pub(crate) fn of(app: &App, request: &Request) -> Self {
        let conn = request.extensions().get::<ConnHandle>();
        let proxy = &app.settings().proxy;
        let client =
            |conn: &ConnHandle| forwarded::client_address(conn.peer(), request.headers(), proxy);
        Self { answers: app.hub.answer_memory().clone(), address: conn.and_then(client) }
    }
}

/// Responds to `request` with the JSON document that `make` returns. `account` is `None` for the
/// operator, whose requests must succeed above all when clients have used up the memory.
///
/// # Errors
/// Those of [`whole_body`].
pub(crate) async fn json_response<D: Document, F>(
    account: Option<ResponseAccount>,
    request: Request,
    make: impl Fn() -> F,
) -> Result<Response, Problem>
where
    F: Future<Output = Result<D, Problem>>,
{
    let body = whole_body(account, request, make).await?;
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

/// Returns the body of the response to `request`: the document that `make` returns, written once
/// there is memory for it.
///
/// # Errors
/// Those of `make`; no memory is left for responses; or the client does not read the responses
/// that it requested earlier on the same connection.
pub(crate) async fn whole_body<D: Document, F>(
    account: Option<ResponseAccount>,
    request: Request,
    make: impl Fn() -> F,
) -> Result<Body, Problem>
where
    F: Future<Output = Result<D, Problem>>,
{
    let conn = request.extensions().get::<ConnHandle>().cloned();
    // A thousand requests may wait, and their heads would take more memory than the responses.
    drop(request);
    let Some(conn) = conn else {
        let mut bytes = Vec::new();
        make().await?.write(&mut bytes);
        return Ok(Body::from(bytes));
    };
    budgeted_body(account, conn.response_budget(), make).await.map(Body::new)
}

/// Measures the document, reserves memory for it, and writes it. A document that has to wait for
/// its connection's budget is dropped and selected again later: waiting takes no memory, and does
/// not delay small responses.
async fn budgeted_body<D: Document, F>(
    account: Option<ResponseAccount>,
    budget: &ResponseBudget,
    make: impl Fn() -> F,
) -> Result<SlicedBody, Problem>
where
    F: Future<Output = Result<D, Problem>>,
{
    let mut permit: Option<ResponsePermit> = None;
    loop {
        let guard = budget.exclusive().await;
        let document = make().await?;
        let length = document.length();
        let reservation = match &account {
            Some(account) => Some(account.answers.reserve(account.address, length)?),
            None => None,
        };
        if length > SMALL_RESPONSE && !permit.as_ref().is_some_and(|permit| permit.covers(length)) {
            permit = budget.try_acquire(length);
            if permit.is_none() {
                drop((document, reservation, guard));
                permit = Some(budget.acquire(length).await.ok_or_else(responses_unread)?);
                continue;
            }
        }
        let mut bytes = Vec::with_capacity(length);
        document.write(&mut bytes);
        drop(guard);
        let reserved = ReservedBytes { bytes: bytes.into_boxed_slice(), _permit: permit };
        let bytes = match reservation {
            Some(reservation) => reservation.attach_to(reserved),
            None => Bytes::from_owner(reserved),
        };
        return Ok(SlicedBody { bytes, progress: budget.progress() });
    }
}

fn responses_unread() -> Problem {
    let detail = "earlier responses on this connection have not been read, and no more are built \
                  for it until they are; read them, or use another connection";
    Problem::new(Kind::Overloaded, detail)
}

impl AsRef<[u8]> for ReservedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Yields slices, so that responses that wait for the budget see that the client reads.
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

#[cfg(test)]
mod tests {
    use std::{
        future::ready,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use futures_util::future::join_all;

    use super::*;

    const ASKERS: usize = 100;
    const PAGE: usize = 3 << 19;

    /// A page that counts how often pages are written.
    struct Page<'a>(&'a AtomicUsize);

    impl Document for Page<'_> {
        fn length(&self) -> usize {
            PAGE
        }

        fn write(self, out: &mut Vec<u8>) {
            self.0.fetch_add(1, Relaxed);
            out.resize(PAGE, b' ');
        }
    }

    async fn ask(
        answers: &Arc<AnswerMemory>,
        budget: &ResponseBudget,
        written: &AtomicUsize,
    ) -> Result<SlicedBody, Problem> {
        let account = ResponseAccount { answers: answers.clone(), address: None };
        budgeted_body(Some(account), budget, || ready(Ok(Page(written)))).await
    }

    #[tokio::test]
    async fn only_pages_with_memory_are_written() {
        let (answers, written) = (Arc::<AnswerMemory>::default(), AtomicUsize::new(0));
        answers.set_limit(8 << 20);
        let budgets: Vec<_> = (0..ASKERS).map(|_| ResponseBudget::default()).collect();
        let asked = budgets.iter().map(|budget| ask(&answers, budget, &written));
        let responses = join_all(asked).await;
        let bodies: Vec<_> = responses.into_iter().filter_map(Result::ok).collect();
        assert_eq!((bodies.len(), written.load(Relaxed)), (5, 5));
        assert_eq!(answers.used(), 5 * PAGE);
        drop(bodies);
        assert_eq!(answers.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn pages_that_wait_for_their_connection_are_not_written_first() {
        let (answers, written) = (Arc::<AnswerMemory>::default(), AtomicUsize::new(0));
        let budget = ResponseBudget::default();
        let unread = join_all((0..ASKERS).map(|_| ask(&answers, &budget, &written))).await;
        let bodies: Vec<_> = unread.into_iter().filter_map(Result::ok).collect();
        assert_eq!((bodies.len(), written.load(Relaxed)), (1, 1));
        drop(bodies);
        let read_at_once = || async { ask(&answers, &budget, &written).await.map(drop) };
        let read = join_all((0..ASKERS).map(|_| read_at_once())).await;
        assert!(read.iter().all(Result::is_ok));
        assert_eq!(written.load(Relaxed), 1 + ASKERS);
    }
}
