//! `POST /llm/{channel}`: asks a model, and answers at once with the run; or with the stream that
//! has the answer.

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tricast_admission::{Pass, StreamGuard};
use tricast_core::{ChannelName, Kind, MessageId, StreamEnd, Wire};
use tricast_llm::{Face, Listening, RunReader, Started};

use crate::{
    http::{
        admission,
        channel_path::path_channel,
        llm::{
            prompt_request::{PARAMETERS, attached_wire, idempotency_of, leave_of, read_request},
            run_stream::{self, RunFace},
        },
        problem::Problem,
        query::Query,
        state::SharedApp,
        subscribe::{self, Attachment},
    },
    relay::{Asked, unknown_run},
};

/// `POST /llm/{channel}`
pub(crate) async fn prompt_in(
    State(app): State<SharedApp>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    prompt(app, Some(path_channel(path)?), request).await
}

/// `POST /llm/runs`: the channel of this name, whose path lists runs, too.
pub(crate) async fn prompt_in_runs(
    State(app): State<SharedApp>,
    request: Request,
) -> Result<Response, Problem> {
    let channel = "runs".parse().map_err(Problem::from)?;
    prompt(app, Some(channel), request).await
}

/// `POST /llm`: the channel of the user.
pub(crate) async fn prompt_own(
    State(app): State<SharedApp>,
    request: Request,
) -> Result<Response, Problem> {
    prompt(app, None, request).await
}

async fn prompt(
    app: SharedApp,
    channel: Option<ChannelName>,
    mut request: Request,
) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &PARAMETERS)?;
    let (idempotency, leave) = (idempotency_of(request.headers())?, leave_of(request.headers())?);
    let attached = attached_wire(request.headers());
    let format = AnswerFormat::of(&query)?;
    let pass = admission::pass_for_lookup(&app, &request, &query, channel.as_slice()).await?;
    let channel = match channel {
        Some(channel) => channel,
        None => own_channel(&pass)?,
    };
    // A client that may not is told before it has sent a large body.
    pass.check_prompt(&channel)?;
    let (chat, body_hash) = read_request(&app, &query, &mut request).await?;
    let relay = app.live().relay.clone();
    let asked = Asked {
        channel,
        request: chat,
        idempotency,
        body_hash,
        is_repeat: None,
        busy: None,
        leave,
        face: Face::Native,
    };
    match (format, attached) {
        (AnswerFormat::Text, _) => answer_as_text(&app, pass, asked, request).await,
        (AnswerFormat::Stream { raw }, Some(wire)) => {
            attach(&app, (wire, raw), pass, asked, request).await
        }
        (AnswerFormat::Stream { .. }, None) => {
            let started = relay.start(&pass, asked).await?;
            let heads = run_headers(&started);
            let Started { run, channel, id, listening, .. } = started;
            // Nothing streams it here, so there is nothing to leave.
            listening.detach();
            let body = PromptResponse { run: run.to_string(), channel, id };
            Ok((StatusCode::ACCEPTED, heads, Json(body)).into_response())
        }
    }
}

/// What the response is, if it is the answer.
#[derive(Clone, Copy)]
enum AnswerFormat {
    /// The stream of the channel.
    Stream { raw: bool },
    /// The text of the answer alone.
    Text,
}

impl AnswerFormat {
    fn of(query: &Query) -> Result<Self, Problem> {
        match query.get("format") {
            Some("text") => Ok(Self::Text),
            _ => Ok(Self::Stream { raw: query.raw()?.unwrap_or(false) }),
        }
    }
}

#[derive(Serialize)]
struct PromptResponse {
    run: String,
    channel: ChannelName,
    id: MessageId,
}

/// Returns the channel that every device of the user hears.
fn own_channel(pass: &Pass) -> Result<ChannelName, Problem> {
    let user = pass.identity().user.as_ref().ok_or_else(|| {
        let detail = "a prompt without a channel is answered in the channel of its user, and this \
                      client has none; name a channel, as in /llm/demo";
        Problem::new(Kind::BadChannel, detail)
    })?;
    Ok(ChannelName::of_user(user))
}

/// Answers with a stream of the channel, from just before the `start` of the answer.
async fn attach(
    app: &SharedApp,
    (wire, raw): (Wire, bool),
    mut pass: Pass,
    asked: Asked,
    request: Request,
) -> Result<Response, Problem> {
    let channel = asked.channel.clone();
    // What can be refused is, before a model is asked.
    admission::acquire_connection_permits(&mut pass, &channel)?;
    let relay = app.live().relay.clone();
    let started = relay.start(&pass, asked).await?;
    let heads = run_headers(&started);
    pass.hold(ListeningStream(started.listening));
    let start = run_stream::before(started.id);
    let attachment = Attachment { wire, raw, channel, start };
    let mut response = subscribe::attach(app, attachment, pass, request).await?;
    response
        .headers_mut()
        .extend(heads.into_iter().map(|(name, value)| (HeaderName::from_static(name), value)));
    Ok(response)
}

/// Answers with the text of the answer, which ends with it. If it is not complete, the body breaks
/// off.
async fn answer_as_text(
    app: &SharedApp,
    mut pass: Pass,
    asked: Asked,
    request: Request,
) -> Result<Response, Problem> {
    admission::acquire_connection_permits(&mut pass, &asked.channel)?;
    let relay = app.live().relay.clone();
    let started = relay.start(&pass, asked).await?;
    let heads = run_headers(&started);
    pass.hold(ListeningStream(started.listening));
    let report = relay.runs.report(&started.run).ok_or_else(unknown_run)?;
    let reader = RunReader::new(started.run.to_string());
    let from = (report, run_stream::before(started.id));
    let mut response = run_stream::open(app, from, (reader, RunFace::Text), pass, request).await?;
    let fields = heads.into_iter().map(|(name, value)| (HeaderName::from_static(name), value));
    response.headers_mut().extend(fields);
    Ok(response)
}

/// Counts the stream that answers a prompt as a listener, until it ends.
#[derive(Debug)]
pub(crate) struct ListeningStream(
    #[allow(dead_code, reason = "what counts is that it is dropped")] pub(crate) Listening,
);

impl StreamGuard for ListeningStream {
    fn record_end(&self, _: StreamEnd) {}
}

/// Returns the fields that name a run.
pub(crate) fn run_headers(started: &Started) -> [(&'static str, HeaderValue); 3] {
    let field = |name, text: String| {
        // Ids and channel names are ASCII by their grammar.
        (name, HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("")))
    };
    [
        field("tricast-run", started.run.to_string()),
        field("tricast-channel", started.channel.to_string()),
        field("tricast-id", started.id.to_string()),
    ]
}
