//! Message data: JSON, text or bytes.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{Kind, Problem};

/// A message's data, validated when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// One JSON value on one line, with digits and key order as published.
    Json(String),
    /// UTF-8 text.
    Text(String),
    /// Any bytes.
    Bytes(Bytes),
}

/// The error for data that is not of its declared type.
#[derive(Debug, thiserror::Error)]
pub enum BadData {
    /// The data does not parse as JSON.
    #[error("the data is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The data is not UTF-8, as JSON has to be (RFC 8259 §8.1).
    #[error("the data is not UTF-8: {0}")]
    Utf8(#[from] std::str::Utf8Error),
}

impl Problem for BadData {
    fn kind(&self) -> Kind {
        match self {
            BadData::Json(_) => Kind::BadJson,
            BadData::Utf8(_) => Kind::BadUtf8,
        }
    }
}

impl Data {
    /// Parses one JSON value. Raw line breaks become spaces: they can stand only between tokens,
    /// where a space means the same. A byte order mark before the value is dropped (RFC 8259 §8.1).
    ///
    /// # Errors
    /// When `body` is not UTF-8 or not exactly one JSON value.
    pub fn json(body: &[u8]) -> Result<Self, BadData> {
        let text = std::str::from_utf8(body)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let value = serde_json::from_str::<&RawValue>(text)?.get();
        if value.bytes().any(is_line_break) {
            return Ok(Self::Json(value.replace(['\n', '\r'], " ")));
        }
        Ok(Self::Json(value.to_owned()))
    }

    /// Makes text if `body` is valid UTF-8, and bytes otherwise.
    pub fn text_or_bytes(body: Bytes) -> Self {
        match String::from_utf8(body.into()) {
            Ok(mut text) => {
                // A body that was received in parts has spare capacity.
                text.shrink_to_fit();
                Self::Text(text)
            }
            Err(not_text) => Self::Bytes(not_text.into_bytes().into()),
        }
    }

    /// Returns the data as it was published, as `format=raw` sends it.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Data::Json(text) | Data::Text(text) => text.as_bytes(),
            Data::Bytes(bytes) => bytes,
        }
    }

    /// Whether the data is neither text nor JSON.
    pub fn is_binary(&self) -> bool {
        matches!(self, Data::Bytes(_))
    }
}

fn is_line_break(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_digits_and_loses_its_line_breaks() {
        let data = Data::json(b" {\r\n \"a\": 1.10e400,\n\"b\":\"x\\n\"}\n").expect("JSON");
        assert_eq!(data, Data::Json("{   \"a\": 1.10e400, \"b\":\"x\\n\"}".into()));
    }

    #[test]
    fn a_byte_order_mark_before_json_is_dropped() {
        let data = Data::json("\u{feff}\"\u{feff}\"".as_bytes()).expect("JSON");
        assert_eq!(data, Data::Json("\"\u{feff}\"".into()));
        for text in ["\u{feff}", "\u{feff}\u{feff}1", "1\u{feff}", " \u{feff}1"] {
            assert!(Data::json(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn anything_but_one_json_value_is_refused() {
        for body in [&b""[..], b"{", b"1 2", b"nope", b"\"\n\"", b"\"\xff\"", b"[1,]"] {
            assert!(Data::json(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_bytes() {
        assert_eq!(Data::text_or_bytes(Bytes::from_static(b"a\xff")).as_bytes(), b"a\xff");
        assert!(Data::text_or_bytes(Bytes::from_static(b"a\xff")).is_binary());
        assert!(!Data::text_or_bytes(Bytes::from_static("ä".as_bytes())).is_binary());
    }
}
