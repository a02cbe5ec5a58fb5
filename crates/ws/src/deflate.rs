//! permessage-deflate (RFC 7692) without context takeover in either direction. Each message is
//! compressed by itself, so its bytes are the same for all clients with the same window, and no
//! state is kept for a connection.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use tricast_core::CloseReason;

/// The compression level. Higher ones cost more time than they save bytes.
const LEVEL: u32 = 2;

/// The shortest payload that is compressed. Shorter ones hardly shrink.
const MIN_DEFLATE_BYTES: usize = 256;

/// The end of an empty block, which a sender removes and a receiver restores (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The window of a compressed message: how far back it may refer to its own bytes.
///
/// Two are enough. A message that was compressed for a small window can be read with every larger
/// one, and clients cannot make the gateway compress each message seven times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// 32 KiB, the default.
    Large,
    /// 512 bytes, for clients that ask for less than 32 KiB.
    Small,
}

impl Window {
    /// Both windows.
    pub(crate) const ALL: [Window; 2] = [Window::Large, Window::Small];

    /// Returns the base-2 logarithm of the size.
    pub(crate) fn bits(self) -> u8 {
        match self {
            Window::Large => 15,
            Window::Small => 9,
        }
    }

    /// Returns the window for a client that asks for `2^bits` bytes. zlib does not support 8 bits.
    fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            15 => Some(Window::Large),
            9..15 => Some(Window::Small),
            _ => None,
        }
    }
}

/// Accepts the first acceptable offer in `Sec-WebSocket-Extensions` (RFC 7692 §7.1); returns the
/// window and the value for the response. An unknown parameter declines the offer, but not the
/// handshake.
pub(crate) fn negotiate<'a>(offers: impl Iterator<Item = &'a str>) -> Option<(Window, String)> {
    offers.flat_map(|field| field.split(',')).find_map(accept_offer)
}

fn accept_offer(offer: &str) -> Option<(Window, String)> {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("permessage-deflate") {
        return None;
    }
    let mut seen: Vec<String> = Vec::new();
    let mut requested = None;
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (part, None),
        };
        let name = name.to_ascii_lowercase();
        let bits = value.map(|value| value.parse::<u8>().ok().filter(|_| !value.starts_with('0')));
        match (name.as_str(), bits) {
            ("server_no_context_takeover" | "client_no_context_takeover", None) => {}
            ("server_max_window_bits", Some(Some(bits))) => {
                requested = Some((Window::from_bits(bits)?, bits))
            }
            // A client's messages are decompressed with the largest window, which fits all.
            ("client_max_window_bits", None) => {}
            ("client_max_window_bits", Some(Some(8..=15))) => {}
            _ => return None,
        }
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
    }
    let mut response =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
    if let Some((_, bits)) = requested {
        response.push_str(&format!("; server_max_window_bits={bits}"));
    }
    Some((requested.map_or(Window::Large, |(window, _)| window), response))
}

/// Compresses a payload; returns `None` if that does not make it shorter.
pub(crate) fn deflate(payload: &[u8], window: Window) -> Option<Vec<u8>> {
    thread_local! {
        static DEFLATERS: RefCell<[Option<Compress>; Window::ALL.len()]> =
            const { RefCell::new([const { None }; Window::ALL.len()]) };
    }
    if payload.len() < MIN_DEFLATE_BYTES {
        return None;
    }
    DEFLATERS.with_borrow_mut(|deflaters| {
        let deflater = deflaters[window as usize].get_or_insert_with(|| {
            Compress::new_with_window_bits(Compression::new(LEVEL), false, window.bits())
        });
        deflater.reset();
        // Room for data that does not shrink: the library has panicked when its output was full.
        let mut out = Vec::with_capacity(payload.len() + payload.len() / 8 + 256);
        let done = deflater.compress_vec(payload, &mut out, FlushCompress::Sync);
        let whole = matches!(done, Ok(Status::Ok)) && deflater.total_in() == payload.len() as u64;
        let shrunk = whole && out.ends_with(&TAIL) && out.len() - TAIL.len() < payload.len();
        out.truncate(out.len().saturating_sub(TAIL.len()));
        shrunk.then_some(out)
    })
}

