//! Asks, as a plain client does: requests, streams on any wire, messages.

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
    encryption::{self, Remarks},
    obstacle::Obstacle,
    place::{Place, Visit},
    refusal::{NO_TRICAST, Refusal},
    trouble::{Asker, words},
};

mod opening;

pub(crate) use opening::{Opened, Refused, Socket};

/// How long an answer, or the head of one, may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Whoever asks.
pub(crate) struct Client {
    pub(crate) visit: Visit,
    pub(crate) channel: String,
    http: reqwest::Client,
    tls: TlsConnector,
    /// What is amiss with a certificate that `--ca` names.
    pub(crate) remarks: Remarks,
    /// Whether there has been an answer, of whatever kind.
    answered: AtomicBool,
    /// The compressions that it claims to know.
    pub(crate) encodings: &'static str,
}

impl Client {
    pub(crate) fn new(visit: Visit) -> anyhow::Result<Self> {
        let (mut config, remarks) = encryption::config(visit.authority.as_deref())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(config.clone())
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(PATIENCE)
            .build()?;
        let mut of_http_1 = config;
        of_http_1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = || format!("doctor-{}", fastrand::u32(..));
        let channel = visit.channel.clone().unwrap_or_else(name);
        Ok(Self {
            visit,
            channel,
            http,
            tls: TlsConnector::from(Arc::new(of_http_1)),
            remarks,
            answered: AtomicBool::new(false),
            encodings: "gzip, deflate, br, zstd",
        })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.visit.place
    }

    fn authorize(&self, headers: &mut HeaderMap) {
        let token = self.visit.token.as_ref();
        let value = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
        headers.extend(value.map(|value| (header::AUTHORIZATION, value)));
    }

    fn headers(&self, fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            Some((http::HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
        };
        let mut headers: HeaderMap = fields.iter().filter_map(field).collect();
        self.authorize(&mut headers);
        headers
    }

    /// What a connection's error means.
    pub(crate) fn words(&self, error: &(dyn Error + 'static)) -> Obstacle {
        let asker = Asker {
            encrypted: self.place().is_encrypted(),
            pinned: self.visit.authority.is_some(),
            answered: self.answered.load(Ordering::Relaxed),
        };
        words(error, asker)
    }

    async fn send(
        &self,
        url: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, Obstacle> {
        let answer = request.timeout(PATIENCE).send().await.map_err(|error| {
            let Obstacle { said, advice } = self.words(&error);
            Obstacle::new(format!("{url} cannot be reached: {said}"), advice)
        })?;
        self.answered.store(true, Ordering::Relaxed);
        Ok(answer)
    }

    /// `GET`, whatever the answer is.
    pub(crate) async fn get(&self, path: &str) -> Result<reqwest::Response, Obstacle> {
        let url = self.place().url(path);
        self.send(&url, self.http.get(&url).headers(self.headers(&[]))).await
    }

    /// A document of the gateway, or what was said instead.
    pub(crate) async fn document(&self, path: &str) -> Result<Value, Obstacle> {
        let answer = self.get(path).await?;
        let shown = path.split('?').next().unwrap_or(path);
        if answer.status() != StatusCode::OK {
            let refusal = Refusal::of(answer).await;
            return Err(refusal.obstacle(shown, path, self.visit.token.is_some()));
        }
        let text = answer.text().await.map_err(|error| self.words(&error))?;
        serde_json::from_str(&text)
            .map_err(|_| Obstacle::new(format!("{shown} was answered with no JSON"), NO_TRICAST))
    }

    /// The number of connections that listen to the channel.
    pub(crate) async fn online(&self) -> Result<u64, Obstacle> {
        let path = format!("/online/{}", self.channel);
        let document = self.document(&path).await?;
        document["connections"]
            .as_u64()
            .ok_or_else(|| Obstacle::new(format!("{path} has no count"), NO_TRICAST))
    }

    /// Publishes; gives the message's id, when that was asked for, and how long the answer took.
    pub(crate) async fn publish(
        &self,
        data: &Value,
    ) -> Result<(String, Instant, Duration), Obstacle> {
        let path = format!("/publish/{}", self.channel);
        let url = self.place().url(&path);
        let headers = self.headers(&[("content-type", "application/json")]);
        let asked = Instant::now();
        let request = self.http.post(&url).headers(headers).body(data.to_string());
        let answer = self.send(&url, request).await?;
        if answer.status() != StatusCode::OK {
            let refusal = Refusal::of(answer).await;
            return Err(refusal.obstacle("publishing", &path, self.visit.token.is_some()));
        }
        let text = answer.text().await.map_err(|error| self.words(&error))?;
        let took = asked.elapsed();
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let another =
            || Obstacle::new("publishing was answered with 200, and not by Tricast", NO_TRICAST);
        let id = document["id"].as_str().ok_or_else(another)?;
        Ok((id.to_owned(), asked, took))
    }

    /// A body of JSON lines that goes out as `lines` has them.
    pub(crate) fn publish_lines(
        &self,
        lines: tokio::sync::mpsc::Receiver<String>,
    ) -> impl Future<Output = reqwest::Result<reqwest::Response>> + use<> {
        let url = self.place().url(&format!("/publish/{}", self.channel));
        let headers = self.headers(&[("content-type", "application/x-ndjson")]);
        let body = futures_util::stream::unfold(lines, |mut lines| async move {
            let line = lines.recv().await?;
            Some((Ok::<_, std::convert::Infallible>(line), lines))
        });
        self.http.post(url).headers(headers).body(reqwest::Body::wrap_stream(body)).send()
    }
}
