//! Ranges of times and sizes.

use std::{ops::RangeInclusive, time::Duration};

use bytesize::ByteSize;

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// Checks that `time`, the value of `key`, is in `range`.
pub(super) fn check_time(
    key: &str,
    time: Duration,
    range: RangeInclusive<Duration>,
) -> anyhow::Result<()> {
    let (min, max) = (range.start(), range.end());
    anyhow::ensure!(range.contains(&time), "{key}: from {min:?} to {max:?}; it is {time:?}");
    Ok(())
}

/// Checks that `size`, the value of `key`, is in `range`; `why` says where its minimum comes from.
pub(super) fn check_size(
    key: &str,
    size: ByteSize,
    range: RangeInclusive<u64>,
    why: &str,
) -> anyhow::Result<()> {
    let (size, min, max) = (size.as_u64(), range.start(), range.end());
    anyhow::ensure!(range.contains(&size), "{key}: from {min} to {max} bytes{why}; it is {size}");
    Ok(())
}
