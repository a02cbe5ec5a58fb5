//! The subscribe endpoints: a request is parsed and admitted, joins the log, and its stream goes to
//! its wire.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, Method, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use tricast_admission::Pass;
use tricast_core::{
    Action, ChannelName, Draft, Format, Join, JoinInfo, Kind, Publisher, Session, Start,
    Subscription, Trust, Wire,
};
use tricast_net::{AwaitedStream, ConnHandle};

use crate::http::{
    admission,
    body::{self, Media},
    kinds, negotiation,
    problem::Problem,
    publish::Metadata,
    resume,
    state::{App, SharedApp},
    stream::{self, format_for_conn, plain_format, respond, retry_later, upgrade},
    subscribe_request::SubscribeRequest,
};

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

/// Serves `/stream`, one URL for all wires: the headers of the request select the wire.
pub(crate) async fn stream(
    state: State<SharedApp>,
    path: ChannelsPath,
    request: Request,
) -> Response {
    let wire = negotiation::wire_of(&request);
    let mut response = subscribe(state, wire, path, request).await;
    let vary = HeaderValue::from_static("accept, upgrade");
    response.headers_mut().append(header::VARY, vary);
    response
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

/// Takes the steps of every subscribe request in order. Each of them may refuse the request.
async fn try_subscribe(
    app: &SharedApp,
    wire: Wire,
    path: ChannelsPath,
    mut request: Request,
) -> Result<Response, Problem> {
    let wanted = SubscribeRequest::parse(app, wire, path, &request)?;
    let _awaited = await_stream(&request);
    let mut pass = admit(app, &wanted, &request).await?;
    let epoch = app.hub.log().epoch();
    let start = resume::start_of(&request, &wanted.query, epoch)?.unwrap_or(Start::Latest);
    if start.is_compact() && wanted.raw && wire != Wire::Sse {
        let detail =
            "a raw stream cannot say what is a snapshot; leave format=raw out, or since=compact";
        return Err(Problem::new(Kind::BadResume, detail).for_parameter("since"));
    }
    if request.method() == Method::HEAD {
        return Ok(stream::head_response(plain_format(wire, wanted.raw)));
    }
    let is_post = request.method() == Method::POST;
    let draft = match is_post {
        true => read_own_message(app, &wanted, &pass, start, &mut request).await?,
        false => None,
    };
    let (subscription, mut join_info) = join(app, &wanted, &mut pass, start).await?;
    join_info.published = is_post.then_some(draft.is_some());
    if let Some(draft) = draft {
        app.hub.publish(draft).await?;
    }
    if wire == Wire::Sse && subscription.has_ended() {
        // WHATWG HTML §9.2.3: 204 tells an EventSource to stop reconnecting.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(hand_over(app, wanted, (subscription, join_info), pass, request))
}

/// Watches whether the client leaves before its stream begins. The message of a POST is published
/// even then, and over HTTP/2 each request has an end of its own.
fn await_stream(request: &Request) -> Option<AwaitedStream> {
    let is_own = request.method() == Method::GET && request.version() <= Version::HTTP_11;
    let conn = request.extensions().get::<ConnHandle>().filter(|_| is_own);
    conn.map(ConnHandle::await_stream)
}

/// Checks the credentials of the request and what they permit.
fn admit<'a>(
    app: &'a App,
    wanted: &'a SubscribeRequest,
    request: &Request,
) -> impl Future<Output = Result<Pass, Problem>> + use<'a> {
    let stream = (wanted.wire, wanted.channels.as_slice());
    let subprotocol = wanted.subprotocol_token();
    let opening = admission::pass_for_stream(app, request, &wanted.query, stream, subprotocol);
    async move {
        let pass = opening.await?;
        admission::check(&pass, Action::Subscribe, &wanted.channels).await?;
        Ok(pass)
    }
}

