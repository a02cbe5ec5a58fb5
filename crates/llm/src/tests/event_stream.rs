//! What the standard says of an event stream, in whatever pieces it comes.

use super::*;

const LIMIT: usize = 1000;

/// Reads a stream in one piece, byte by byte, and cut at each place; the results are the same.
fn read(stream: impl AsRef<[u8]>) -> (Vec<Item>, Rest) {
    let stream = stream.as_ref();
    let whole = read_pieces([stream]);
    assert_eq!(read_pieces(stream.chunks(1)), whole, "byte by byte");
    for cut in 0..=stream.len() {
        let (before, behind) = stream.split_at(cut);
        assert_eq!(read_pieces([before, behind]), whole, "cut at {cut}");
    }
    whole
}

fn read_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Item>, Rest) {
    let (mut stream, mut items) = (EventStream::new(LIMIT), Vec::new());
    for piece in pieces {
        stream.read(piece, &mut items).expect("fits");
    }
    (items, stream.end())
}

fn event(name: &str, data: &str) -> Item {
    Item::Event(Event { name: name.into(), data: data.into() })
}

fn data(data: &str) -> Item {
    event("", data)
}

#[track_caller]
fn assert_events(stream: impl AsRef<[u8]>, events: &[&str]) {
    let found = read(stream).0;
    let found: Vec<_> = found.into_iter().filter(|item| *item != Item::Comment).collect();
    assert_eq!(found, events.iter().map(|text| data(text)).collect::<Vec<_>>());
}

#[test]
fn lines_end_with_a_line_feed_a_carriage_return_or_both() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = "data:1|data:2||data: 3||".replace('|', end);
        assert_events(stream, &["1\n2", "3"]);
    }
    assert_events("data:test\r\ndata\ndata:test\r\n\r\n", &["test\n\ntest"]);
    // A blank line between a carriage return and a line feed would be one line end.
    assert_events("data:1\r\r\ndata:2\n\r", &["1", "2"]);
}

#[test]
fn data_without_a_value_is_an_empty_line() {
    assert_events("data:\n\ndata\n\ndata\ndata\n\ndata:test\n\n", &["", "", "\n", "test"]);
    assert_events("\n\n\nevent:x\n\n", &[]);
}

#[test]
fn one_space_behind_the_colon_is_no_part_of_the_value() {
    assert_events("data:\ttab\ndata:  two\ndata: one\ndata:none\n\n", &["\ttab\n two\none\nnone"]);
    assert_events("data::x\ndata: a:b\n\n", &[":x\na:b"]);
}

#[test]
fn a_field_name_is_matched_as_it_is() {
    let stream = "Data: no\n data: no\ndata : no\ndata\u{2028}:no\n\0data: no\ndata: yes\n\n";
    assert_events(stream, &["yes"]);
}

#[test]
fn a_byte_order_mark_is_ignored_at_the_very_beginning_alone() {
    assert_events("\u{feff}data: 1\n\n\u{feff}data: 2\n\ndata: 3\n\n", &["1", "3"]);
    assert_events("\u{feff}\u{feff}data: 1\n\ndata: 2\n\n", &["2"]);
}

#[test]
fn a_comment_is_told_and_changes_nothing() {
    let (items, rest) = read(":\ndata: 1\n: OPENROUTER PROCESSING\n:data: no\ndata: 2\n\n:\n\n");
    let comment = Item::Comment;
    assert_eq!(items, [comment.clone(), comment.clone(), comment.clone(), data("1\n2"), comment]);
    assert_eq!(rest, Rest::default());
}

#[test]
fn the_last_name_counts_and_only_for_its_event() {
    let (items, _) = read("event: a\nevent: b\ndata: 1\n\ndata: 2\n\nevent: c\n\ndata: 3\n\n");
    assert_eq!(items, [event("b", "1"), data("2"), data("3")]);
}

#[test]
fn null_bytes_and_invalid_text_pass_unchanged() {
    let (items, _) = read(b"data: \0\xff\xf0\x9f\n\n");
    let Item::Event(Event { data, .. }) = &items[0] else { panic!("{items:?}") };
    assert_eq!(data, b"\0\xff\xf0\x9f");
}

#[test]
fn an_event_without_a_blank_line_is_left_over() {
    for stream in ["data: 1\n\ndata: 2\n", "data: 1\n\ndata: 2", "data: 1\n\ndata: 2\r"] {
        let (items, rest) = read(stream);
        assert_eq!(items, [data("1")]);
        assert_eq!(rest.event, Some(Event { data: b"2".to_vec(), ..Event::default() }));
    }
    assert_eq!(read("data: 1\n\nevent: x\n").1.event, None);
}

#[test]
fn what_is_no_field_is_left_over_until_the_next_event() {
    let error = "{\n  \"error\": {\"code\": 503}\n}";
    let (items, rest) = read(format!("nonsense\ndata: 1\n\nid: 7\nretry: 1\n{error}"));
    assert_eq!(items, [data("1")]);
    assert_eq!(String::from_utf8(rest.stray), Ok(format!("{error}\n")));
}

#[test]
fn an_event_is_bounded_whatever_it_consists_of() {
    let long = "x".repeat(LIMIT + 1);
    let lines = |line: &str| line.repeat(LIMIT / 2);
    let streams = [
        long.clone(),
        format!("data: {long}"),
        format!(": {long}"),
        lines("data: xx\n"),
        lines("other: x\n"),
        format!("event: {}\ndata: {}\n", "x".repeat(LIMIT / 2), "x".repeat(LIMIT / 2)),
    ];
    for stream in streams {
        for size in [1, 7, LIMIT, usize::MAX] {
            let (mut parser, mut items) = (EventStream::new(LIMIT), Vec::new());
            let mut pieces = stream.as_bytes().chunks(size.min(stream.len()));
            let read = pieces.try_for_each(|piece| parser.read(piece, &mut items));
            assert_eq!(read, Err(TooLong { limit: LIMIT }), "in pieces of {size}");
        }
    }
    let (mut parser, mut items) = (EventStream::new(LIMIT), Vec::new());
    for _ in 0..10 * LIMIT {
        parser.read(b": a comment\nid: 1\n\ndata: and an event\n\n", &mut items).expect("fits");
    }
    assert_eq!(items.len(), 20 * LIMIT);
}
