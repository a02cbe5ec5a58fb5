//! Who is there by name: `/presence/{channel}`, and streams that tell who comes and goes.

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    response::Response,
};
use tricast_core::{Action, ChannelName, PresenceOff, UserId};

use crate::http::{
    admission,
    channel_path::path_channel,
    document::AsJson,
    problem::Problem,
    query::Query,
    response::{ResponseAccount, json_response},
    state::{App, SharedApp},
    subscribe_request::check_channel_count,
};

/// `GET /presence/{channel}`
pub(crate) async fn presence(
    State(app): State<SharedApp>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let channel = path_channel(path)?;
    let query = Query::parse(request.uri().query(), &["after", "limit", "user", "token"])?;
    let after = query.read("after", str::parse::<UserId>)?;
    let max = tricast_core::PRESENCE_PAGE;
    let limit = query.number("limit", 1, max)?.unwrap_or(max);
    let channels = std::slice::from_ref(&channel);
    let pass = admission::pass_for_lookup(&app, &request, &query, channels).await?;
    admission::check(&pass, Action::Read, std::slice::from_ref(&channel)).await?;
    let log = app.hub.log();
    let account = Some(ResponseAccount::of(&app, &request));
    let page = || async { Ok(AsJson(log.presence_page(channel.clone(), after.as_ref(), limit)?)) };
    json_response(account, request, page).await
}

/// Returns `channels`, followed by their presence channels.
pub(crate) fn with_presence(
    app: &App,
    mut channels: Vec<ChannelName>,
) -> Result<Vec<ChannelName>, Problem> {
    for channel in channels.clone() {
        let presence = channel.presence_channel();
        if presence.is_none() && !channel.is_presence() {
            return Err(PresenceOff(channel).into());
        }
        channels.extend(presence.filter(|presence| !channels.contains(presence)));
    }
    check_channel_count(app, channels.len())?;
    Ok(channels)
}
