//! The relay: what holds for the answers of all upstreams.

use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use crate::settings::range::{DAY, SECOND, check_size, check_time};

/// The largest data of one message that an engine takes.
const ENGINE_MAX: u64 = 512 << 20;

/// `[relay]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Relay {
    pub openai: bool,
    pub leave: Leave,
    #[serde(with = "humantime_serde")]
    pub orphan: Duration,
    pub busy: Busy,
    #[serde(with = "humantime_serde")]
    pub rollup: Duration,
    pub max_tokens: u64,
    pub runs_per_user: usize,
    pub prompts_per_user: u32,
    pub prompts_per_address: u32,
    pub answer_bytes: ByteSize,
    pub event_bytes: ByteSize,
    pub prompt_bytes: ByteSize,
    #[serde(with = "humantime_serde")]
    pub head_wait: Duration,
    pub keep: usize,
}

/// What happens to an answer whose requester leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Leave {
    Detach,
    Cancel,
}

/// What happens to a prompt in a channel where an answer is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Busy {
    Refuse,
    Queue,
    Replace,
    Parallel,
}

classify!(Relay {
    live: leave, orphan, busy, rollup, max_tokens, runs_per_user,
        prompts_per_user, prompts_per_address, answer_bytes, event_bytes, prompt_bytes, head_wait,
        keep, openai;
});

impl Relay {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        check_time("relay.orphan", self.orphan, Duration::ZERO..=DAY)?;
        check_time("relay.rollup", self.rollup, Duration::ZERO..=SECOND)?;
        check_time("relay.head_wait", self.head_wait, Duration::ZERO..=60 * SECOND)?;
        anyhow::ensure!(self.keep <= 1000, "relay.keep: from 0 to 1000; it is {}", self.keep);
        check_size("relay.event_bytes", self.event_bytes, 1 << 10..=64 << 20, "")?;
        check_size("relay.prompt_bytes", self.prompt_bytes, 1 << 10..=1 << 30, "")?;
        check_size("relay.answer_bytes", self.answer_bytes, 1 << 10..=ENGINE_MAX / 2, "")
    }

    /// Checks that the end of an answer, which carries all of it, fits in a ring, and the largest
    /// prompt in the memory for bodies.
    pub(super) fn check_room(&self, ring: ByteSize, body_memory: ByteSize) -> anyhow::Result<()> {
        let why = " (half of the least history.bytes: the end of an answer carries all of it)";
        let most = (1 << 10).max(ring.as_u64() / 2);
        check_size("relay.answer_bytes", self.answer_bytes, 1 << 10..=most, why)?;
        let why = " (limits.body_memory)";
        let most = (1 << 10).max(body_memory.as_u64());
        check_size("relay.prompt_bytes", self.prompt_bytes, 1 << 10..=most, why)
    }
}
