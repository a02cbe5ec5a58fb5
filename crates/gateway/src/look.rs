//! Looking without subscribing: `/history`, `/online`, `/channels`.

use axum::{
    Json,
    extract::{Path, RawQuery, Request, State, rejection::PathRejection},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tricast_core::{ChannelName, ChannelSummary, ClientId, Identity, Start, UserId};

use crate::{
    app::Shared, problem::Problem, publish::path_text, query::Query, resume,
    subscribe::refuse_others_channels,
};

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
    query.refuse_token()?;
    let user = query.read("user", str::parse::<UserId>)?;
    let identity = Identity { client: ClientId::issue(), user, issued: true };
    refuse_others_channels(std::slice::from_ref(&channel), &identity)?;
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
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let channel: ChannelName = path_text(path)?.parse()?;
    Query::parse(query.as_deref(), &["token"])?.refuse_token()?;
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((headers, Json(app.hub.log().census(channel))).into_response())
}

/// `GET /channels`
pub(crate) async fn channels(
    State(app): State<Shared>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Answer {
        channels: Vec<ChannelSummary>,
        more: bool,
    }
    let query = Query::parse(query.as_deref(), &["prefix", "after", "limit", "token"])?;
    query.refuse_token()?;
    let limit = query.number("limit", 1, PAGE)?.unwrap_or(100);
    let prefix = query.get("prefix").unwrap_or_default();
    let after = query.get("after").unwrap_or_default();
    let wanted = |name: &ChannelName| {
        name.user().is_none() && name.as_str().starts_with(prefix) && name.as_str() > after
    };
    let mut channels = app.hub.log().channels(wanted);
    channels.sort_unstable_by(|a, b| a.channel.cmp(&b.channel));
    let more = channels.len() > limit;
    channels.truncate(limit);
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((headers, Json(Answer { channels, more })).into_response())
}
