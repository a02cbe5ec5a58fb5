//! The parser of an event stream (WHATWG HTML, §9.2.6 *Interpreting an event stream*), which takes
//! the bytes as they come and holds no more than it is allowed to.
//!
//! Two things differ from a browser. Ids and `retry` are ignored, because nobody resumes at an
//! upstream. What is no field of an event stream is kept: some upstreams end a stream with an error
//! as plain JSON.

use memchr::memchr2;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The value of its last `event` field; empty if it has none.
    pub name: Vec<u8>,
    /// The values of its `data` fields, joined by line feeds.
    pub data: Vec<u8>,
}

/// What a stream consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An event.
    Event(Event),
    /// A comment: the upstream is alive, and has nothing to say.
    Comment,
}

/// What is left once the body has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// An event without the blank line that ends it. A browser drops it.
    pub event: Option<Event>,
    /// The text since the last event that is no field of an event stream.
    pub stray: Vec<u8>,
}

/// The error of an event, or of text between two events, that is longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event has more than {limit} bytes")]
pub struct TooLong {
    limit: usize,
}

/// Reads the bytes of an event stream, however they are cut.
#[derive(Debug)]
pub struct EventStream {
    limit: usize,
    /// The line that is not complete yet.
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    stray: Vec<u8>,
    /// A line feed that comes next belongs to the carriage return before it.
    skips_line_feed: bool,
    /// No line has ended yet, so that a byte order mark may be there.
    is_first_line: bool,
}

impl EventStream {
    /// Makes a parser that holds at most `limit` bytes of one event.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            event: Event::default(),
            has_data: false,
            stray: Vec::new(),
            skips_line_feed: false,
            is_first_line: true,
        }
    }

    /// Reads the next bytes of the body, and appends what they complete to `items`.
    ///
    /// # Errors
    /// When an event is too long. The stream is not to be read any further.
    pub fn read(&mut self, mut bytes: &[u8], items: &mut Vec<Item>) -> Result<(), TooLong> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.skips_line_feed) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', bytes) else {
                self.check(bytes.len())?;
                self.line.extend_from_slice(bytes);
                return Ok(());
            };
            self.check(end)?;
            self.line.extend_from_slice(&bytes[..end]);
            self.skips_line_feed = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            items.extend(self.end_line());
        }
        Ok(())
    }

    /// Ends the body, and returns what was not complete.
    pub fn end(mut self) -> Rest {
        // The last line may lack its end.
        if !self.line.is_empty() {
            self.end_line();
        }
        let event = self.has_data.then_some(self.event);
        Rest { event, stray: self.stray }
    }

    fn check(&self, more: usize) -> Result<(), TooLong> {
        let held = [&self.line, &self.event.name, &self.event.data, &self.stray];
        let held: usize = held.map(Vec::len).iter().sum();
        if held + more > self.limit { Err(TooLong { limit: self.limit }) } else { Ok(()) }
    }

    fn end_line(&mut self) -> Option<Item> {
        let mut line = std::mem::take(&mut self.line);
        let is_first = std::mem::take(&mut self.is_first_line);
        let text = line.strip_prefix(BYTE_ORDER_MARK).filter(|_| is_first).unwrap_or(&line);
        let item = match text {
            [] => self.end_event(),
            [b':', ..] => Some(Item::Comment),
            text => {
                self.read_field(text);
                None
            }
        };
        // Its memory serves the next line.
        line.clear();
        self.line = line;
        item
    }

    fn read_field(&mut self, line: &[u8]) {
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                if self.has_data {
                    self.event.data.push(b'\n');
                }
                self.has_data = true;
                self.event.data.extend_from_slice(value);
            }
            b"event" => self.event.name = value.to_vec(),
            b"id" | b"retry" => {}
            _ => {
                self.stray.extend_from_slice(line);
                self.stray.push(b'\n');
            }
        }
    }

    fn end_event(&mut self) -> Option<Item> {
        let event = std::mem::take(&mut self.event);
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        self.stray.clear();
        Some(Item::Event(event))
    }
}

#[cfg(test)]
#[path = "tests/event_stream.rs"]
mod tests;
