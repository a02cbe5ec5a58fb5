//! Splits a body that arrives in pieces of any size into lines.

use bytes::{Buf as _, Bytes, BytesMut};

/// Splits at LF and keeps the incomplete last line.
#[derive(Debug)]
pub(crate) struct LineSplitter {
    pending: BytesMut,
    /// `pending` has no LF before this index.
    searched: usize,
    limit: usize,
}

/// A line exceeds the limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

impl LineSplitter {
    pub(crate) fn new(limit: usize) -> Self {
        Self { pending: BytesMut::new(), searched: 0, limit }
    }

    /// Adds a piece that has arrived.
    pub(crate) fn push(&mut self, piece: &Bytes) {
        self.pending.extend_from_slice(piece);
    }

    /// Returns the number of bytes that are kept.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// Returns the next complete line, without its LF.
    pub(crate) fn next_line(&mut self) -> Option<Result<Bytes, LineTooLong>> {
        let Some(at) = self.pending[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.pending.len();
            return (self.searched > self.limit).then_some(Err(LineTooLong));
        };
        let line = self.pending.split_to(self.searched + at).freeze();
        self.pending.advance(1);
        self.searched = 0;
        Some(if line.len() > self.limit { Err(LineTooLong) } else { Ok(line) })
    }

    /// Returns the bytes after the last LF.
    pub(crate) fn rest(self) -> Bytes {
        self.pending.freeze()
    }
}

/// Returns whether a line consists of white space only, after a byte order mark.
pub(crate) fn is_blank(line: &[u8]) -> bool {
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    line.iter().all(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_make_the_same_lines() {
        let text = b"one\n\ntwo\r\nthree";
        for size in 1..text.len() {
            let mut lines = LineSplitter::new(10);
            let mut seen = Vec::new();
            for piece in text.chunks(size) {
                lines.push(&Bytes::copy_from_slice(piece));
                while let Some(line) = lines.next_line() {
                    seen.push(line.expect("short"));
                }
            }
            assert_eq!(seen, ["one", "", "two\r"]);
            assert_eq!(lines.rest(), "three");
        }
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut lines = LineSplitter::new(10);
        lines.push(&Bytes::from_static(b"0123456789"));
        assert_eq!(lines.next_line(), None);
        lines.push(&Bytes::from_static(b"a"));
        assert_eq!(lines.next_line(), Some(Err(LineTooLong)));
    }
}
