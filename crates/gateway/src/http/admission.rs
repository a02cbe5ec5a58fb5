//! Who a request is from: reads what it brings, and has the gatekeeper make a pass of it.

use std::sync::Arc;

use anyhow::Context as _;
use axum::{
    extract::Request,
    http::{HeaderMap, Uri, header},
};
use tricast_admission::{
    BackendClient, ConnectionLimits, Credentials, Gatekeeper, Hook, HookMeters, HttpKeys, Jwks,
    Keyring, Pass, Rates,
};
use tricast_core::{
    Access as _, Action, ChannelName, Denied, Kind, UserId, Wire, authorize, authorize_publish,
};
use tricast_net::ConnHandle;

use crate::{
    http::{forwarded, origin, problem::Problem, query::Query, state::App},
    settings::Settings,
};

/// The gatekeeper of `settings`, and the keys that are to be kept fresh.
///
/// # Errors
/// When a key cannot be read.
pub(crate) fn gatekeeper(
    settings: &Settings,
    meters: HookMeters,
) -> anyhow::Result<(Arc<Gatekeeper>, Option<Jwks>)> {
    let jwks = match settings.tokens.jwks_url.as_str() {
        "" => None,
        url => Some(Jwks::new(Box::new(HttpKeys::new(url.parse()?)?))),
    };
    let limits = &settings.limits;
    let connection_limits =
        ConnectionLimits::new(limits.connections_per_address, limits.connections_per_user);
    let (keyring, rates) = (keyring(settings, jwks.clone())?, Arc::new(rates(settings)));
    let gatekeeper = Gatekeeper {
        keyring,
        rates,
        api_keys: settings.api_keys(),
        namespaces: settings.namespace_rules(),
        audit: Arc::default(),
        connection_limits: Arc::new(connection_limits),
        hook: hook(settings, meters)?.map(Arc::new),
    };
    Ok((Arc::new(gatekeeper), jwks))
}

/// Another gatekeeper in place of `before`, who goes on with what must not be forgotten: who is there, how much was said, and what the
/// hook has answered.
///
/// # Errors
/// When a key cannot be read.
pub(crate) fn reloaded_gatekeeper(
    (before, old): (&Gatekeeper, &Settings),
    settings: &Settings,
    jwks: Option<Jwks>,
) -> anyhow::Result<Arc<Gatekeeper>> {
    // What was said counts on, unless other rates hold from now on.
    let same = old.publish_rates() == settings.publish_rates();
    let gatekeeper = Gatekeeper {
        keyring: keyring(settings, jwks)?,
        rates: if same { before.rates.clone() } else { Arc::new(rates(settings)) },
        api_keys: settings.api_keys(),
        namespaces: settings.namespace_rules(),
        audit: before.audit.clone(),
        connection_limits: before.connection_limits.clone(),
        hook: before.hook.clone(),
    };
    let limits = &settings.limits;
    gatekeeper
        .connection_limits
        .set_limits(limits.connections_per_address, limits.connections_per_user);
    Ok(Arc::new(gatekeeper))
}

fn keyring(settings: &Settings, jwks: Option<Jwks>) -> anyhow::Result<Keyring> {
    Ok(Keyring::new(settings.tokens.read_keys()?, jwks, settings.tokens.expectations()))
}

fn rates(settings: &Settings) -> Rates {
    let [user, key, address] = settings.rates.publisher_rates();
    let namespaces = settings.namespace_rules();
    let channels = namespaces.iter().map(|rules| rules.publish_rate).collect::<Vec<_>>();
    Rates::new(user, key, address, channels.into_iter())
}

fn hook(settings: &Settings, meters: HookMeters) -> anyhow::Result<Option<Hook>> {
    let hook = &settings.hook;
    if hook.url.is_empty() {
        return Ok(None);
    }
    let backend = BackendClient::new(&hook.url, &hook.secret, hook.timeout).context("hook.url")?;
    Ok(Some(Hook::new(backend, hook.rules(), meters)))
}

/// The pass of whoever sends a request that opens no stream.
pub(crate) fn pass_for_publish<'a>(
    app: &'a App,
    request: &Request,
    query: &Query,
) -> impl Future<Output = Result<Pass, Problem>> + use<'a> {
    // Nothing of the request is held while its token is checked.
    let credentials = credentials(app, request, query);
    let uri = request.uri().clone();
    async move { open_pass(app, credentials?, None, &uri).await }
}

/// The pass of whoever wants to look at `channels` without listening: for who may come in that is the same.
pub(crate) fn pass_for_lookup<'a>(
    app: &'a App,
    request: &Request,
    query: &Query,
    channels: &'a [ChannelName],
) -> impl Future<Output = Result<Pass, Problem>> + use<'a> {
    let credentials = credentials(app, request, query);
    let uri = request.uri().clone();
    async move { open_pass(app, credentials?, Some(channels), &uri).await }
}

