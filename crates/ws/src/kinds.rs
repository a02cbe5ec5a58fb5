//! The kinds of problems that only the WebSocket wire has (PROTOCOL.md §8).

use tricast_core::Kind;

/// A field that this command does not take.
pub(crate) const UNKNOWN_FIELD: Kind = Kind::Transport("unknown-field");

/// Text that is not a command.
pub(crate) const BAD_COMMAND: Kind = Kind::Transport("bad-command");

/// The kinds of problems that only this wire has, to be registered with
/// [`Meters::with_kinds`](tricast_core::Meters::with_kinds).
pub const KINDS: &[Kind] = &[UNKNOWN_FIELD, BAD_COMMAND];
