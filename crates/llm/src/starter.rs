//! The one who has made a prompt.

use tricast_core::{Identity, UserId};

/// The one who has made a prompt.
#[derive(Clone, Debug)]
pub struct Starter {
    /// The identity of the client.
    pub identity: Identity,
    /// Whether it is the application's own service, which has no limit of open runs, and whose runs
    /// need no listener.
    pub is_backend: bool,
}

impl Starter {
    /// Returns the user for which the prompt was made, if there is one.
    pub fn user(&self) -> Option<&UserId> {
        self.identity.user.as_ref()
    }
}
