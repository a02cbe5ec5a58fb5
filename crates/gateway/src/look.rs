//! Looking without subscribing: `/history`, `/online`, `/channels`.

use axum::{
    Json,
    body::Body,
    extract::{Path, RawQuery, Request, State, rejection::PathRejection},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tricast_core::{
    ChannelName, ChannelSummary, ClientId, Count, Identity, Portion, Start, UserId, Wire,
    write_document,
};

use crate::{
    app::Shared, problem::Problem, publish::path_text, query::Query, resume,
    subscribe::refuse_others_channels,
};

/// The most channels in one answer.
const PAGE: usize = 1000;

/// The most history in one answer: it is held until the client has read it.
const HISTORY: Portion = Portion { messages: 1000, bytes: 1024 * 1024 };

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
    let history = app.hub.log().history(&channel, start, HISTORY)?;

    #[derive(Serialize)]
    struct Lost {
        first: Option<u64>,
        last: Option<u64>,
        certain: bool,
    }
    let lost =
        history.gap.map(|gap| Lost { first: gap.first, last: gap.last, certain: gap.certain });
    let lost = serde_json::to_string(&lost).unwrap_or_default();
    let id = history.id;
    let mut body =
        format!("{{\"channel\":\"{channel}\",\"id\":\"{id}\",\"gap\":{lost},\"messages\":[")
            .into_bytes();
    for (index, message) in history.messages.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        write_document(message, &mut body);
    }
    body.extend_from_slice(format!("],\"more\":{}}}\n", history.more).as_bytes());
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from(body)).into_response())
}

/// `GET /online/{channel}`
pub(crate) async fn online(
    State(app): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Answer {
        channel: ChannelName,
        #[serde(flatten)]
        total: Count,
        wires: Wires,
    }
    #[derive(Serialize)]
    struct Wires {
        sse: Count,
        chunked: Count,
        ws: Count,
    }
    let channel: ChannelName = path_text(path)?.parse()?;
    Query::parse(query.as_deref(), &["token"])?.refuse_token()?;
    let online = app.hub.log().online(&channel);
    let of = |wire: Wire| online.wires[wire.index()];
    let wires = Wires { sse: of(Wire::Sse), chunked: of(Wire::Chunked), ws: of(Wire::Ws) };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((headers, Json(Answer { channel, total: online.total, wires })).into_response())
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
