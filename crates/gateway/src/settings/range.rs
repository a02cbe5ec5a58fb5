//! Times and sizes: their ranges, and how settings and options spell them.

use std::{ops::RangeInclusive, time::Duration};

use bytesize::ByteSize;

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// The units of times, the largest first.
const TIME_UNITS: [(&str, Duration); 7] = [
    ("d", DAY),
    ("h", HOUR),
    ("m", Duration::from_secs(60)),
    ("s", SECOND),
    ("ms", MILLISECOND),
    ("us", Duration::from_micros(1)),
    ("ns", Duration::from_nanos(1)),
];

/// The units of sizes, the largest first.
const SIZE_UNITS: [(&str, u64); 4] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Reads a time as settings and options spell it: a number and its unit.
///
/// # Errors
/// When `text` is not a time; the error says what to write.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| match text.parse::<u64>() {
        Ok(number) => format!("{number} has no unit; write {number}s"),
        Err(_) => "write a number and its unit, as in 15s or 1h".to_owned(),
    })
}

/// Spells a time as settings do: one number with the largest unit that fits. A day is 24h.
pub(crate) fn time_text(time: Duration) -> String {
    let fits = |(unit, size): &&(&str, Duration)| {
        time.as_nanos().is_multiple_of(size.as_nanos()) && (*unit != "d" || time > DAY)
    };
    match TIME_UNITS.iter().find(fits) {
        Some((unit, size)) if !time.is_zero() => {
            format!("{}{unit}", time.as_nanos() / size.as_nanos())
        }
        _ => "0s".to_owned(),
    }
}

/// Spells a size as settings do: one number with the largest unit that fits.
pub(super) fn size_text(bytes: u64) -> String {
    let fits = |(_, size): &&(&str, u64)| bytes > 0 && bytes.is_multiple_of(*size);
    match SIZE_UNITS.iter().find(fits) {
        Some((unit, size)) => format!("{}{unit}", bytes / size),
        None => bytes.to_string(),
    }
}

/// Checks that `time`, the value of `key`, is in `range`.
pub(crate) fn check_time(
    key: &str,
    time: Duration,
    range: RangeInclusive<Duration>,
) -> anyhow::Result<()> {
    let [min, max, is] = [*range.start(), *range.end(), time].map(time_text);
    anyhow::ensure!(range.contains(&time), "{key}: from {min} to {max}, not {is}");
    Ok(())
}

/// Checks that `size`, the value of `key`, is in `range`; `why` says where its minimum comes from.
pub(super) fn check_size(
    key: &str,
    size: ByteSize,
    range: RangeInclusive<u64>,
    why: &str,
) -> anyhow::Result<()> {
    let [min, max, is] = [*range.start(), *range.end(), size.as_u64()].map(size_text);
    let allowed = match *range.end() {
        u64::MAX => format!("at least {min}"),
        _ => format!("from {min} to {max}"),
    };
    anyhow::ensure!(range.contains(&size.as_u64()), "{key}: {allowed}{why}, not {is}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_spelled_as_they_are_written() {
        for text in ["0s", "1ns", "1500us", "10ms", "15s", "90s", "90m", "24h", "2d", "3650d"] {
            assert_eq!(time_text(parse_time(text).expect(text)), text);
        }
        for (bytes, text) in [(0, "0"), (1000, "1000"), (1 << 20, "1MiB"), (3 << 30, "3GiB")] {
            assert_eq!(size_text(bytes), text);
        }
    }
}
