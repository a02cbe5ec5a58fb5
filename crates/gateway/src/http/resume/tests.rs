//! Every combination of sources, beside a plain statement of what the page says about them.

use axum::{body::Body, extract::Request, http::HeaderValue};

use super::*;

const ONE: &str = "k7-1";
const TWO: &str = "k7-2";
const NAMES: [&str; 3] = ["lastEventId", "last_event_id", "since"];

/// The lines of a header, and the values that they stand for.
const HEADERS: [(&[&str], &[&str]); 19] = [
    (&[], &[]),
    (&[""], &[]),
    (&["", " , "], &[]),
    (&[ONE], &[ONE]),
    (&["", ONE], &[ONE]),
    (&[ONE, ""], &[ONE]),
    (&[ONE, ONE], &[ONE]),
    (&["k7-1, k7-1"], &[ONE]),
    (&["k7-1,k7-1", ONE], &[ONE]),
    (&[",k7-1 ,"], &[ONE]),
    (&[ONE, TWO], &[ONE, TWO]),
    (&["k7-2, k7-1"], &[ONE, TWO]),
    (&[ONE, "junk"], &[ONE, "junk"]),
    (&["junk", ONE], &[ONE, "junk"]),
    (&["junk, k7-1"], &[ONE, "junk"]),
    (&["junk"], &["junk"]),
    (&["junk", "junk, junk"], &["junk"]),
    (&["17:0,16:[1]"], &["17:0,16:[1]"]),
    (&["17:0", "16:0"], &["17:0", "16:0"]),
];

/// The values of one parameter of the query.
const VALUES: [&[&str]; 9] =
    [&[], &[""], &[ONE], &["", ONE], &[ONE, ONE], &[ONE, TWO], &[TWO], &["junk"], &[ONE, "junk"]];

const SINCE: [&[&str]; 5] = [&[], &[""], &["3"], &["3", "3"], &["3", "junk"]];

fn request(method: &Method, lines: &[&[u8]]) -> Request {
    let mut request = Request::builder().method(method).body(Body::empty()).expect("a request");
    for line in lines {
        let value = HeaderValue::from_bytes(line).expect("a value");
        request.headers_mut().append(HEADER, value);
    }
    request
}

/// The epoch of the ids above.
fn epoch() -> Epoch {
    ONE.parse::<MessageId>().expect("an id").epoch
}

fn query(values: [&[&str]; 3]) -> Query {
    let pairs = NAMES.iter().zip(values);
    let pairs = pairs.flat_map(|(name, values)| values.iter().map(move |v| format!("{name}={v}")));
    Query::parse(Some(&pairs.collect::<Vec<_>>().join("&")), &NAMES).expect("reads")
}

/// What one source says: nothing, a start, or a refusal.
fn expected_of(values: &[&str], foreign_allowed: bool) -> Result<Option<Start>, ()> {
    let mut distinct: Vec<&str> = values.iter().copied().filter(|v| !v.is_empty()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    match distinct[..] {
        [] => Ok(None),
        [ONE | TWO] => Ok(Some(Start::After(distinct[0].parse().expect("an id")))),
        ["3"] => Ok(Some(Start::Newest(3))),
        [_] if foreign_allowed => Ok(Some(Start::Foreign)),
        _ => Err(()),
    }
}

#[test]
fn each_combination_of_sources_has_one_meaning() {
    let mut count = 0;
    for method in [Method::GET, Method::HEAD, Method::CONNECT, Method::POST] {
        for (lines, header) in HEADERS {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            let request = request(&method, &lines);
            for camel in VALUES {
                for snake in VALUES {
                    for since in SINCE {
                        let sources = [
                            expected_of(header, method != Method::POST),
                            expected_of(camel, false),
                            expected_of(snake, false),
                            expected_of(since, false),
                        ];
                        // Every source has to be valid; the first that has a value wins.
                        let all: Result<Vec<_>, ()> = sources.into_iter().collect();
                        let expected = all.map(|all| all.into_iter().flatten().next());
                        let actual = start_of(&request, &query([camel, snake, since]), epoch());
                        let what = format!("{method} {lines:?} {camel:?} {snake:?} {since:?}");
                        if let Err(problem) = &actual {
                            assert_eq!(problem.kind(), Kind::BadResume, "{what}");
                        }
                        assert_eq!(actual.map_err(|_| ()), expected, "{what}");
                        count += 1;
                    }
                }
            }
        }
    }
    assert_eq!(count, 4 * 19 * 9 * 9 * 5);
}

/// A POST is never let in with an id that may be two: it would not say whether it has published.
#[test]
fn ids_of_another_server_in_one_line_are_one_id_of_a_get() {
    let start = |method: &Method, lines: &[&[u8]]| {
        start_of(&request(method, lines), &query([&[]; 3]), epoch()).map_err(|_| ())
    };
    for line in ["1526919030474-55,1526919030475-0", "z9-1, z9-2", ",z9-1,x"] {
        for method in [Method::GET, Method::HEAD, Method::CONNECT] {
            assert_eq!(start(&method, &[line.as_bytes()]), Ok(Some(Start::Foreign)), "{line}");
        }
        assert_eq!(start(&Method::POST, &[line.as_bytes()]), Err(()), "{line}");
    }
    assert_eq!(start(&Method::GET, &[b"z9-1,k7-1"]), Err(()));
    assert_eq!(start(&Method::GET, &[b"z9-1", b"z9-2"]), Err(()));
    let equal = Start::After("z9-1".parse().expect("an id"));
    assert_eq!(start(&Method::GET, &[b"z9-1,z9-1"]), Ok(Some(equal)));
}

#[test]
fn any_bytes_in_the_header_of_a_get_are_a_position_or_foreign() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let pieces: [&[u8]; 12] = [
        b"k7-1",
        b"k7",
        b"-",
        b"0",
        b"9223372036854775808",
        b" ",
        b"\t",
        b"\"",
        b"%2D",
        b"\xff",
        "é".as_bytes(),
        b"K",
    ];
    for _ in 0..20_000 {
        let count = random.usize(0..6);
        let line = (0..count).map(|_| pieces[random.usize(..pieces.len())]).collect::<Vec<_>>();
        let line = line.concat();
        let start = start_of(&request(&Method::GET, &[&line]), &query([&[]; 3]), epoch());
        let trimmed = line.trim_ascii();
        let id = std::str::from_utf8(trimmed).ok().and_then(|text| text.parse().ok());
        let expected = match id {
            _ if trimmed.is_empty() => None,
            Some(id) => Some(Start::After(id)),
            None => Some(Start::Foreign),
        };
        assert_eq!(start.ok(), Some(expected), "{line:?} (seed {seed})");
    }
}
