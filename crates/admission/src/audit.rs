//! The audit log: denied requests, with the reason. Its rate is limited, because clients could fill
//! a disk otherwise.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tricast_core::{Denied, Identity};

/// Rate limit, in lines a second.
const RATE: NonZeroU32 = NonZeroU32::new(10).expect("above zero");

/// The target of the lines: `logging.level = "info,tricast::audit=off"` silences it.
const TARGET: &str = "tricast::audit";

/// Writes denied requests to the log.
pub struct Audit {
    limiter: DefaultDirectRateLimiter,
    suppressed: AtomicU64,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            limiter: RateLimiter::direct(Quota::per_second(RATE)),
            suppressed: AtomicU64::new(0),
        }
    }
}

impl Audit {
    /// Records that `what` was denied to `identity`.
    pub fn refused(&self, denied: &Denied, what: &str, identity: &Identity) {
        if self.may_write() {
            let user = identity.user.as_ref().map(|user| user.as_str());
            write(denied, what, user, identity.api_key().map(|name| &**name), identity.address);
        }
    }

    /// Records a denial of a client without an identity. `what` is a path without its query.
    pub fn refused_before_pass(&self, denied: &Denied, what: &str, address: Option<IpAddr>) {
        if self.may_write() {
            write(denied, what, None, None, address);
        }
    }

    fn may_write(&self) -> bool {
        if self.limiter.check().is_err() {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let suppressed = self.suppressed.swap(0, Ordering::Relaxed);
        if suppressed > 0 {
            tracing::info!(target: TARGET, suppressed, "audit lines suppressed by the rate limit");
        }
        true
    }
}

fn write(
    denied: &Denied,
    what: &str,
    user: Option<&str>,
    key: Option<&str>,
    address: Option<IpAddr>,
) {
    let address = address.map(tracing::field::display);
    let (reason, detail) = (denied.kind.name(), denied.detail.as_str());
    tracing::info!(target: TARGET, reason, what, user, key, address, detail, "refused");
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Audit")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tricast_core::Kind;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8")
        }
    }

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flood_of_refusals_fills_no_disk() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let audit = Audit::default();
            let denied = Denied::new(Kind::BadToken, "a bad one");
            for _ in 0..10_000 {
                audit.refused_before_pass(&denied, "/sse/a", None);
            }
            while !lines.text().contains("suppressed by the rate limit") {
                audit.refused_before_pass(&denied, "/sse/b", None);
            }
        });
        let text = lines.text();
        let count = text.lines().count();
        assert!((11..100).contains(&count), "{count} lines");
        assert!(
            text.contains("/sse/b")
                && text.contains("suppressed by the rate limit")
                && text.contains("bad-token"),
            "{text}"
        );
    }
}
