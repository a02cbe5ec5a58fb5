//! The Server-Sent Events wire (WHATWG HTML §9.2): encodes messages and control frames as events.
//!
//! With `tricast-core` this is all that an axum application needs. The workspace has it as a
//! program, `examples/embed`.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use axum::{
//!     Router,
//!     body::{Body, Bytes},
//!     extract::{Path, State},
//!     http::{StatusCode, header},
//!     response::IntoResponse,
//!     routing::{get, post},
//! };
//! use tricast_core::{
//!     AllowAll, Data, Draft, Epoch, Flow, Hub, Identity, Join, Limits, Log, MemoryEngine, Meters,
//!     PresenceConfig, Problem, Session, SessionConfig, Wire, unix_millis,
//! };
//!
//! fn refused(problem: impl Problem) -> (StatusCode, String) {
//!     (StatusCode::BAD_REQUEST, problem.to_string())
//! }
//!
//! async fn publish(
//!     State(hub): State<Arc<Hub>>,
//!     Path(channel): Path<String>,
//!     body: Bytes,
//! ) -> Result<String, (StatusCode, String)> {
//!     let draft = Draft::new(channel.parse().map_err(refused)?, Data::text_or_bytes(body));
//!     Ok(hub.publish(draft).await.map_err(refused)?.id.to_string())
//! }
//!
//! async fn subscribe(
//!     State(hub): State<Arc<Hub>>,
//!     Path(channel): Path<String>,
//! ) -> Result<impl IntoResponse, (StatusCode, String)> {
//!     let channel = channel.parse().map_err(refused)?;
//!     let join = Join::new([channel], Identity::unverified(None, None), Wire::Sse);
//!     let joined = hub.join(join).await.map_err(refused)?;
//!     // Anybody may do anything here; an application with users has an `Access` of its own.
//!     let (access, config) = (Arc::new(AllowAll), Arc::new(SessionConfig::default()));
//!     let flow = Flow::new(Session::new(joined, &tricast_sse::JSON, access, config));
//!     Ok(([(header::CONTENT_TYPE, tricast_sse::CONTENT_TYPE)], Body::from_stream(flow)))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let log = Arc::new(Log::new(Epoch::begin(unix_millis() / 1000), Limits::default()));
//! let engine = MemoryEngine::new(log.clone(), Duration::from_secs(300), 100_000);
//! let hub = Hub::new(log, Arc::new(engine), Meters::new(), 10_000);
//! tokio::spawn(hub.clone().run(PresenceConfig::default()));
//!
//! let app = Router::new()
//!     .route("/publish/{channel}", post(publish))
//!     .route("/sse/{channel}", get(subscribe))
//!     .with_state(hub);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! # let client = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
//! #     use std::{io::{Read, Write}, net::TcpStream};
//! #     let read_until = |socket: &mut TcpStream, text: &str| -> std::io::Result<()> {
//! #         let (mut received, mut bytes) = (String::new(), [0; 1024]);
//! #         while !received.contains(text) {
//! #             let count = socket.read(&mut bytes)?;
//! #             assert!(count > 0, "ended before {text:?}: {received}");
//! #             received += &String::from_utf8_lossy(&bytes[..count]);
//! #         }
//! #         Ok(())
//! #     };
//! #     let mut reader = TcpStream::connect(address)?;
//! #     reader.set_read_timeout(Some(Duration::from_secs(20)))?;
//! #     reader.write_all(b"GET /sse/news HTTP/1.1\r\nHost: here\r\n\r\n")?;
//! #     read_until(&mut reader, "event: tricast.hello\n")?;
//! #     let mut publisher = TcpStream::connect(address)?;
//! #     let head = b"POST /publish/news HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\n";
//! #     publisher.write_all(&[&head[..], b"hello"].concat())?;
//! #     read_until(&mut reader, "\"data\":\"hello\"")
//! # });
//! # let (seen, outcome) = std::sync::mpsc::channel();
//! axum::serve(listener, app)
//! #   .with_graceful_shutdown(async move { seen.send(client.await).unwrap_or_default() })
//!     .await?;
//! # outcome.recv()???;
//! # Ok(())
//! # }
//! ```

mod block;
mod format;

pub use format::{JSON, RAW};

/// The `Content-Type` of a stream.
pub const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";
