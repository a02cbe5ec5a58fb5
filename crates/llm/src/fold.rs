//! Answers under way as folds of the log: what a late reader gets in place of thousands of deltas.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tricast_core::{Data, Draft, EventName, FoldKind, Message, Part, PartStep, UserId, Whole};

use crate::{Answer, Chunk, RunId};

const START: &str = "tricast.llm.start";
const DELTA: &str = "tricast.llm.delta";
const END: &str = "tricast.llm.end";
const SNAPSHOT: &str = "llm.snapshot";

/// What a whole occupies beside its texts, in bytes.
const OVERHEAD: usize = 512;

/// How the messages of runs fold: the deltas of a run add up to its answer so far.
#[derive(Clone, Copy, Debug)]
pub struct Answers;

/// What is known of a run that is under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnderWay {
    /// What its first message says: the members of an object.
    start: Option<Box<RawValue>>,
    answer: Answer,
}

/// What the first message of a run says.
#[derive(Deserialize)]
pub(crate) struct Started {
    #[serde(deserialize_with = "run_id")]
    pub(crate) run: RunId,
    pub(crate) model: String,
    pub(crate) time: u64,
    pub(crate) user: Option<UserId>,
}

fn run_id<'de, D: serde::Deserializer<'de>>(from: D) -> Result<RunId, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

#[derive(Deserialize)]
struct OfRun<'a> {
    #[serde(borrow)]
    run: &'a str,
}

#[derive(Serialize)]
struct Snapshot {
    runs: Vec<Box<RawValue>>,
}

impl FoldKind for Answers {
    fn part(&self, draft: &Draft) -> Option<Part> {
        let step = match draft.event.as_ref()?.as_str() {
            START => PartStep::Begin,
            DELTA => PartStep::Add,
            END => PartStep::End,
            _ => return None,
        };
        let OfRun { run } = serde_json::from_slice(draft.data.as_bytes()).ok()?;
        Some(Part { key: run.into(), step })
    }

    fn is_add(&self, draft: &Draft) -> bool {
        draft.event.as_ref().is_some_and(|event| event.as_str() == DELTA)
    }

    fn merge(&self, whole: Option<&Whole>, more: &[Arc<Message>]) -> Whole {
        let known = whole.and_then(|whole| whole.value.downcast_ref::<UnderWay>());
        let mut under_way = known.cloned().unwrap_or_default();
        for message in more {
            under_way.add(&message.draft);
        }
        let start = under_way.start.as_ref().map_or(0, |start| start.get().len());
        let bytes = OVERHEAD + start + under_way.answer.length();
        Whole { value: Arc::new(under_way), bytes }
    }

    fn snapshot(&self, wholes: &[Whole]) -> (EventName, Data) {
        let under_way = wholes.iter().filter_map(|whole| whole.value.downcast_ref::<UnderWay>());
        let runs = under_way.filter_map(UnderWay::document).collect();
        // A list of JSON documents always serializes.
        let document = serde_json::to_string(&Snapshot { runs }).unwrap_or_default();
        (EventName::internal(SNAPSHOT), Data::Json(document))
    }
}

impl UnderWay {
    fn add(&mut self, draft: &Draft) {
        let data = draft.data.as_bytes();
        let is_start = draft.event.as_ref().is_some_and(|event| event.as_str() == START);
        if is_start {
            self.start = serde_json::from_slice(data).ok();
            return;
        }
        // The gateway itself has written it, so it is a delta.
        if let Ok(chunk) = Chunk::parse(data) {
            let _ = self.answer.add(&chunk);
        }
    }

    /// Returns what the first message says.
    pub(crate) fn started(&self) -> Option<Started> {
        serde_json::from_str(self.start.as_ref()?.get()).ok()
    }

    /// Returns the choices so far, as JSON.
    pub(crate) fn choices(&self) -> Box<RawValue> {
        // A list of choices is JSON.
        RawValue::from_string(self.answer.choices()).unwrap_or_default()
    }

    /// Returns what the first message says, and the choices so far.
    fn document(&self) -> Option<Box<RawValue>> {
        let start = self.start.as_ref()?.get().strip_suffix('}')?;
        RawValue::from_string(format!("{start},\"choices\":{}}}", self.answer.choices())).ok()
    }
}

#[cfg(test)]
mod tests {
    use tricast_core::ChannelName;

    use super::*;

    fn draft(event: &str, data: &str) -> Draft {
        let channel: ChannelName = "a".parse().expect("a channel");
        let event = EventName::internal(event);
        Draft::new(channel, Data::Json(data.to_owned())).with_event(event)
    }

    fn snapshot(runs: &[UnderWay]) -> String {
        let whole = |run: &UnderWay| Whole { value: Arc::new(run.clone()), bytes: 0 };
        let (event, data) = Answers.snapshot(&runs.iter().map(whole).collect::<Vec<_>>());
        assert_eq!(event.as_str(), "tricast.llm.snapshot");
        String::from_utf8(data.as_bytes().to_vec()).expect("text")
    }

    #[test]
    fn the_messages_of_a_run_are_parts_of_its_fold() {
        for (event, step) in [
            ("llm.start", PartStep::Begin),
            ("llm.delta", PartStep::Add),
            ("llm.end", PartStep::End),
        ] {
            let draft = draft(event, r#"{"run":"r1","choices":[]}"#);
            assert_eq!(Answers.part(&draft), Some(Part { key: "r1".into(), step }));
            assert_eq!(Answers.is_add(&draft), step == PartStep::Add);
        }
        assert_eq!(Answers.part(&draft("presence", r#"{"run":"r1"}"#)), None);
        assert_eq!(Answers.part(&draft("llm.delta", "{}")), None);
    }

    #[test]
    fn a_snapshot_has_the_start_and_the_choices_of_each_run() {
        let mut first = UnderWay::default();
        first.add(&draft("llm.start", r#"{"run":"r1","model":"m","time":5}"#));
        for (at, piece) in [(0, "Hel"), (3, "lo \\ud83d"), (6, "\\ude00")] {
            let choice = format!(r#"{{"index":0,"at":{at},"delta":{{"content":"{piece}"}}}}"#);
            first.add(&draft("llm.delta", &format!(r#"{{"run":"r1","choices":[{choice}]}}"#)));
        }
        let mut second = UnderWay::default();
        second.add(&draft("llm.start", r#"{"run":"r2","model":"n","time":6,"user":"bob"}"#));
        let expected = concat!(
            r#"{"runs":[{"run":"r1","model":"m","time":5,"choices":[{"index":0,"#,
            r#""finish_reason":null,"message":{"content":"Hello \ud83d\ude00"}}]},"#,
            r#"{"run":"r2","model":"n","time":6,"user":"bob","choices":[]}]}"#
        );
        assert_eq!(snapshot(&[first, second]), expected);
    }
}
