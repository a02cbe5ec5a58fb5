//! Responses of the hook.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use tricast_core::{Action, CHANNEL_MAX, ChannelName, ChannelPattern, Denied, Kind, UserId};

use crate::{
    ModelNames, PromptTerms,
    backend_client::BackendResponse,
    claims::{parse_info, parse_patterns, to_millis},
};

/// Longest reason that is sent to a client, in characters.
const REASON_MAX: usize = 200;

/// A valid response of the hook.
#[derive(Debug)]
pub(crate) enum HookResponse {
    Allowed(Arc<Grant>),
    /// The request is refused, with a reason for the client if the service gives one.
    Refused(Option<String>),
}

/// The terms on which the hook lets a client connect, or prompt.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Grant {
    pub(crate) user: Option<UserId>,
    subscribe: Option<Arc<[ChannelPattern]>>,
    publish: Option<Arc<[ChannelPattern]>>,
    prompt: Option<Arc<[ChannelPattern]>>,
    /// The models that the client may ask; `None` means all.
    pub(crate) models: Option<ModelNames>,
    /// What changes in a prompt.
    pub(crate) terms: PromptTerms,
    /// End of the access, in milliseconds since 1970.
    pub(crate) expires: Option<u64>,
    /// The user's `info`, as JSON.
    pub(crate) info: Option<Arc<str>>,
}

/// The body of a response. An unknown field may be a misspelt limit, so it makes the response
/// invalid.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseBody {
    allow: bool,
    reason: Option<String>,
    user: Option<String>,
    subscribe: Option<Vec<String>>,
    publish: Option<Vec<String>>,
    prompt: Option<Vec<String>>,
    models: Option<Vec<String>>,
    model: Option<String>,
    max_tokens: Option<u64>,
    messages: Option<Vec<Box<RawValue>>>,
    expires: Option<f64>,
    info: Option<Box<RawValue>>,
}

impl HookResponse {
    /// Parses a response. The error is for the log.
    pub(crate) fn read(reply: BackendResponse) -> Result<Self, String> {
        if matches!(reply.status, 401 | 403) {
            // These refuse, whatever the body is.
            let body =
                reply.body.ok().and_then(|body| serde_json::from_slice::<ResponseBody>(&body).ok());
            return Ok(Self::Refused(body.and_then(ResponseBody::into_reason)));
        }
        if reply.status != 200 {
            return Err(format!("the status is {}, not 200, 401 or 403", reply.status));
        }
        let body: ResponseBody = serde_json::from_slice(&reply.body?)
            .map_err(|error| format!("the body is not a valid response: {error}"))?;
        match body.allow {
            true => body.into_grant().map(|grant| Self::Allowed(grant.into())),
            false => Ok(Self::Refused(body.into_reason())),
        }
    }

    /// Returns the terms of an allowed request.
    ///
    /// # Errors
    /// When the request is refused.
    pub(crate) fn grant(&self) -> Result<&Arc<Grant>, Denied> {
        match self {
            Self::Allowed(grant) => Ok(grant),
            Self::Refused(reason) => {
                let detail =
                    reason.as_deref().unwrap_or("the service behind this gateway refuses it");
                Err(Denied::new(Kind::Forbidden, detail))
            }
        }
    }

    /// Returns the end that the response sets, in milliseconds since 1970.
    pub(crate) fn expires(&self) -> Option<u64> {
        match self {
            Self::Allowed(grant) => grant.expires,
            Self::Refused(_) => None,
        }
    }

    /// Estimates the memory that the response occupies, in bytes.
    pub(crate) fn memory_size(&self) -> usize {
        let lists = |grant: &Grant| {
            let patterns = [&grant.subscribe, &grant.publish, &grant.prompt].into_iter().flatten();
            patterns
                .flat_map(|list| list.iter())
                .map(|one| size_of_val(one) + CHANNEL_MAX)
                .sum::<usize>()
                + grant.info.as_ref().map_or(0, |info| info.len())
                + grant.models.as_ref().map_or(0, ModelNames::memory_size)
                + grant.terms.memory_size()
        };
        256 + match self {
            Self::Allowed(grant) => lists(grant),
            Self::Refused(reason) => reason.as_ref().map_or(0, String::len),
        }
    }
}

impl ResponseBody {
    fn into_reason(self) -> Option<String> {
        let printable = self.reason?.chars().filter(|c| !c.is_control()).take(REASON_MAX).collect();
        Some(printable).filter(|text: &String| !text.trim().is_empty())
    }

