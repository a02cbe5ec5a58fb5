//! What a message carries: JSON, text or bytes.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{Kind, Problem};

/// A message's data, checked when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// One JSON value on one line, digits and key order as published.
    Json(String),
    /// Text.
    Text(String),
    /// Anything.
    Bytes(Bytes),
}

/// The data is not what it claims to be.
#[derive(Debug, thiserror::Error)]
pub enum BadData {
    /// JSON that does not parse.
    #[error("the data is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON is UTF-8 (RFC 8259 §8.1).
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
    /// One JSON value. Raw line breaks can stand only between its tokens, where a space means the same.
    ///
    /// # Errors
    /// When `body` is not UTF-8 or not exactly one JSON value.
    pub fn json(body: &[u8]) -> Result<Self, BadData> {
        let text = std::str::from_utf8(body)?;
        let value = serde_json::from_str::<&RawValue>(text)?.get();
        if value.bytes().any(is_line_break) {
            return Ok(Self::Json(value.replace(['\n', '\r'], " ")));
        }
        Ok(Self::Json(value.to_owned()))
    }

    /// Text when it is valid UTF-8, else bytes.
    pub fn text_or_bytes(body: Bytes) -> Self {
        match String::from_utf8(body.into()) {
            Ok(mut text) => {
                // A body that came in parts has grown by doubling.
                text.shrink_to_fit();
                Self::Text(text)
            }
            Err(not_text) => Self::Bytes(not_text.into_bytes().into()),
        }
    }

    /// The data as its own bytes, as `format=raw` sends them.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Data::Json(text) | Data::Text(text) => text.as_bytes(),
            Data::Bytes(bytes) => bytes,
        }
    }

    /// Whether it is anything but text or JSON.
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
