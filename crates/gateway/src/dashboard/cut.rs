//! Closes the caller's own streams, so that the dashboard can show how they reconnect.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tricast_core::{CloseReason, ConnectionFilter, Kind};

use crate::{
    admin::connections::wire_of,
    http::{problem::Problem, query::Query, state::SharedApp},
};

/// `POST /dashboard/cut?client=&wire=`. It needs no further credential: a caller who knows the id
/// can act as that client anyway, and no other streams are closed.
pub(super) async fn cut(
    State(app): State<SharedApp>,
    request: Request,
) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct CutResponse {
        cut: usize,
    }
    let query = Query::parse(request.uri().query(), &["client", "wire"])?;
    let Some(client) = query.read("client", str::parse)? else {
        let detail = "name the client whose streams to close: client=, from tricast.hello";
        return Err(Problem::new(Kind::BadParameter, detail).for_parameter("client"));
    };
    let filter = ConnectionFilter {
        client: Some(client),
        wire: wire_of(&query)?,
        ..ConnectionFilter::default()
    };
    let close_handles = app.hub.close_handles(&filter);
    let cut = close_handles.len();
    for close_handle in close_handles {
        close_handle.close(CloseReason::Requested, 0);
    }
    Ok(Json(CutResponse { cut }).into_response())
}
