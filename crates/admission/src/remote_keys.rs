//! A JWK set at a URL.

use std::time::Duration;

use futures_util::{FutureExt as _, future::BoxFuture};
use reqwest::{Client, Url, redirect::Policy};

use crate::RemoteKeys;

/// Largest JWK set, in bytes.
const DOCUMENT_MAX: usize = 1024 * 1024;

/// Timeout of one request.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches a JWK set by HTTP.
#[derive(Debug)]
pub struct HttpKeys {
    client: Client,
    url: Url,
}

impl HttpKeys {
    /// Creates a client for `url`. Redirects and proxies of the environment are not followed:
    /// either could choose the keys.
    ///
    /// # Errors
    /// When the system cannot provide what TLS needs.
    pub fn new(url: Url) -> Result<Self, reqwest::Error> {
        let client =
            Client::builder().redirect(Policy::none()).no_proxy().timeout(FETCH_TIMEOUT).build()?;
        Ok(Self { client, url })
    }

    async fn get(&self) -> Result<Vec<u8>, String> {
        let describe = |error: reqwest::Error| error.without_url().to_string();
        let mut response = self.client.get(self.url.clone()).send().await.map_err(describe)?;
        if !response.status().is_success() {
            return Err(format!("the response is {}", response.status()));
        }
        let mut document = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(describe)? {
            document.extend_from_slice(&piece);
            if document.len() > DOCUMENT_MAX {
                return Err(format!("the document is longer than {DOCUMENT_MAX} bytes"));
            }
        }
        Ok(document)
    }
}

impl RemoteKeys for HttpKeys {
    fn fetch(&self) -> BoxFuture<'_, Result<Vec<u8>, String>> {
        self.get().boxed()
    }
}