/// Decompresses a message to at most `limit` bytes.
///
/// # Errors
/// If it is no deflated data, or longer.
pub(crate) fn inflate(mut compressed: Vec<u8>, limit: usize) -> Result<Vec<u8>, CloseReason> {
    thread_local! {
        static INFLATER: RefCell<Decompress> = RefCell::new(Decompress::new(false));
    }
    const STEP: usize = 4096;
    compressed.extend_from_slice(&TAIL);
    INFLATER.with_borrow_mut(|inflater| {
        inflater.reset(false);
        let (mut out, mut begin) = (Vec::new(), 0);
        loop {
            // The buffer grows with the output, not with the input's promise. One byte beyond the
            // limit shows that there is more.
            out.reserve_exact(STEP.max(out.len()).min(limit + 1 - out.len()));
            let rest = &compressed[begin + inflater.total_in() as usize..];
            let status = inflater.decompress_vec(rest, &mut out, FlushDecompress::Sync);
            if out.len() > limit {
                return Err(CloseReason::TooLarge);
            }
            let all_in = begin + inflater.total_in() as usize == compressed.len();
            match status {
                Ok(Status::StreamEnd) if all_in => return Ok(out),
                // A final block need not be the last (RFC 7692 §7.2.1): another stream follows.
                Ok(Status::StreamEnd) => {
                    begin += inflater.total_in() as usize;
                    inflater.reset(false);
                }
                Ok(_) if all_in && out.len() < out.capacity() => return Ok(out),
                Ok(Status::Ok) => {}
                Ok(Status::BufError) | Err(_) => return Err(CloseReason::Malformed),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_7692() {
        // Section 7.2.3: one block, the same with a final block, and stored.
        let one = vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        let last = vec![0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        let stored = vec![0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
        for compressed in [one, last, stored] {
            assert_eq!(inflate(compressed, 5), Ok(b"Hello".to_vec()));
        }
    }

    #[test]
    fn data_after_a_final_block_is_not_lost() {
        let mut compressed = Vec::new();
        for part in [b"AAAA", b"BBBB"] {
            let mut one = Vec::with_capacity(100);
            let mut deflater = Compress::new(Compression::fast(), false);
            deflater.compress_vec(part, &mut one, FlushCompress::Finish).expect("fits");
            compressed.extend(one);
        }
        compressed.push(0);
        assert_eq!(inflate(compressed, 100), Ok(b"AAAABBBB".to_vec()));
    }

    #[test]
    fn what_shrinks_comes_back_whole_from_every_window() {
        let json = "{\"name\":\"value\",\"n\":12345}".repeat(2000);
        for window in Window::ALL {
            let compressed = deflate(json.as_bytes(), window).expect("shrinks");
            assert!(compressed.len() * 4 < json.len(), "{window:?}: {}", compressed.len());
            assert_eq!(inflate(compressed, json.len()), Ok(json.clone().into_bytes()));
        }
        assert_eq!(deflate(b"short", Window::Large), None);
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(10_000).collect();
        assert_eq!(deflate(&noise, Window::Large), None, "what does not shrink is sent as it is");
    }

    /// Compresses random data, some of which shrinks and some does not, with the same state.
    #[test]
    fn one_message_leaves_nothing_behind_for_the_next() {
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..2000 {
            let most = 1 << random.u32(6..18);
            let length = random.usize(..most);
            let letters = random.u8(1..=255);
            let payload: Vec<u8> =
                std::iter::repeat_with(|| random.u8(..letters)).take(length).collect();
            let window = Window::ALL[random.usize(..2)];
            if let Some(compressed) = deflate(&payload, window) {
                assert!(compressed.len() < payload.len());
                assert_eq!(inflate(compressed, length), Ok(payload), "round {round}");
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let bomb = deflate(&vec![0; 1 << 24], Window::Large).expect("shrinks");
        assert!(bomb.len() < 100_000);
        assert_eq!(inflate(bomb.clone(), (1 << 24) - 1), Err(CloseReason::TooLarge));
        assert_eq!(inflate(bomb, 1 << 24).map(|all| all.len()), Ok(1 << 24));
        assert_eq!(inflate(vec![0xff; 100], 1000), Err(CloseReason::Malformed));
    }

    #[test]
    fn an_offer_is_accepted_as_rfc_7692_says() {
        let negotiated = |field: &str| negotiate([field].into_iter());
        let base = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let plain = Some((Window::Large, base.to_owned()));
        assert_eq!(negotiated("permessage-deflate"), plain);
        assert_eq!(negotiated("permessage-deflate; client_max_window_bits"), plain);
        assert_eq!(
            negotiated("x-unknown, Permessage-Deflate; client_max_window_bits=\"10\""),
            plain
        );
        let small = Some((Window::Small, format!("{base}; server_max_window_bits=9")));
        assert_eq!(negotiated("permessage-deflate; server_max_window_bits=9"), small);
        let second = "permessage-deflate; server_max_window_bits=8, permessage-deflate";
        assert_eq!(negotiated(second), plain);
        for declined in [
            "",
            "x-unknown",
            "permessage-deflate; colour=red",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        ] {
            assert_eq!(negotiated(declined), None, "{declined}");
        }
    }
}
