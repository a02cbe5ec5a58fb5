//! How a log is opened.

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether each message is made durable before anybody sees it. The caller does that; the log
    /// notes it, because after a power failure nothing that was seen is then missing.
    pub always: bool,
    /// The length of a segment in bytes; a larger batch of records gets a segment of its own.
    pub segment_bytes: u64,
    /// How many seqs are reserved at once. A crash skips at most so many.
    pub reserve: u64,
    /// The bytes of the ballast: room that is given up when the disk is full.
    pub ballast: u64,
    /// The machine, and its boot.
    pub machine: Machine,
    /// Which messages the caller appends, and which it only numbers, in a line of its own words;
    /// `None` if that is as before. The log notes it, and what it was in earlier parts.
    pub logged: Option<String>,
}

impl Config {
    /// The defaults for a log whose segments together may have `bytes`.
    pub fn for_bytes(bytes: u64, machine: Machine) -> Self {
        Self {
            always: false,
            segment_bytes: (bytes / 32).clamp(4 << 20, 64 << 20),
            reserve: 1_000_000,
            ballast: 4 << 20,
            machine,
            logged: None,
        }
    }
}

/// Tells this machine from others, and its boots from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The machine; empty if unknown.
    pub id: String,
    /// The boot; empty if unknown. A log that was not closed, and whose boot is unknown, is taken
    /// for one whose machine lost power.
    pub boot: String,
}

impl Machine {
    /// Reads what Linux knows of this machine.
    pub fn this() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        Self { id: read("/etc/machine-id"), boot: read("/proc/sys/kernel/random/boot_id") }
    }
}
