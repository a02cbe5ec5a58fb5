//! The offset of a delta in the text of its choice, in bytes of UTF-8, so that a reader knows how
//! much of it came before.

/// The length of a character that is half of a surrogate pair without its other half. A reader
/// shows it as U+FFFD.
const LONE_HALF: u64 = 3;

/// The length of a character beyond the basic plane, which JSON may spell as two halves.
const PAIR: u64 = 4;

/// Counts the bytes of a text that comes in pieces, as JSON spells them. A half of a surrogate
/// pair at the end of a piece counts once it is known whether its other half follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TextOffset {
    bytes: u64,
    /// The last character so far is the first half of a pair.
    has_half: bool,
}

impl TextOffset {
    /// Begins after so many bytes.
    pub(crate) fn at(bytes: u64) -> Self {
        Self { bytes, has_half: false }
    }

    /// Returns the bytes so far.
    pub(crate) fn bytes(self) -> u64 {
        self.bytes
    }

    /// Counts a piece: the inside of a JSON text, which is valid.
    pub(crate) fn add(&mut self, mut spelled: &str) {
        while !spelled.is_empty() {
            let escape = memchr::memchr(b'\\', spelled.as_bytes());
            let plain = escape.unwrap_or(spelled.len());
            if plain > 0 {
                self.end_half();
                self.bytes += plain as u64;
            }
            let Some(at) = escape else { return };
            spelled = &spelled[at..];
            let (unit, length) = match spelled.as_bytes() {
                [_, b'u', ..] => (u32::from_str_radix(&spelled[2..6], 16).unwrap_or(0), 6),
                // Whatever a letter stands for is one byte.
                _ => (0, 2),
            };
            spelled = &spelled[length..];
            self.add_unit(unit);
        }
    }

    fn add_unit(&mut self, unit: u32) {
        match unit {
            0xDC00..=0xDFFF if self.has_half => {
                self.has_half = false;
                self.bytes += PAIR;
            }
            0xD800..=0xDBFF => {
                self.end_half();
                self.has_half = true;
            }
            _ => {
                self.end_half();
                self.bytes += char::from_u32(unit).map_or(LONE_HALF, |it| it.len_utf8() as u64);
            }
        }
    }

    /// What follows is not the other half.
    fn end_half(&mut self) {
        if std::mem::take(&mut self.has_half) {
            self.bytes += LONE_HALF;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(pieces: &[&str]) -> Vec<u64> {
        let mut offset = TextOffset::default();
        let after = |piece: &&str| {
            offset.add(piece);
            offset.bytes()
        };
        pieces.iter().map(after).collect()
    }

    #[test]
    fn the_bytes_are_those_of_the_text_and_not_of_its_spelling() {
        assert_eq!(offsets(&["Hel", "lo", ""]), [3, 5, 5]);
        assert_eq!(offsets(&["Grüße 😀", r#"\n\"\\\/\u0041"#]), [12, 17]);
        assert_eq!(offsets(&[r"\u00e4\u20ac"]), [5]);
    }

    #[test]
    fn halves_of_a_character_count_as_it_does_and_lone_ones_as_their_replacement() {
        assert_eq!(offsets(&[r"a\ud83d", r"\ude00b"]), [1, 6]);
        assert_eq!(offsets(&[r"\ud83d\ude00"]), [4]);
        assert_eq!(offsets(&[r"\ude00"]), [3], "a second half alone");
        assert_eq!(offsets(&[r"\ud83d", "x", r"\ud83d\n"]), [0, 4, 8]);
        assert_eq!(offsets(&[r"\ud83d\ud83d\ude00"]), [7]);
    }

    /// The lengths agree with those of a JSON parser, however the text is cut.
    #[test]
    fn the_offsets_agree_with_a_parser() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let text: String = (0..20).map(|_| random.char('\0'..'\u{1F700}')).collect();
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            let plain = serde_json::to_string(&text).expect("a text");
            let pieces: Vec<String> = match random.bool() {
                true => units.collect(),
                false => {
                    let middle = plain.char_indices().nth(9).map_or(1, |(at, _)| at);
                    let middle = if plain[..middle].contains('\\') { 1 } else { middle };
                    vec![plain[1..middle].into(), plain[middle..plain.len() - 1].into()]
                }
            };
            let mut offset = TextOffset::default();
            pieces.iter().for_each(|piece| offset.add(piece));
            assert_eq!(offset.bytes(), text.len() as u64, "{text:?}");
        }
    }
}
