//! Whether the gateway keeps up: how late the runtime and the shards are. Who is late begins nothing new, so that
//! those who are here get what they are owed.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use tricast_core::{Hub, unix_millis};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Looks for as long as the gateway lives. `most` is how late it may be.
pub(crate) async fn watch(hub: Arc<Hub>, most: Duration) {
    let mut load = Load { most, overloaded: false };
    loop {
        let slept = Instant::now();
        sleep(LOOK).await;
        // A runtime that is busy comes back late.
        let runtime = slept.elapsed().saturating_sub(LOOK);
        let oldest = hub.log().oldest_news();
        let shards = oldest.map_or(0, |oldest| unix_millis().saturating_sub(oldest));
        let late = runtime.max(Duration::from_millis(shards));
        if load.changes(late) {
            hub.set_overloaded(load.overloaded);
            match load.overloaded {
                true => tracing::warn!(?late, "overloaded: nothing new is begun (limits.overload)"),
                false => tracing::info!("no longer overloaded"),
            }
        }
    }
}

#[derive(Debug)]
struct Load {
    most: Duration,
    overloaded: bool,
}

impl Load {
    /// Whether that is a change. It is over only at half of what began it, so that it does not flicker.
    fn changes(&mut self, late: Duration) -> bool {
        let limit = if self.overloaded { self.most / 2 } else { self.most };
        let was = std::mem::replace(&mut self.overloaded, late > limit);
        was != self.overloaded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_above_the_limit_and_ends_at_its_half() {
        let second = Duration::from_secs(1);
        let mut load = Load { most: 4 * second, overloaded: false };
        let seen = [4, 5, 3, 2, 3, 5].map(|late| {
            load.changes(late * second);
            load.overloaded
        });
        assert_eq!(seen, [false, true, true, false, false, true]);
    }
}
