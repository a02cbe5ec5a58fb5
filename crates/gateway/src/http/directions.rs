//! Directions: what the 404 and 405 responses of both listeners say, so that a client that is at
//! the wrong path, listener or method learns which one is right.

use axum::{
    extract::State,
    http::{Method, Uri},
};

use crate::http::{kinds, problem::Problem, state::SharedApp};

/// The paths of the public listener that take channels.
const CHANNEL_PATHS: &[&str] =
    &["stream", "sse", "chunked", "ws", "publish", "history", "online", "presence", "llm"];

/// The paths of the admin listener.
const ADMIN_PATHS: &[&str] = &["metrics", "healthz", "readyz", "connections"];

/// Names that other programs have for the health checks.
const HEALTH_ALIASES: &[&str] = &["health", "healthcheck", "livez", "ready", "status"];

/// Where the listeners are, as URLs.
#[derive(Debug)]
pub(crate) struct Places {
    /// The listeners for clients.
    pub(crate) public: String,
    /// The admin listener, if its address is of no use to an attacker.
    pub(crate) admin: Option<String>,
}

/// The answer of the public listener to a path that does not exist.
pub(crate) async fn public_not_found(State(app): State<SharedApp>, uri: Uri) -> Problem {
    let settings = app.settings();
    let base = settings.base_path.as_str();
    let inside = uri.path().strip_prefix(base).filter(|rest| rest.starts_with('/'));
    let path = inside.unwrap_or(uri.path());
    let (name, rest) = first_segment(path);
    let detail = if ADMIN_PATHS.contains(&name) || HEALTH_ALIASES.contains(&name) {
        let at = app.places.admin.as_ref().map(|url| format!(", {url}")).unwrap_or_default();
        format!(
            "/metrics, /healthz, /readyz and /connections are on the admin listener{at} \
             (admin.bind in the settings)"
        )
    } else if CHANNEL_PATHS.contains(&name) && rest.is_empty() {
        format!("no channel is named; write {base}/{name}/demo for the channel demo")
    } else if CHANNEL_PATHS.contains(&name) && rest.contains('/') {
        "a channel name has no slashes; join its words with dots, as in orders.42".to_owned()
    } else if inside.is_none() && (CHANNEL_PATHS.contains(&name) || name == "channels") {
        format!("the paths of this gateway begin with base_path; write {base}{path}")
    } else {
        format!(
            "no such path; the paths are {base}/stream/{{channels}}, {base}/sse/{{channels}}, \
             {base}/chunked/{{channels}}, {base}/ws/{{channels}}, {base}/publish/{{channel}}, \
             {base}/history/{{channel}}, {base}/online/{{channel}}, {base}/presence/{{channel}}, \
             {base}/channels, {base}/llm/{{channel}}, {base}/llm/runs, \
             {base}/v1/chat/completions and {base}/v1/models"
        )
    };
    Problem::new(kinds::NOT_FOUND, detail)
}

/// The answer of the admin listener to a path that does not exist.
pub(crate) async fn admin_not_found(State(app): State<SharedApp>, uri: Uri) -> Problem {
    let base = app.settings().base_path.clone();
    let path = uri.path();
    let (name, _) = first_segment(path.strip_prefix(base.as_str()).unwrap_or(path));
    let is_public = CHANNEL_PATHS.contains(&name) || ["channels", ""].contains(&name);
    let here = "/metrics, /healthz, /readyz and /connections";
    let detail = if is_public {
        let public = &app.places.public;
        format!("this is the admin listener, which has {here}; clients connect to {public}")
    } else {
        format!("no such path; there are {here}")
    };
    Problem::new(kinds::NOT_FOUND, detail)
}

/// The answer of the public listener to a method that the path does not take.
pub(crate) async fn public_wrong_method(State(app): State<SharedApp>, uri: Uri) -> Problem {
    let base = app.settings().base_path.clone();
    let path = uri.path();
    let (name, rest) = first_segment(path.strip_prefix(base.as_str()).unwrap_or(path));
    wrong_method(match (name, rest) {
        ("publish", _) | ("dashboard", "cut") => &[Method::POST],
        ("v1", "chat/completions") => &[Method::POST],
        ("llm", "runs") => &[Method::GET, Method::POST],
        ("llm", rest) if !rest.starts_with("runs/") || rest.ends_with("/cancel") => &[Method::POST],
        ("sse" | "chunked", _) => &[Method::GET, Method::POST],
        ("history", _) => &[Method::GET, Method::DELETE],
        _ => &[Method::GET],
    })
}

/// The answer of the admin listener to a method that the path does not take.
pub(crate) async fn admin_wrong_method(uri: Uri) -> Problem {
    wrong_method(match first_segment(uri.path()) {
        ("connections", "") => &[Method::GET, Method::DELETE],
        ("connections", _) => &[Method::DELETE],
        _ => &[Method::GET],
    })
}

/// Names the methods in the text, because curl does not show the header that has them. `HEAD` goes
/// without saying where there is `GET`.
fn wrong_method(taken: &[Method]) -> Problem {
    let taken = taken.iter().map(Method::as_str).collect::<Vec<_>>().join(" or ");
    Problem::new(kinds::METHOD_NOT_ALLOWED, format!("this path takes {taken}"))
}

/// Returns the first segment of a path, and what follows the slash after it.
fn first_segment(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').unwrap_or((path, ""))
}
