//! The wire that `/stream` selects, by the fields of the request (RFC 9110 §12.5.1).

use axum::{
    extract::Request,
    http::{HeaderMap, Method, header},
};
use tricast_core::Wire;

/// Media types of JSON lines; the first is the one that the gateway sends.
pub(crate) const JSON_LINES: [&str; 6] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
];

/// Returns the wire that `request` selects.
pub(crate) fn wire_of(request: &Request) -> Wire {
    let headers = request.headers();
    let connects = request.method() == Method::CONNECT;
    if connects || tricast_ws::has_token(headers, header::UPGRADE, "websocket") {
        Wire::Ws
    } else if prefers_events(headers) {
        Wire::Sse
    } else {
        Wire::Chunked
    }
}

/// Returns whether `Accept` prefers events to JSON lines. `*/*` alone does not: it is the default
/// of most clients, of which few can read events.
fn prefers_events(headers: &HeaderMap) -> bool {
    let ranges = media_ranges(headers);
    let events = weight(&ranges, &["text/event-stream"]);
    let lines = weight(&ranges, &JSON_LINES);
    let names_events =
        ranges.iter().any(|(range, _)| ["text/event-stream", "text/*"].contains(&range.as_str()));
    events > 0 && (events > lines || (events == lines && names_events))
}

/// Returns the weight of a representation, which has several names: that of the most specific range
/// that matches one of them, or 0 if none does.
fn weight(ranges: &[(String, u16)], names: &[&str]) -> u16 {
    let class = |name: &str| format!("{}/*", name.split('/').next().unwrap_or_default());
    let of = |matches: &dyn Fn(&str) -> bool| {
        ranges.iter().filter(|(range, _)| matches(range)).map(|(_, weight)| *weight).max()
    };
    of(&|range| names.contains(&range))
        .or_else(|| of(&|range| names.iter().any(|name| range == class(name))))
        .or_else(|| of(&|range| range == "*/*"))
        .unwrap_or(0)
}

/// Returns the media ranges of `Accept` without their parameters, each with its weight.
fn media_ranges(headers: &HeaderMap) -> Vec<(String, u16)> {
    let fields = headers.get_all(header::ACCEPT).into_iter();
    let fields: Vec<_> = fields.map(|field| String::from_utf8_lossy(field.as_bytes())).collect();
    let range = |text: &str| {
        let mut parts = text.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix(['q', 'Q'])?.trim().strip_prefix('='));
        (range, weight.map_or(1000, |text| parse_weight(text.trim())))
    };
    fields.iter().flat_map(|field| field.split(',')).map(range).collect()
}

/// Parses a weight (RFC 9110 §12.4.2) as thousandths. One that is malformed is 0: a client that
/// does not say what it means should get the default.
fn parse_weight(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "0" if is_number => format!("{fraction:0<3}").parse().unwrap_or(0),
        "1" if is_number && fraction.bytes().all(|byte| byte == b'0') => 1000,
        _ => 0,
    }
}
