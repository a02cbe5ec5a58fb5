//! The opening handshake (RFC 6455 §4.2): reads a client's request, and makes the response headers.

use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::deflate::{Window, negotiate};

/// The subprotocols of the gateway; the last word is the value of `format`.
const JSON: &str = "tricast.v1.json";
const RAW: &str = "tricast.v1.raw";

/// Decodes keys. RFC 6455 asks for 16 bytes, and some clients leave bits set that belong to none.
const KEY_ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The prefix of a token among the subprotocols, the only header that a page can set.
const TOKEN: &str = "tricast.token.";

/// The request does not open a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The request asks for no upgrade.
    #[error(
        "this path is a WebSocket: send Connection: Upgrade and Upgrade: websocket (a proxy must \
         pass both on), or CONNECT with :protocol websocket over HTTP/2"
    )]
    NotAnUpgrade,
    /// The version is missing, or not that of RFC 6455.
    #[error("send Sec-WebSocket-Version: 13, once")]
    Version,
    /// The key, from which the response is derived, is missing or malformed.
    #[error("send Sec-WebSocket-Key with 16 random bytes in base64, once")]
    Key,
    /// The request has a body. A client may send its first frames without waiting for the response,
    /// so that they could not be told from each other.
    #[error("a handshake has no body; leave Content-Length and Transfer-Encoding out")]
    Body,
    /// A subprotocol is not a token of RFC 9110.
    #[error("a subprotocol in Sec-WebSocket-Protocol is not ASCII")]
    Subprotocols,
    /// Two tokens were offered.
    #[error("Sec-WebSocket-Protocol has two different tokens; send one")]
    TwoTokens,
    /// Only a token was offered. A browser closes a connection if subprotocols were offered and the
    /// response selects none of them, and the response never repeats a token.
    #[error("offer the subprotocol tricast.v1.json (or tricast.v1.raw) beside the token")]
    TokenWithoutSubprotocol,
    /// The query and the subprotocols name different formats.
    #[error("format= and the subprotocols name different formats; offer the one of format=")]
    FormatMismatch,
}

/// The way in which a request asks for a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeRequest<'a> {
    /// By an upgrade of HTTP/1.1 (RFC 6455), if its headers say so.
    Upgrade(&'a Method, Version),
    /// By extended CONNECT over HTTP/2 (RFC 8441), with this `:protocol`.
    Connect(&'a str),
}

/// A valid handshake.
#[derive(Debug)]
pub struct Handshake {
    /// `Sec-WebSocket-Accept`, for a client of HTTP/1.1.
    accept: Option<HeaderValue>,
    protocol: Option<&'static str>,
    token: Option<Token>,
    deflate: Option<(Window, String)>,
}

/// A token, which `Debug` does not show.
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Handshake {
    /// Reads the handshake of a request. `raw` is the format that its query names, if it does;
    /// compression is negotiated if `may_deflate`.
    ///
    /// # Errors
    /// The first fault of the request.
    pub fn read(
        request: HandshakeRequest<'_>,
        headers: &HeaderMap,
        raw: Option<bool>,
        may_deflate: bool,
    ) -> Result<Self, HandshakeError> {
        let is_upgrade = match request {
            HandshakeRequest::Connect(protocol) => protocol == "websocket",
            HandshakeRequest::Upgrade(method, version) => {
                method == Method::GET
                    && version == Version::HTTP_11
                    && has_token(headers, header::CONNECTION, "upgrade")
                    && has_token(headers, header::UPGRADE, "websocket")
            }
        };
        if !is_upgrade {
            return Err(HandshakeError::NotAnUpgrade);
        }
        if single(headers, &header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(HandshakeError::Version);
        }
        if announces_body(headers) {
            return Err(HandshakeError::Body);
        }
        let accept = match request {
            HandshakeRequest::Connect(_) => None,
            HandshakeRequest::Upgrade(..) => Some(accept_key(headers)?),
        };
        let mut offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
        if offered.any(|offers| offers.to_str().is_err()) {
            return Err(HandshakeError::Subprotocols);
        }
        let offers = || list_members(headers, header::SEC_WEBSOCKET_PROTOCOL);
        let mut tokens = offers().filter_map(|offer| offer.strip_prefix(TOKEN));
        let token = tokens.next();
        if tokens.any(|other| Some(other) != token) {
            return Err(HandshakeError::TwoTokens);
        }
        let deflate = may_deflate
            .then(|| negotiate(field_values(headers, header::SEC_WEBSOCKET_EXTENSIONS)))
            .flatten();
        Ok(Self {
            accept,
            protocol: select_subprotocol(offers(), raw, token.is_some())?,
            token: token.map(|token| Token(token.to_owned())),
            deflate,
        })
    }

    /// Returns the token among the subprotocols. The response does not repeat it.
    pub fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.0.as_str())
    }

    /// Returns whether the subprotocol selects the raw format, for a query without `format=`.
    pub fn is_raw(&self) -> bool {
        self.protocol == Some(RAW)
    }

    /// Returns the window of the negotiated compression.
    pub fn window(&self) -> Option<Window> {
        self.deflate.as_ref().map(|(window, _)| *window)
    }

    /// Returns the status of the response: 101 for an upgrade, 200 for a CONNECT.
    pub fn status(&self) -> StatusCode {
        match self.accept {
            Some(_) => StatusCode::SWITCHING_PROTOCOLS,
            None => StatusCode::OK,
        }
    }

    /// Returns the headers of the response.
    pub fn response_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(accept) = &self.accept {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept.clone());
        }
        if let Some(protocol) = self.protocol {
            let protocol = HeaderValue::from_static(protocol);
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        let extension = self.deflate.as_ref().map(|(_, answer)| HeaderValue::from_str(answer));
        if let Some(Ok(extension)) = extension {
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, extension);
        }
        headers
    }
}

