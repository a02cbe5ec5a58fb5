//! The resume point of a request (PROTOCOL.md §5): several sources, of which the first that has a
//! value wins.

use axum::{
    extract::Request,
    http::{HeaderMap, Method},
};
use tricast_core::{Epoch, Kind, MessageId, Problem as _, Start};

use crate::http::{problem::Problem, query::Query};

/// The header of a resume point, which an `EventSource` sends by itself.
const HEADER: &str = "Last-Event-ID";

/// Returns the position from which `request` reads in the log of `epoch`, if it has one.
///
/// # Errors
/// When a source has two different values, or a value that cannot be read. The header of a GET is
/// excepted from the latter: it may be the id of another server, because a browser brings it
/// without the page knowing, and gives up for good on a 400.
pub(crate) fn start_of(
    request: &Request,
    query: &Query,
    epoch: Epoch,
) -> Result<Option<Start>, Problem> {
    let foreign_to = (request.method() != Method::POST).then_some(epoch);
    let from_header = header_start(request.headers(), foreign_to)?;
    let mut start = from_header;
    // Values of the sources that do not win have to be valid too.
    for name in ["lastEventId", "last_event_id"] {
        let id = single(name, query.all(name))?.map(|text| start_after(text, name)).transpose()?;
        start = start.or(id);
    }
    let since = single("since", query.all("since"))?.map(start_since).transpose()?;
    // An id wins over `since`, but does not say that its reader has what `compact` leaves out.
    Ok(match since {
        Some(since) if since.is_compact() => Some(start.map_or(since, Start::compacted)),
        since => start.or(since),
    })
}

/// Reads the header, which may have an id that is foreign to the epoch that is given.
fn header_start(headers: &HeaderMap, foreign_to: Option<Epoch>) -> Result<Option<Start>, Problem> {
    let lines = headers.get_all(HEADER).into_iter();
    let values = lines.flat_map(|line| values_of_line(line.as_bytes(), foreign_to));
    let Some(value) = single(HEADER, values)? else { return Ok(None) };
    match start_after(std::str::from_utf8(value).unwrap_or_default(), HEADER) {
        Err(_) if foreign_to.is_some() => Ok(Some(Start::Foreign)),
        start => start.map(Some),
    }
}

/// Splits a line into its values. Proxies and libraries join two lines by a comma (RFC 9110 §5.3).
/// The ids of this server have no comma, but those of others may, and their parts may look like ids
/// (Redis): a line with different values of which none is an id of this server is one value.
fn values_of_line(line: &[u8], foreign_to: Option<Epoch>) -> Vec<&[u8]> {
    let parts = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let parts: Vec<&[u8]> = parts.filter(|part| !part.is_empty()).collect();
    let is_own = |part: &&[u8]| {
        let id = std::str::from_utf8(part).ok().and_then(|text| text.parse::<MessageId>().ok());
        id.is_some_and(|id| foreign_to.is_none_or(|epoch| id.epoch == epoch))
    };
    match parts.iter().any(is_own) || parts.windows(2).all(|pair| pair[0] == pair[1]) {
        true => parts,
        false => vec![line.trim_ascii()],
    }
}

/// Returns the value of one source. Empty values do not count: an `EventSource` that has received
/// no id yet may send one. Equal values count once.
fn single<'a, T>(source: &str, values: T) -> Result<Option<T::Item>, Problem>
where
    T: IntoIterator<Item: AsRef<[u8]> + PartialEq + 'a>,
{
    let mut values = values.into_iter().filter(|value| !value.as_ref().is_empty());
    let Some(first) = values.next() else { return Ok(None) };
    match values.all(|value| value == first) {
        true => Ok(Some(first)),
        false => {
            let detail = format!("{source} is given twice, with different values; give one");
            Err(Problem::new(Kind::BadResume, detail).for_parameter(source))
        }
    }
}

fn start_after(text: &str, source: &str) -> Result<Start, Problem> {
    text.parse::<MessageId>().map(Start::After).map_err(|error| {
        Problem::new(error.kind(), format!("{source}: {error}; start without it"))
            .for_parameter(source)
    })
}

fn start_since(text: &str) -> Result<Start, Problem> {
    text.parse::<Start>().map_err(|error| {
        Problem::new(error.kind(), format!("{error}; not {text:?}")).for_parameter("since")
    })
}

#[cfg(test)]
mod tests;
