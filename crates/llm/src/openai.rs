//! The answers of OpenAI's chat completions, made of what a reader of one run gets. No I/O.

use serde::Serialize;
use serde_json::{json, value::RawValue};

use crate::{ErrorKind, Piece, ReadEnd, RunEnd, RunReport, Status};

/// A comment that no program sees: with one line feed, because some clients take an empty line
/// after an `id` for an event.
pub const HEARTBEAT: &str = ":\n";

/// The last event of a complete answer.
pub const DONE: &str = "data: [DONE]\n\n";

/// Writes one answer as a stream of chunks.
#[derive(Clone, Debug)]
pub struct ChunkWriter {
    id: String,
    model: String,
    created: u64,
    /// Whether the client has asked for the usage.
    pub includes_usage: bool,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<ChunkChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u64,
    delta: &'a RawValue,
    finish_reason: Option<&'a RawValue>,
}

impl ChunkWriter {
    /// Makes a writer for a run.
    pub fn new(report: &RunReport, includes_usage: bool) -> Self {
        let (id, model) = (report.run.to_string(), report.model.clone());
        Self { id, model, created: report.time / 1000, includes_usage }
    }

    /// Appends the event of these pieces. The client resumes with `id`.
    pub fn write_pieces(&self, id: &str, pieces: &[Piece], out: &mut Vec<u8>) {
        let raws: Vec<_> =
            pieces.iter().filter_map(|piece| Some((piece.index, raw(&piece.delta)?))).collect();
        if !raws.is_empty() {
            let choices = raws.iter().map(|(index, delta)| ChunkChoice {
                index: *index,
                delta,
                finish_reason: None,
            });
            self.write_chunk(id, choices.collect(), None, out);
        }
    }

    /// Appends the end of the answer: the rest of it, why each choice has finished, and the usage;
    /// or the error, after which nothing says that the answer is complete.
    pub fn write_end(&self, id: &str, end: &ReadEnd, out: &mut Vec<u8>) {
        self.write_pieces(id, &end.pieces, out);
        if end.status != Status::Complete.name() {
            let (kind, code, message) = match &end.error {
                Some(error) => (&*error.kind, error.code.as_deref(), &*error.message),
                None => ("cancelled", None, "the answer was cancelled"),
            };
            return write_error(kind, code, message, out);
        }
        let Some(empty) = raw("{}") else { return };
        let reasons: Vec<_> =
            end.reasons.iter().filter_map(|(index, reason)| Some((*index, raw(reason)?))).collect();
        let choices = reasons.iter().map(|(index, reason)| ChunkChoice {
            index: *index,
            delta: &empty,
            finish_reason: Some(reason),
        });
        self.write_chunk(id, choices.collect(), None, out);
        let usage = end.usage.as_deref().filter(|_| self.includes_usage).and_then(raw);
        if let Some(usage) = usage {
            self.write_chunk(id, Vec::new(), Some(&usage), out);
        }
        out.extend_from_slice(DONE.as_bytes());
    }

    fn write_chunk(
        &self,
        id: &str,
        choices: Vec<ChunkChoice<'_>>,
        usage: Option<&RawValue>,
        out: &mut Vec<u8>,
    ) {
        let Self { id: run, model, created, .. } = self;
        let object = "chat.completion.chunk";
        let chunk = Chunk { id: run, object, created: *created, model, choices, usage };
        out.extend_from_slice(b"data: ");
        // String keys and finite numbers always serialize.
        let _ = serde_json::to_writer(&mut *out, &chunk);
        out.extend_from_slice(b"\nid: ");
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(b"\n\n");
    }
}

/// Appends the event that tells of an error in a stream.
pub fn write_error(kind: &str, code: Option<&str>, message: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(error_document(kind, code, message).as_bytes());
    out.extend_from_slice(b"\n\n");
}

/// Returns the document of an error, as OpenAI spells it.
pub fn error_document(kind: &str, code: Option<&str>, message: &str) -> String {
    let code = code.unwrap_or(kind);
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}}).to_string()
}

/// Returns the document of a whole answer.
pub fn completion(report: &RunReport) -> String {
    #[derive(Serialize)]
    struct Completion<'a> {
        id: String,
        object: &'static str,
        created: u64,
        model: &'a str,
        choices: &'a RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<&'a RawValue>,
    }
    let completion = Completion {
        id: report.run.to_string(),
        object: "chat.completion",
        created: report.time / 1000,
        model: &report.model,
        choices: &report.choices,
        usage: report.usage.as_deref(),
    };
    serde_json::to_string(&completion).unwrap_or_default()
}

