//! The admission of requests: reads their credentials, which the gatekeeper turns into a pass.

use axum::{
    extract::Request,
    http::{HeaderMap, Uri, header},
};
use tricast_admission::{Credentials, Hook, MisplacedCredential, Pass};
use tricast_core::{
    Access as _, Action, ChannelName, Denied, Kind, UserId, Wire, authorize, authorize_publish,
};
use tricast_net::ConnHandle;

use crate::http::{forwarded, origin, problem::Problem, query::Query, state::App};

/// Returns the pass of a publisher.
pub(crate) fn pass_for_publish<'a>(
    app: &'a App,
    request: &Request,
    query: &Query,
) -> impl Future<Output = Result<Pass, Problem>> + use<'a> {
    // The returned future does not hold the request while the token is checked.
    let credentials = credentials(app, request, query, None);
    let uri = request.uri().clone();
    async move { open_pass(app, credentials?, None, &uri).await }
}

/// Returns the pass of a request that reads `channels` without a subscription. The hook decides
/// about it as about a stream.
pub(crate) fn pass_for_lookup<'a>(
    app: &'a App,
    request: &Request,
    query: &Query,
    channels: &'a [ChannelName],
) -> impl Future<Output = Result<Pass, Problem>> + use<'a> {
    let credentials = credentials(app, request, query, None);
    let uri = request.uri().clone();
    async move { open_pass(app, credentials?, Some(channels), &uri).await }
}

/// Returns the pass of a request that subscribes to `channels` on `wire`. `subprotocol` is the
/// token of a WebSocket handshake.
pub(crate) fn pass_for_stream<'a>(
    app: &'a App,
    request: &Request,
    query: &Query,
    (wire, channels): (Wire, &'a [ChannelName]),
    subprotocol: Option<&str>,
) -> impl Future<Output = Result<Pass, Problem>> + use<'a> {
    let credentials = credentials(app, request, query, subprotocol);
    let uri = request.uri().clone();
    async move {
        let credentials = Credentials { wire: Some(wire), ..credentials? };
        open_pass(app, credentials, Some(channels), &uri).await
    }
}

/// Opens a pass. If it is for channels, the hook decides, too.
async fn open_pass(
    app: &App,
    credentials: Credentials,
    stream: Option<&[ChannelName]>,
    uri: &Uri,
) -> Result<Pass, Problem> {
    let address = credentials.address;
    let opening = async {
        let mut pass = app.gatekeeper().pass(credentials).await?;
        match stream {
            Some(channels) => pass.authorize_connect(channels).await.map(|()| pass),
            None => Ok(pass),
        }
    };
    opening.await.map_err(|denied| {
        app.gatekeeper().audit.refused_before_pass(&denied, uri.path(), address);
        denied.into()
    })
}

fn credentials(
    app: &App,
    request: &Request,
    query: &Query,
    subprotocol: Option<&str>,
) -> Result<Credentials, Problem> {
    let headers = request.headers();
    let conn = request.extensions().get::<ConnHandle>();
    let proxy = &app.settings().proxy;
    let client = |conn: &ConnHandle| forwarded::client_address(conn.peer(), headers, proxy);
    let gatekeeper = app.gatekeeper();
    let hook = gatekeeper.hook.as_ref();
    if hook.is_some() {
        // The hook may take long to respond: meanwhile others may use the handshake permit.
        conn.into_iter().for_each(ConnHandle::release_handshake_permit);
    }
    let bearer = bearer(headers)?;
    let token = query.get("token");
    // A cookie, which a browser adds by itself, does not count beside a token, so nothing about it
    // is at fault then.
    let is_on_purpose = bearer.is_some() || subprotocol.is_some() || token.is_some();
    Ok(Credentials {
        bearer,
        query: token.map(str::to_owned),
        subprotocol: subprotocol.map(str::to_owned),
        cookie: if is_on_purpose { None } else { cookie(app, request)? },
        client: query.read("client", str::parse)?,
        user: query.read("user", str::parse::<UserId>)?,
        address: conn.and_then(client),
        wire: None,
        misplaced: misplaced(headers),
        headers: hook.map_or_else(Vec::new, |hook| hook_headers(app, hook, headers)),
    })
}

