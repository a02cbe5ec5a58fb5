//! `/connections` on the admin listener: lists who listens, and sends away.

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::Method,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tricast_core::{CloseReason, Connection, Kind, Which, Wire};

use crate::http::{document::document, problem::Problem, query::Query, state::Shared};

/// The most connections in one answer.
const PAGE: usize = 1000;

/// The names that say which connections are meant.
const NAMES: [&str; 5] = ["user", "key", "address", "channel", "wire"];

/// `GET /connections`, and `DELETE` of all that are meant.
pub(crate) async fn many(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let cuts = request.method() == Method::DELETE;
    let paging: &[&str] = if cuts { &[] } else { &["after", "limit"] };
    let query = Query::parse(request.uri().query(), &[&NAMES[..], paging].concat())?;
    let which = which(&query)?;
    if cuts {
        if NAMES.iter().all(|name| query.get(name).is_none()) {
            let detail = "say which: user=, key=, address=, channel= or wire=";
            return Err(Problem::new(Kind::BadParameter, detail));
        }
        return Ok(cut(&app, &request, &which));
    }
    #[derive(Serialize)]
    struct Answer {
        connections: Vec<Connection>,
        more: bool,
    }
    let after = query.number("after", 0, usize::MAX)?.unwrap_or_default();
    let limit = query.number("limit", 1, PAGE)?.unwrap_or(100);
    let listed = || async {
        let (connections, more) = app.hub.list(&which, after as u64, limit);
        Ok(Answer { connections, more })
    };
    document(None, request, listed).await
}

/// `DELETE /connections/{id}`
pub(crate) async fn one(
    State(app): State<Shared>,
    path: Result<Path<u64>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let none = || Problem::new(Kind::NotFound, "no connection has this number; see /connections");
    let Ok(Path(id)) = path else { return Err(none()) };
    let which = Which { id: Some(id), ..Which::default() };
    match app.hub.list(&which, 0, 1).0.is_empty() {
        true => Err(none()),
        false => Ok(cut(&app, &request, &which)),
    }
}

fn cut(app: &Shared, request: &Request, which: &Which) -> Response {
    #[derive(Serialize)]
    struct Answer {
        removed: usize,
    }
    let farewells = app.hub.farewells(which);
    let removed = farewells.len();
    for farewell in farewells {
        farewell.say(CloseReason::Removed, 0);
    }
    tracing::info!(target: "tricast::audit", target = %request.uri(), removed, "connections removed");
    Json(Answer { removed }).into_response()
}

fn which(query: &Query) -> Result<Which, Problem> {
    let address = query.get("address").map(str::parse).transpose();
    let bad = || Problem::new(Kind::BadParameter, "address is an IP address").at("address");
    Ok(Which {
        id: None,
        client: None,
        user: query.get("user").map(str::to_owned),
        key: query.get("key").map(str::to_owned),
        address: address.map_err(|_| bad())?,
        channel: query.read("channel", str::parse)?,
        wire: wire_of(query)?,
    })
}

/// Which wire is meant.
pub(crate) fn wire_of(query: &Query) -> Result<Option<Wire>, Problem> {
    let Some(name) = query.get("wire") else { return Ok(None) };
    let found = Wire::ALL.into_iter().find(|wire| wire.name() == name);
    let bad = || Problem::new(Kind::BadParameter, "wire is sse, chunked or ws").at("wire");
    found.map(Some).ok_or_else(bad)
}
