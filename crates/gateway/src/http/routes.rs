//! The paths of the public HTTP API and their handlers (PROTOCOL.md).

use axum::{
    Router,
    middleware::map_response,
    routing::{get, post},
};

use crate::{
    dashboard,
    http::{
        directions, history, layers,
        llm::{prompt, runs, say_whether_to_retry},
        openai::{self, completions, models},
        presence, publish,
        state::SharedApp,
        subscribe,
    },
};

/// Returns the routes of the public listeners.
pub(crate) fn public(app: SharedApp) -> Router {
    // A GET handler also serves HEAD, for which it opens no stream.
    let sse = get(subscribe::sse).post(subscribe::sse);
    let chunked = get(subscribe::chunked).post(subscribe::chunked);
    let settings = app.settings();
    let base = settings.base_path.as_str();
    let at = |path: &str| format!("{base}{path}");
    let mut routes = Router::new()
        .route(&at("/stream/{channels}"), get(subscribe::stream).connect(subscribe::stream))
        .route(&at("/sse/{channels}"), sse)
        .route(&at("/chunked/{channels}"), chunked)
        .route(&at("/ws/{channels}"), get(subscribe::ws).connect(subscribe::ws))
        .route(&at("/publish/{channel}"), post(publish::publish))
        .route(&at("/history/{channel}"), get(history::history).delete(history::erase))
        .route(&at("/online/{channel}"), get(history::online))
        .route(&at("/presence/{channel}"), get(presence::presence))
        .route(&at("/channels"), get(history::channels))
        .route(&at("/llm"), post(prompt::prompt_own).layer(map_response(say_whether_to_retry)))
        .route(
            &at("/llm/{channel}"),
            post(prompt::prompt_in).layer(map_response(say_whether_to_retry)),
        )
        .route(&at("/llm/runs"), get(runs::runs).post(prompt::prompt_in_runs))
        .route(&at("/llm/runs/{run}"), get(runs::run))
        .route(&at("/llm/runs/{run}/cancel"), post(runs::cancel))
        .route(&at("/v1/chat/completions"), post(completions::complete))
        .route(&at("/v1/chat/completions/{id}"), get(openai::completion))
        .route(&at("/v1/models"), get(models::models));
    if app.serves_dashboard {
        routes = dashboard::add_routes(routes, base);
    }
    routes = routes
        .fallback(directions::public_not_found)
        .method_not_allowed_fallback(directions::public_wrong_method);
    layers::around(routes, &app).with_state(app)
}
