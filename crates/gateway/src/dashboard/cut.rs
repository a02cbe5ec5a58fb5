//! Ends the caller's own streams, so that it can watch them come back.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tricast_core::{CloseReason, Kind, Which};

use crate::{
    admin::connections::wire_of,
    http::{problem::Problem, query::Query, state::Shared},
};

/// `POST /dashboard/cut?client=&wire=`. Who knows a client's id can pass for it anyway, and nobody else's are reached.
pub(super) async fn cut(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Answer {
        cut: usize,
    }
    let query = Query::parse(request.uri().query(), &["client", "wire"])?;
    let Some(client) = query.read("client", str::parse)? else {
        let detail = "say whose streams: client=, as tricast.hello tells it";
        return Err(Problem::new(Kind::BadParameter, detail).at("client"));
    };
    let which = Which { client: Some(client), wire: wire_of(&query)?, ..Which::default() };
    let farewells = app.hub.farewells(&which);
    let cut = farewells.len();
    for farewell in farewells {
        farewell.say(CloseReason::Requested, 0);
    }
    Ok(Json(Answer { cut }).into_response())
}
