//! The opening handshake (RFC 6455 §4.2).

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The request does not open a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// It does not try to.
    #[error(
        "this path speaks WebSocket: send Connection: Upgrade and Upgrade: websocket (behind a proxy, let both through)"
    )]
    NotAnUpgrade,
    /// RFC 6455 is version 13.
    #[error("send Sec-WebSocket-Version: 13")]
    Version,
    /// The key is what the answer is derived from.
    #[error("send Sec-WebSocket-Key with 16 random bytes in base64")]
    Key,
}

/// Checks a handshake; gives the value of `Sec-WebSocket-Accept`.
///
/// # Errors
/// What the request lacks.
pub fn accept(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
) -> Result<HeaderValue, HandshakeError> {
    let upgrades = method == Method::GET
        && version == Version::HTTP_11
        && has_token(headers, header::CONNECTION, "upgrade")
        && has_token(headers, header::UPGRADE, "websocket");
    if !upgrades {
        return Err(HandshakeError::NotAnUpgrade);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(HandshakeError::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(HandshakeError::Key)?;
    if key.len() != 24 {
        return Err(HandshakeError::Key);
    }
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| HandshakeError::Key)
}

/// Whether a field that is a list of tokens has this one, in any case.
pub fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> HeaderMap {
        let fields = [
            (header::CONNECTION, "keep-alive, Upgrade"),
            (header::UPGRADE, "WebSocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
            (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        fields.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_example_of_rfc_6455() {
        let accepted = accept(&Method::GET, Version::HTTP_11, &example());
        assert_eq!(accepted, Ok(HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
    }

    #[test]
    fn what_is_missing_is_named() {
        let without = |name| {
            let mut headers = example();
            headers.remove(name);
            accept(&Method::GET, Version::HTTP_11, &headers)
        };
        assert_eq!(without(header::CONNECTION), Err(HandshakeError::NotAnUpgrade));
        assert_eq!(without(header::UPGRADE), Err(HandshakeError::NotAnUpgrade));
        assert_eq!(without(header::SEC_WEBSOCKET_VERSION), Err(HandshakeError::Version));
        assert_eq!(without(header::SEC_WEBSOCKET_KEY), Err(HandshakeError::Key));
    }
}
