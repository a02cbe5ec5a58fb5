//! Looking without subscribing: `/history`, `/online`, `/channels`.

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tricast_core::{Access as _, Act, ChannelName, ChannelSummary, Start};

use crate::{admission, app::Shared, problem::Problem, publish::path_text, query::Query, resume};

/// The most channels in one answer.
const PAGE: usize = 1000;

/// `GET /history/{channel}`
pub(crate) async fn history(
    State(app): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let channel: ChannelName = path_text(path)?.parse()?;
    let names = ["since", "last_event_id", "user", "token"];
    let query = Query::parse(request.uri().query(), &names)?;
    let pass = admission::pass(&app, &request, &query).await?;
    admission::check(&pass, Act::Look, std::slice::from_ref(&channel)).await?;
    let start = match resume::start_of(request.headers(), &query)? {
        Start::Latest if query.get("since").is_none() => Start::Earliest,
        start => start,
    };
    let page = app.hub.log().page(channel, start)?;
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((headers, Json(page)).into_response())
}

/// `GET /online/{channel}`
pub(crate) async fn online(
    State(app): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let channel: ChannelName = path_text(path)?.parse()?;
    let query = Query::parse(request.uri().query(), &["user", "token"])?;
    let pass = admission::pass(&app, &request, &query).await?;
    // Who may publish to somebody may ask whether anybody is there.
    let own = std::slice::from_ref(&channel);
    if let Err(problem) = admission::check(&pass, Act::Look, own).await {
        admission::check(&pass, Act::Publish, own).await.map_err(|_| problem)?;
    }
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((headers, Json(app.hub.log().census(channel)?)).into_response())
}

/// `GET /channels`
pub(crate) async fn channels(
    State(app): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Answer {
        channels: Vec<ChannelSummary>,
        more: bool,
    }
    let query = Query::parse(request.uri().query(), &["prefix", "after", "limit", "token"])?;
    let pass = admission::pass(&app, &request, &query).await?;
    let limit = query.number("limit", 1, PAGE)?.unwrap_or(100);
    let prefix = query.get("prefix").unwrap_or_default();
    let after = query.get("after").unwrap_or_default();
    let wanted = |name: &ChannelName| {
        name.user().is_none()
            && !name.is_presence()
            && name.as_str().starts_with(prefix)
            && name.as_str() > after
            && pass.permits(Act::Look, name).is_ok()
    };
    let mut channels = app.hub.log().channels(wanted);
    channels.sort_unstable_by(|a, b| a.channel.cmp(&b.channel));
    let more = channels.len() > limit;
    channels.truncate(limit);
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((headers, Json(Answer { channels, more })).into_response())
}