/// Returns the header fields that are sent to the hook. A cookie that a browser adds for a foreign
/// page does not express the user's intent, and is left out.
fn hook_headers(app: &App, hook: &Hook, headers: &HeaderMap) -> Vec<(String, String)> {
    let is_own_page = origin::may_use_cookie(headers, &app.settings().cors.origins);
    let names = hook.headers().iter().filter(|name| is_own_page || *name != "cookie");
    let field = |name: &String| {
        let values = headers.get_all(name.as_str()).into_iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        // RFC 9110 §5.2 joins lists by commas; RFC 6265 §5.4 joins cookies by semicolons.
        let joined = values.join(if name == "cookie" { "; " } else { ", " });
        (!values.is_empty()).then(|| (name.clone(), joined))
    };
    names.filter_map(field).collect()
}

/// Checks that the pass permits `act` on all of `channels`.
pub(crate) async fn check(
    pass: &Pass,
    act: Action,
    channels: &[ChannelName],
) -> Result<(), Problem> {
    // Local rules first, so that the hook is not asked in vain.
    let refuse = |channel: &ChannelName, denied: Denied| {
        pass.record_denial(act, channel, &denied);
        Problem::from(denied)
    };
    for channel in channels {
        pass.check_rules(act, channel).map_err(|denied| refuse(channel, denied))?;
    }
    for channel in channels {
        authorize(pass, act, channel).await.map_err(|denied| refuse(channel, denied))?;
    }
    Ok(())
}

/// Checks that the local rules permit `act`.
pub(crate) fn check_rules(pass: &Pass, act: Action, channel: &ChannelName) -> Result<(), Problem> {
    pass.check_rules(act, channel).map_err(|denied| {
        pass.record_denial(act, channel, &denied);
        denied.into()
    })
}

/// Checks that the pass permits a message of `bytes`.
pub(crate) async fn check_message(
    pass: &Pass,
    channel: &ChannelName,
    bytes: usize,
) -> Result<(), Problem> {
    authorize_publish(pass, channel, bytes).await.map_err(|denied| {
        pass.record_denial(Action::Publish, channel, &denied);
        denied.into()
    })
}

/// Acquires the connection permits of the pass, for a stream of `channel`.
pub(crate) fn acquire_connection_permits(
    pass: &mut Pass,
    channel: &ChannelName,
) -> Result<(), Problem> {
    let Err(denied) = pass.acquire_permits() else { return Ok(()) };
    pass.record_denial(Action::Subscribe, channel, &denied);
    Err(denied.into())
}

/// Returns the token or key of `Authorization: Bearer` (RFC 6750 §2.1). Other schemes are ignored:
/// they are meant for a proxy. A credential that is empty or not text counts as an invalid one,
/// because its sender expects it to count.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut found = None;
    for value in headers.get_all(header::AUTHORIZATION) {
        let text = String::from_utf8_lossy(value.as_bytes());
        let (scheme, token) = text.split_once([' ', '\t']).unwrap_or((&text, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            continue;
        }
        if found.replace(token.trim().to_owned()).is_some() {
            let detail = "Authorization: Bearer is given twice; give it once";
            return Err(Problem::new(Kind::BadParameter, detail).for_parameter("Authorization"));
        }
    }
    Ok(found)
}

/// Returns where the request seems to have a credential that is not read.
fn misplaced(headers: &HeaderMap) -> Option<MisplacedCredential> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Some(MisplacedCredential::OtherScheme);
    }
    headers.contains_key("x-api-key").then_some(MisplacedCredential::ApiKeyHeader)
}

/// Returns the token of the cookie, if there is one. A browser adds the cookie to requests of any
/// page, so the page's origin is checked.
fn cookie(app: &App, request: &Request) -> Result<Option<String>, Problem> {
    let settings = app.settings();
    let name = settings.tokens.cookie.as_str();
    if name.is_empty() {
        return Ok(None);
    }
    let headers = request.headers();
    let Some(token) = first_cookie(headers, name) else { return Ok(None) };
    origin::check_cookie(headers, &settings.cors.origins)?;
    Ok(Some(token))
}

/// Returns the first value of the cookie `name`. A browser sends several if they were set for
/// different paths or domains, the one with the longest path first (RFC 6265 §5.4).
fn first_cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let fields = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    pairs.find_map(|pair| {
        let pair = String::from_utf8_lossy(pair);
        let (given, value) = pair.trim().split_once('=')?;
        let value = value.trim_matches('"');
        (given == name && !value.is_empty()).then(|| value.to_owned())
    })
}
