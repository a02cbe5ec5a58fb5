//! Whether a response was reset because its client did not read it: known to flow control, and
//! wanted by the stream in that response when it is dropped.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The stall of one HTTP/2 response, among the extensions of its request.
#[derive(Clone, Debug, Default)]
pub struct StreamStall(Arc<AtomicBool>);

impl StreamStall {
    /// Whether the response was reset because its client did not read it.
    pub fn occurred(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn record(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
