//! A try that has failed, and what may follow it: whether the prompt can be sent again.

use crate::{ErrorKind, KeyGuard, Planted, RunError, UpstreamSays, upstream_client::CallError};

/// A try that has failed.
pub(crate) struct Failed {
    pub(crate) error: RunError,
    pub(crate) then: Then,
    /// Whether it shows that the upstream does not work.
    pub(crate) is_outage: bool,
}

/// What may follow a failed try, while there is no content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing: it would fail again, or would be paid twice.
    End,
    /// The next upstream.
    Fallback,
    /// The same upstream, and then the next one.
    Retry,
}

impl Failed {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>, then: Then) -> Self {
        Self { error: RunError::new(kind, message), then, is_outage: false }
    }

    /// Makes one of a call that has brought no answer. `guard` scrubs what the upstream says.
    pub(crate) fn of_call(error: CallError, guard: &KeyGuard) -> Self {
        let (kind, message, said) = match error {
            CallError::Status { status, retry_after, says } => {
                let mut failed = Self::of_status(status, says, guard);
                failed.error.retry_after = retry_after;
                return failed;
            }
            CallError::Unreachable(said) => {
                (ErrorKind::Unreachable, "the model's service cannot be reached", said)
            }
            CallError::Cut(said) => {
                let message = "the connection to the model's service broke before its answer";
                (ErrorKind::Cut, message, said)
            }
        };
        tracing::debug!("{message}: {}", guard.scrub(&said));
        Self { is_outage: true, ..Self::new(kind, message, Then::Retry) }
    }

    fn of_status(status: u16, says: UpstreamSays, guard: &KeyGuard) -> Self {
        let told = |kind, then| {
            let error = says.into_error(kind, Some(status), guard);
            Self { error, then, is_outage: status >= 500 }
        };
        match status {
            // Whose key it is, and why it is refused, is nothing for users.
            401 | 403 | 407 if !Planted::DetailsTold.is_on() => Self::new(
                ErrorKind::Misconfigured,
                "the gateway is not set up for this model's service",
                Then::Fallback,
            ),
            408 | 409 | 429 | 500.. => told(ErrorKind::Upstream, Then::Retry),
            400..=499 if Planted::RejectionRetried.is_on() => {
                told(ErrorKind::Rejected, Then::Retry)
            }
            400..=499 => told(ErrorKind::Rejected, Then::End),
            _ => Self::new(
                ErrorKind::Redirect,
                "the model's service has sent a redirect, which is not followed",
                Then::Fallback,
            ),
        }
    }
}
