//! What a subscribe request asks for: parsed and checked before anybody's credentials are.

use axum::{
    extract::{Path, Request, rejection::PathRejection},
    http::Method,
};
use tricast_core::{ChannelName, Kind, Wire};
use tricast_net::{ConnHandle, Protocol};
use tricast_ws::{Handshake, HandshakeError, HandshakeRequest};

use crate::http::{
    channel_path::{bad_channel, path_text},
    kinds,
    presence::with_presence,
    problem::Problem,
    publish::MESSAGE_PARAMETERS,
    query::Query,
    state::App,
};

/// The query parameters of every subscribe request. A POST takes those of a message too.
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

/// A subscribe request that is well formed.
pub(crate) struct SubscribeRequest {
    pub(crate) wire: Wire,
    /// The format is raw.
    pub(crate) raw: bool,
    pub(crate) channels: Vec<ChannelName>,
    /// `online=true`: changes of the online counts are sent.
    pub(crate) online_updates: bool,
    pub(crate) heartbeat_as_event: bool,
    /// The handshake, if the wire is a WebSocket.
    pub(crate) handshake: Option<Handshake>,
    pub(crate) query: Query,
}

impl SubscribeRequest {
    /// Parses path, query and handshake of `request`.
    ///
    /// # Errors
    /// When one of them is malformed, or they contradict each other.
    pub(crate) fn parse(
        app: &App,
        wire: Wire,
        path: Result<Path<String>, PathRejection>,
        request: &Request,
    ) -> Result<Self, Problem> {
        let is_post = request.method() == Method::POST;
        let query = Query::parse(request.uri().query(), &parameters(is_post))?;
        let (format, online_updates) = (query.raw()?, query.flag("online")?);
        let handshake = match wire {
            Wire::Ws => Some(read_handshake(app, request, format)?),
            Wire::Sse | Wire::Chunked => None,
        };
        let raw = format.unwrap_or_else(|| handshake.as_ref().is_some_and(Handshake::is_raw));
        let heartbeat_as_event = query.heartbeat_as_event()?;
        if heartbeat_as_event && raw && wire != Wire::Sse {
            let detail = "a raw stream has no events on this wire; leave heartbeat out, or use \
                          format=json or raw SSE";
            return Err(Problem::new(Kind::BadParameter, detail).for_parameter("heartbeat"));
        }
        let mut channels = parse_channels(app, &path_text(path)?)?;
        let publishes = is_post || raw && wire == Wire::Ws;
        if publishes && channels.len() > 1 {
            let detail = "a POST and a raw WebSocket also publish: name exactly one channel";
            return Err(Problem::new(Kind::BadChannel, detail));
        }
        if query.flag("presence")? {
            channels = with_presence(app, channels)?;
        }
        Ok(Self { wire, raw, channels, online_updates, heartbeat_as_event, handshake, query })
    }

    /// Returns the token that a WebSocket handshake carries as a subprotocol.
    pub(crate) fn subprotocol_token(&self) -> Option<&str> {
        self.handshake.as_ref().and_then(Handshake::token)
    }
}

fn parameters(is_post: bool) -> Vec<&'static str> {
    let message: &[&str] = if is_post { &MESSAGE_PARAMETERS } else { &[] };
    [&PARAMETERS[..], message].concat()
}

fn read_handshake(app: &App, request: &Request, raw: Option<bool>) -> Result<Handshake, Problem> {
    let conn = request.extensions().get::<ConnHandle>();
    // The WebSocket library of the generic delivery does not compress.
    let may_deflate = app.settings().ws.compression && conn.is_some_and(ConnHandle::can_detach);
    let protocol = request.extensions().get::<Protocol>();
    let handshake_request = match protocol {
        Some(protocol) => HandshakeRequest::Connect(protocol.as_str()),
        None => HandshakeRequest::Upgrade(request.method(), request.version()),
    };
    let handshake = Handshake::read(handshake_request, request.headers(), raw, may_deflate);
    handshake.map_err(|error| {
        let field = match error {
            HandshakeError::NotAnUpgrade | HandshakeError::Version => {
                return Problem::new(kinds::UPGRADE_REQUIRED, error.to_string());
            }
            HandshakeError::Key => "Sec-WebSocket-Key",
            HandshakeError::Body => "Content-Length",
            HandshakeError::Subprotocols
            | HandshakeError::TwoTokens
            | HandshakeError::TokenWithoutSubprotocol
            | HandshakeError::FormatMismatch => "Sec-WebSocket-Protocol",
        };
        Problem::new(Kind::BadParameter, error.to_string()).for_parameter(field)
    })
}

fn parse_channels(app: &App, path: &str) -> Result<Vec<ChannelName>, Problem> {
    check_channel_count(app, path.split(',').count())?;
    let mut channels: Vec<ChannelName> = Vec::new();
    for name in path.split(',') {
        let channel = name.parse().map_err(|error| bad_channel(error, name))?;
        if channels.contains(&channel) {
            let detail = format!("channel {name:?} is given twice; give it once");
            return Err(Problem::new(Kind::BadChannel, detail));
        }
        channels.push(channel);
    }
    Ok(channels)
}

/// Checks the number of channels of one connection against its limit.
pub(crate) fn check_channel_count(app: &App, channels: usize) -> Result<(), Problem> {
    let max = app.settings().limits.channels_per_connection;
    if channels > max {
        let detail =
            format!("one connection takes at most {max} channels; open several connections");
        return Err(Problem::new(Kind::BadChannel, detail));
    }
    Ok(())
}
