//! An answer: what the chunks of a stream add up to.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::{BadChunk, Chunk, KeyGuard, Planted, TextOffset, merged::Object};

/// How much text of each choice was published.
pub(crate) type Offsets = BTreeMap<u32, TextOffset>;

/// The choices of an answer so far, and what it has used.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    choices: BTreeMap<u32, ChoiceSoFar>,
    usage: Option<Box<RawValue>>,
}

#[derive(Clone, Debug, Default)]
struct ChoiceSoFar {
    message: Object,
    finish_reason: Option<String>,
}

impl Answer {
    /// Takes in a chunk, or an answer that is not streamed.
    ///
    /// # Errors
    /// When a delta or a message is no object. The answer is then of no use.
    pub(crate) fn add(&mut self, chunk: &Chunk<'_>) -> Result<(), BadChunk> {
        for choice in &chunk.choices {
            let so_far = self.choices.entry(choice.index).or_default();
            for delta in [choice.delta, choice.message].into_iter().flatten() {
                so_far.message.add(delta)?;
            }
            if let Some(reason) = choice.finish_reason.as_deref().filter(|it| !it.is_empty()) {
                so_far.finish_reason = Some(reason.to_owned());
            }
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage.to_owned());
        }
        Ok(())
    }

    /// Whether a choice says something.
    pub fn has_content(&self) -> bool {
        self.choices.values().any(|choice| choice.message.has_content())
    }

    /// Takes out the choices that say something, as one delta in JSON: a list of them, each with
    /// its index, the bytes of its text before, and what is added to its message. `None` if none
    /// does. What only names something waits for the next delta.
    pub(crate) fn take_delta(&mut self, offsets: &mut Offsets) -> Option<String> {
        let mut json = String::from("[");
        self.choices.retain(|index, choice| {
            if !choice.message.has_content() {
                return true;
            }
            let offset = offsets.entry(*index).or_default();
            let (index, at) = (index.to_string(), offset.bytes().to_string());
            let comma = if json.len() > 1 { "," } else { "" };
            json.extend([comma, "{\"index\":", &index, ",\"at\":", &at, ",\"delta\":"]);
            choice.message.write(&mut json);
            json.push('}');
            if !Planted::OffsetStale.is_on() {
                offset.add(choice.message.text("content").unwrap_or_default());
            }
            false
        });
        json.push(']');
        (json.len() > 2).then_some(json)
    }

    /// Takes off the ends of texts that may be the beginning of a key, as the same texts in `whole`
    /// end.
    pub(crate) fn take_open_ends(&mut self, whole: &Answer, guard: &KeyGuard) -> Answer {
        let mut held = Answer::default();
        for (index, choice) in &mut self.choices {
            let Some(whole) = whole.choices.get(index) else { continue };
            let message = choice.message.take_open_ends(&whole.message, guard);
            if !message.is_empty() {
                held.choices.insert(*index, ChoiceSoFar { message, finish_reason: None });
            }
        }
        held
    }

    /// Adds what was taken off.
    pub(crate) fn append(&mut self, held: Answer) {
        for (index, choice) in held.choices {
            self.choices.entry(index).or_default().message.append(choice.message);
        }
    }

    /// Searches for keys what has come since the last search; returns whether there is one.
    pub(crate) fn has_key(&mut self, guard: &KeyGuard) -> bool {
        self.choices.values_mut().any(|choice| choice.message.has_key(guard))
    }

    /// Returns what the upstream has said of its usage, as JSON, the last time that it did.
    pub fn usage(&self) -> Option<&str> {
        self.usage.as_deref().map(RawValue::get)
    }

    /// Returns about how many bytes the choices occupy as JSON; never fewer.
    pub fn length(&self) -> usize {
        let one = |choice: &ChoiceSoFar| {
            64 + choice.message.length()
                + choice.finish_reason.as_ref().map_or(0, |it| 6 * it.len())
        };
        2 + self.choices.values().map(one).sum::<usize>()
    }

    /// Returns the choices as JSON: a list, each with its index, its message so far, and why it has
    /// ended.
    pub fn choices(&self) -> String {
        let mut json = String::with_capacity(self.length());
        json.push('[');
        for (at, (index, choice)) in self.choices.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            json.extend([comma, "{\"index\":", &index.to_string(), ",\"finish_reason\":"]);
            // A text always serializes.
            json.push_str(&serde_json::to_string(&choice.finish_reason).unwrap_or_default());
            json.push_str(",\"message\":");
            choice.message.write(&mut json);
            json.push('}');
        }
        json.push(']');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(chunks: &[&str]) -> Answer {
        let mut answer = Answer::default();
        for data in chunks {
            let chunk = Chunk::parse(data.as_bytes()).expect("a chunk");
            answer.add(&chunk).expect("is taken");
        }
        assert!(answer.length() >= answer.choices().len());
        answer
    }

    #[test]
    fn chunks_add_up_to_their_choices() {
        let answer = answer(&[
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}"#,
            r#"{"choices":[{"index":1,"delta":{"content":"Hi"},"finish_reason":"length"}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":""}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"x":1}}"#,
            r#"{"choices":[],"usage":{"total_tokens":12}}"#,
        ]);
        let expected = concat!(
            r#"[{"index":0,"finish_reason":"stop","#,
            r#""message":{"role":"assistant","content":"Hello"}},"#,
            r#"{"index":1,"finish_reason":"length","message":{"content":"Hi"}}]"#
        );
        assert_eq!(
            (&*answer.choices(), answer.usage()),
            (expected, Some(r#"{"total_tokens":12}"#))
        );
    }

    #[test]
    fn an_answer_that_is_not_streamed_is_the_same() {
        let answer = answer(&[concat!(
            r#"{"choices":[{"message":{"role":"assistant","content":"all"},"#,
            r#""finish_reason":"stop"}]}"#
        )]);
        let expected = concat!(
            r#"[{"index":0,"finish_reason":"stop","#,
            r#""message":{"role":"assistant","content":"all"}}]"#
        );
        assert_eq!(answer.choices(), expected);
        assert_eq!(Answer::default().choices(), "[]");
    }

    #[test]
    fn a_delta_that_is_no_object_is_refused() {
        let chunk = Chunk::parse(br#"{"choices":[{"delta":"Hel"}]}"#).expect("a chunk");
        assert!(Answer::default().add(&chunk).is_err());
    }
}
