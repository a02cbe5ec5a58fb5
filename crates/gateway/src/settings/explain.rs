//! Which rules hold for a channel, in words: `tricast check --channel`.

use bytesize::ByteSize;
use tricast_admission::AccessLevel;
use tricast_core::{Bounds, ChannelName, SlowReader};

use crate::settings::Settings;

impl Settings {
    /// Which rules hold for a channel, and why, in words.
    pub fn explain(&self, channel: &ChannelName) -> String {
        if let Some(of) = channel.observed_channel() {
            return format!("{channel} tells who is in {of}\n{}", self.explain(&of));
        }
        let (access, log) = (self.namespace_rules(), self.channel_rules());
        let (access, log) = (access.for_channel(channel), log.for_channel(channel));
        let describe_access = |allowed: AccessLevel| match allowed {
            AccessLevel::Anyone => "anyone",
            AccessLevel::Token => "a token, or an API key, whose list names it",
            AccessLevel::Backend => "an API key whose list names it",
            AccessLevel::Nobody => "nobody",
        };
        let may_subscribe = match channel.owner() {
            Some(user) if self.verifies_users() => {
                format!("{user} by its token, or an API key whose list names it")
            }
            Some(user) => {
                format!("whoever says that it is {user}: {}", describe_access(access.subscribe))
            }
            None => describe_access(access.subscribe).to_owned(),
        };
        let limit_text = |max: u32| {
            if max == 0 || max == u32::MAX { "any number".to_owned() } else { max.to_string() }
        };
        let Bounds { messages, bytes, age, .. } = log.history;
        format!(
            "{channel}: {}\n\
             subscribe            {may_subscribe}\n\
             publish              {}\n\
             history              {messages} messages, {}, {}\n\
             online counts        {}\n\
             presence             {}\n\
             slow readers         {}\n\
             subscribers          {}\n\
             messages per second  {}\n",
            access.name,
            describe_access(access.publish),
            ByteSize(bytes as u64),
            humantime_serde::re::humantime::format_duration(age),
            if log.online { "told" } else { "told to nobody" },
            match log.presence && channel.owner().is_none() {
                true => format!("told to whoever may listen, in ~{channel}"),
                false => "told to nobody".to_owned(),
            },
            match log.slow_reader {
                SlowReader::Gap => "told what they miss",
                SlowReader::Disconnect => "disconnected",
            },
            limit_text(log.subscribers),
            limit_text(access.publish_rate),
        )
    }
}
