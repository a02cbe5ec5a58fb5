//! permessage-deflate: bombs and garbage stop at the limit, and another library can decompress what
//! we compress.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tricast_ws::fuzzing;

const LIMIT: usize = 4096;

fuzz_target!(|input: (u8, &[u8])| {
    let (window, bytes) = input;
    if let Ok(inflated) = fuzzing::inflate(bytes, LIMIT) {
        assert!(inflated.len() <= LIMIT);
        assert!(inflated.capacity() <= LIMIT + 1);
    }
    // Long enough for every block size, and as compressible as the input is.
    let payload = bytes.repeat(1 + usize::from(window >> 5));
    if let Some(mut compressed) = fuzzing::deflate(&payload, window) {
        assert!(compressed.len() < payload.len());
        assert_eq!(fuzzing::inflate(&compressed, payload.len()).as_ref(), Ok(&payload));
        // The end of the empty block, which a sender leaves out, and a last block.
        compressed.extend_from_slice(&[0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff]);
        let read = miniz_oxide::inflate::decompress_to_vec(&compressed).expect("deflated data");
        assert_eq!(read, payload);
    }
});
