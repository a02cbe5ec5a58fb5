//! JSON strings that are one line for every reader. Some readers end a line at U+0085, U+2028 or
//! U+2029, which JSON allows in a string as they are.

use std::io;

use serde::Serialize as _;
use serde_json::{Serializer, ser::Formatter};

/// The characters that end a line and that serde_json does not escape.
const LINE_ENDS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// The length of an escape with four hex digits.
const ESCAPE: usize = 6;

/// Writes `text` as a JSON string.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string to memory cannot fail.
    let _ = text.serialize(&mut Serializer::with_formatter(out, OneLine));
}

/// Returns the length of `text` as a JSON string, with its quotes.
pub(crate) fn string_length(text: &str) -> usize {
    let added_by_escaping = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..0x20 => ESCAPE - 1,
        _ => 0,
    };
    let ends: usize = line_ends(text).map(|(_, end)| ESCAPE - end.len()).sum();
    text.len() + text.bytes().map(added_by_escaping).sum::<usize>() + ends + 2
}

/// Escapes the characters that end a line.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut written = 0;
        for (at, end) in line_ends(fragment) {
            writer.write_all(&fragment.as_bytes()[written..at])?;
            for end in end.chars() {
                write!(writer, "\\u{:04x}", u32::from(end))?;
            }
            written = at + end.len();
        }
        writer.write_all(&fragment.as_bytes()[written..])
    }
}

/// Iterates over the characters of `text` that end a line, with their positions.
fn line_ends(text: &str) -> impl Iterator<Item = (usize, &str)> {
    // Their first bytes are rare, and a search for bytes is faster than one for characters.
    let candidates = text.bytes().enumerate().filter(|(_, byte)| matches!(byte, 0xc2 | 0xe2));
    candidates.filter_map(|(at, _)| {
        let end = text[at..].chars().next().filter(|letter| LINE_ENDS.contains(letter))?;
        Some((at, &text[at..at + end.len_utf8()]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_one_line_for_every_reader() {
        let text = "a\u{85}\u{2028}b\u{2029}\n\u{e2}\u{a9}\u{2027}\u{fe85}";
        let mut out = Vec::new();
        write_string(text, &mut out);
        let json = std::str::from_utf8(&out).expect("UTF-8");
        assert_eq!(json, "\"a\\u0085\\u2028b\\u2029\\n\u{e2}\u{a9}\u{2027}\u{fe85}\"");
        assert_eq!(json.len(), string_length(text));
        assert_eq!(serde_json::from_str::<String>(json).expect("JSON"), text);
    }
}
