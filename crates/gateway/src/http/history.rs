//! Reading without a subscription: `/history`, `/online`, `/channels`.

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tricast_core::{Action, ChannelName, ChannelSummary, Kind, MessageId, Start};

use crate::http::{
    admission,
    channel_path::path_channel,
    document::AsJson,
    problem::Problem,
    query::Query,
    response::{ResponseAccount, json_response},
    resume,
    state::SharedApp,
};

/// Most channels in one response.
const MAX_PAGE: usize = 1000;

/// `GET /history/{channel}`
pub(crate) async fn history(
    State(app): State<SharedApp>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let channel = path_channel(path)?;
    let names = ["since", "last_event_id", "user", "token"];
    let query = Query::parse(request.uri().query(), &names)?;
    let pass =
        admission::pass_for_lookup(&app, &request, &query, std::slice::from_ref(&channel)).await?;
    admission::check(&pass, Action::Read, std::slice::from_ref(&channel)).await?;
    let log = app.hub.log();
    let start = resume::start_of(&request, &query, log.epoch())?.unwrap_or(Start::Earliest);
    let account = Some(ResponseAccount::of(&app, &request));
    let reader = pass.identity();
    let select = || async { Ok(app.hub.select_history(channel.clone(), start, reader).await?) };
    json_response(account, request, select).await
}

/// `DELETE /history/{channel}`
pub(crate) async fn erase(
    State(app): State<SharedApp>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct EraseResponse {
        channel: ChannelName,
        id: MessageId,
    }
    let channel = path_channel(path)?;
    let query = Query::parse(request.uri().query(), &["token"])?;
    let pass = admission::pass_for_publish(&app, &request, &query).await?;
    admission::check(&pass, Action::Erase, std::slice::from_ref(&channel)).await?;
    let id = app.hub.erase_history(channel.clone()).await?;
    tracing::info!(%channel, %id, by = ?pass.identity().trust, "a history was erased");
    Ok(Json(EraseResponse { channel, id }).into_response())
}

/// `GET /online/{channel}`
pub(crate) async fn online(
    State(app): State<SharedApp>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let channel = path_channel(path)?;
    let query = Query::parse(request.uri().query(), &["user", "token"])?;
    let channels = std::slice::from_ref(&channel);
    let pass = admission::pass_for_lookup(&app, &request, &query, channels).await?;
    // A publisher may ask whether anybody is online.
    if let Err(problem) = admission::check(&pass, Action::Read, channels).await {
        admission::check(&pass, Action::Publish, channels).await.map_err(|_| problem)?;
    }
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((headers, Json(app.hub.log().online_report(channel)?)).into_response())
}

/// `GET /channels`
pub(crate) async fn channels(
    State(app): State<SharedApp>,
    request: Request,
) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct ChannelsResponse {
        channels: Vec<ChannelSummary>,
        more: bool,
    }
    let query = Query::parse(request.uri().query(), &["prefix", "after", "limit", "token"])?;
    let pass = admission::pass_for_lookup(&app, &request, &query, &[]).await?;
    let limit = query.number("limit", 1, MAX_PAGE)?.unwrap_or(100);
    let prefix = query.get("prefix").unwrap_or_default();
    let after = query.get("after").unwrap_or_default();
    if pass.hook_checks_subscribe() {
        let detail = "only API keys may list channels while [hook] decides who may subscribe; \
                      send an API key";
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    pass.check_listing()?;
    let wanted = |name: &ChannelName| {
        name.owner().is_none()
            && !name.is_presence()
            && name.as_str().starts_with(prefix)
            && name.as_str() > after
    };
    let account = Some(ResponseAccount::of(&app, &request));
    let page = || async {
        let mut channels: Vec<ChannelSummary> = Vec::new();
        let mut next = Some(0);
        // One request at a time scans all channels, in steps, and keeps about one page of them.
        let _permit = app.channel_listing.acquire().await;
        while let Some(from) = next {
            let (some, rest) = app.hub.log().scan_channels(from, wanted);
            channels.extend(
                some.into_iter().filter(|summary| pass.allows(Action::Read, &summary.channel)),
            );
            if channels.len() > 2 * MAX_PAGE || rest.is_none() {
                channels.sort_unstable_by(|a, b| a.channel.cmp(&b.channel));
                channels.truncate(limit + 1);
            }
            next = rest;
            tokio::task::yield_now().await;
        }
        let more = channels.len() > limit;
        channels.truncate(limit);
        Ok(AsJson(ChannelsResponse { channels, more }))
    };
    json_response(account, request, page).await
}
