//! `GET /v1/chat/completions/{id}`: an answer after a reload, as a document or as the rest of its
//! stream.

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    response::Response,
};
use tricast_core::{MessageId, Start};
use tricast_llm::{RunReader, RunReport, openai::ChunkWriter};

use crate::http::{
    admission,
    channel_path::path_text,
    llm::{
        run_stream::{self, RunFace},
        runs::check_readable,
    },
    openai::{completions::document, error::OpenAiError, request},
    problem::Problem,
    state::SharedApp,
};

pub(crate) async fn completion(
    State(app): State<SharedApp>,
    path: Result<Path<String>, PathRejection>,
    mut request: Request,
) -> Result<Response, OpenAiError> {
    let id = path_text(path)?;
    let query = request::query(&app, &mut request)?;
    let relay = app.live().relay.clone();
    let report = relay.report(&id)?;
    let channel = crate::relay::judged_as(&report.channel);
    let mut pass = request::pass(&app, &request, &query, std::slice::from_ref(&channel)).await?;
    check_readable(&app, &pass, &report).await?;
    if query.get("stream") != Some("true") {
        return document(&report);
    }
    let field = request.headers().get("last-event-id");
    let field = field.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let last = field.filter(|id| !id.is_empty());
    let last = last.or_else(|| query.get("last_event_id").map(str::to_owned));
    let (start, reader) = resume(&report, last.as_deref())?;
    admission::acquire_connection_permits(&mut pass, &channel)?;
    let listening = relay.runs.listen(&report.run);
    listening.into_iter().for_each(|it| {
        pass.hold(crate::http::llm::prompt::ListeningStream(it));
    });
    let face = RunFace::OpenAi(ChunkWriter::new(&report, true));
    Ok(run_stream::open(&app, (report, start), (reader, face), pass, request).await?)
}

/// Returns where a reader goes on that has had the event `last`: a message's id, and how much of
/// each text it had then.
fn resume(report: &RunReport, last: Option<&str>) -> Result<(Start, RunReader), Problem> {
    let run = report.run.to_string();
    let Some(last) = last else {
        let start = report.start.map_or(Start::Latest, run_stream::before);
        return Ok((start, RunReader::new(run)));
    };
    let mut parts = last.split('.');
    let id = parts.next().and_then(|id| id.parse::<MessageId>().ok());
    let id = id.ok_or_else(|| request::bad_resume(last))?;
    let offsets: Result<Vec<u64>, _> =
        parts.filter(|part| !part.is_empty()).map(str::parse).collect();
    let offsets = offsets.map_err(|_| request::bad_resume(last))?;
    Ok((Start::After(id), RunReader::resumed(run, &offsets)))
}
