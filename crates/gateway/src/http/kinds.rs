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

/// A prompt that is no body of a chat completion.
pub(crate) const BAD_PROMPT: Kind = Kind::Transport("bad-prompt");

/// A model that does not exist, or that the client may not ask.
pub(crate) const UNKNOWN_MODEL: Kind = Kind::Transport("unknown-model");

/// A prompt in a channel where an answer is under way.
pub(crate) const RUN_ACTIVE: Kind = Kind::Transport("run-active");

/// A prompt of somebody who has as many answers under way as allowed.
pub(crate) const TOO_MANY_RUNS: Kind = Kind::Transport("too-many-runs");

/// An idempotency key that has come with another prompt before.
pub(crate) const PROMPT_MISMATCH: Kind = Kind::Transport("prompt-mismatch");

/// A run that does not exist, or whose channel the client may not read.
pub(crate) const UNKNOWN_RUN: Kind = Kind::Transport("unknown-run");

/// The kinds that only prompts have.
pub(crate) const OF_PROMPTS: &[Kind] =
    &[BAD_PROMPT, UNKNOWN_MODEL, RUN_ACTIVE, TOO_MANY_RUNS, PROMPT_MISMATCH, UNKNOWN_RUN];

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
    BAD_PROMPT,
    UNKNOWN_MODEL,
    RUN_ACTIVE,
    TOO_MANY_RUNS,
    PROMPT_MISMATCH,
    UNKNOWN_RUN,
];
