//! The rules of a channel in words, for `tricast check --channel`.

use tricast_admission::AccessLevel;
use tricast_core::{Bounds, ChannelName, SlowReader};

use crate::settings::{
    Settings,
    range::{size_text, time_text},
};

impl Settings {
    /// Describes the rules that apply to a channel, and where they come from.
    pub fn explain(&self, channel: &ChannelName) -> String {
        if let Some(of) = channel.observed_channel() {
            return format!("{channel} carries the presence of {of}\n{}", self.explain(&of));
        }
        let (access, log) = (self.namespace_rules(), self.channel_rules());
        let (access, log) = (access.for_channel(channel), log.for_channel(channel));
        let describe_access = |allowed: AccessLevel| match allowed {
            AccessLevel::Anyone => "anyone",
            AccessLevel::Token => "a token or an API key that lists it",
            AccessLevel::Backend => "an API key that lists it",
            AccessLevel::Nobody => "nobody",
        };
        let may_subscribe = match channel.owner() {
            Some(user) if self.verifies_users() => {
                format!("{user} with a token, or an API key that lists it")
            }
            Some(user) => {
                format!("any client that says it is {user}: {}", describe_access(access.subscribe))
            }
            None => describe_access(access.subscribe).to_owned(),
        };
        let limit_text = |max: u32| {
            if max == 0 || max == u32::MAX { "unlimited".to_owned() } else { max.to_string() }
        };
        let Bounds { messages, bytes, age, .. } = log.history;
        format!(
            "{channel}: {}\n\
             subscribe            {may_subscribe}\n\
             publish              {}\n\
             prompt               {}\n\
             history              {messages} messages, {}, {}\n\
             log                  {}\n\
             online counts        {}\n\
             presence             {}\n\
             slow readers         {}\n\
             subscribers          {}\n\
             messages per second  {}\n",
            access.name,
            describe_access(access.publish),
            match (&access.models, access.prompt) {
                (_, AccessLevel::Nobody) | (None, _) => describe_access(access.prompt).to_owned(),
                (Some(models), level) => {
                    let models = models.iter().collect::<Vec<_>>().join(", ");
                    format!("{}: {models}", describe_access(level))
                }
            },
            size_text(bytes as u64),
            time_text(age),
            match self.log.is_on_disk() {
                true if log.log => format!("on disk, in {}", self.log.path.display()),
                true => "in memory alone (log = false)".to_owned(),
                false => "in memory".to_owned(),
            },
            if log.online { "visible" } else { "hidden" },
            match log.presence && channel.owner().is_none() {
                true => format!("visible to subscribers, in ~{channel}"),
                false => "hidden".to_owned(),
            },
            match log.slow_reader {
                SlowReader::Gap => "get a gap in place of what they missed",
                SlowReader::Disconnect => "are disconnected",
            },
            limit_text(log.subscribers),
            limit_text(access.publish_rate),
        )
    }
}
