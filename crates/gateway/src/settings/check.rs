//! Which settings make sense; each error names its key and says what to do.

use std::time::Duration;

use crate::{
    http::origin::is_origin,
    settings::{Address, Settings},
};

impl Settings {
    /// Whether they make sense, and each address that they name can be listened at beside the others.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.check_addresses()?;
        self.check_bound()
    }

    /// The same for addresses that are bound already: how they get along is the business of those who have bound them.
    pub(crate) fn check_bound(&self) -> anyhow::Result<()> {
        let path = &self.base_path;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b);
        anyhow::ensure!(
            path.is_empty()
                || path.starts_with('/') && !path.ends_with('/') && path.bytes().all(plain),
            "base_path: begin it with / and end it without, of A-Z a-z 0-9 / - _ . ~, as in \"/realtime\"; it is {path:?}"
        );
        anyhow::ensure!(
            self.addresses().next().is_some(),
            "bind: name an address to listen at, here or in tls.bind"
        );
        crate::lifecycle::telemetry::filter(&self.logging)?;
        self.tls.check()?;
        self.proxy.check()?;
        anyhow::ensure!(
            self.shards <= 256,
            "shards: from 0 to 256; 0 is half the processors. It is {}",
            self.shards
        );
        let token = self.admin.token.expose();
        anyhow::ensure!(
            token.is_empty() || token.len() >= 16,
            "admin.token: at least 16 characters; make one with `openssl rand -hex 16`"
        );
        anyhow::ensure!(
            !token.chars().any(char::is_control),
            "admin.token: a line feed or another control character is in it, which no header can bring; take it out"
        );
        let message = self.limits.message_bytes.as_u64();
        let sizes = [
            ("limits.head_bytes", self.limits.head_bytes, 8 << 10, 16 << 20, ""),
            ("limits.message_bytes", self.limits.message_bytes, 1, 1 << 30, ""),
            (
                "limits.body_memory",
                self.limits.body_memory,
                message,
                u64::MAX,
                " (limits.message_bytes, or the largest message could never come in)",
            ),
            (
                "limits.answer_memory",
                self.limits.answer_memory,
                2 << 20,
                u64::MAX,
                " (a page of history is 1MiB)",
            ),
            (
                "history.bytes",
                self.history.bytes,
                message,
                u64::MAX,
                " (limits.message_bytes, or a large message would be lost at once)",
            ),
            (
                "history.memory",
                self.history.memory,
                4 * message,
                u64::MAX,
                " (four times limits.message_bytes: a message and its encodings)",
            ),
        ];
        for (name, size, least, max, why) in sizes {
            let fits = (least..=max).contains(&size.as_u64());
            anyhow::ensure!(
                fits,
                "{name}: from {least} to {max} bytes{why}; it is {}",
                size.as_u64()
            );
        }
        anyhow::ensure!(
            self.history.messages >= 1,
            "history.messages: at least 1; live readers read from it too"
        );
        const MILLISECOND: Duration = Duration::from_millis(1);
        const SECOND: Duration = Duration::from_secs(1);
        const HOUR: Duration = Duration::from_secs(3600);
        const DAY: Duration = Duration::from_secs(86_400);
        let times = [
            ("history.age", self.history.age, SECOND, 3650 * DAY),
            ("stream.heartbeat", self.stream.heartbeat, 10 * MILLISECOND, DAY),
            ("stream.retry", self.stream.retry, MILLISECOND, DAY),
            ("stream.online_interval", self.stream.online_interval, MILLISECOND, DAY),
            ("stream.stall_timeout", self.stream.stall_timeout, 100 * MILLISECOND, DAY),
            ("presence.grace", self.presence.grace, Duration::ZERO, HOUR),
            ("presence.interval", self.presence.interval, 10 * MILLISECOND, HOUR),
            ("publish.idempotency_window", self.publish.idempotency_window, MILLISECOND, 30 * DAY),
            ("limits.head_timeout", self.limits.head_timeout, 100 * MILLISECOND, DAY),
            ("limits.overload", self.limits.overload, 10 * MILLISECOND, DAY),
            ("tokens.leeway", self.tokens.leeway, Duration::ZERO, DAY),
            ("tokens.warning", self.tokens.warning, Duration::ZERO, DAY),
            ("tokens.jwks_refresh", self.tokens.jwks_refresh, SECOND, DAY),
            ("limits.body_timeout", self.limits.body_timeout, 100 * MILLISECOND, DAY),
            ("hook.timeout", self.hook.timeout, 10 * MILLISECOND, 60 * SECOND),
            ("hook.cache", self.hook.cache, Duration::ZERO, DAY),
            ("hook.open_for", self.hook.open_for, 10 * MILLISECOND, DAY),
            ("events.interval", self.events.interval, Duration::ZERO, 3600 * SECOND),
            ("events.timeout", self.events.timeout, 10 * MILLISECOND, 3600 * SECOND),
            ("tls.look", self.tls.look, SECOND, DAY),
            ("shutdown.delay", self.shutdown.delay, Duration::ZERO, DAY),
            ("shutdown.grace", self.shutdown.grace, MILLISECOND, DAY),
        ];
        for (name, time, least, max) in times {
            anyhow::ensure!(
                (least..=max).contains(&time),
                "{name}: from {least:?} to {max:?}; it is {time:?}"
            );
        }
        for origin in &self.cors.origins {
            anyhow::ensure!(
                origin == "*" || is_origin(origin),
                "cors.origins: {origin:?} is no origin as browsers send it: \"https://app.example\", without a path or the scheme's own port"
            );
        }
        self.check_backend()?;
        self.check_access()
    }

    /// The system gives each address once.
    fn check_addresses(&self) -> anyhow::Result<()> {
        let admin = Address::Tcp(self.admin.bind);
        let mut seen: Vec<&Address> = Vec::new();
        for address in self.addresses().chain([&admin]) {
            if let Some(other) = seen.iter().find(|other| other.conflicts_with(address)) {
                anyhow::ensure!(
                    *other != address,
                    "bind, tls.bind and admin.bind: {address} is there twice; give each its own"
                );
                anyhow::bail!(
                    "bind, tls.bind and admin.bind: {other} and {address} exclude each other, because one of them is every \
                     address of this machine; give one another port"
                );
            }
            seen.push(address);
        }
        Ok(())
    }
}