/// Derives `Sec-WebSocket-Accept` from the key of the request.
fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, HandshakeError> {
    let key = single(headers, &header::SEC_WEBSOCKET_KEY).ok_or(HandshakeError::Key)?;
    let decoded = KEY_ENGINE.decode(key).map_err(|_| HandshakeError::Key)?;
    if decoded.len() != 16 {
        return Err(HandshakeError::Key);
    }
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| HandshakeError::Key)
}

/// Returns the value of a field that must not be given twice.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())
}

/// Returns whether a body follows the head.
fn announces_body(headers: &HeaderMap) -> bool {
    // RFC 9110 §8.6: the length is decimal digits, of which any number may be zeros.
    let is_zero = |length: &HeaderValue| length.as_bytes().iter().all(|digit| *digit == b'0');
    headers.contains_key(header::TRANSFER_ENCODING)
        || !headers.get_all(header::CONTENT_LENGTH).into_iter().all(is_zero)
}

/// Selects the first of the gateway's subprotocols that is offered and has the right format. Others
/// are ignored: a client that needs one of them sees that the response does not select it.
fn select_subprotocol<'a>(
    offers: impl Iterator<Item = &'a str>,
    raw: Option<bool>,
    with_token: bool,
) -> Result<Option<&'static str>, HandshakeError> {
    let known = |offer| [JSON, RAW].into_iter().find(|known| *known == offer);
    let mut ours = offers.filter_map(known).peekable();
    match (ours.peek().copied(), raw) {
        (None, _) if with_token => Err(HandshakeError::TokenWithoutSubprotocol),
        (None, _) => Ok(None),
        (first, None) => Ok(first),
        (_, Some(raw)) => {
            let wanted = if raw { RAW } else { JSON };
            let found = ours.find(|protocol| *protocol == wanted);
            found.map(Some).ok_or(HandshakeError::FormatMismatch)
        }
    }
}

fn field_values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

/// Iterates over the members of a header that is a list.
fn list_members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    field_values(headers, name).flat_map(|value| value.split(',')).map(str::trim)
}

