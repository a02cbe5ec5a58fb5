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
use tricast_core::{Data, Kind, awake_timeout};

use crate::http::{budget::BodyReservation, kinds, negotiation::JSON_LINES, problem::Problem};

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
    /// Returns the kind of the body of a request.
    ///
    /// # Errors
    /// When the request has two types that differ.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let fields = headers.get_all(header::CONTENT_TYPE).into_iter();
        let fields: Vec<_> =
            fields.map(|field| String::from_utf8_lossy(field.as_bytes())).collect();
        // A proxy that finds the field twice joins the two, as RFC 9110 §5.3 has it for lists.
        let mut types = fields.iter().flat_map(|field| essences(field));
        let first = types.next().unwrap_or_default();
        if types.any(|other| other != first) {
            let detail = "Content-Type is given twice, with different types; give it once";
            return Err(Problem::new(Kind::BadParameter, detail).for_parameter("Content-Type"));
        }
        Ok(Self::of_essence(&first))
    }

    fn of_essence(essence: &str) -> Self {
        match essence {
            "application/json" => Media::Json,
            "" | "application/x-www-form-urlencoded" => Media::Text,
            _ if JSON_LINES.contains(&essence) => Media::Ndjson,
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

/// Returns the media types of a field, without their parameters. A comma in quotes belongs to a
/// parameter.
fn essences(field: &str) -> impl Iterator<Item = String> {
    let mut is_quoted = false;
    let members = field.split(move |letter: char| {
        is_quoted ^= letter == '"';
        letter == ',' && !is_quoted
    });
    let essence =
        |member: &str| member.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    members.map(essence).filter(|essence| !essence.is_empty())
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
    match awake_timeout(time, read_bounded(body, limit, expects_continue, reservation)).await {
        Some(read) => read,
        None => {
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

/// The library does not say more than that the body could not be read.
pub(crate) fn incomplete(_: axum::Error) -> Problem {
    Problem::new(Kind::BadParameter, "the body is incomplete, or its chunks are malformed")
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

    fn of(values: &[&'static str]) -> Result<Media, Kind> {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = axum::http::HeaderValue::from_static(value);
            headers.append(header::CONTENT_TYPE, value);
        }
        Media::of(&headers).map_err(|problem| problem.kind())
    }

    #[test]
    fn what_content_types_mean() {
        assert_eq!(of(&["application/json; charset=utf-8"]), Ok(Media::Json));
        assert_eq!(of(&["application/vnd.api+json"]), Ok(Media::Json));
        assert_eq!(of(&["Application/X-NDJSON"]), Ok(Media::Ndjson));
        assert_eq!(of(&["application/jsonl; charset=utf-8"]), Ok(Media::Ndjson));
        assert_eq!(of(&["text/csv"]), Ok(Media::Text));
        assert_eq!(of(&["application/x-www-form-urlencoded"]), Ok(Media::Text));
        assert_eq!(of(&["image/png"]), Ok(Media::Bytes));
        assert_eq!(of(&["multipart/mixed; boundary=\"a, text/plain\""]), Ok(Media::Bytes));
        assert_eq!(of(&[""]), Ok(Media::Text));
        assert_eq!(of(&[]), Ok(Media::Text));
    }

    #[test]
    fn a_type_that_is_given_twice_counts_once_or_is_refused() {
        assert_eq!(of(&["application/json, application/json"]), Ok(Media::Json));
        assert_eq!(of(&["application/json", "Application/JSON; charset=utf-8"]), Ok(Media::Json));
        assert_eq!(of(&["application/json, text/plain"]), Err(Kind::BadParameter));
        assert_eq!(of(&["text/plain", "image/png"]), Err(Kind::BadParameter));
    }
}
