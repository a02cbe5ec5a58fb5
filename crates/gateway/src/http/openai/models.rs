//! `GET /v1/models`: the models that the client may ask.

use axum::{
    Json,
    extract::{Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    http::{
        openai::{error::OpenAiError, request},
        state::SharedApp,
    },
    relay::judged_as,
};

#[derive(Serialize)]
struct Models {
    object: &'static str,
    data: Vec<Model>,
}

#[derive(Serialize)]
struct Model {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

pub(crate) async fn models(
    State(app): State<SharedApp>,
    mut request: Request,
) -> Result<Response, OpenAiError> {
    let query = request::query(&app, &mut request)?;
    let pass = request::pass(&app, &request, &query, &[]).await?;
    let channel = match query.get("channel").and_then(|name| name.parse().ok()) {
        Some(channel) => channel,
        None => judged_as(&tricast_core::ChannelName::of_answer("")),
    };
    let all = app.live().relay.runs.models();
    let names = all.into_iter().map(|model| model.name);
    let data = names.filter(|name| pass.allows_model(&channel, name)).map(|id| Model {
        id,
        object: "model",
        created: 0,
        owned_by: "tricast",
    });
    let models = Models { object: "list", data: data.collect() };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(models)).into_response())
}