/// Returns whether a header that is a list of tokens contains `token`, in any case.
pub fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    list_members(headers, name).any(|member| member.eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(HeaderName, &str)], raw: Option<bool>) -> Result<Handshake, HandshakeError> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_str(value).expect("fits"));
        }
        Handshake::read(
            HandshakeRequest::Upgrade(&Method::GET, Version::HTTP_11),
            &headers,
            raw,
            true,
        )
    }

    /// The example of RFC 6455 §1.3.
    fn example() -> Vec<(HeaderName, &'static str)> {
        vec![
            (header::CONNECTION, "keep-alive, Upgrade"),
            (header::UPGRADE, "WebSocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
            (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ]
    }

    fn offering(
        protocols: &'static str,
        raw: Option<bool>,
    ) -> Result<Option<&'static str>, HandshakeError> {
        let fields = [example(), vec![(header::SEC_WEBSOCKET_PROTOCOL, protocols)]].concat();
        read(&fields, raw).map(|handshake| handshake.protocol)
    }

    #[test]
    fn the_example_of_rfc_6455() {
        let answer = read(&example(), None).expect("opens").response_headers();
        assert_eq!(answer["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!answer.contains_key("sec-websocket-protocol"), "{answer:?}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let without = |name| {
            let fields: Vec<_> = example().into_iter().filter(|field| field.0 != name).collect();
            read(&fields, None).expect_err("incomplete")
        };
        assert_eq!(without(header::CONNECTION), HandshakeError::NotAnUpgrade);
        assert_eq!(without(header::UPGRADE), HandshakeError::NotAnUpgrade);
        assert_eq!(without(header::SEC_WEBSOCKET_VERSION), HandshakeError::Version);
        assert_eq!(without(header::SEC_WEBSOCKET_KEY), HandshakeError::Key);
        let with = |name, value| read(&[example(), vec![(name, value)]].concat(), None);
        let version = header::SEC_WEBSOCKET_VERSION;
        assert_eq!(with(version, "13").expect_err("twice"), HandshakeError::Version);
        let key = (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(with(key.0, key.1).expect_err("twice"), HandshakeError::Key);
        assert_eq!(with(header::CONTENT_LENGTH, "1").expect_err("a body"), HandshakeError::Body);
        assert_eq!(with(header::CONTENT_LENGTH, "01").expect_err("a body"), HandshakeError::Body);
        assert!(with(header::CONTENT_LENGTH, "0").is_ok());
        assert!(with(header::CONTENT_LENGTH, "00").is_ok());
    }

    #[test]
    fn a_connect_needs_no_key_and_is_answered_with_200() {
        let fields = [(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))];
        let headers = HeaderMap::from_iter(fields);
        let read =
            |protocol| Handshake::read(HandshakeRequest::Connect(protocol), &headers, None, false);
        let handshake = read("websocket").expect("opens");
        assert_eq!(handshake.status(), StatusCode::OK);
        assert!(handshake.response_headers().is_empty(), "{:?}", handshake.response_headers());
        assert_eq!(read("connect-udp").expect_err("another"), HandshakeError::NotAnUpgrade);
    }

    #[test]
    fn a_subprotocol_is_taken_that_fits_the_format() {
        assert_eq!(offering("chat, tricast.v1.json", None), Ok(Some(JSON)));
        assert_eq!(offering("tricast.v1.raw, tricast.v1.json", None), Ok(Some(RAW)));
        assert_eq!(offering("tricast.v1.raw, tricast.v1.json", Some(false)), Ok(Some(JSON)));
        assert_eq!(offering("tricast.v1.json", Some(true)), Err(HandshakeError::FormatMismatch));
        assert_eq!(offering("chat, graphql-ws", None), Ok(None));
    }

    #[test]
    fn a_token_among_the_subprotocols_is_read_and_shown_to_nobody() {
        let with_token = "tricast.v1.json, tricast.token.secret.of-mine";
        let fields = [example(), vec![(header::SEC_WEBSOCKET_PROTOCOL, with_token)]].concat();
        let handshake = read(&fields, None).expect("opens");
        assert_eq!(handshake.token(), Some("secret.of-mine"));
        assert!(!format!("{handshake:?}{:?}", handshake.response_headers()).contains("secret"));
        assert_eq!(offering("tricast.token.x", None), Err(HandshakeError::TokenWithoutSubprotocol));
    }
}
