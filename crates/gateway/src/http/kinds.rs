//! The kinds of problems that only HTTP has (PROTOCOL.md §8).

use tricast_core::Kind;

/// A request without a host, or with two.
pub(crate) const NO_HOST: Kind = Kind::Transport("no-host");

/// A host that does not fit its grammar, or that contradicts the target.
pub(crate) const BAD_HOST: Kind = Kind::Transport("bad-host");

/// A body in a content coding that the gateway does not decode.
pub(crate) const CONTENT_CODING: Kind = Kind::Transport("content-coding-unsupported");

/// A body in a transfer coding that the gateway does not decode.
pub(crate) const TRANSFER_CODING: Kind = Kind::Transport("transfer-coding-unsupported");

/// No such path.
pub(crate) const NOT_FOUND: Kind = Kind::Transport("not-found");

/// The path has other methods.
pub(crate) const METHOD_NOT_ALLOWED: Kind = Kind::Transport("method-not-allowed");

/// A query parameter that this request does not take.
pub(crate) const UNKNOWN_PARAMETER: Kind = Kind::Transport("unknown-parameter");

/// A page of an origin that is not allowed.
pub(crate) const FORBIDDEN_ORIGIN: Kind = Kind::Transport("forbidden-origin");

/// The body took too long.
pub(crate) const BODY_TIMEOUT: Kind = Kind::Transport("body-timeout");

/// A body of a type that this request does not take.
pub(crate) const BAD_MEDIA_TYPE: Kind = Kind::Transport("bad-media-type");

/// A WebSocket handshake is needed.
pub(crate) const UPGRADE_REQUIRED: Kind = Kind::Transport("upgrade-required");

/// All of them.
pub(crate) const ALL: &[Kind] = &[
    NO_HOST,
    BAD_HOST,
    CONTENT_CODING,
    TRANSFER_CODING,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    UNKNOWN_PARAMETER,
    FORBIDDEN_ORIGIN,
    BODY_TIMEOUT,
    BAD_MEDIA_TYPE,
    UPGRADE_REQUIRED,
];
