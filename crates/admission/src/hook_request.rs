//! What the hook is asked: who comes, how, and what for.

use std::net::IpAddr;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use sha2::{Digest as _, Sha256};
use tricast_core::{ChannelName, Wire};

/// When the hook is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HookEvent {
    /// A stream is about to open.
    Connect,
    /// Somebody wants to listen to a channel, or to look at it.
    Subscribe,
    /// Somebody wants to say something.
    Publish,
}

/// What a request tells about who sends it, for as long as that may be asked about.
pub(crate) struct Requester {
    wire: &'static str,
    address: Option<IpAddr>,
    /// Those of its headers that are passed on: an object of texts.
    headers: Box<RawValue>,
}

/// One question, as it is sent.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct HookRequest<'a> {
    event: HookEvent,
    wire: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<&'a [ChannelName]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a ChannelName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    headers: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
}

impl Requester {
    pub(crate) fn new(
        wire: Option<Wire>,
        address: Option<IpAddr>,
        headers: &[(String, String)],
    ) -> Self {
        let object: serde_json::Map<_, _> =
            headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let headers = to_raw_value(&object).unwrap_or_default();
        Self { wire: wire.map_or("http", Wire::name), address, headers }
    }

    fn request(&self, event: HookEvent) -> HookRequest<'_> {
        HookRequest {
            event,
            wire: self.wire,
            channels: None,
            channel: None,
            user: None,
            address: self.address,
            headers: &self.headers,
            bytes: None,
        }
    }

    /// May it open a stream of these channels?
    pub(crate) fn connect_request<'a>(
        &'a self,
        channels: &'a [ChannelName],
        user: Option<&'a str>,
    ) -> HookRequest<'a> {
        HookRequest { channels: Some(channels), user, ..self.request(HookEvent::Connect) }
    }

    /// May it do that with a channel?
    pub(crate) fn channel_request<'a>(
        &'a self,
        event: HookEvent,
        channel: &'a ChannelName,
        bytes: Option<usize>,
        user: Option<&'a str>,
    ) -> HookRequest<'a> {
        HookRequest { channel: Some(channel), user, bytes, ..self.request(event) }
    }
}

impl HookRequest<'_> {
    /// The JSON that is sent.
    pub(crate) fn body(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// The same for the same question. How long a message is makes no other one, or none would ever be the same.
    pub(crate) fn cache_key(&self) -> [u8; 32] {
        Sha256::digest(Self { bytes: None, ..*self }.body()).into()
    }
}

/// Without the headers, which may hold what is secret.
impl std::fmt::Debug for Requester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("wire", &self.wire).finish_non_exhaustive()
    }
}
