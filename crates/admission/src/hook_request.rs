//! Requests to the hook: who asks, over which wire, and for what.

use std::net::IpAddr;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use sha2::{Digest as _, Sha256};
use tricast_core::{ChannelName, Wire};

use crate::PromptQuestion;

/// The event about which the hook is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HookEvent {
    /// A stream is about to open.
    Connect,
    /// A client wants to subscribe to a channel, or to read its history or presence.
    Subscribe,
    /// A client wants to publish a message.
    Publish,
    /// A client wants an answer of a model.
    Prompt,
}

/// The sender of a request, kept for as long as the hook may be asked about it.
pub(crate) struct Requester {
    wire: &'static str,
    address: Option<IpAddr>,
    /// The headers that are forwarded, as a JSON object of strings.
    headers: Box<RawValue>,
}

/// A request to the hook, as it is sent.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
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
            model: None,
        }
    }

    /// Asks whether the requester may open a stream of `channels`.
    pub(crate) fn connect_request<'a>(
        &'a self,
        channels: &'a [ChannelName],
        user: Option<&'a str>,
    ) -> HookRequest<'a> {
        HookRequest { channels: Some(channels), user, ..self.request(HookEvent::Connect) }
    }

    /// Asks about `event` in one channel.
    pub(crate) fn channel_request<'a>(
        &'a self,
        event: HookEvent,
        channel: &'a ChannelName,
        bytes: Option<usize>,
        user: Option<&'a str>,
    ) -> HookRequest<'a> {
        HookRequest { channel: Some(channel), user, bytes, ..self.request(event) }
    }

    /// Asks about a prompt.
    pub(crate) fn prompt_request<'a>(
        &'a self,
        channel: &'a ChannelName,
        question: PromptQuestion<'a>,
        user: Option<&'a str>,
    ) -> HookRequest<'a> {
        let PromptQuestion { model, bytes } = question;
        let request = self.channel_request(HookEvent::Prompt, channel, Some(bytes), user);
        HookRequest { model: Some(model), ..request }
    }
}

impl HookRequest<'_> {
    /// Encodes the request as JSON.
    pub(crate) fn body(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Hashes the request without the length of its message: with it hardly any two requests would
    /// be equal.
    pub(crate) fn cache_key(&self) -> [u8; 32] {
        Sha256::digest(Self { bytes: None, ..*self }.body()).into()
    }
}

/// Leaves out the headers, which may contain secrets.
impl std::fmt::Debug for Requester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requester").field("wire", &self.wire).finish_non_exhaustive()
    }
}
