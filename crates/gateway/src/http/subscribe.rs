//! The listening paths: checks who asks for what, joins the log, and hands the stream to its wire.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use tricast_admission::Pass;
use tricast_core::{Action, ChannelName, Data, Join, Kind, Publisher, Session, Start, Trust, Wire};
use tricast_net::{ConnHandle, Protocol};
use tricast_ws::{Handshake, HandshakeError, HandshakeRequest};

use crate::http::{
    admission,
    body::{self, Media},
    kinds,
    presence::with_presence,
    problem::Problem,
    publish::{MESSAGE_PARAMETERS, Metadata, path_text},
    query::Query,
    resume,
    state::{App, SharedApp},
    stream::{self, format_for_conn, plain_format, respond, retry_later, upgrade},
};

/// The names that every listening request takes.
const PARAMETERS: [&str; 10] = [
    "client",
    "user",
    "since",
    "last_event_id",
    "lastEventId",
    "format",
    "heartbeat",
    "online",
    "presence",
    "token",
];

type ChannelsPath = Result<Path<String>, PathRejection>;

pub(crate) async fn sse(state: State<SharedApp>, path: ChannelsPath, request: Request) -> Response {
    subscribe(state, Wire::Sse, path, request).await
}

pub(crate) async fn chunked(
    state: State<SharedApp>,
    path: ChannelsPath,
    request: Request,
) -> Response {
    subscribe(state, Wire::Chunked, path, request).await
}

pub(crate) async fn ws(state: State<SharedApp>, path: ChannelsPath, request: Request) -> Response {
    subscribe(state, Wire::Ws, path, request).await
}

/// One URL for all wires: what the request says about itself picks one.
pub(crate) async fn stream(
    state: State<SharedApp>,
    path: ChannelsPath,
    request: Request,
) -> Response {
    let wire = negotiate(&request);
    let mut response = subscribe(state, wire, path, request).await;
    let vary = HeaderValue::from_static("accept, upgrade");
    response.headers_mut().append(header::VARY, vary);
    response
}

fn negotiate(request: &Request) -> Wire {
    let headers = request.headers();
    let media = |value: &HeaderValue| {
        let ranges = value.to_str().unwrap_or_default().split(',');
        let mut names = ranges.map(|range| range.split(';').next().unwrap_or_default().trim());
        names.any(|name| name.eq_ignore_ascii_case("text/event-stream"))
    };
    let connects = request.method() == Method::CONNECT;
    if connects || tricast_ws::has_token(headers, header::UPGRADE, "websocket") {
        Wire::Ws
    } else if headers.get_all(header::ACCEPT).into_iter().any(media) {
        Wire::Sse
    } else {
        Wire::Chunked
    }
}

async fn subscribe(
    State(app): State<SharedApp>,
    wire: Wire,
    path: ChannelsPath,
    request: Request,
) -> Response {
    match try_subscribe(&app, wire, path, request).await {
        Ok(response) => response,
        Err(problem) if wire == Wire::Sse && problem.is_temporary() => retry_later(&app, &problem),
        Err(problem) => problem.into_response(),
    }
}

