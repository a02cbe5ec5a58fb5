//! Rate limits: messages and bytes a second of each user, API key, address and channel, and prompts
//! a minute of each user and address.

use std::{hash::Hash, net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use tricast_core::{ChannelName, Denied, Kind, UserId, network_of};

/// A rate limit: the amount a second, which is also the largest burst. 0 means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Messages a second.
    pub messages: u32,
    /// Bytes of message data a second.
    pub bytes: u32,
}

/// The rate limiters of all publishers and channels.
#[derive(Debug)]
pub struct Rates {
    users: KeyedLimiter<UserId>,
    keys: KeyedLimiter<Arc<str>>,
    addresses: KeyedLimiter<IpAddr>,
    /// A limiter for each rate that a namespace sets.
    channels: Vec<(u32, KeyedLimiter<ChannelName>)>,
    prompts_of_users: KeyedLimiter<UserId>,
    prompts_of_addresses: KeyedLimiter<IpAddr>,
}

/// The publisher whose rate limit applies.
pub(crate) enum RateKey<'a> {
    Key(&'a Arc<str>),
    Client { address: Option<IpAddr>, user: Option<&'a UserId> },
}

impl Rates {
    /// Creates limiters for each user, key and address, and for the rates that namespaces set.
    pub fn new(user: Rate, key: Rate, address: Rate, channels: impl Iterator<Item = u32>) -> Self {
        let mut by_rate: Vec<(u32, KeyedLimiter<ChannelName>)> = Vec::new();
        for messages in channels.filter(|rate| *rate > 0) {
            if by_rate.iter().all(|(known, _)| *known != messages) {
                by_rate.push((messages, KeyedLimiter::new(Rate { messages, bytes: 0 })));
            }
        }
        Self {
            users: KeyedLimiter::new(user),
            keys: KeyedLimiter::new(key),
            addresses: KeyedLimiter::new(address),
            channels: by_rate,
            prompts_of_users: KeyedLimiter::new(Rate::default()),
            prompts_of_addresses: KeyedLimiter::new(Rate::default()),
        }
    }

    /// Sets the prompts a minute of each user and each address; 0 means no limit.
    pub fn with_prompts(mut self, user: u32, address: u32) -> Self {
        self.prompts_of_users = KeyedLimiter::per_minute(user);
        self.prompts_of_addresses = KeyedLimiter::per_minute(address);
        self
    }

    /// Counts one prompt against its address and its user.
    pub(crate) fn spend_prompt(
        &self,
        address: Option<IpAddr>,
        user: Option<&UserId>,
    ) -> Result<(), Denied> {
        if let Some(address) = address {
            self.prompts_of_addresses.spend_one(&network_of(address), "this address", "prompts")?;
        }
        match user {
            Some(user) => self.prompts_of_users.spend_one(user, "this user", "prompts"),
            None => Ok(()),
        }
    }

    /// Counts one message of `bytes` against its publisher and its channel, whose limit is `rate`.
    pub(crate) fn spend(
        &self,
        rate_key: RateKey<'_>,
        channel: &ChannelName,
        rate: u32,
        bytes: usize,
    ) -> Result<(), Denied> {
        match rate_key {
            RateKey::Key(name) => self.keys.spend(name, bytes, "this key")?,
            RateKey::Client { address, user } => {
                // The address comes first: a flood from one address must not use up a user's rate.
                if let Some(address) = address {
                    self.addresses.spend(&network_of(address), bytes, "this address")?;
                }
                if let Some(user) = user {
                    self.users.spend(user, bytes, "this user")?;
                }
            }
        }
        match self.channels.iter().find(|(known, _)| *known == rate) {
            Some((_, limiter)) => limiter.spend(channel, bytes, "this channel"),
            None => Ok(()),
        }
    }

    /// Drops the state of keys without recent messages. Call it at intervals.
    pub fn sweep(&self) {
        self.users.sweep();
        self.keys.sweep();
        self.addresses.sweep();
        self.channels.iter().for_each(|(_, limiter)| limiter.sweep());
        self.prompts_of_users.sweep();
        self.prompts_of_addresses.sweep();
    }
}

/// A rate limiter for each key.
struct KeyedLimiter<K: Hash + Eq + Clone> {
    messages: Option<DefaultKeyedRateLimiter<K>>,
    bytes: Option<DefaultKeyedRateLimiter<K>>,
}

impl<K: Hash + Eq + Clone> KeyedLimiter<K> {
    fn new(rate: Rate) -> Self {
        let limiter = |amount| {
            NonZeroU32::new(amount).map(|amount| RateLimiter::keyed(Quota::per_second(amount)))
        };
        Self { messages: limiter(rate.messages), bytes: limiter(rate.bytes) }
    }

    /// Makes a limiter of single events; 0 means no limit.
    fn per_minute(amount: u32) -> Self {
        let limiter = |amount| RateLimiter::keyed(Quota::per_minute(amount));
        Self { messages: NonZeroU32::new(amount).map(limiter), bytes: None }
    }

    fn spend_one(&self, key: &K, subject: &str, what: &str) -> Result<(), Denied> {
        match &self.messages {
            Some(limiter) => {
                limiter.check_key(key).map_err(|until| rate_limited(&until, subject, what))
            }
            None => Ok(()),
        }
    }

    fn spend(&self, key: &K, bytes: usize, subject: &str) -> Result<(), Denied> {
        self.spend_one(key, subject, "messages")?;
        let bytes = u32::try_from(bytes).ok().and_then(NonZeroU32::new);
        if let (Some(limiter), Some(bytes)) = (&self.bytes, bytes) {
            let more = |_| {
                let detail = format!(
                    "the message is larger than the rate limit of {subject}; send a smaller one"
                );
                Denied::new(Kind::TooLarge, detail)
            };
            let spent = limiter.check_key_n(key, bytes).map_err(more)?;
            spent.map_err(|until| rate_limited(&until, subject, "bytes"))?;
        }
        Ok(())
    }

    fn sweep(&self) {
        for limiter in [&self.messages, &self.bytes].into_iter().flatten() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

impl<K: Hash + Eq + Clone> std::fmt::Debug for KeyedLimiter<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyedLimiter")
    }
}

fn rate_limited(
    until: &NotUntil<<DefaultClock as Clock>::Instant>,
    subject: &str,
    what: &str,
) -> Denied {
    let wait = until.wait_time_from(DefaultClock::default().now());
    let wait = wait.max(Duration::from_millis(1));
    let detail = format!("{subject} has reached its rate limit for {what}; retry later");
    Denied::new(Kind::TooFast, detail).with_retry_after(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str) -> ChannelName {
        name.parse().expect("fits")
    }

    #[test]
    fn each_key_has_its_own_rate_and_learns_when_to_retry() {
        let one = Rate { messages: 2, bytes: 0 };
        let rates = Rates::new(one, Rate::default(), Rate::default(), [0, 1].into_iter());
        let (alice, bob): (UserId, UserId) =
            ("alice".parse().expect("fits"), "bob".parse().expect("fits"));
        let send = |user, to: &str, rate| {
            let rate_key = RateKey::Client { address: None, user: Some(user) };
            rates.spend(rate_key, &channel(to), rate, 10)
        };
        send(&alice, "a", 0).expect("the first");
        send(&alice, "b", 0).expect("the second");
        let denied = send(&alice, "a", 0).expect_err("the third");
        assert_eq!(denied.kind, Kind::TooFast);
        assert!(denied.retry_after.is_some_and(|wait| wait <= Duration::from_millis(500)));
        send(&bob, "slow", 1).expect("the first of this channel");
        assert!(send(&bob, "slow", 1).is_err(), "one a second");
        let key = Arc::from("shop");
        for _ in 0..100 {
            rates.spend(RateKey::Key(&key), &channel("a"), 0, 10).expect("any number");
        }
    }

    #[test]
    fn prompts_count_for_themselves_and_by_the_minute() {
        let none = Rate::default();
        let rates = Rates::new(none, none, none, [].into_iter()).with_prompts(2, 3);
        let alice: UserId = "alice".parse().expect("fits");
        let address = Some([192, 0, 2, 7].into());
        let prompt = |user| rates.spend_prompt(address, user);
        prompt(Some(&alice)).expect("the first");
        prompt(Some(&alice)).expect("the second");
        let denied = prompt(Some(&alice)).expect_err("the third of alice");
        assert_eq!(denied.kind, Kind::TooFast);
        let wait = denied.retry_after.expect("a time");
        assert!(wait > Duration::from_secs(20), "two a minute: {wait:?}");
        prompt(None).expect_err("the fourth of the address");
        rates.spend_prompt(Some([192, 0, 2, 8].into()), None).expect("another address");
    }

    #[test]
    fn bytes_count_too() {
        let rate = Rate { messages: 0, bytes: 100 };
        let rates = Rates::new(Rate::default(), rate, Rate::default(), [].into_iter());
        let key = Arc::from("shop");
        let spend = |bytes| rates.spend(RateKey::Key(&key), &channel("a"), 0, bytes);
        spend(60).expect("fits");
        assert_eq!(spend(60).expect_err("above").kind, Kind::TooFast);
        assert_eq!(spend(101).expect_err("never").kind, Kind::TooLarge);
        spend(0).expect("nothing is free");
    }
}
