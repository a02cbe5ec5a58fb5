//! `/llm/runs`: the runs of a channel, one run, and its end.

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tricast_admission::Pass;
use tricast_core::{Action, ChannelName, Kind};
use tricast_llm::RunReport;

use crate::{
    http::{
        admission,
        channel_path::path_text,
        document::AsJson,
        problem::Problem,
        query::Query,
        response::{ResponseAccount, json_response},
        state::{App, SharedApp},
    },
    relay::{CANCELLING, unknown_run},
};

type RunPath = Result<Path<String>, PathRejection>;

/// `GET /llm/runs/{run}`
pub(crate) async fn run(
    State(app): State<SharedApp>,
    path: RunPath,
    request: Request,
) -> Result<Response, Problem> {
    let text = path_text(path)?;
    let query = Query::parse(request.uri().query(), &["user", "token"])?;
    let report = app.live().relay.report(&text)?;
    let channels = std::slice::from_ref(&report.channel);
    let pass = admission::pass_for_lookup(&app, &request, &query, channels).await?;
    check_readable(&app, &pass, &report).await?;
    let account = Some(ResponseAccount::of(&app, &request));
    let relay = app.live().relay.clone();
    json_response(account, request, || async { Ok(AsJson(relay.report(&text)?)) }).await
}

/// Checks that the client may read a run.
///
/// # Errors
/// When it may not: to it there is no such run.
pub(crate) async fn check_readable(
    app: &App,
    pass: &Pass,
    report: &RunReport,
) -> Result<(), Problem> {
    let may_read = app.live().relay.may_read(pass, report);
    let channels = std::slice::from_ref(&report.channel);
    let is_answer = report.channel.is_of_answer();
    if may_read && (is_answer || admission::check(pass, Action::Read, channels).await.is_ok()) {
        return Ok(());
    }
    Err(unknown_run())
}

/// `GET /llm/runs?channel=`
pub(crate) async fn runs(
    State(app): State<SharedApp>,
    request: Request,
) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct RunsResponse {
        runs: Vec<RunReport>,
    }
    let query = Query::parse(request.uri().query(), &["channel", "user", "token"])?;
    let channel = query.read("channel", str::parse::<ChannelName>)?.ok_or_else(|| {
        let detail = "name the channel whose open runs are listed: channel=";
        Problem::new(Kind::BadChannel, detail).for_parameter("channel")
    })?;
    let channels = std::slice::from_ref(&channel);
    let pass = admission::pass_for_lookup(&app, &request, &query, channels).await?;
    admission::check(&pass, Action::Read, channels).await?;
    let account = Some(ResponseAccount::of(&app, &request));
    let relay = app.live().relay.clone();
    let page = || async { Ok(AsJson(RunsResponse { runs: relay.runs.open_in(&channel) })) };
    json_response(account, request, page).await
}

/// `POST /llm/runs/{run}/cancel`
pub(crate) async fn cancel(
    State(app): State<SharedApp>,
    path: RunPath,
    request: Request,
) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct CancelResponse {
        run: String,
        status: &'static str,
    }
    let run = path_text(path)?;
    let query = Query::parse(request.uri().query(), &["client", "user", "token"])?;
    let relay = app.live().relay.clone();
    let channel = relay.report(&run)?.channel;
    let channels = std::slice::from_ref(&channel);
    let pass = admission::pass_for_lookup(&app, &request, &query, channels).await?;
    drop(request);
    let (code, status) = match relay.cancel(&pass, &run).await? {
        Some(status) => (StatusCode::OK, status.name()),
        None => (StatusCode::ACCEPTED, CANCELLING),
    };
    Ok((code, Json(CancelResponse { run, status })).into_response())
}
