//! The listening paths: checks who asks for what, joins the log, and hands the stream to its wire.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use h2::ext::Protocol;
use tricast_admission::Pass;
use tricast_core::{Act, ChannelName, Data, Join, Kind, Publisher, Session, Standing, Start, Wire};
use tricast_ws::{HandshakeRequest, Handshake, HandshakeError};

use crate::{
    http::{
        admission,
        body::{self, Media},
        presence::with_presence,
        problem::Problem,
        publish::{MESSAGE_NAMES, Metadata, path_text},
        query::Query,
        resume,
        state::{App, Shared},
        stream::{self, come_back, format_of, format_on, respond, upgrade},
    },
    net::Line,
};

/// The names that every listening request takes.
const NAMES: [&str; 10] = [
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

pub(crate) async fn sse(state: State<Shared>, path: ChannelsPath, request: Request) -> Response {
    listen(state, Wire::Sse, path, request).await
}

pub(crate) async fn chunked(
    state: State<Shared>,
    path: ChannelsPath,
    request: Request,
) -> Response {
    listen(state, Wire::Chunked, path, request).await
}

pub(crate) async fn ws(state: State<Shared>, path: ChannelsPath, request: Request) -> Response {
    listen(state, Wire::Ws, path, request).await
}

/// One URL for all wires: what the request says about itself picks one.
pub(crate) async fn stream(state: State<Shared>, path: ChannelsPath, request: Request) -> Response {
    let wire = negotiate(&request);
    let mut response = listen(state, wire, path, request).await;
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

async fn listen(
    State(app): State<Shared>,
    wire: Wire,
    path: ChannelsPath,
    request: Request,
) -> Response {
    match try_listen(&app, wire, path, request).await {
        Ok(response) => response,
        Err(problem) if wire == Wire::Sse && problem.will_pass() => come_back(&app, &problem),
        Err(problem) => problem.into_response(),
    }
}

async fn try_listen(
    app: &Shared,
    wire: Wire,
    path: ChannelsPath,
    mut request: Request,
) -> Result<Response, Problem> {
    let heads = request.method() == Method::HEAD;
    let posts = request.method() == Method::POST;
    let names = if posts { [&NAMES[..], &MESSAGE_NAMES].concat() } else { NAMES.to_vec() };
    let query = Query::parse(request.uri().query(), &names)?;
    let (raw, online) = (query.raw()?, query.flag("online")?);
    let handshake = match wire {
        Wire::Ws => Some(handshake_of(app, &request, raw)?),
        Wire::Sse | Wire::Chunked => None,
    };
    let raw = raw.unwrap_or_else(|| handshake.as_ref().is_some_and(Handshake::is_raw));
    let beats_in_events = query.beats_in_events()?;
    if beats_in_events && raw && wire != Wire::Sse {
        let detail = "a raw stream has no events on this wire; leave heartbeat out, or read format=json or raw SSE";
        return Err(Problem::new(Kind::BadParameter, detail).at("heartbeat"));
    }
    let named = channels_of(app, &path_text(path)?)?;
    let speaks = posts || raw && wire == Wire::Ws;
    if speaks && named.len() > 1 {
        let detail = "a POST, and a raw WebSocket, publish too: name one channel";
        return Err(Problem::new(Kind::BadChannel, detail));
    }
    let channels = match query.flag("presence")? {
        true => with_presence(app, named)?,
        false => named,
    };
    let subprotocol = handshake.as_ref().and_then(Handshake::token);
    let opens = (wire, channels.as_slice());
    let mut pass = admission::pass_of_reader(app, &request, &query, opens, subprotocol).await?;
    admission::check(&pass, Act::Subscribe, &channels).await?;
    let start = resume::start_of(request.headers(), &query)?;
    if heads {
        return Ok(stream::look(format_of(wire, raw)));
    }
    let said = if posts {
        // A client that repeats its POST to reconnect has said it before.
        let says = !matches!(start, Start::After(_));
        let (metadata, data) = own_message(app, &query, &pass, &channels[0], &mut request).await?;
        if says {
            admission::check_message(&pass, &channels[0], data.as_bytes().len()).await?;
        }
        says.then_some((metadata, data))
    } else {
        None
    };
    admission::sit_down(&mut pass, &channels[0])?;
    let own = hears_own(&pass).await;
    if wire != Wire::Ws {
        pass.only_listens();
    }
    let identity = pass.identity().clone();
    let channels_asked = channels.clone();
    let join =
        Join { channels: channels_asked, identity: identity.clone(), wire, start, online, own };
    let joined = app.hub.join(join).await?;
    let line = request.extensions().get::<Line>();
    let format = match &handshake {
        Some(handshake) => tricast_ws::format(raw, handshake.window()),
        None => format_on(line, request.version(), wire, raw),
    };
    let session = Session::new(joined, format, app.live().pace.clone(), online)
        .with_beats_in_events(beats_in_events);
    if let Some((metadata, data)) = said {
        let mut draft = metadata.draft(channels[0].clone(), data);
        // Somebody else has to be there.
        draft.at_least *= 2;
        app.hub.publish(draft).await?;
    }
    if wire == Wire::Sse && session.has_ended() {
        // WHATWG HTML §9.2.3: 204 tells an EventSource to stop reconnecting.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let visit = app.events.as_ref().and_then(|events| events.attend((wire, channels), identity));
    visit.into_iter().for_each(|visit| pass.keep(visit));
    let session = session.with_access(Arc::new(pass));
    Ok(match handshake {
        Some(handshake) => upgrade(app, &handshake, session, &mut request),
        None => respond(session, request.extensions_mut().remove(), request.version()),
    })
}

/// Whether the user's own channel comes along. Who only says who it is has to be let in there too.
async fn hears_own(pass: &Pass) -> bool {
    let Some(user) = &pass.identity().user else { return false };
    let own = ChannelName::of_user(user);
    match pass.identity().standing {
        Standing::Proven => true,
        Standing::Claimed | Standing::Backend(_) => {
            tricast_core::admit(pass, Act::Subscribe, &own).await.is_ok()
        }
    }
}

fn handshake_of(app: &App, request: &Request, raw: Option<bool>) -> Result<Handshake, Problem> {
    let line = request.extensions().get::<Line>();
    // The library of the other way of delivery knows no compression.
    let may_deflate = app.settings().ws.compression && line.is_some_and(Line::may_depart);
    let protocol = request.extensions().get::<Protocol>();
    let asks = match protocol {
        Some(protocol) => HandshakeRequest::Connect(protocol.as_str()),
        None => HandshakeRequest::Upgrade(request.method(), request.version()),
    };
    let handshake = Handshake::read(asks, request.headers(), raw, may_deflate);
    handshake.map_err(|error| match error {
        HandshakeError::TokenWithoutSubprotocol | HandshakeError::FormatMismatch => {
            Problem::new(Kind::BadParameter, error.to_string()).at("Sec-WebSocket-Protocol")
        }
        _ => Problem::new(Kind::UpgradeRequired, error.to_string()),
    })
}

fn channels_of(app: &App, path: &str) -> Result<Vec<ChannelName>, Problem> {
    check_count(app, path.split(',').count())?;
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
pub(crate) fn check_count(app: &App, channels: usize) -> Result<(), Problem> {
    let most = app.settings().limits.channels_per_connection;
    if channels > most {
        let detail = format!("one connection takes at most {most} channels; open several");
        return Err(Problem::new(Kind::BadChannel, detail));
    }
    Ok(())
}

/// What a POST says before it listens.
async fn own_message(
    app: &App,
    query: &Query,
    pass: &Pass,
    channel: &ChannelName,
    request: &mut Request,
) -> Result<(Metadata, Data), Problem> {
    admission::check_rules(pass, Act::Publish, channel)?;
    let media = Media::of(request.headers());
    if media == Media::Ndjson {
        let detail = "a POST here takes one message; JSON lines go to /publish/{channel}";
        return Err(Problem::new(Kind::BadMediaType, detail));
    }
    // An issued client id counts too: the message is for everybody but this very stream.
    let metadata = Metadata::of(query, Publisher::from(&**pass.identity()))?;
    let time = app.settings().limits.body_timeout;
    let mut share = app.bodies.share();
    let body = body::read(request, app.message_bytes(), time, &mut share).await?;
    Ok((metadata, media.data(body)?))
}
