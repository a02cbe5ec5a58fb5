//! An HTTP client for the operator's own service: signed POST requests, and their responses.

use std::{
    error::Error as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, Url, header, redirect::Policy};
use sha2::Sha256;

use tricast_core::awake_timeout;

use crate::Secret;

/// The header with the signature and the time of a request.
const SIGNATURE: &str = "tricast-signature";

/// Largest response body, in bytes.
const RESPONSE_MAX: usize = 64 * 1024;

/// Posts signed requests to one URL.
pub struct BackendClient {
    client: Client,
    /// Time for a whole response.
    timeout: Duration,
    url: Url,
    /// Keyed with the secret, if there is one.
    signer: Option<Hmac<Sha256>>,
}

/// The client cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum BackendClientError {
    /// The URL is not an HTTP URL.
    #[error("not an https:// or http:// URL; set it to the URL of your own service")]
    Url,
    /// The secret cannot be an HMAC key.
    #[error("the secret cannot be an HMAC key; set another one")]
    Secret,
    /// The system cannot provide what TLS needs.
    #[error("cannot prepare to call your service: {0}")]
    Tls(reqwest::Error),
}

/// A response of the service.
#[derive(Debug)]
pub struct BackendResponse {
    /// The HTTP status code.
    pub status: u16,
    /// The body; an error if it is too long or incomplete.
    pub body: Result<Vec<u8>, String>,
}

impl BackendClient {
    /// Creates a client of `url`. With an empty secret requests are not signed.
    ///
    /// # Errors
    /// When the URL or the secret is invalid, or TLS is not available.
    pub fn new(url: &str, secret: &Secret, timeout: Duration) -> Result<Self, BackendClientError> {
        let url = parse(url)?;
        let signer = match secret.is_empty() {
            true => None,
            false => Some(new_signer(secret)?),
        };
        // A redirect, or a proxy of the environment, would let another service decide.
        let client = Client::builder().redirect(Policy::none()).no_proxy();
        let client = client.user_agent(concat!("tricast/", env!("CARGO_PKG_VERSION"))).build();
        Ok(Self { client: client.map_err(BackendClientError::Tls)?, timeout, url, signer })
    }

    /// Whether `url` is an HTTP URL with a host.
    pub fn is_url(url: &str) -> bool {
        parse(url).is_ok()
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// When there is no response. The error is for the log alone: it may name the service.
    pub async fn post(&self, body: Bytes) -> Result<BackendResponse, String> {
        // Not the client's own timeout, which also runs while this process is stopped.
        let posted = awake_timeout(self.timeout, self.post_and_wait(body)).await;
        posted.unwrap_or_else(|| Err(format!("no response in {:?}", self.timeout)))
    }

    async fn post_and_wait(&self, body: Bytes) -> Result<BackendResponse, String> {
        let mut request = self.client.post(self.url.clone());
        request = request.header(header::CONTENT_TYPE, "application/json");
        if let Some(signer) = &self.signer {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            request = request.header(SIGNATURE, sign(signer.clone(), now.as_secs(), &body));
        }
        let mut response = request.body(body).send().await.map_err(error_chain)?;
        let status = response.status().as_u16();
        let mut document = Vec::new();
        let body = loop {
            match response.chunk().await {
                Ok(Some(piece)) if document.len() + piece.len() > RESPONSE_MAX => {
                    break Err(format!("the response is longer than {RESPONSE_MAX} bytes"));
                }
                Ok(Some(piece)) => document.extend_from_slice(&piece),
                Ok(None) => break Ok(document),
                Err(error) => break Err(error_chain(error)),
            }
        };
        Ok(BackendResponse { status, body })
    }
}

fn parse(url: &str) -> Result<Url, BackendClientError> {
    let url: Url = url.parse().map_err(|_| BackendClientError::Url)?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(BackendClientError::Url),
    }
}

fn new_signer(secret: &Secret) -> Result<Hmac<Sha256>, BackendClientError> {
    Hmac::new_from_slice(secret.expose().as_bytes()).map_err(|_| BackendClientError::Secret)
}

/// Makes the header field `t=<seconds>,v1=<hex>`. The time is signed too, against replays.
fn sign(mut mac: Hmac<Sha256>, seconds: u64, body: &[u8]) -> String {
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let mut field = format!("t={seconds},v1=");
    for byte in mac.finalize().into_bytes() {
        field.push_str(&format!("{byte:02x}"));
    }
    field
}

/// Formats an error with its causes, which its own `Display` leaves out.
fn error_chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text.push_str(&format!(": {deeper}"));
        cause = deeper.source();
    }
    text
}

/// Leaves out the URL, which may contain a password.
impl std::fmt::Debug for BackendClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BackendClient")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret`.
    #[test]
    fn a_signature_equals_that_of_openssl() {
        let signer = new_signer(&Secret::from("secret".to_owned())).expect("a key");
        let field = sign(signer, 1_700_000_000, b"{\"a\":1}");
        let expected = "49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
        assert_eq!(field, format!("t=1700000000,v1={expected}"));
    }

    #[test]
    fn only_http_is_called() {
        assert!(BackendClient::is_url("https://shop.example/hook?x=1"));
        assert!(BackendClient::is_url("http://10.0.0.1:3000/"));
        for bad in ["", "shop.example/hook", "file:///etc/passwd", "ftp://a/", "http://"] {
            assert!(!BackendClient::is_url(bad), "{bad}");
        }
    }
}
