//! Ends the caller's own streams, so that it can watch them come back.

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

/// `POST /dashboard/cut?client=&wire=`. Who knows a client's id can pass for it anyway, and nobody else's are reached.
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
        let detail = "say whose streams: client=, as tricast.hello tells it";
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
