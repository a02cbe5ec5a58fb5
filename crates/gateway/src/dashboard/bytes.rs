//! The bytes of one message on each wire, as a packet capture would show them.

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use tricast_core::{Action, CloseReason, Ending, Format, Kind, Message, MessageId, Wire};

use crate::http::{
    admission,
    channel_path::path_channel,
    document::AsJson,
    kinds,
    problem::Problem,
    query::Query,
    response::{ResponseAccount, json_response},
    state::SharedApp,
    stream::chunk_framed_format,
};

/// One message on all wires, over HTTP/1.1.
#[derive(Serialize)]
struct MessageBytes {
    id: String,
    wires: Vec<WireBytes>,
}

/// The bytes that one wire sends, in base64.
#[derive(Serialize)]
struct WireBytes {
    wire: &'static str,
    message: String,
    /// The heartbeat after it.
    heartbeat: Option<String>,
    /// The bytes that end the stream.
    end: Option<String>,
}

/// `GET /dashboard/bytes/{channel}?id=`, with the right to read the channel.
pub(super) async fn bytes(
    State(app): State<SharedApp>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let channel = path_channel(path)?;
    let query = Query::parse(request.uri().query(), &["id", "format", "user", "token"])?;
    let channels = std::slice::from_ref(&channel);
    let pass = admission::pass_for_lookup(&app, &request, &query, channels).await?;
    admission::check(&pass, Action::Read, channels).await?;
    let Some(id) = query.read("id", str::parse::<MessageId>)? else {
        return Err(Problem::new(Kind::BadParameter, "name the message: id=").for_parameter("id"));
    };
    let Some(message) = app.hub.find_message(&channel, id, Some(pass.identity())).await? else {
        let detail = format!("{channel} does not hold {id}; see /history/{channel}");
        return Err(Problem::new(kinds::NOT_FOUND, detail));
    };
    let raw = query.raw()?.unwrap_or(false);
    let encode = |wire| WireBytes::of(&message, wire, chunk_framed_format(wire, raw));
    let account = Some(ResponseAccount::of(&app, &request));
    let bytes = || async {
        Ok(AsJson(MessageBytes { id: id.to_string(), wires: Wire::ALL.map(encode).into() }))
    };
    json_response(account, request, bytes).await
}

impl WireBytes {
    fn of(message: &Message, wire: Wire, format: &dyn Format) -> Self {
        let end = match format.ending(CloseReason::Ended) {
            Ending::Send(bytes) => Some(STANDARD.encode(bytes)),
            Ending::Close | Ending::Reset => None,
        };
        Self {
            wire: wire.name(),
            message: STANDARD.encode(format.message(message, true)),
            heartbeat: format.heartbeat(message.id).map(|bytes| STANDARD.encode(bytes)),
            end,
        }
    }
}
