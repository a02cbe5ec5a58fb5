//! The fetch of older messages for one stream: asked of the engine, then read in parts.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{Engine, EngineError, EngineFuture, Lease, Portion, ReadRequest};

/// What a stream has asked the engine for.
pub(super) struct Fetch {
    pub(super) request: ReadRequest,
    state: FetchState,
}

enum FetchState {
    Waiting(EngineFuture<Lease>),
    Held(Lease),
}

impl Fetch {
    pub(super) fn begin(engine: &dyn Engine, request: ReadRequest) -> Box<Self> {
        let state = FetchState::Waiting(engine.read(request.clone()));
        Box::new(Self { request, state })
    }

    /// Returns the portion once the engine has answered; `None` if the engine has taken it back
    /// because it was not read in time.
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
        match &self.state {
            FetchState::Held(lease) => Poll::Ready(Ok(lease.portion())),
            FetchState::Waiting(_) => Poll::Pending,
        }
    }
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch").field("request", &self.request).finish_non_exhaustive()
    }
}
