//! One run as a reader of that run alone gets it, from the messages of its channel: each piece of
//! text once, whatever the reader has missed. Other people's protocols are made of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{TextOffset, merged::Object};

/// Follows a run through the messages of its channel.
#[derive(Debug)]
pub struct RunReader {
    run: String,
    choices: BTreeMap<u64, ChoiceRead>,
    /// Whether it reads the run from its beginning.
    is_whole: bool,
}

/// What a reader has had of one choice.
#[derive(Debug, Default)]
struct ChoiceRead {
    text: TextOffset,
    /// What the deltas have brought beside the text.
    others: Object,
}

/// A piece of one choice: what is added to its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The index of the choice.
    pub index: u64,
    /// The JSON of the delta, an object.
    pub delta: String,
}

/// What a message of the channel means for the reader of one run.
#[derive(Debug, PartialEq, Eq)]
pub enum RunEvent {
    /// Nothing: it is about something else.
    Nothing,
    /// These pieces come next.
    Pieces(Vec<Piece>),
    /// The run has ended.
    End(Box<ReadEnd>),
    /// A part is missing that cannot be told any more, such as a piece of a tool's call.
    Lost,
}

/// The end of a run, with the pieces that were missing.
#[derive(Debug, PartialEq, Eq)]
pub struct ReadEnd {
    /// The rest of the text.
    pub pieces: Vec<Piece>,
    /// `complete`, `cancelled` or `error`.
    pub status: String,
    /// Why each choice has finished, as JSON.
    pub reasons: Vec<(u64, String)>,
    /// The usage, as JSON.
    pub usage: Option<String>,
    /// The error.
    pub error: Option<ReadError>,
}

/// The error in the end of a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct ReadError {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code of the upstream.
    pub code: Option<String>,
    /// The text for the user.
    pub message: String,
}

#[derive(Deserialize)]
struct Delta<'a> {
    run: &'a str,
    #[serde(borrow)]
    choices: Vec<DeltaChoice<'a>>,
}

#[derive(Deserialize)]
struct DeltaChoice<'a> {
    index: u64,
    at: u64,
    #[serde(borrow)]
    delta: &'a RawValue,
}

#[derive(Deserialize)]
struct Snapshot<'a> {
    #[serde(borrow)]
    runs: Vec<SnapshotRun<'a>>,
}

#[derive(Deserialize)]
struct SnapshotRun<'a> {
    run: &'a str,
    #[serde(borrow)]
    choices: Vec<WholeChoice<'a>>,
}

#[derive(Deserialize)]
struct WholeChoice<'a> {
    index: u64,
    #[serde(borrow)]
    message: &'a RawValue,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct End<'a> {
    run: &'a str,
    status: &'a str,
    #[serde(borrow)]
    choices: Vec<WholeChoice<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    error: Option<ReadError>,
}

/// A part cannot be told any more.
struct Missing;

impl RunReader {
    /// Begins before the run has begun.
    pub fn new(run: String) -> Self {
        Self { run, choices: BTreeMap::new(), is_whole: true }
    }

    /// Goes on where an earlier reader was: with so many bytes of the text of each choice.
    pub fn resumed(run: String, offsets: &[u64]) -> Self {
        let choice = |(index, bytes): (u64, &u64)| {
            let text = TextOffset::at(*bytes);
            (index, ChoiceRead { text, others: Object::default() })
        };
        let choices = (0..).zip(offsets).map(choice).collect();
        Self { run, choices, is_whole: false }
    }

    /// Returns how many bytes of the text of each choice it has read, to resume with.
    pub fn offsets(&self) -> Vec<u64> {
        let end = self.choices.last_key_value().map_or(0, |(index, _)| index + 1);
        let of = |index| self.choices.get(&index).map_or(0, |choice| choice.text.bytes());
        (0..end).map(of).collect()
    }

    /// Reads a message of the channel. `so_far` returns the choices of the run until now, for a
    /// reader that has missed deltas.
    pub fn read(
        &mut self,
        event: &str,
        data: &str,
        so_far: impl FnOnce() -> Option<String>,
    ) -> RunEvent {
        let read = match event {
            "tricast.llm.delta" => self.read_delta(data, so_far),
            "tricast.llm.snapshot" => self.read_snapshot(data),
            "tricast.llm.end" => return self.read_end(data),
            _ => return RunEvent::Nothing,
        };
        match read {
            Ok(pieces) if pieces.is_empty() => RunEvent::Nothing,
            Ok(pieces) => RunEvent::Pieces(pieces),
            Err(Missing) => RunEvent::Lost,
        }
    }

