//! Bodies of responses that are built as a whole, which are measured before they are written.

use serde::Serialize;
use tricast_core::{HistorySelection, json_length};

/// A response body that can be measured before it is written, so that nothing is written for which
/// there is no memory.
pub(crate) trait Document {
    /// Returns the exact length of what [`write`](Self::write) adds.
    fn length(&self) -> usize;

    /// Appends the body to `out`.
    fn write(self, out: &mut Vec<u8>);
}

/// A value that is sent as JSON.
pub(crate) struct AsJson<T>(pub(crate) T);

impl<T: Serialize> Document for AsJson<T> {
    fn length(&self) -> usize {
        json_length(&self.0)
    }

    fn write(self, out: &mut Vec<u8>) {
        // Response types have string keys and finite numbers: they always serialize.
        let _ = serde_json::to_writer(out, &self.0);
    }
}

impl Document for HistorySelection {
    fn length(&self) -> usize {
        self.json_length()
    }

    fn write(self, out: &mut Vec<u8>) {
        AsJson(self.into_page()).write(out);
    }
}

impl Document for String {
    fn length(&self) -> usize {
        self.len()
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}