/// The pass of whoever wants to listen to `channels` on `wire`. `subprotocol` is the token that a WebSocket's handshake
/// has.
pub(crate) fn pass_for_stream<'a>(
    app: &'a App,
    request: &Request,
    query: &Query,
    (wire, channels): (Wire, &'a [ChannelName]),
    subprotocol: Option<&str>,
) -> impl Future<Output = Result<Pass, Problem>> + use<'a> {
    let credentials = credentials(app, request, query);
    let subprotocol = subprotocol.map(str::to_owned);
    let uri = request.uri().clone();
    async move {
        let credentials = Credentials { wire: Some(wire), subprotocol, ..credentials? };
        open_pass(app, credentials, Some(channels), &uri).await
    }
}

/// Makes the pass, and for a stream asks whoever else has a say.
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

fn credentials(app: &App, request: &Request, query: &Query) -> Result<Credentials, Problem> {
    let headers = request.headers();
    let conn = request.extensions().get::<ConnHandle>();
    let proxy = &app.settings().proxy;
    let client = |conn: &ConnHandle| forwarded::client_address(conn.peer(), headers, proxy);
    let gatekeeper = app.gatekeeper();
    let hook = gatekeeper.hook.as_ref();
    if hook.is_some() {
        // An answer that may take long must not keep others from the door.
        conn.into_iter().for_each(ConnHandle::release_handshake_permit);
    }
    Ok(Credentials {
        bearer: bearer(headers)?,
        query: query.get("token").map(str::to_owned),
        subprotocol: None,
        cookie: cookie(app, request)?,
        client: query.read("client", str::parse)?,
        user: query.read("user", str::parse::<UserId>)?,
        address: conn.and_then(client),
        wire: None,
        headers: hook.map_or_else(Vec::new, |hook| hook_headers(app, hook, headers)),
    })
}

/// The fields of a request that the hook is told. A cookie that a browser has added for a foreign page is not the
/// user's word.
fn hook_headers(app: &App, hook: &Hook, headers: &HeaderMap) -> Vec<(String, String)> {
    let is_own_page = origin::may_use_cookie(headers, &app.settings().cors.origins);
    let names = hook.headers().iter().filter(|name| is_own_page || *name != "cookie");
    let field = |name: &String| {
        let values = headers.get_all(name.as_str()).into_iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        // RFC 9110 §5.2, and RFC 6265 §5.4 for what is no list.
        let joined = values.join(if name == "cookie" { "; " } else { ", " });
        (!values.is_empty()).then(|| (name.clone(), joined))
    };
    names.filter_map(field).collect()
}

/// Whether the pass lets its holder do that with all of `channels`.
pub(crate) async fn check(
    pass: &Pass,
    act: Action,
    channels: &[ChannelName],
) -> Result<(), Problem> {
    // First what is known here, so that nobody is asked in vain.
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

/// Whether the rules let the pass's holder do that.
pub(crate) fn check_rules(pass: &Pass, act: Action, channel: &ChannelName) -> Result<(), Problem> {
    pass.check_rules(act, channel).map_err(|denied| {
        pass.record_denial(act, channel, &denied);
        denied.into()
    })
}

/// Whether the pass lets its holder say something of so many bytes.
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

/// Takes the pass's places among the connections, for a stream of `channel`.
pub(crate) fn acquire_connection_permits(
    pass: &mut Pass,
    channel: &ChannelName,
) -> Result<(), Problem> {
    let Err(denied) = pass.acquire_permits() else { return Ok(()) };
    pass.record_denial(Action::Subscribe, channel, &denied);
    Err(denied.into())
}

/// The token or key of `Authorization: Bearer` (RFC 6750 §2.1). Other schemes are a proxy's.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut found = None;
    for value in headers.get_all(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let Some((scheme, token)) = text.split_once(' ') else { continue };
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

/// The token of the cookie, if there is one and the page may use it: a browser adds it to whatever any page asks for.
fn cookie(app: &App, request: &Request) -> Result<Option<String>, Problem> {
    let settings = app.settings();
    let name = settings.tokens.cookie.as_str();
    if name.is_empty() {
        return Ok(None);
    }
    let headers = request.headers();
    let fields = headers.get_all(header::COOKIE).into_iter();
    let pairs = fields.flat_map(|field| field.to_str().unwrap_or_default().split(';'));
    let mut values = pairs.filter_map(|pair| pair.trim().split_once('='));
    let found = values.find(|(given, value)| *given == name && !value.is_empty());
    let Some((_, token)) = found else { return Ok(None) };
    origin::check_cookie(headers, &app.settings().cors.origins)?;
    Ok(Some(token.trim_matches('"').to_owned()))
}
