//! The hash by which an index finds a channel: SipHash-1-3 with the log's key, so that no publisher
//! can choose names that meet in one place. Written out, because files need it to stay as it is.

/// Hashes the names of channels of one log.
#[derive(Clone, Copy)]
pub(crate) struct ChannelHasher {
    key: [u64; 2],
}

impl ChannelHasher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&key[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        Self { key: [word(0), word(8)] }
    }

    /// A number that tells keys apart without telling the key.
    pub(crate) fn fingerprint(self) -> u32 {
        self.hash(b"fingerprint of the key") as u32
    }

    pub(crate) fn hash(self, name: &[u8]) -> u64 {
        let [k0, k1] = self.key;
        let mut v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        let mut words = name.chunks_exact(8);
        for word in &mut words {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            absorb(&mut v, u64::from_le_bytes(bytes));
        }
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        last[7] = name.len() as u8;
        absorb(&mut v, u64::from_le_bytes(last));
        v[2] ^= 0xff;
        for _ in 0..3 {
            round(&mut v);
        }
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }
}

fn absorb(v: &mut [u64; 4], word: u64) {
    v[3] ^= word;
    round(v);
    v[0] ^= word;
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hasher as _};

    use super::*;

    /// With a key of zeros the hash is std's, whose algorithm is SipHash-1-3 today.
    #[test]
    fn the_hash_is_siphash_1_3() {
        for length in 0..40 {
            let name: Vec<u8> = (0..length).collect();
            let mut std = DefaultHasher::new();
            std.write(&name);
            assert_eq!(ChannelHasher::new(&[0; 32]).hash(&name), std.finish(), "{length} bytes");
        }
        let other = ChannelHasher::new(&[1; 32]);
        assert_ne!(other.hash(b"news"), ChannelHasher::new(&[0; 32]).hash(b"news"));
    }
}
