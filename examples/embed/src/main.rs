//! Publish and Server-Sent Events in an axum application, over a log in memory.
//!
//! ```console
//! cargo run -p tricast-embed
//! curl -N http://127.0.0.1:3000/sse/news
//! curl -d hello http://127.0.0.1:3000/publish/news
//! ```

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tricast_core::{
    AllowAll, Data, Draft, Epoch, Flow, Hub, Identity, Join, Kind, Limits, Log, MemoryEngine,
    MessageId, Meters, PresenceConfig, Problem, Session, SessionConfig, Start, Wire, unix_millis,
};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let routes = Router::new()
        .route("/publish/{channel}", post(publish))
        .route("/sse/{channel}", get(subscribe));
    axum::serve(listener, routes.with_state(start_hub())).await
}

fn start_hub() -> Arc<Hub> {
    let log = Arc::new(Log::new(Epoch::begin(unix_millis() / 1000), Limits::default()));
    let engine = MemoryEngine::new(log.clone(), Duration::from_secs(300), 100_000);
    let hub = Hub::new(log, Arc::new(engine), Meters::new(), 10_000);
    tokio::spawn(hub.clone().run(PresenceConfig::default()));
    hub
}

async fn publish(
    State(hub): State<Arc<Hub>>,
    Path(channel): Path<String>,
    body: Bytes,
) -> Result<String, Refusal> {
    let draft = Draft::new(channel.parse()?, Data::text_or_bytes(body));
    Ok(hub.publish(draft).await?.id.to_string())
}

async fn subscribe(
    State(hub): State<Arc<Hub>>,
    Path(channel): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let start = match headers.get("last-event-id").filter(|id| !id.is_empty()) {
        None => Start::Latest,
        // A browser may bring the id of another server, and gives up for good on a 400.
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.parse::<MessageId>().ok());
            id.map_or(Start::Foreign, Start::After)
        }
    };
    // An application that knows its users passes them, and rules for what they may do.
    let (identity, access) = (Identity::unverified(None, None), Arc::new(AllowAll));
    let join = Join::new([channel.parse()?], identity, Wire::Sse).with_start(start);
    let config = Arc::new(SessionConfig::default());
    let session = Session::new(hub.join(join).await?, &tricast_sse::JSON, access, config);
    let head =
        [(header::CONTENT_TYPE, tricast_sse::CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    Ok((head, Body::from_stream(Flow::new(session))).into_response())
}

/// A refused request: its status, and a text that says what to do.
struct Refusal(StatusCode, String);

impl<P: Problem> From<P> for Refusal {
    fn from(problem: P) -> Self {
        let status = match problem.kind() {
            Kind::Draining | Kind::Overloaded | Kind::Unavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::BAD_REQUEST,
        };
        Self(status, problem.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}
