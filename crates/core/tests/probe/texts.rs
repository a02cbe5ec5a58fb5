//! Folds for tests: texts that are written piece by piece, and a reader that puts them together.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use tricast_core::{
    Control, Data, Draft, EventName, FoldKind, Format, Framing, Message, MessageId, Part, PartStep,
    Seq, Variant, Whole, Wire,
};

use super::channel;

/// A text of a test: `begin`, pieces, and `end` with the whole.
#[derive(Debug)]
pub struct Texts;

/// The value of a whole: the name of the text, and what is written.
type Written = (String, String);

fn draft(name: &str, event: &str, words: &[&str]) -> Draft {
    Draft::new(channel(name), Data::Text(words.join(" ")))
        .with_event(EventName::internal(&format!("text.{event}")))
}

pub fn begin(name: &str, text: &str) -> Draft {
    draft(name, "begin", &[text])
}

pub fn add(name: &str, text: &str, at: usize, piece: &str) -> Draft {
    draft(name, "add", &[text, &at.to_string(), piece])
}

pub fn end(name: &str, text: &str, whole: &str) -> Draft {
    draft(name, "end", &[text, whole])
}

fn event(draft: &Draft) -> &str {
    draft.event.as_ref().map_or("", |event| event.as_str())
}

fn words(data: &Data) -> Vec<&str> {
    std::str::from_utf8(data.as_bytes()).expect("text").split(' ').collect()
}

impl FoldKind for Texts {
    fn part(&self, draft: &Draft) -> Option<Part> {
        let step = match event(draft) {
            "tricast.text.begin" => PartStep::Begin,
            "tricast.text.add" => PartStep::Add,
            "tricast.text.end" => PartStep::End,
            _ => return None,
        };
        Some(Part { key: words(&draft.data)[0].into(), step })
    }

    fn is_add(&self, draft: &Draft) -> bool {
        event(draft) == "tricast.text.add"
    }

    fn merge(&self, whole: Option<&Whole>, more: &[Arc<Message>]) -> Whole {
        let mut pieces = more.iter();
        let (name, mut text) = match whole {
            Some(whole) => whole.value.downcast_ref::<Written>().expect("a text").clone(),
            None => {
                let begin = pieces.next().expect("a text begins");
                assert_eq!(event(&begin.draft), "tricast.text.begin");
                (words(&begin.draft.data)[0].to_owned(), String::new())
            }
        };
        for piece in pieces {
            let words = words(&piece.draft.data);
            assert_eq!((words[0], words[1]), (&*name, &*text.len().to_string()), "in order");
            text.push_str(words[2]);
        }
        let bytes = name.len() + text.len();
        Whole { value: Arc::new((name, text)), bytes }
    }

    fn snapshot(&self, wholes: &[Whole]) -> (EventName, Data) {
        let one = |whole: &Whole| {
            let (name, text) = whole.value.downcast_ref::<Written>().expect("a text");
            format!("{name} {text}")
        };
        let all: Vec<String> = wholes.iter().map(one).collect();
        (EventName::internal("text.snapshot"), Data::Text(all.join(" ")))
    }
}

/// A format that shows everything of a message.
#[derive(Debug)]
pub struct Plain;

pub static PLAIN: Plain = Plain;

impl Format for Plain {
    fn variant(&self) -> Variant {
        Variant { wire: Wire::Chunked, raw: false, framing: Framing::Plain }
    }

    fn message(&self, message: &Message, _: bool) -> Bytes {
        let data = std::str::from_utf8(message.draft.data.as_bytes()).expect("text");
        let (id, channel) = (message.id.seq, &message.draft.channel);
        format!("{id} {channel} {} {data}", message.event()).into()
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        Some(match control {
            Control::Hello(hello) => format!("{} - hello", hello.id.seq).into(),
            Control::Gap(gap) => {
                let last = gap.last.unwrap_or(Seq::MAX);
                format!("{} {} gap {last}", gap.id.seq, gap.channel).into()
            }
            _ => return None,
        })
    }

    fn heartbeat(&self, _: MessageId) -> Option<Bytes> {
        None
    }

    fn reports_gaps(&self) -> bool {
        true
    }
}

/// What a client knows of one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What is written; `None` if it has not seen the beginning.
    pub text: Option<String>,
    pub has_ended: bool,
}

/// A client, which puts the texts together.
#[derive(Debug, Default)]
pub struct Client {
    pub last_id: Option<Seq>,
    pub texts: BTreeMap<String, Known>,
    /// Seqs of ordinary messages.
    pub heard: Vec<(String, Seq)>,
    /// Up to where each channel has lost messages.
    pub gaps: BTreeMap<String, Seq>,
    pub snapshots: usize,
}

impl Client {
    /// Takes in a frame.
    pub fn take(&mut self, frame: &Bytes) {
        let line = std::str::from_utf8(frame).expect("text");
        let words: Vec<&str> = line.split(' ').collect();
        let id: Seq = words[0].parse().expect("an id");
        let (channel, rest) = (words[1].to_owned(), &words[3..]);
        let is_in_order = self.last_id.is_none_or(|last| last <= id);
        assert!(is_in_order, "{line} after {:?}", self.last_id);
        match (words[2], rest) {
            ("hello", _) => {}
            ("gap", [last]) => {
                self.gaps.insert(channel, last.parse().expect("a seq"));
            }
            ("message", _) => {
                assert!(!self.heard.contains(&(channel.clone(), id)), "{line} comes twice");
                self.heard.push((channel, id));
            }
            ("tricast.text.begin", [name]) => {
                let first = Known { text: Some(String::new()), has_ended: false };
                self.texts.insert((*name).to_owned(), first);
            }
            ("tricast.text.add", [name, at, piece]) => {
                let known = self.texts.entry((*name).to_owned()).or_default();
                assert!(!known.has_ended, "{line} after the end");
                match &mut known.text {
                    Some(text) => {
                        assert_eq!(text.len().to_string(), *at, "{line} does not follow {text}");
                        text.push_str(piece);
                    }
                    None if *at == "0" => known.text = Some((*piece).to_owned()),
                    None => {}
                }
            }
            ("tricast.text.snapshot", pairs) => {
                self.snapshots += 1;
                for pair in pairs.chunks(2) {
                    let known = self.texts.entry(pair[0].to_owned()).or_default();
                    let before = known.text.as_deref().unwrap_or_default();
                    assert!(pair[1].starts_with(before), "{line} goes back from {before}");
                    assert!(!known.has_ended, "{line} after the end");
                    known.text = Some(pair[1].to_owned());
                }
            }
            ("tricast.text.end", [name, whole]) => {
                let known = self.texts.entry((*name).to_owned()).or_default();
                let before = known.text.as_deref().unwrap_or_default();
                assert!(whole.starts_with(before), "{line} ends {before}");
                *known = Known { text: Some((*whole).to_owned()), has_ended: true };
            }
            _ => panic!("{line}"),
        }
        self.last_id = Some(id);
    }
}
