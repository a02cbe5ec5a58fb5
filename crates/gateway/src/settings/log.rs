//! The log: where messages are kept, and for how long.

use std::{fmt, path::PathBuf, time::Duration};

use bytesize::ByteSize;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Unexpected, Visitor},
};
use tricast_disk::Fsync;

use crate::settings::range::{
    DAY, HOUR, MILLISECOND, check_size, check_time, parse_time, time_text,
};

/// `[log]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Log {
    pub engine: LogEngine,
    pub path: PathBuf,
    pub fsync: FsyncPolicy,
    pub bytes: ByteSize,
    #[serde(with = "humantime_serde")]
    pub age: Duration,
    pub read_memory: ByteSize,
}

/// The engine that keeps the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogEngine {
    Auto,
    Memory,
    Disk,
    Nats,
}

/// When messages are made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FsyncPolicy(pub Fsync);

classify!(Log {
    // The log is opened once.
    restart: engine, path, fsync, bytes, age, read_memory;
});

impl Log {
    /// Whether the log is kept on a disk.
    pub fn is_on_disk(&self) -> bool {
        match self.engine {
            LogEngine::Auto => !self.path.as_os_str().is_empty(),
            LogEngine::Disk => true,
            LogEngine::Memory | LogEngine::Nats => false,
        }
    }

    pub(super) fn check(&self, message_bytes: ByteSize) -> anyhow::Result<()> {
        let has_path = !self.path.as_os_str().is_empty();
        match self.engine {
            LogEngine::Nats => anyhow::bail!(
                "log.engine: \"nats\" is not built yet; write \"disk\" with a log.path, or \
                 \"memory\""
            ),
            LogEngine::Memory if has_path => anyhow::bail!(
                "log.engine: \"memory\" keeps nothing in log.path; remove log.path, or write \
                 engine = \"disk\""
            ),
            LogEngine::Disk if !has_path => anyhow::bail!(
                "log.path: name the directory that engine = \"disk\" keeps the log in, as in \
                 \"/var/lib/tricast\""
            ),
            LogEngine::Auto | LogEngine::Memory | LogEngine::Disk => {}
        }
        if !self.is_on_disk() {
            return Ok(());
        }
        let message = message_bytes.as_u64();
        let least = (16 << 20).max(16 * message);
        let why = " (room for segments, which are at least 4MiB, and 16 of the largest messages)";
        check_size("log.bytes", self.bytes, least..=u64::MAX, why)?;
        check_time("log.age", self.age, Duration::from_secs(60)..=3650 * DAY)?;
        let why = " (four times limits.message_bytes)";
        let least = (1 << 20).max(4 * message);
        check_size("log.read_memory", self.read_memory, least..=u64::MAX, why)?;
        match self.fsync.0 {
            Fsync::Every(time) => check_time("log.fsync", time, 10 * MILLISECOND..=HOUR),
            Fsync::Always | Fsync::Os => Ok(()),
        }
    }
}

/// Reads one of some words, or a time.
struct WordOrTime<T> {
    expected: &'static str,
    word: fn(&str) -> Option<T>,
    time: fn(Duration) -> T,
}

impl<T> Visitor<'_> for WordOrTime<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let time = || parse_time(text).ok().map(self.time);
        (self.word)(text)
            .or_else(time)
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for FsyncPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(WordOrTime {
            expected: "one of `always`, `100ms`, `os`",
            word: |text| match text {
                "always" => Some(Self(Fsync::Always)),
                "os" => Some(Self(Fsync::Os)),
                _ => None,
            },
            time: |time| Self(Fsync::Every(time)),
        })
    }
}

impl Serialize for FsyncPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Fsync::Always => serializer.serialize_str("always"),
            Fsync::Os => serializer.serialize_str("os"),
            Fsync::Every(time) => serializer.serialize_str(&time_text(time)),
        }
    }
}

/// The age of a channel's messages in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryAge {
    /// An hour; with a log on disk, `log.age`.
    Auto,
    /// As the settings say.
    Time(Duration),
}

impl HistoryAge {
    /// Returns the age, with what `auto` stands for.
    pub(super) fn or_auto(self, log: &Log) -> Duration {
        match self {
            HistoryAge::Time(time) => time,
            HistoryAge::Auto if log.is_on_disk() => log.age,
            HistoryAge::Auto => HOUR,
        }
    }
}

impl<'de> Deserialize<'de> for HistoryAge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(WordOrTime {
            expected: "one of `auto`, `1h`",
            word: |text| (text == "auto").then_some(Self::Auto),
            time: Self::Time,
        })
    }
}

impl Serialize for HistoryAge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            HistoryAge::Auto => serializer.serialize_str("auto"),
            HistoryAge::Time(time) => serializer.serialize_str(&time_text(*time)),
        }
    }
}
