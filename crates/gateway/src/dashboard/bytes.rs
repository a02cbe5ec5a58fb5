//! How one message goes out on each wire, byte for byte: what a packet capture would show.

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use tricast_core::{Act, ChannelName, CloseReason, Ending, Format, Kind, Message, MessageId, Wire};

use crate::http::{
    admission,
    document::{Account, document},
    problem::Problem,
    publish::path_text,
    query::Query,
    state::Shared,
    stream::format_in_chunks,
};

/// A message, as over HTTP/1.1.
#[derive(Serialize)]
struct Spelled {
    id: String,
    wires: Vec<OnWire>,
}

/// What one wire sends, in base64. Each leaves as a segment of its own.
#[derive(Serialize)]
struct OnWire {
    wire: &'static str,
    /// The message.
    message: String,
    /// A sign of life behind it.
    heartbeat: Option<String>,
    /// What ends the stream.
    end: Option<String>,
}

/// `GET /dashboard/bytes/{channel}?id=`, for whoever may read the channel.
pub(super) async fn bytes(
    State(app): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let channel: ChannelName = path_text(path)?.parse()?;
    let query = Query::parse(request.uri().query(), &["id", "format", "user", "token"])?;
    let own = std::slice::from_ref(&channel);
    let pass = admission::pass_of_onlooker(&app, &request, &query, own).await?;
    admission::check(&pass, Act::Look, own).await?;
    let Some(id) = query.read("id", str::parse::<MessageId>)? else {
        return Err(Problem::new(Kind::BadParameter, "say of which message: id=").at("id"));
    };
    let Some(message) = app.hub.log().find(&channel, id) else {
        let detail = format!("{channel} does not hold {id}; see /history/{channel}");
        return Err(Problem::new(Kind::NotFound, detail));
    };
    let raw = query.raw()?.unwrap_or(false);
    let spell = |wire| OnWire::of(&message, wire, format_in_chunks(wire, raw));
    let account = Some(Account::of(&app, &request));
    let spelled =
        || async { Ok(Spelled { id: id.to_string(), wires: Wire::ALL.map(spell).into() }) };
    document(account, request, spelled).await
}

impl OnWire {
    fn of(message: &Message, wire: Wire, format: &dyn Format) -> Self {
        let end = match format.ending(CloseReason::Ended) {
            Ending::Say(bytes) => Some(STANDARD.encode(bytes)),
            Ending::Silent | Ending::Abrupt => None,
        };
        Self {
            wire: wire.name(),
            message: STANDARD.encode(format.message(message, true)),
            heartbeat: format.heartbeat(message.id).map(|bytes| STANDARD.encode(bytes)),
            end,
        }
    }
}
