//! Request bodies, bounded in size and time.

use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::timeout;
use tricast_core::{Data, Kind};

use crate::http::{budget::BodyReservation, kinds, problem::Problem};

/// Limits for reading on from a body that is too large.
const MAX_DISCARDED: usize = 8 * 1024 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);
const DISCARD_IDLE_TIMEOUT: Duration = Duration::from_millis(100);

/// The kind of a body, by its `Content-Type` (PROTOCOL.md §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Ndjson,
    /// Text when it is valid UTF-8.
    Text,
    Bytes,
}

impl Media {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::CONTENT_TYPE) else {
            return Media::Text;
        };
        let value = value.to_str().unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Media::Json,
            "application/x-ndjson" => Media::Ndjson,
            "" | "application/x-www-form-urlencoded" => Media::Text,
            _ if essence.ends_with("+json") => Media::Json,
            _ if essence.starts_with("text/") => Media::Text,
            _ => Media::Bytes,
        }
    }

    /// Converts a whole body to message data.
    pub(crate) fn data(self, body: Bytes) -> Result<Data, Problem> {
        match self {
            Media::Json | Media::Ndjson => Ok(Data::json(&body)?),
            Media::Text => Ok(Data::text_or_bytes(body)),
            Media::Bytes => Ok(Data::Bytes(body)),
        }
    }
}

/// Reads a whole body of at most `limit` bytes within `time`. Its memory counts in `reservation`.
pub(crate) async fn read(
    request: &mut Request,
    limit: usize,
    time: Duration,
    reservation: &mut BodyReservation,
) -> Result<Bytes, Problem> {
    let expects_continue = request.headers().contains_key(header::EXPECT);
    let body = std::mem::take(request.body_mut());
    match timeout(time, read_bounded(body, limit, expects_continue, reservation)).await {
        Ok(read) => read,
        Err(_) => {
            let detail = format!(
                "the body did not arrive within {} s (limits.body_timeout)",
                time.as_secs_f32()
            );
            Err(Problem::new(kinds::BODY_TIMEOUT, detail))
        }
    }
}

async fn read_bounded(
    mut body: Body,
    limit: usize,
    expects_continue: bool,
    reservation: &mut BodyReservation,
) -> Result<Bytes, Problem> {
    use http_body::Body as _;

    let size_hint = body.size_hint();
    if size_hint.lower() > limit as u64 {
        // A client that sends Expect: 100-continue has not sent the body yet.
        if !expects_continue {
            discard(&mut body).await;
        }
        return Err(too_large(limit));
    }
    if let Err(problem) = reservation.grow_to(size_hint.lower() as usize) {
        if !expects_continue {
            discard(&mut body).await;
        }
        return Err(problem);
    }
    let mut whole = BytesMut::with_capacity(size_hint.lower() as usize);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(incomplete)?.into_data() else { continue };
        if whole.len() + data.len() > limit {
            discard(&mut body).await;
            return Err(too_large(limit));
        }
        if let Err(problem) = reservation.grow_to(whole.len() + data.len()) {
            discard(&mut body).await;
            return Err(problem);
        }
        whole.extend_from_slice(&data);
    }
    // A body of unknown length has grown by doubling, and the message keeps its buffer.
    let oversized = whole.capacity() > whole.len() + whole.len() / 4;
    Ok(if oversized { Bytes::copy_from_slice(&whole) } else { whole.freeze() })
}

/// Reads on for a moment: a client that still sends would get a reset instead of the response.
pub(crate) async fn discard(body: &mut Body) {
    let reading = async {
        let mut discarded = 0;
        while let Ok(Some(Ok(frame))) = timeout(DISCARD_IDLE_TIMEOUT, body.frame()).await {
            discarded += frame.data_ref().map_or(0, Bytes::len);
            if discarded > MAX_DISCARDED {
                return;
            }
        }
    };
    let _ = timeout(DISCARD_TIMEOUT, reading).await;
}

pub(crate) fn incomplete(error: axum::Error) -> Problem {
    Problem::new(Kind::BadParameter, format!("the body is incomplete: {error}"))
}

pub(crate) fn too_large(limit: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        format!(
            "a message's data is at most {limit} bytes (limits.message_bytes); \
             send less, or several messages"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_content_types_mean() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, axum::http::HeaderValue::from_static(value));
            Media::of(&headers)
        };
        assert_eq!(of("application/json; charset=utf-8"), Media::Json);
        assert_eq!(of("application/vnd.api+json"), Media::Json);
        assert_eq!(of("Application/X-NDJSON"), Media::Ndjson);
        assert_eq!(of("text/csv"), Media::Text);
        assert_eq!(of("application/x-www-form-urlencoded"), Media::Text);
        assert_eq!(of("image/png"), Media::Bytes);
        assert_eq!(Media::of(&HeaderMap::new()), Media::Text);
    }
}
