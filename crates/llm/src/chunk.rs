//! One chunk of a streamed chat completion: what the gateway has to know of it. Everything else
//! passes as it came, so that numbers and surrogates stay what they were.

use std::borrow::Cow;

use serde::{Deserialize, de};
use serde_json::value::RawValue;

/// A chunk, which borrows from the data of its event.
#[derive(Debug, Deserialize)]
pub(crate) struct Chunk<'a> {
    /// The choices that it changes; empty in the chunk that has only the usage.
    #[serde(borrow, default, deserialize_with = "null_is_empty")]
    pub(crate) choices: Vec<Choice<'a>>,
    /// The usage so far. Upstreams put it on the last chunk, on one of its own, or on each.
    #[serde(borrow, default)]
    pub(crate) usage: Option<&'a RawValue>,
    /// The error that ends the stream.
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
}

/// What a chunk says of one choice.
#[derive(Debug, Deserialize)]
pub(crate) struct Choice<'a> {
    /// Its number; upstreams that know only one choice may leave it out.
    #[serde(default)]
    pub(crate) index: u32,
    /// What is added to the message.
    #[serde(borrow, default)]
    pub(crate) delta: Option<&'a RawValue>,
    /// The whole message, in an answer that is not streamed.
    #[serde(borrow, default)]
    pub(crate) message: Option<&'a RawValue>,
    /// Why the choice has ended, once it has.
    #[serde(borrow, default)]
    pub(crate) finish_reason: Option<Cow<'a, str>>,
}

/// The error of data that is no chunk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadChunk {
    /// It is not UTF-8 (RFC 8259 §8.1).
    #[error("the upstream has sent an event that is not UTF-8: {0}")]
    Text(#[from] std::str::Utf8Error),
    /// It is not JSON, or another document.
    #[error("the upstream has sent an event that is no chunk of a chat completion: {0}")]
    Json(#[from] serde_json::Error),
}

impl<'a> Chunk<'a> {
    /// Reads the data of an event, or an answer that is not streamed.
    ///
    /// # Errors
    /// When it is not UTF-8, not JSON, or not a chunk.
    pub(crate) fn parse(data: &'a [u8]) -> Result<Self, BadChunk> {
        let text = std::str::from_utf8(data)?.trim_ascii_start();
        // A list would be taken for the members of a struct in their order.
        if text.starts_with('[') {
            return Err(BadChunk::Json(de::Error::custom("a list is no chunk")));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Whether it adds to a message.
    pub(crate) fn adds(&self) -> bool {
        let parts = self.choices.iter().flat_map(|choice| [choice.delta, choice.message]);
        parts.flatten().any(|part| part.get().len() > "{}".len())
    }
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Choice<'de>>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_of_each_upstream_is_read() {
        // OpenAI, with members that nobody asked about.
        let data = br#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m",
            "choices":[{"index":1,"delta":{"content":"\ud83d"},"logprobs":null,
            "finish_reason":null}],"usage":null,"obfuscation":"xxxx"}"#;
        let chunk = Chunk::parse(data).expect("a chunk");
        let [choice] = &chunk.choices[..] else { panic!("{chunk:?}") };
        assert_eq!((choice.index, choice.finish_reason.as_deref()), (1, None));
        // Half of a surrogate pair is no text by itself, and passes.
        assert_eq!(choice.delta.map(RawValue::get), Some(r#"{"content":"\ud83d"}"#));
        assert!(chunk.usage.is_none() && chunk.error.is_none());
        // The usage on a chunk of its own, and on the chunk that finishes.
        let alone =
            Chunk::parse(br#"{"choices":[],"usage":{"total_tokens":12}}"#).expect("a chunk");
        assert_eq!(alone.usage.map(RawValue::get), Some(r#"{"total_tokens":12}"#));
        let data = br#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"x":1.50}}"#;
        let last = Chunk::parse(data).expect("a chunk");
        assert_eq!(last.choices[0].finish_reason.as_deref(), Some("stop"));
        assert_eq!(last.usage.map(RawValue::get), Some(r#"{"x":1.50}"#));
        // An error, with and without choices.
        let data = br#"{"error":{"code":502,"message":"away"},"choices":null}"#;
        assert!(Chunk::parse(data).expect("a chunk").error.is_some());
        // An answer that is not streamed.
        let data = br#"{"choices":[{"message":{"content":"all"},"finish_reason":"stop"}]}"#;
        assert!(Chunk::parse(data).expect("a chunk").choices[0].message.is_some());
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for data in [
            &b"[DONE]"[..],
            b"",
            b"[]",
            b"7",
            b"{\"choices\":[{\"index\":-1}]}",
            b"{\"choices\":[{\"finish_reason\":1}]}",
            b"{\"choices\":{}}",
            b"{\"choices\":[]",
            b"{\"choices\":[]}{}",
            b"{\"x\":\"\xff\"}",
        ] {
            assert!(Chunk::parse(data).is_err(), "{}", String::from_utf8_lossy(data));
        }
    }
}