    fn into_grant(self) -> Result<Grant, String> {
        let user = self.user.map(|user| user.parse::<UserId>()).transpose();
        let list = |name: &str, texts: Option<Vec<String>>| {
            texts.map(|texts| parse_patterns(name, &texts)).transpose()
        };
        Ok(Grant {
            user: user.map_err(|error| format!("user: {error}"))?,
            subscribe: list("subscribe", self.subscribe)?,
            publish: list("publish", self.publish)?,
            prompt: list("prompt", self.prompt)?,
            models: self.models.map(ModelNames::parse).transpose()?,
            terms: PromptTerms::parse(self.model, self.max_tokens, self.messages)?,
            expires: self.expires.map(to_millis),
            info: parse_info(self.info)?,
        })
    }
}

impl Grant {
    /// Whether the list for `act` names the channel; `None` without such a list.
    pub(crate) fn lists(&self, act: Action, channel: &ChannelName) -> Option<bool> {
        let list = match act {
            Action::Subscribe | Action::Read => &self.subscribe,
            Action::Publish | Action::Erase => &self.publish,
            Action::Prompt => &self.prompt,
        };
        list.as_ref().map(|list| list.iter().any(|pattern| pattern.matches(channel)))
    }

    /// Whether the response allows the request without any terms.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<HookResponse, String> {
        HookResponse::read(BackendResponse { status, body: Ok(body.into()) })
    }

    fn refusal_reason(status: u16, body: &str) -> String {
        let response = read(status, body).expect(body);
        response.grant().expect_err(body).detail
    }

    #[test]
    fn an_invalid_response_is_an_error_and_never_a_yes() {
        let long = format!("{{\"allow\":true,\"info\":\"{}\"}}", "x".repeat(1024));
        for (status, body) in [
            (200, ""),
            (200, "yes"),
            (200, "{}"),
            (200, "[true]"),
            (200, r#"{"allow":1}"#),
            (200, r#"{"allow":"true"}"#),
            (200, r#"{"allow":null}"#),
            (200, r#"{"allow":true} {"allow":true}"#),
            (200, r#"{"allow":false,"allow":true}"#),
            (200, r#"{"allow":true,"subcribe":[]}"#),
            (200, r#"{"allow":true,"subscribe":"a"}"#),
            (200, r#"{"allow":true,"subscribe":["a b"]}"#),
            (200, r#"{"allow":true,"user":"a b"}"#),
            (200, r#"{"allow":true,"user":""}"#),
            (200, r#"{"allow":true,"expires":"1"}"#),
            (200, r#"{"allow":true,"model":""}"#),
            (200, r#"{"allow":true,"models":[7]}"#),
            (200, r#"{"allow":true,"max_tokens":0}"#),
            (200, r#"{"allow":true,"messages":["be kind"]}"#),
            (200, long.as_str()),
            (204, ""),
            (201, r#"{"allow":true}"#),
            (302, r#"{"allow":true}"#),
            (404, r#"{"allow":true}"#),
            (500, r#"{"allow":true}"#),
        ] {
            read(status, body).expect_err(body);
        }
        let broken = BackendResponse { status: 200, body: Err("broke off".to_owned()) };
        HookResponse::read(broken).expect_err("half a response");
    }

    #[test]
    fn a_refusal_stands_whatever_else_it_says_and_reveals_little() {
        for (status, body) in [(403, "no JSON"), (401, r#"{"allow":true}"#), (403, "{}")] {
            assert_eq!(refusal_reason(status, body), "the service behind this gateway refuses it");
        }
        assert_eq!(refusal_reason(403, r#"{"allow":false,"reason":"not today"}"#), "not today");
        let long = format!(r#"{{"allow":false,"reason":"a\r\nb\u001b{}"}}"#, "é".repeat(300));
        assert_eq!(refusal_reason(200, &long), format!("ab{}", "é".repeat(198)));
    }

    #[test]
    fn grants_are_read() {
        let body =
            r#"{"allow":true,"user":"alice","subscribe":["a.*"],"expires":2,"info":{ "a":1 }}"#;
        let response = read(200, body).expect("a response");
        let grant = response.grant().expect("a yes");
        let lists = |act, channel: &str| grant.lists(act, &channel.parse().expect("fits"));
        assert_eq!(lists(Action::Subscribe, "a.b"), Some(true));
        assert_eq!(lists(Action::Read, "b"), Some(false));
        assert_eq!(lists(Action::Publish, "a.b"), None);
        assert_eq!((grant.expires, grant.info.as_deref()), (Some(2000), Some("{ \"a\":1 }")));
        assert!(!grant.is_default());
        for (expires, millis) in [("-1", 0), ("1.5", 1500), ("1e300", u64::MAX)] {
            let body = format!(r#"{{"allow":true,"expires":{expires}}}"#);
            assert_eq!(read(200, &body).expect("a response").expires(), Some(millis), "{body}");
        }
        let plain = read(200, r#"{"allow":true,"user":null}"#).expect("a response");
        assert!(plain.grant().expect("a yes").is_default());
    }
}
