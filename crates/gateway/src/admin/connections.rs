//! `/connections` on the admin listener: lists and closes connections.

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::Method,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tricast_core::{CloseReason, ConnectionFilter, ConnectionSummary, Kind, Wire};

use crate::http::{
    document::AsJson, kinds, problem::Problem, query::Query, response::json_response,
    state::SharedApp,
};

/// Most connections in one response.
const MAX_PAGE: usize = 1000;

/// Query parameters that select connections.
const FILTER_PARAMETERS: [&str; 5] = ["user", "key", "address", "channel", "wire"];

/// `GET /connections`, and `DELETE` of those that the query selects.
pub(crate) async fn list_or_close(
    State(app): State<SharedApp>,
    request: Request,
) -> Result<Response, Problem> {
    let is_delete = request.method() == Method::DELETE;
    let paging: &[&str] = if is_delete { &[] } else { &["after", "limit"] };
    let query = Query::parse(request.uri().query(), &[&FILTER_PARAMETERS[..], paging].concat())?;
    let filter = read_filter(&query)?;
    if is_delete {
        if FILTER_PARAMETERS.iter().all(|name| query.get(name).is_none()) {
            let detail = "select connections with user=, key=, address=, channel= or wire=";
            return Err(Problem::new(Kind::BadParameter, detail));
        }
        return Ok(close_matching(&app, &request, &filter));
    }
    #[derive(Serialize)]
    struct ConnectionsResponse {
        connections: Vec<ConnectionSummary>,
        more: bool,
    }
    let after = query.number("after", 0, usize::MAX)?.unwrap_or_default();
    let limit = query.number("limit", 1, MAX_PAGE)?.unwrap_or(100);
    let listed = || async {
        let (connections, more) = app.hub.list_connections(&filter, after as u64, limit);
        Ok(AsJson(ConnectionsResponse { connections, more }))
    };
    json_response(None, request, listed).await
}

/// `DELETE /connections/{id}`
pub(crate) async fn close_one(
    State(app): State<SharedApp>,
    path: Result<Path<u64>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let not_found = || {
        Problem::new(kinds::NOT_FOUND, "there is no connection with this number; see /connections")
    };
    let Ok(Path(id)) = path else { return Err(not_found()) };
    let filter = ConnectionFilter { id: Some(id), ..ConnectionFilter::default() };
    match app.hub.list_connections(&filter, 0, 1).0.is_empty() {
        true => Err(not_found()),
        false => Ok(close_matching(&app, &request, &filter)),
    }
}

fn close_matching(app: &SharedApp, request: &Request, filter: &ConnectionFilter) -> Response {
    #[derive(Serialize)]
    struct RemovedResponse {
        removed: usize,
    }
    let close_handles = app.hub.close_handles(filter);
    let removed = close_handles.len();
    for close_handle in close_handles {
        close_handle.close(CloseReason::Removed, 0);
    }
    tracing::info!(
        target: "tricast::audit",
        target = %request.uri(),
        removed,
        "connections closed by the operator"
    );
    Json(RemovedResponse { removed }).into_response()
}

fn read_filter(query: &Query) -> Result<ConnectionFilter, Problem> {
    let address = query.get("address").map(str::parse).transpose();
    let bad = || {
        Problem::new(Kind::BadParameter, "address must be an IP address").for_parameter("address")
    };
    Ok(ConnectionFilter {
        id: None,
        client: None,
        user: query.get("user").map(str::to_owned),
        key: query.get("key").map(str::to_owned),
        address: address.map_err(|_| bad())?,
        channel: query.read("channel", str::parse)?,
        wire: wire_of(query)?,
    })
}

/// Returns the wire that the query selects.
pub(crate) fn wire_of(query: &Query) -> Result<Option<Wire>, Problem> {
    let Some(name) = query.get("wire") else { return Ok(None) };
    let found = Wire::ALL.into_iter().find(|wire| wire.name() == name);
    let bad = || {
        Problem::new(Kind::BadParameter, "wire must be sse, chunked or ws").for_parameter("wire")
    };
    found.map(Some).ok_or_else(bad)
}