/// Reads the message that a POST publishes before its stream begins. Returns `None` if the request
/// resumes: a client that repeats its POST to reconnect has published the message already.
async fn read_own_message(
    app: &App,
    wanted: &SubscribeRequest,
    pass: &Pass,
    start: Start,
    request: &mut Request,
) -> Result<Option<Draft>, Problem> {
    let channel = &wanted.channels[0];
    admission::check_rules(pass, Action::Publish, channel)?;
    let media = Media::of(request.headers())?;
    if media == Media::Ndjson {
        let detail = "a POST here takes one message; send JSON lines to /publish/{channel} instead";
        return Err(Problem::new(kinds::BAD_MEDIA_TYPE, detail));
    }
    // An issued client id counts too: skip_self hides the message from this very stream.
    let metadata = Metadata::of(&wanted.query, Publisher::from(&**pass.identity()))?;
    let time = app.settings().limits.body_timeout;
    let body = {
        // Not kept while the hook is asked: a slow hook must not use up the memory for bodies.
        let mut reservation = app.body_budget.reserve();
        body::read(request, app.message_bytes(), time, &mut reservation).await?
    };
    let mut draft = metadata.draft(channel.clone(), media.data(body)?);
    if start.resumes() {
        return Ok(None);
    }
    admission::check_message(pass, channel, draft.data.as_bytes().len()).await?;
    // With require_online, one subscriber must be there beside the publisher's own stream.
    draft.min_subscribers *= 2;
    Ok(Some(draft))
}

/// A stream that a request of another path opens.
pub(crate) struct Attachment {
    pub(crate) wire: Wire,
    /// The format is raw.
    pub(crate) raw: bool,
    pub(crate) channel: ChannelName,
    pub(crate) start: Start,
}

/// Answers `request` with the stream of a channel that the pass, which has its permits, may read.
///
/// # Errors
/// When the channel cannot be joined.
pub(crate) async fn attach(
    app: &SharedApp,
    Attachment { wire, raw, channel, start }: Attachment,
    mut pass: Pass,
    request: Request,
) -> Result<Response, Problem> {
    pass.set_read_only();
    let channels = vec![channel];
    let join = Join::new(channels.clone(), pass.identity().clone(), wire).with_start(start);
    let joined = app.hub.join(join).await?;
    let conn = request.extensions().get::<ConnHandle>();
    let format = format_for_conn(conn, request.version(), wire, raw);
    let session = session(app, (wire, channels), format, joined, pass);
    let mut request = request;
    Ok(respond(session, &mut request))
}

/// Takes the connection's permits and joins the log.
async fn join(
    app: &SharedApp,
    wanted: &SubscribeRequest,
    pass: &mut Pass,
    start: Start,
) -> Result<(Subscription, JoinInfo), Problem> {
    admission::acquire_connection_permits(pass, &wanted.channels[0])?;
    let include_user_channel = may_join_user_channel(pass).await;
    if wanted.wire != Wire::Ws {
        pass.set_read_only();
    }
    let identity = pass.identity().clone();
    let join = Join::new(wanted.channels.clone(), identity, wanted.wire)
        .with_start(start)
        .with_online_updates(wanted.online_updates)
        .with_user_channel(include_user_channel);
    Ok(app.hub.join(join).await?)
}

/// Returns whether the user's own channel is added to the stream. Hook and rules decide about users
/// that are not verified, as they do for any other channel.
async fn may_join_user_channel(pass: &Pass) -> bool {
    let Some(user) = &pass.identity().user else { return false };
    let channel = ChannelName::of_user(user);
    match pass.identity().trust {
        Trust::Verified => true,
        Trust::Unverified | Trust::Anonymous | Trust::ApiKey(_) => {
            tricast_core::authorize(pass, Action::Subscribe, &channel).await.is_ok()
        }
    }
}

/// Hands the session to its wire.
fn hand_over(
    app: &SharedApp,
    wanted: SubscribeRequest,
    joined: (Subscription, JoinInfo),
    pass: Pass,
    mut request: Request,
) -> Response {
    let SubscribeRequest { wire, raw, channels, handshake, .. } = wanted;
    let format = match &handshake {
        Some(handshake) => tricast_ws::format(raw, handshake.window()),
        None => {
            let conn = request.extensions().get::<ConnHandle>();
            format_for_conn(conn, request.version(), wire, raw)
        }
    };
    let session = session(app, (wire, channels), format, joined, pass)
        .with_heartbeat_events(wanted.heartbeat_as_event);
    match handshake {
        Some(handshake) => upgrade(app, &handshake, session, &mut request),
        None => respond(session, &mut request),
    }
}

/// Builds the session of a stream. From here on the webhook knows the connection.
fn session(
    app: &App,
    stream: (Wire, Vec<ChannelName>),
    format: &'static dyn Format,
    joined: (Subscription, JoinInfo),
    mut pass: Pass,
) -> Session {
    let identity = pass.identity().clone();
    if let Some(events) = &app.event_queue {
        events.track(stream, identity).into_iter().for_each(|guard| pass.hold(guard));
    }
    let config = app.live().session_config.clone();
    Session::new(joined, format, Arc::new(pass), config)
}
