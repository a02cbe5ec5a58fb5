//! Channels as paths name them.

use axum::extract::{Path, rejection::PathRejection};
use tricast_core::{BadChannelName, ChannelName, Kind};

use crate::http::problem::Problem;

/// Returns the one channel that a path names.
pub(crate) fn path_channel(
    path: Result<Path<String>, PathRejection>,
) -> Result<ChannelName, Problem> {
    let text = path_text(path)?;
    text.parse().map_err(|error| bad_channel(error, &text))
}

/// Returns the text of a path that names one channel or several.
pub(crate) fn path_text(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    match path {
        Ok(Path(text)) => Ok(text),
        Err(rejection) => Err(Problem::new(Kind::BadUtf8, rejection.body_text())),
    }
}

/// Returns the problem of `text`, which is no channel name, with what was probably meant.
pub(crate) fn bad_channel(error: BadChannelName, text: &str) -> Problem {
    let hint = match text {
        _ if text.contains('&') => "; a query begins with ?, not with &",
        _ if text.contains(',') => "; this request takes one channel",
        _ => "",
    };
    Problem::new(Kind::BadChannel, format!("{error}{hint}"))
}
