//! Detaching a stream from the HTTP library: the head of its response is written here, and its
//! socket goes to a shard.
//!
//! The handler leaves a stream with the connection
//! ([`ConnHandle::detach`](crate::ConnHandle::detach)) and returns the head of the response. The
//! service keeps that head and never responds, so that the library has nothing to write; then the
//! connection is taken apart. No byte of the response is ever in the buffers of the library.

use std::{io::Write as _, time::SystemTime};

use axum::{
    http::{StatusCode, Version, header, response::Parts},
    response::Response,
};
use bytes::Bytes;
use tricast_core::{Inbound, Session};

/// A stream that is to leave the HTTP library, with its socket.
pub struct Detach {
    /// The session whose output the stream is.
    pub session: Session,
    /// Reads what the client sends, if the stream takes that.
    pub inbound: Option<Box<dyn Inbound>>,
    /// The head of the response, once it has passed all layers; empty before.
    pub head: Bytes,
}

impl std::fmt::Debug for Detach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detach").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Encodes the head of a streamed response (RFC 9112 §4): chunked for HTTP/1.1, and delimited by
/// the end of the connection for older versions.
pub fn encode_head(response: Response, version: Version) -> Bytes {
    let (Parts { status, mut headers, .. }, _) = response.into_parts();
    // The layers took it for a response without a body.
    headers.remove(header::CONTENT_LENGTH);
    let chunks = version >= Version::HTTP_11 && status != StatusCode::SWITCHING_PROTOCOLS;
    if chunks {
        headers.insert(header::TRANSFER_ENCODING, header::HeaderValue::from_static("chunked"));
    }
    let mut head = Vec::with_capacity(512);
    // Writing to memory cannot fail.
    let _ = write!(head, "{version:?} {status}\r\n");
    for (name, value) in &headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let _ = write!(head, "date: {}\r\n\r\n", httpdate::fmt_http_date(SystemTime::now()));
    head.into()
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn a_head_for_each_version() {
        let encoded = |status: StatusCode, version| {
            let response = (status, [("x-a", "b")]).into_response();
            String::from_utf8(encode_head(response, version).to_vec()).expect("ASCII")
        };
        let new = encoded(StatusCode::OK, Version::HTTP_11);
        assert!(new.starts_with("HTTP/1.1 200 OK\r\nx-a: b\r\n"), "{new}");
        assert!(new.contains("\r\ntransfer-encoding: chunked\r\n"), "{new}");
        assert!(new.contains("\r\ndate: ") && new.ends_with(" GMT\r\n\r\n"), "{new}");
        let old = encoded(StatusCode::OK, Version::HTTP_10);
        assert!(old.starts_with("HTTP/1.0 200 OK\r\n") && !old.contains("chunked"), "{old}");
        let upgraded = encoded(StatusCode::SWITCHING_PROTOCOLS, Version::HTTP_11);
        assert!(upgraded.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{upgraded}");
        assert!(!upgraded.contains("chunked"), "{upgraded}");
    }
}
