//! Builds event blocks: fields, each on a line of its own, and an empty line.

use std::io::Write as _;

use bytes::Bytes;

/// A block in the making. Values must not contain line breaks, except in [`Block::text`].
pub(crate) struct Block(Vec<u8>);

impl Block {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(256))
    }

    pub(crate) fn field(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        // Writing to memory cannot fail.
        let _ = writeln!(self.0, "{name}: {value}");
        self
    }

    /// Adds a `data:` line, of which `write` appends the value.
    pub(crate) fn data(mut self, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        self.0.extend_from_slice(b"data: ");
        write(&mut self.0);
        self.0.push(b'\n');
        self
    }

    /// Adds any text as `data:` lines. A parser ends a line at LF, CR and CRLF alike, so each of
    /// them must begin a `data:` line, or the text could forge a field.
    pub(crate) fn text(mut self, text: &str) -> Self {
        let mut rest = text;
        loop {
            let end = rest.find(['\n', '\r']);
            self = self.field("data", &rest[..end.unwrap_or(rest.len())]);
            let Some(end) = end else { return self };
            let width = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
            rest = &rest[end + width..];
        }
    }

    pub(crate) fn finish(mut self) -> Bytes {
        self.0.push(b'\n');
        self.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_break_begins_a_data_line() {
        let block = Block::new().text("a\rb\nc\r\nd\n\re\r\n").finish();
        let lines = "data: a\ndata: b\ndata: c\ndata: d\ndata: \ndata: e\ndata: \n\n";
        assert_eq!(block, lines);
        assert_eq!(Block::new().text("").finish(), "data: \n\n");
    }
}
