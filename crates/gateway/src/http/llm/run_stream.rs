//! A stream of one run alone: as plain text, or as the chunks of OpenAI. It reads the channel like
//! any other reader, and says of the messages what its protocol says.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tricast_admission::Pass;
use tricast_core::{Join, MessageId, Session, Start, Wire};
use tricast_llm::{
    ReadEnd, RunEvent, RunId, RunReader, RunReport, Runs, Status,
    openai::{self, ChunkWriter},
};

use crate::http::{
    problem::Problem,
    state::App,
    stream::respond_translated,
    stream_body::{TranslatedEnd, Translator},
};

/// The protocol of the stream of a run.
#[derive(Debug)]
pub(crate) enum RunFace {
    /// The text of the first choice and nothing else.
    Text,
    /// Server-sent events as OpenAI sends them.
    OpenAi(ChunkWriter),
}

/// Answers `request` with the stream of a run, for a client that may read it.
///
/// # Errors
/// When the channel cannot be joined.
pub(crate) async fn open(
    app: &App,
    (report, start): (RunReport, Start),
    (reader, face): (RunReader, RunFace),
    mut pass: Pass,
    mut request: Request,
) -> Result<Response, Problem> {
    let content_type = match face {
        RunFace::Text => "text/plain; charset=utf-8",
        RunFace::OpenAi(_) => tricast_sse::CONTENT_TYPE,
    };
    let runs = app.live().relay.runs.clone();
    let translator = RunTranslator { run: report.run, reader, runs, face };
    if report.end.is_some() {
        // Its messages may have left the log.
        return Ok(translator.whole(&report, content_type));
    }
    pass.set_read_only();
    let wire = match translator.face {
        RunFace::Text => Wire::Chunked,
        RunFace::OpenAi(_) => Wire::Sse,
    };
    let channels = vec![report.channel.clone()];
    let join = Join::new(channels.clone(), pass.identity().clone(), wire).with_start(start);
    let joined = app.hub.join(join).await?;
    let identity = pass.identity().clone();
    if let Some(events) = &app.event_queue {
        events.track((wire, channels), identity).into_iter().for_each(|guard| pass.hold(guard));
    }
    let config = app.live().session_config.clone();
    let session = Session::new(joined, &tricast_chunked::JSON, Arc::new(pass), config);
    let heads = head(content_type);
    Ok(respond_translated(session, heads, Box::new(translator), &mut request))
}

/// Returns the fields of the head. They keep proxies from buffering, compressing and caching.
fn head(content_type: &'static str) -> HeaderMap {
    let fields = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (header::CONTENT_ENCODING, "identity"),
    ];
    let mut fields: HeaderMap =
        fields.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect();
    fields.insert("x-accel-buffering", HeaderValue::from_static("no"));
    fields
}

#[derive(Debug)]
struct RunTranslator {
    run: RunId,
    reader: RunReader,
    runs: Runs,
    face: RunFace,
}

/// The document of a message or a control frame.
#[derive(Deserialize)]
struct Line<'a> {
    id: Option<&'a str>,
    event: &'a str,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl RunTranslator {
    /// Returns the response for a run that has ended.
    fn whole(mut self, report: &RunReport, content_type: &'static str) -> Response {
        let document = serde_json::to_string(report).unwrap_or_default();
        let read = self.reader.read("tricast.llm.end", &document, || None);
        let mut out = Vec::new();
        let id = report.start.map(|id| id.to_string()).unwrap_or_default();
        let end = self.write(&id, read, &mut out);
        let body = match end {
            Some(TranslatedEnd::Cut) => Body::from_stream(futures_util::stream::iter([
                Ok(out),
                Err(std::io::Error::other("the answer is not complete")),
            ])),
            _ => Body::from(out),
        };
        (head(content_type), body).into_response()
    }

    fn write(&mut self, id: &str, read: RunEvent, out: &mut Vec<u8>) -> Option<TranslatedEnd> {
        let offsets: Vec<String> = self.reader.offsets().iter().map(u64::to_string).collect();
        let id = format!("{id}.{}", offsets.join("."));
        match (read, &self.face) {
            (RunEvent::Nothing, _) => None,
            (RunEvent::Pieces(pieces), RunFace::OpenAi(writer)) => {
                writer.write_pieces(&id, &pieces, out);
                None
            }
            (RunEvent::Pieces(pieces), RunFace::Text) => {
                write_text(&pieces, out);
                None
            }
            (RunEvent::End(end), RunFace::OpenAi(writer)) => {
                writer.write_end(&id, &end, out);
                Some(TranslatedEnd::Clean)
            }
            (RunEvent::End(end), RunFace::Text) => {
                write_text(&end.pieces, out);
                Some(if is_complete(&end) { TranslatedEnd::Clean } else { TranslatedEnd::Cut })
            }
            (RunEvent::Lost, RunFace::OpenAi(_)) => {
                let text = "a part of this answer was missed and cannot be sent again; ask for the \
                            whole answer by its id";
                openai::write_error("lost", None, text, out);
                Some(TranslatedEnd::Clean)
            }
            (RunEvent::Lost, RunFace::Text) => Some(TranslatedEnd::Cut),
        }
    }
}

fn is_complete(end: &ReadEnd) -> bool {
    end.status == Status::Complete.name()
}

fn write_text(pieces: &[tricast_llm::Piece], out: &mut Vec<u8>) {
    for piece in pieces.iter().filter(|piece| piece.index == 0) {
        out.extend_from_slice(piece.text().unwrap_or_default().as_bytes());
    }
}

impl Translator for RunTranslator {
    fn translate(&mut self, lines: &[u8], out: &mut Vec<u8>) -> Option<TranslatedEnd> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let Ok(Line { id, event, data }) = serde_json::from_slice(line) else {
                self.write_heartbeat(out);
                continue;
            };
            match data.filter(|_| event.starts_with("tricast.llm.")) {
                Some(data) => {
                    let (runs, run) = (self.runs.clone(), self.run);
                    let so_far = || Some(runs.report(&run)?.choices.get().to_owned());
                    let read = self.reader.read(event, data.get(), so_far);
                    if let Some(end) = self.write(id.unwrap_or_default(), read, out) {
                        return Some(end);
                    }
                }
                None => self.write_heartbeat(out),
            }
        }
        None
    }

    fn close(&mut self, out: &mut Vec<u8>) -> TranslatedEnd {
        match self.face {
            RunFace::Text => TranslatedEnd::Cut,
            RunFace::OpenAi(_) => {
                let text =
                    "the stream was interrupted, and the answer may go on; read it by its id";
                openai::write_error("interrupted", None, text, out);
                TranslatedEnd::Clean
            }
        }
    }
}

impl RunTranslator {
    /// Says that the stream is alive, if that can be said unseen.
    fn write_heartbeat(&self, out: &mut Vec<u8>) {
        if let RunFace::OpenAi(_) = self.face {
            out.extend_from_slice(openai::HEARTBEAT.as_bytes());
        }
    }
}

/// Returns the point from which a reader of the whole run begins.
pub(crate) fn before(id: MessageId) -> Start {
    Start::After(MessageId { seq: id.seq.saturating_sub(1), ..id })
}