async fn try_subscribe(
    app: &SharedApp,
    wire: Wire,
    path: ChannelsPath,
    mut request: Request,
) -> Result<Response, Problem> {
    let is_head = request.method() == Method::HEAD;
    let is_post = request.method() == Method::POST;
    let names =
        if is_post { [&PARAMETERS[..], &MESSAGE_PARAMETERS].concat() } else { PARAMETERS.to_vec() };
    let query = Query::parse(request.uri().query(), &names)?;
    let (raw, online) = (query.raw()?, query.flag("online")?);
    let handshake = match wire {
        Wire::Ws => Some(read_handshake(app, &request, raw)?),
        Wire::Sse | Wire::Chunked => None,
    };
    let raw = raw.unwrap_or_else(|| handshake.as_ref().is_some_and(Handshake::is_raw));
    let heartbeat_as_event = query.heartbeat_as_event()?;
    if heartbeat_as_event && raw && wire != Wire::Sse {
        let detail = "a raw stream has no events on this wire; leave heartbeat out, or read format=json or raw SSE";
        return Err(Problem::new(Kind::BadParameter, detail).for_parameter("heartbeat"));
    }
    let requested = parse_channels(app, &path_text(path)?)?;
    let publishes = is_post || raw && wire == Wire::Ws;
    if publishes && requested.len() > 1 {
        let detail = "a POST, and a raw WebSocket, publish too: name one channel";
        return Err(Problem::new(Kind::BadChannel, detail));
    }
    let channels = match query.flag("presence")? {
        true => with_presence(app, requested)?,
        false => requested,
    };
    let subprotocol = handshake.as_ref().and_then(Handshake::token);
    let requested_stream = (wire, channels.as_slice());
    let mut pass =
        admission::pass_for_stream(app, &request, &query, requested_stream, subprotocol).await?;
    admission::check(&pass, Action::Subscribe, &channels).await?;
    let start = resume::start_of(request.headers(), &query)?;
    if is_head {
        return Ok(stream::head_response(plain_format(wire, raw)));
    }
    let message = if is_post {
        // A client that repeats its POST to reconnect has said it before.
        let publishes_now = !matches!(start, Start::After(_));
        let (metadata, data) =
            posted_message(app, &query, &pass, &channels[0], &mut request).await?;
        if publishes_now {
            admission::check_message(&pass, &channels[0], data.as_bytes().len()).await?;
        }
        publishes_now.then_some((metadata, data))
    } else {
        None
    };
    admission::acquire_connection_permits(&mut pass, &channels[0])?;
    let own_channel = may_join_own_channel(&pass).await;
    if wire != Wire::Ws {
        pass.set_read_only();
    }
    let identity = pass.identity().clone();
    let join = Join::new(channels.clone(), identity.clone(), wire)
        .with_start(start)
        .with_online_updates(online)
        .with_user_channel(own_channel);
    let joined = app.hub.join(join).await?;
    let conn = request.extensions().get::<ConnHandle>();
    let format = match &handshake {
        Some(handshake) => tricast_ws::format(raw, handshake.window()),
        None => format_for_conn(conn, request.version(), wire, raw),
    };
    if let Some((metadata, data)) = message {
        let mut draft = metadata.draft(channels[0].clone(), data);
        // Somebody else has to be there.
        draft.min_subscribers *= 2;
        app.hub.publish(draft).await?;
    }
    if wire == Wire::Sse && joined.0.has_ended() {
        // WHATWG HTML §9.2.3: 204 tells an EventSource to stop reconnecting.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let guard =
        app.event_queue.as_ref().and_then(|events| events.track((wire, channels), identity));
    guard.into_iter().for_each(|guard| pass.hold(guard));
    let session = Session::new(joined, format, Arc::new(pass), app.live().session_config.clone())
        .with_heartbeat_events(heartbeat_as_event);
    Ok(match handshake {
        Some(handshake) => upgrade(app, &handshake, session, &mut request),
        None => respond(session, request.extensions_mut().remove(), request.version()),
    })
}

/// Whether the user's own channel comes along. Who only says who it is has to be let in there too.
async fn may_join_own_channel(pass: &Pass) -> bool {
    let Some(user) = &pass.identity().user else { return false };
    let own = ChannelName::of_user(user);
    match pass.identity().trust {
        Trust::Verified => true,
        Trust::Unverified | Trust::Anonymous | Trust::ApiKey(_) => {
            tricast_core::authorize(pass, Action::Subscribe, &own).await.is_ok()
        }
    }
}

fn read_handshake(app: &App, request: &Request, raw: Option<bool>) -> Result<Handshake, Problem> {
    let conn = request.extensions().get::<ConnHandle>();
    // The library of the other way of delivery knows no compression.
    let may_deflate = app.settings().ws.compression && conn.is_some_and(ConnHandle::can_detach);
    let protocol = request.extensions().get::<Protocol>();
    let handshake_request = match protocol {
        Some(protocol) => HandshakeRequest::Connect(protocol.as_str()),
        None => HandshakeRequest::Upgrade(request.method(), request.version()),
    };
    let handshake = Handshake::read(handshake_request, request.headers(), raw, may_deflate);
    handshake.map_err(|error| match error {
        HandshakeError::TokenWithoutSubprotocol | HandshakeError::FormatMismatch => {
            Problem::new(Kind::BadParameter, error.to_string())
                .for_parameter("Sec-WebSocket-Protocol")
        }
        _ => Problem::new(kinds::UPGRADE_REQUIRED, error.to_string()),
    })
}

fn parse_channels(app: &App, path: &str) -> Result<Vec<ChannelName>, Problem> {
    check_channel_count(app, path.split(',').count())?;
    let mut channels: Vec<ChannelName> = Vec::new();
    for name in path.split(',') {
        let channel = name.parse()?;
        if channels.contains(&channel) {
            let detail = format!("channel {name:?} is named twice; name it once");
            return Err(Problem::new(Kind::BadChannel, detail));
        }
        channels.push(channel);
    }
    Ok(channels)
}

/// Whether one connection may have so many channels.
pub(crate) fn check_channel_count(app: &App, channels: usize) -> Result<(), Problem> {
    let max = app.settings().limits.channels_per_connection;
    if channels > max {
        let detail = format!("one connection takes at most {max} channels; open several");
        return Err(Problem::new(Kind::BadChannel, detail));
    }
    Ok(())
}

/// What a POST says before it listens.
async fn posted_message(
    app: &App,
    query: &Query,
    pass: &Pass,
    channel: &ChannelName,
    request: &mut Request,
) -> Result<(Metadata, Data), Problem> {
    admission::check_rules(pass, Action::Publish, channel)?;
    let media = Media::of(request.headers());
    if media == Media::Ndjson {
        let detail = "a POST here takes one message; JSON lines go to /publish/{channel}";
        return Err(Problem::new(kinds::BAD_MEDIA_TYPE, detail));
    }
    // An issued client id counts too: the message is for everybody but this very stream.
    let metadata = Metadata::of(query, Publisher::from(&**pass.identity()))?;
    let time = app.settings().limits.body_timeout;
    let mut reservation = app.body_budget.reserve();
    let body = body::read(request, app.message_bytes(), time, &mut reservation).await?;
    Ok((metadata, media.data(body)?))
}
