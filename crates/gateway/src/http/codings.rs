//! Codings of request bodies. The gateway decodes none but chunks: published as it came, a coded
//! body would be of no use to any reader.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, header},
};
use http_body::Body as _;

use crate::http::{kinds, problem::Problem};

/// Refuses a body in a coding that the gateway does not decode.
pub(crate) fn check(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let mut transfer = members(headers, &header::TRANSFER_ENCODING);
    // RFC 9112 §6.1: chunks are the last coding, and not applied twice.
    if transfer.next().is_some_and(|coding| !coding.eq_ignore_ascii_case(b"chunked"))
        || transfer.next().is_some()
    {
        let detail = "the only transfer coding is chunked; send Transfer-Encoding: chunked";
        return Err(Problem::new(kinds::TRANSFER_CODING, detail));
    }
    let is_identity = |coding: &[u8]| coding.eq_ignore_ascii_case(b"identity");
    if !request.body().is_end_stream()
        && !members(headers, &header::CONTENT_ENCODING).all(is_identity)
    {
        let detail = "the gateway does not decode bodies; send the body without Content-Encoding";
        return Err(Problem::new(kinds::CONTENT_CODING, detail));
    }
    Ok(())
}

/// Iterates over the members of a header that is a list, in all of its fields.
fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let fields = headers.get_all(name).into_iter();
    let members = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}
