//! The fetch of older messages for one stream: asked of the engine, then read in parts.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{Engine, EngineError, EngineFuture, Lease, Portion, ReadLimit, ReadRequest};

/// The most of a portion that is encoded at once: a reader that takes nothing keeps so much in
/// memory, and there may be many that catch up.
pub(super) const PART: ReadLimit = ReadLimit { messages: 64, bytes: 16 * 1024 };

/// After so many small portions a stream gets larger ones: it takes what it is sent.
const SMALL_PORTIONS: u32 = 4;

/// What a stream has asked the engine for.
pub(super) struct Fetch {
    pub(super) request: ReadRequest,
    state: FetchState,
    pace: Pace,
}

/// How large the portions of a stream are. Small ones are read at once: a stream that takes nothing
/// occupies no memory that others wait for.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// Portions that were read to their end.
    read: u32,
    /// Whether the engine has taken a portion back.
    is_slow: bool,
}

impl Pace {
    fn limit(self, limit: ReadLimit) -> ReadLimit {
        match self.is_slow || self.read < SMALL_PORTIONS {
            true => PART.and(limit),
            false => limit,
        }
    }
}

enum FetchState {
    Waiting(EngineFuture<Lease>),
    Held(Lease),
    Done,
}

impl Fetch {
    /// Asks for the next portion of a stream; `last` is the fetch before this one.
    pub(super) fn begin(
        engine: &dyn Engine,
        mut request: ReadRequest,
        last: Option<&Self>,
    ) -> Box<Self> {
        let pace = last.map(|last| last.pace).unwrap_or_default();
        request.limit = pace.limit(request.limit);
        let state = FetchState::Waiting(engine.read(request.clone()));
        Box::new(Self { request, state, pace })
    }

    /// Returns the portion once the engine has answered; `None` if it has been read, or if the
    /// engine has taken it back because it was not read in time.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Arc<Portion>>, EngineError>> {
        if let FetchState::Waiting(answer) = &mut self.state {
            match Pin::new(answer).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(lease)) => self.state = FetchState::Held(lease),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        let FetchState::Held(lease) = &self.state else { return Poll::Ready(Ok(None)) };
        let portion = lease.portion();
        if portion.is_none() {
            self.pace.is_slow = true;
            self.state = FetchState::Done;
        }
        Poll::Ready(Ok(portion))
    }

    /// Gives the portion back, which has been read.
    pub(super) fn give_back(&mut self) {
        self.pace.read = self.pace.read.saturating_add(1);
        self.state = FetchState::Done;
    }
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch").field("request", &self.request).finish_non_exhaustive()
    }
}