/// Returns the HTTP status that tells of a run that has not ended well.
pub fn status_of(end: &RunEnd) -> u16 {
    let Some(error) = &end.error else { return 409 };
    match (error.kind, error.status) {
        // What the upstream says of the request itself.
        (ErrorKind::Rejected, Some(status)) => status,
        (ErrorKind::Upstream, Some(429)) => 429,
        (ErrorKind::Suspended | ErrorKind::Crowded, _) => 503,
        (ErrorKind::Log | ErrorKind::Draining, _) => 503,
        (ErrorKind::Slow | ErrorKind::Stalled | ErrorKind::Timeout, _) => 504,
        (ErrorKind::Internal, _) => 500,
        _ => 502,
    }
}

fn raw(json: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(json.to_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadError;

    fn writer(includes_usage: bool) -> ChunkWriter {
        let (id, model) = ("r7".to_owned(), "m".to_owned());
        ChunkWriter { id, model, created: 7, includes_usage }
    }

    fn end(status: &str, error: Option<ReadError>) -> ReadEnd {
        let pieces = vec![Piece { index: 0, delta: r#"{"content":"lo"}"#.to_owned() }];
        let reasons = vec![(0, "\"stop\"".to_owned())];
        let usage = Some(r#"{"total_tokens":3}"#.to_owned());
        ReadEnd { pieces, status: status.to_owned(), reasons, usage, error }
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_complete_answer_is_what_openai_sends() {
        let pieces = [Piece { index: 0, delta: r#"{"role":"assistant","content":"Hel"}"#.into() }];
        let chunk = r#""object":"chat.completion.chunk","created":7,"model":"m""#;
        let text = written(|out| writer(true).write_pieces("e-1.3", &pieces, out));
        let delta = r#"{"role":"assistant","content":"Hel"}"#;
        let choice = format!(r#"{{"index":0,"delta":{delta},"finish_reason":null}}"#);
        let first =
            format!("data: {{\"id\":\"r7\",{chunk},\"choices\":[{choice}]}}\nid: e-1.3\n\n");
        assert_eq!(text, first);
        let text = written(|out| writer(true).write_end("e-2.5", &end("complete", None), out));
        let events: Vec<&str> = text.split_terminator("\n\n").collect();
        assert_eq!(events.len(), 4, "{text}");
        assert!(events[0].contains(r#"{"content":"lo"}"#) && events[0].ends_with("\nid: e-2.5"));
        assert!(events[1].contains(r#""delta":{},"finish_reason":"stop""#), "{text}");
        assert!(events[2].contains(r#""choices":[],"usage":{"total_tokens":3}"#), "{text}");
        assert_eq!(events[3], "data: [DONE]");
        let quiet = written(|out| writer(false).write_end("e-2.5", &end("complete", None), out));
        assert!(!quiet.contains("usage"), "who has not asked gets no chunk without choices");
    }

    #[test]
    fn an_answer_that_is_not_complete_never_says_so() {
        let error = ReadError { kind: "cut".to_owned(), code: None, message: "broke".to_owned() };
        for (status, error, kind) in
            [("error", Some(error), "cut"), ("cancelled", None, "cancelled")]
        {
            let text = written(|out| writer(true).write_end("e-2.5", &end(status, error), out));
            assert!(!text.contains("[DONE]") && !text.contains("stop"), "{text}");
            let last = text.trim_end().rsplit("\n\n").next().expect("one");
            let last = last.strip_prefix("data: ").expect("data");
            let last: serde_json::Value = serde_json::from_str(last).expect("JSON");
            assert_eq!(last["error"]["type"], kind);
        }
    }

    #[test]
    fn no_line_but_those_of_data_has_an_id_or_a_name() {
        let text = written(|out| {
            writer(true).write_end("e-2.5", &end("complete", None), out);
            write_error("cut", Some("c"), "two\nlines", out);
            out.extend_from_slice(HEARTBEAT.as_bytes());
        });
        for block in text.split("\n\n") {
            let lines: Vec<&str> = block.lines().collect();
            assert!(
                !lines.iter().any(|line| line.starts_with("retry:") || line.starts_with("event:"))
            );
            let has_id = lines.iter().any(|line| line.starts_with("id:"));
            assert!(!has_id || lines.iter().any(|line| line.starts_with("data:")), "{block}");
        }
    }
}
