//! A plain client of a gateway: requests, streams on any wire, messages.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::{
    encryption::{self, CertificateWarnings},
    explain::{RequestContext, explain},
    options::{GatewayUrl, Options},
    probe_error::ProbeError,
    refusal::{NOT_A_GATEWAY, Refusal},
};

mod opening;

pub(crate) use opening::{OpenError, Opened, Socket};

/// Timeout of a response, or of the head of a stream.
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

const JSON: (&str, &str) = ("content-type", "application/json");

/// A client with the options of an examination.
pub(crate) struct Client {
    pub(crate) options: Options,
    pub(crate) channel: String,
    http: reqwest::Client,
    tls: TlsConnector,
    /// Faults of a certificate that `--ca` pins.
    pub(crate) certificate_warnings: CertificateWarnings,
    /// Whether there has been a response of any kind.
    answered: AtomicBool,
    /// Accept-Encoding of its requests.
    pub(crate) encodings: &'static str,
}

impl Client {
    pub(crate) fn new(options: Options) -> anyhow::Result<Self> {
        let (mut config, certificate_warnings) = encryption::config(options.ca_file.as_deref())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(config.clone())
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(RESPONSE_TIMEOUT)
            .build()?;
        let mut of_http_1 = config;
        of_http_1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = || format!("doctor-{}", fastrand::u32(..));
        let channel = options.channel.clone().unwrap_or_else(name);
        Ok(Self {
            options,
            channel,
            http,
            tls: TlsConnector::from(Arc::new(of_http_1)),
            certificate_warnings,
            answered: AtomicBool::new(false),
            encodings: "gzip, deflate, br, zstd",
        })
    }

    pub(crate) fn gateway(&self) -> &GatewayUrl {
        &self.options.gateway
    }

    /// Builds the headers of a request. Every request of the examination is built from them.
    fn headers(&self, fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            Some((http::HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
        };
        let mut headers: HeaderMap = fields.iter().filter_map(field).collect();
        let token = self.options.token.as_ref();
        let value = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
        headers.extend(value.map(|value| (header::AUTHORIZATION, value)));
        headers
    }

    /// The same for a request of a page of this host, which sends its origin. If a proxy changes
    /// the host, the gateway refuses it.
    fn page_headers(&self, fields: &[(&'static str, &str)]) -> HeaderMap {
        let origin = self.gateway().origin();
        self.headers(&[fields, &[("origin", &origin)]].concat())
    }

    /// Explains the error of a connection.
    pub(crate) fn explain(&self, error: &(dyn Error + 'static)) -> ProbeError {
        let context = RequestContext {
            encrypted: self.gateway().is_encrypted(),
            pinned: self.options.ca_file.is_some(),
            answered: self.answered.load(Ordering::Relaxed),
        };
        explain(error, context)
    }

    async fn send(
        &self,
        url: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, ProbeError> {
        let response = request.timeout(RESPONSE_TIMEOUT).send().await.map_err(|error| {
            let ProbeError { message, advice } = self.explain(&error);
            ProbeError::new(format!("{url} cannot be reached: {message}"), advice)
        })?;
        self.answered.store(true, Ordering::Relaxed);
        Ok(response)
    }

    /// Sends a GET request that no cache has an answer to, and returns the response, whatever its
    /// status is.
    pub(crate) async fn get(&self, path: &str) -> Result<reqwest::Response, ProbeError> {
        self.get_cacheable(&uncached(path)).await
    }

    /// The same for a request that a cache may answer.
    pub(crate) async fn get_cacheable(&self, path: &str) -> Result<reqwest::Response, ProbeError> {
        let url = self.gateway().url(path);
        self.send(&url, self.http.get(&url).headers(self.headers(&[]))).await
    }

    /// Fetches a JSON document of the gateway.
    pub(crate) async fn document(&self, path: &str) -> Result<Value, ProbeError> {
        let response = self.get(path).await?;
        let shown = path.split('?').next().unwrap_or(path);
        if response.status() != StatusCode::OK {
            let refusal = Refusal::read(response).await;
            return Err(refusal.to_error(shown, path, self.options.token.is_some()));
        }
        let text = response.text().await.map_err(|error| self.explain(&error))?;
        serde_json::from_str(&text).map_err(|_| {
            ProbeError::new(format!("the response to {shown} is not JSON"), NOT_A_GATEWAY)
        })
    }

    /// Returns the number of subscribers of the channel.
    pub(crate) async fn online(&self) -> Result<u64, ProbeError> {
        let path = format!("/online/{}", self.channel);
        let document = self.document(&path).await?;
        document["connections"]
            .as_u64()
            .ok_or_else(|| ProbeError::new(format!("{path} has no count"), NOT_A_GATEWAY))
    }

    /// Publishes a message, and returns its id, the time of the request, and how long the response
    /// took.
    pub(crate) async fn publish(
        &self,
        data: &Value,
    ) -> Result<(String, Instant, Duration), ProbeError> {
        let path = self.publish_path();
        let requested_at = Instant::now();
        let response = self.post(data, self.headers(&[JSON])).await?;
        if response.status() != StatusCode::OK {
            let refusal = Refusal::read(response).await;
            return Err(refusal.to_error("publishing", &path, self.options.token.is_some()));
        }
        let text = response.text().await.map_err(|error| self.explain(&error))?;
        let took = requested_at.elapsed();
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let foreign = || {
            ProbeError::new("publishing was answered with 200, but not by Tricast", NOT_A_GATEWAY)
        };
        let id = document["id"].as_str().ok_or_else(foreign)?;
        Ok((id.to_owned(), requested_at, took))
    }

    /// Publishes a message as a page of this host does, and returns the refusal, if there is one.
    pub(crate) async fn publish_as_page(
        &self,
        data: &Value,
    ) -> Result<Option<Refusal>, ProbeError> {
        let response = self.post(data, self.page_headers(&[JSON])).await?;
        match response.status() {
            StatusCode::OK => Ok(None),
            _ => Ok(Some(Refusal::read(response).await)),
        }
    }

    async fn post(
        &self,
        data: &Value,
        headers: HeaderMap,
    ) -> Result<reqwest::Response, ProbeError> {
        let url = self.gateway().url(&self.publish_path());
        self.send(&url, self.http.post(&url).headers(headers).body(data.to_string())).await
    }

    fn publish_path(&self) -> String {
        format!("/publish/{}", self.channel)
    }

    /// Publishes a body of JSON lines, each as soon as `lines` yields it.
    pub(crate) fn publish_lines(
        &self,
        lines: tokio::sync::mpsc::Receiver<String>,
    ) -> impl Future<Output = reqwest::Result<reqwest::Response>> + use<> {
        let url = self.gateway().url(&self.publish_path());
        let headers = self.headers(&[("content-type", "application/x-ndjson")]);
        let body = futures_util::stream::unfold(lines, |mut lines| async move {
            let line = lines.recv().await?;
            Some((Ok::<_, std::convert::Infallible>(line), lines))
        });
        self.http.post(url).headers(headers).body(reqwest::Body::wrap_stream(body)).send()
    }
}

/// Adds a parameter that the gateway ignores and that no earlier request had, so that no cache in
/// between has a response for it.
fn uncached(path: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}_={:016x}", fastrand::u64(..))
}
