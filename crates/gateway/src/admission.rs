//! Who a request is from: reads what it brings, and has the gatekeeper make a pass of it.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderMap, header},
};
use tricast_admission::{Audit, Credentials, Gatekeeper, HttpKeys, Jwks, Keyring, Pass, Rates};
use tricast_core::{Access as _, Act, ChannelName, Denied, Kind, UserId, admit};

use crate::{
    address, app::App, origin, problem::Problem, query::Query, settings::Settings, socket::Line,
};

/// The gatekeeper of `settings`, and the keys that are to be kept fresh.
///
/// # Errors
/// When a key cannot be read.
pub(crate) fn gatekeeper(settings: &Settings) -> anyhow::Result<(Arc<Gatekeeper>, Option<Jwks>)> {
    let jwks = match settings.tokens.jwks_url.as_str() {
        "" => None,
        url => Some(Jwks::new(Box::new(HttpKeys::new(url.parse()?)?))),
    };
    let own = settings.token_keys()?;
    let namespaces = settings.namespace_rules();
    let [user, key, address] = settings.spenders_rates();
    let rates = namespaces.iter().map(|rules| rules.publish_rate).collect::<Vec<_>>();
    let limits = &settings.limits;
    let gatekeeper = Gatekeeper {
        keyring: Keyring::new(own, jwks.clone(), settings.token_expectations()),
        api_keys: settings.api_keys(),
        namespaces,
        rates: Rates::new(user, key, address, rates.into_iter()),
        audit: Audit::default(),
        crowds: tricast_admission::Crowds::new(
            limits.connections_per_address,
            limits.connections_per_user,
        ),
    };
    Ok((Arc::new(gatekeeper), jwks))
}

/// The pass of whoever sends `request`. `subprotocol` is the token that a WebSocket's handshake has.
pub(crate) fn pass<'a>(
    app: &'a App,
    request: &Request,
    query: &Query,
    subprotocol: Option<&str>,
) -> impl Future<Output = Result<Arc<Pass>, Problem>> + use<'a> {
    // Nothing of the request is held while its token is checked.
    let credentials = credentials(app, request, query, subprotocol);
    let path = request.uri().path().to_owned();
    async move {
        let credentials = credentials?;
        let stranger = credentials.stranger();
        app.gatekeeper.pass(credentials).await.map_err(|denied| {
            app.gatekeeper.audit.refused(&denied, &path, Some(&stranger));
            denied.into()
        })
    }
}

fn credentials(
    app: &App,
    request: &Request,
    query: &Query,
    subprotocol: Option<&str>,
) -> Result<Credentials, Problem> {
    let headers = request.headers();
    let line = request.extensions().get::<Line>();
    let peer = line.and_then(Line::peer);
    Ok(Credentials {
        bearer: bearer(headers)?,
        query: query.get("token").map(str::to_owned),
        subprotocol: subprotocol.map(str::to_owned),
        cookie: cookie(app, request)?,
        client: query.read("client", str::parse)?,
        user: query.read("user", str::parse::<UserId>)?,
        address: peer
            .and_then(|peer| address::of_client(peer, headers, &app.settings.proxy.trusted)),
    })
}

/// Whether the pass lets its holder do that with all of `channels`.
pub(crate) async fn check(pass: &Pass, act: Act, channels: &[ChannelName]) -> Result<(), Problem> {
    // First what is known here, so that nobody is asked in vain.
    let refuse = |channel: &ChannelName, denied: Denied| {
        pass.refused(act, channel, &denied);
        Problem::from(denied)
    };
    for channel in channels {
        pass.permits(act, channel).map_err(|denied| refuse(channel, denied))?;
    }
    for channel in channels {
        admit(pass, act, channel).await.map_err(|denied| refuse(channel, denied))?;
    }
    Ok(())
}

/// Takes one message of `bytes` from what the pass's holder may say.
pub(crate) fn spend(pass: &Pass, channel: &ChannelName, bytes: usize) -> Result<(), Problem> {
    pass.spend(channel, bytes).map_err(|denied| {
        pass.refused(Act::Publish, channel, &denied);
        denied.into()
    })
}

/// Takes the pass's places among the connections, for a stream of `channel`.
pub(crate) fn sit_down(pass: &Pass, channel: &ChannelName) -> Result<(), Problem> {
    pass.sit_down().map_err(|denied| {
        pass.refused(Act::Subscribe, channel, &denied);
        denied.into()
    })
}

/// The token or key of `Authorization: Bearer` (RFC 6750 §2.1). Other schemes are a proxy's.
fn bearer(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut found = None;
    for value in headers.get_all(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let Some((scheme, token)) = text.split_once(' ') else { continue };
        if !scheme.eq_ignore_ascii_case("bearer") {
            continue;
        }
        if found.replace(token.trim().to_owned()).is_some() {
            let detail = "Authorization: Bearer is given twice; give it once";
            return Err(Problem::new(Kind::BadParameter, detail).at("Authorization"));
        }
    }
    Ok(found)
}

/// The token of the cookie, if there is one and the page may use it: a browser adds it to whatever any page asks for.
fn cookie(app: &App, request: &Request) -> Result<Option<String>, Problem> {
    let name = app.settings.tokens.cookie.as_str();
    if name.is_empty() {
        return Ok(None);
    }
    let headers = request.headers();
    let fields = headers.get_all(header::COOKIE).into_iter();
    let pairs = fields.flat_map(|field| field.to_str().unwrap_or_default().split(';'));
    let mut values = pairs.filter_map(|pair| pair.trim().split_once('='));
    let found = values.find(|(given, value)| *given == name && !value.is_empty());
    let Some((_, token)) = found else { return Ok(None) };
    origin::check_cookie(headers, &app.settings.cors.origins)?;
    Ok(Some(token.trim_matches('"').to_owned()))
}