    fn read_delta(
        &mut self,
        data: &str,
        so_far: impl FnOnce() -> Option<String>,
    ) -> Result<Vec<Piece>, Missing> {
        let Some(delta) = parse::<Delta<'_>>(data).filter(|delta| delta.run == self.run) else {
            return Ok(Vec::new());
        };
        let mut pieces = Vec::new();
        let is_ahead = |choice: &DeltaChoice<'_>| {
            self.choices.get(&choice.index).map_or(0, |it| it.text.bytes()) < choice.at
        };
        if delta.choices.iter().any(is_ahead) {
            let choices = so_far().ok_or(Missing)?;
            let choices: Vec<WholeChoice<'_>> = parse(&choices).ok_or(Missing)?;
            self.catch_up(&choices, &mut pieces)?;
        }
        for choice in delta.choices {
            let known = self.choices.entry(choice.index).or_default();
            pieces.extend(known.take(&choice)?);
        }
        Ok(pieces)
    }

    fn read_snapshot(&mut self, data: &str) -> Result<Vec<Piece>, Missing> {
        let mut pieces = Vec::new();
        let snapshot = parse::<Snapshot<'_>>(data);
        for run in snapshot.into_iter().flat_map(|snapshot| snapshot.runs) {
            if run.run == self.run {
                self.catch_up(&run.choices, &mut pieces)?;
            }
        }
        Ok(pieces)
    }

    fn read_end(&mut self, data: &str) -> RunEvent {
        let Some(end) = parse::<End<'_>>(data).filter(|end| end.run == self.run) else {
            return RunEvent::Nothing;
        };
        let mut pieces = Vec::new();
        if self.catch_up(&end.choices, &mut pieces).is_err() {
            return RunEvent::Lost;
        }
        let reason = |choice: &WholeChoice<'_>| {
            let reason = choice.finish_reason.map_or("null", RawValue::get);
            (choice.index, reason.to_owned())
        };
        RunEvent::End(Box::new(ReadEnd {
            pieces,
            status: end.status.to_owned(),
            reasons: end.choices.iter().map(reason).collect(),
            usage: end.usage.map(|usage| usage.get().to_owned()),
            error: end.error,
        }))
    }

    /// Adds what the reader lacks of these messages.
    fn catch_up(
        &mut self,
        choices: &[WholeChoice<'_>],
        pieces: &mut Vec<Piece>,
    ) -> Result<(), Missing> {
        for choice in choices {
            let is_whole = self.is_whole;
            let known = self.choices.entry(choice.index).or_default();
            pieces.extend(known.catch_up(choice, is_whole)?);
        }
        Ok(())
    }
}

impl ChoiceRead {
    /// Takes in a delta that begins at or before the text that was read.
    fn take(&mut self, choice: &DeltaChoice<'_>) -> Result<Option<Piece>, Missing> {
        let (has, Members { content, others }) = (self.text.bytes(), Members::of(choice.delta));
        let length = content.map_or(0, |content| {
            let mut whole = TextOffset::at(choice.at);
            whole.add(inside(content));
            whole.bytes() - choice.at
        });
        // Half of a character has no length before its other half comes.
        if has == choice.at {
            self.text.add(content.map_or("", inside));
            self.add_others(choice.delta)?;
            return Ok(Some(Piece { index: choice.index, delta: choice.delta.get().to_owned() }));
        }
        if others {
            return Err(Missing);
        }
        if choice.at + length <= has {
            return Ok(None);
        }
        let content = content.and_then(|content| serde_json::from_str::<String>(content).ok());
        let rest = content.as_deref().and_then(|text| text.get((has - choice.at) as usize..));
        let rest = rest.ok_or(Missing)?;
        self.text = TextOffset::at(choice.at + length);
        Ok(Some(Piece::of_text(choice.index, rest)))
    }

    /// Adds the rest of the text of a whole message. What is beside the text has to be there
    /// already.
    fn catch_up(
        &mut self,
        choice: &WholeChoice<'_>,
        is_whole: bool,
    ) -> Result<Option<Piece>, Missing> {
        let Members { content, others } = Members::of(choice.message);
        if others {
            let mut whole = Object::default();
            add_without_text(&mut whole, choice.message)?;
            if !is_whole || written(&whole) != written(&self.others) {
                return Err(Missing);
            }
        }
        let has = self.text.bytes() as usize;
        let Some(content) = content else { return Ok(None) };
        let mut length = TextOffset::default();
        length.add(inside(content));
        if length.bytes() as usize <= has {
            return Ok(None);
        }
        // A lone half of a character is what JSON cannot spell as a text of ours.
        let text: String = serde_json::from_str(content).map_err(|_| Missing)?;
        let rest = text.get(has..).ok_or(Missing)?;
        self.text = TextOffset::at(text.len() as u64);
        Ok(Some(Piece::of_text(choice.index, rest)))
    }

    fn add_others(&mut self, delta: &RawValue) -> Result<(), Missing> {
        add_without_text(&mut self.others, delta)
    }
}

impl Piece {
    fn of_text(index: u64, text: &str) -> Self {
        Self { index, delta: serde_json::json!({"content": text}).to_string() }
    }

    /// Returns the text that it adds.
    pub fn text(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Text {
            content: Option<String>,
        }
        let text: Option<Text> = serde_json::from_str(&self.delta).ok();
        text.and_then(|text| text.content).filter(|text| !text.is_empty())
    }
}

/// The members of a message that matter here.
struct Members<'a> {
    /// The text, as it is spelled, with its quotes.
    content: Option<&'a str>,
    /// Whether there is more than a text and a role.
    others: bool,
}

impl<'a> Members<'a> {
    fn of(message: &'a RawValue) -> Self {
        let members = parse::<BTreeMap<String, &RawValue>>(message.get()).unwrap_or_default();
        let content = members.get("content").map(|content| content.get());
        let is_other = |(name, value): (&String, &&RawValue)| {
            !["content", "role"].contains(&name.as_str()) && value.get() != "null"
        };
        Self {
            content: content.filter(|content| content.starts_with('"')),
            others: members.iter().any(is_other),
        }
    }
}

fn add_without_text(object: &mut Object, message: &RawValue) -> Result<(), Missing> {
    let mut members = parse::<BTreeMap<String, &RawValue>>(message.get()).unwrap_or_default();
    members.retain(|name, _| !["content", "role"].contains(&name.as_str()));
    let rest = serde_json::value::to_raw_value(&members).map_err(|_| Missing)?;
    object.add(&rest).map_err(|_| Missing)
}

fn written(object: &Object) -> String {
    let mut json = String::new();
    object.write(&mut json);
    json
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// Returns what stands between the quotes of a text.
fn inside(quoted: &str) -> &str {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
}

#[cfg(test)]
#[path = "tests/run_reader.rs"]
mod tests;
