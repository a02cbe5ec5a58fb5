//! `POST /v1/chat/completions`: streamed, or as one document.

use axum::{
    extract::{Request, State},
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use tricast_admission::Pass;
use tricast_core::ChannelName;
use tricast_llm::{
    Busy, Face, Head, RunReader, RunReport, Started, Status,
    openai::{self, ChunkWriter},
};

use crate::{
    http::{
        admission,
        llm::{
            prompt::{ListeningStream, run_headers},
            prompt_request::{idempotency_of, leave_of, read_request},
            run_stream::{self, RunFace},
        },
        openai::{
            error::OpenAiError,
            request::{self, channel_of, check_media, repeats},
        },
        state::{App, SharedApp},
    },
    relay::{Asked, idempotency_scope, judged_as, unknown_run},
};

/// The characters of the name of a channel that an answer gets.
const NAME_LENGTH: usize = 22;

pub(crate) async fn complete(
    State(app): State<SharedApp>,
    mut request: Request,
) -> Result<Response, OpenAiError> {
    let query = request::query(&app, &mut request)?;
    check_media(request.headers())?;
    let pass = request::pass(&app, &request, &query, &[]).await?;
    let (chat, body_hash) = read_request(&app, &query, &mut request).await?;
    let headers = request.headers();
    let named = channel_of(headers, &query, &chat)?;
    let busy = named.is_none().then_some(Busy::Parallel);
    let channel = named.unwrap_or_else(|| own_channel(&pass));
    // A key of a client that nothing tells from others is of no use; OpenAI would take it.
    let idempotency = idempotency_of(headers)?.filter(|_| idempotency_scope(&pass).is_some());
    let (is_repeat, leave) = (repeats(headers), leave_of(headers)?);
    let (streams, includes_usage) = (chat.streams(), chat.includes_usage());
    let face = Face::OpenAi;
    let asked =
        Asked { channel, request: chat, idempotency, body_hash, is_repeat, busy, leave, face };
    match streams {
        true => stream(&app, pass, asked, includes_usage, request).await,
        false => whole(&app, pass, asked).await,
    }
}

/// Returns the channel of an answer that names none: that of the user, else one of its own.
fn own_channel(pass: &Pass) -> ChannelName {
    match &pass.identity().user {
        Some(user) => ChannelName::of_user(user),
        None => {
            let name: String =
                std::iter::repeat_with(fastrand::alphanumeric).take(NAME_LENGTH).collect();
            ChannelName::of_answer(&name)
        }
    }
}

async fn stream(
    app: &App,
    mut pass: Pass,
    asked: Asked,
    includes_usage: bool,
    request: Request,
) -> Result<Response, OpenAiError> {
    let relay = app.live().relay.clone();
    admission::acquire_connection_permits(&mut pass, &judged_as(&asked.channel))?;
    let started = relay.start(&pass, asked).await?;
    let heads = run_headers(&started);
    let Started { run, id, listening, .. } = started;
    pass.hold(ListeningStream(listening));
    // The upstream's refusal keeps its status, if it comes soon.
    if let Some(Head::Ended(end)) = relay.runs.head(&run).await
        && end.status != Status::Complete
    {
        return Err(OpenAiError::of_end(&end));
    }
    let report = relay.runs.report(&run).ok_or_else(unknown_run)?;
    let writer = ChunkWriter::new(&report, includes_usage);
    let reader = RunReader::new(run.to_string());
    let from = (report, run_stream::before(id));
    let face = RunFace::OpenAi(writer);
    let mut response = run_stream::open(app, from, (reader, face), pass, request).await?;
    let fields = heads.into_iter().map(|(name, value)| (HeaderName::from_static(name), value));
    response.headers_mut().extend(fields);
    Ok(response)
}

async fn whole(app: &App, pass: Pass, asked: Asked) -> Result<Response, OpenAiError> {
    let relay = app.live().relay.clone();
    let started = relay.start(&pass, asked).await?;
    // Kept for as long as the client waits.
    let _listening = &started.listening;
    let ended = relay.runs.wait_for_end(&started.run).await;
    ended.ok_or_else(unknown_run)?;
    let report = relay.runs.report(&started.run).ok_or_else(unknown_run)?;
    let mut response = document(&report)?;
    let fields = run_headers(&started)
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), value));
    response.headers_mut().extend(fields);
    Ok(response)
}

/// Returns the document of a run, or its error.
pub(super) fn document(report: &RunReport) -> Result<Response, OpenAiError> {
    match &report.end {
        Some(end) if end.status != Status::Complete => Err(OpenAiError::of_end(end)),
        _ => {
            let fields =
                [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
            Ok((fields, openai::completion(report)).into_response())
        }
    }
}
