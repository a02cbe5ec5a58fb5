//! The buffer of frames that have been collected and not yet written.

use bytes::{Bytes, BytesMut};

/// Small frames are joined into chunks of at most this size. Larger ones are passed on as they are,
/// shared by all readers, so that a stalled reader holds no copy of its own.
const CHUNK_MAX: usize = 16 * 1024;

/// Capacity that an idle reader keeps, whatever backlog it once had.
const IDLE_CAPACITY: usize = 4;

/// Frames that have been collected and not yet written.
#[derive(Debug, Default)]
pub(crate) struct FrameBuffer {
    frames: Vec<Bytes>,
    /// Frames that have been taken.
    taken: usize,
}

impl FrameBuffer {
    /// Returns the list to which new frames are appended.
    pub(crate) fn frames_mut(&mut self) -> &mut Vec<Bytes> {
        &mut self.frames
    }

    /// Whether all frames have been taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Takes the next bytes to write: one frame, or several small ones joined.
    pub(crate) fn next_chunk(&mut self) -> Option<Bytes> {
        let waiting = &self.frames[self.taken..];
        let mut size = 0;
        let fits = |frame: &&Bytes| {
            size += frame.len();
            size <= CHUNK_MAX
        };
        let count = waiting.iter().take_while(fits).count().max(1).min(waiting.len());
        let chunk = match &waiting[..count] {
            [] => None,
            [one] => Some(one.clone()),
            several => {
                let mut joined = BytesMut::with_capacity(several.iter().map(Bytes::len).sum());
                several.iter().for_each(|frame| joined.extend_from_slice(frame));
                Some(joined.freeze())
            }
        };
        self.taken += count;
        if self.taken == self.frames.len() {
            self.taken = 0;
            self.frames.clear();
            self.frames.shrink_to(IDLE_CAPACITY);
        }
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_frames_are_joined_and_large_ones_are_not_copied() {
        let (small, large) = (Bytes::from_static(b"small"), Bytes::from(vec![b'x'; 100_000]));
        let frames = vec![small.clone(), small.clone(), large.clone(), small.clone()];
        let mut buffer = FrameBuffer { frames, taken: 0 };
        assert_eq!(buffer.next_chunk().as_deref(), Some(&b"smallsmall"[..]));
        assert_eq!(buffer.next_chunk().map(|chunk| chunk.as_ptr()), Some(large.as_ptr()));
        assert_eq!(buffer.next_chunk().map(|chunk| chunk.as_ptr()), Some(small.as_ptr()));
        assert_eq!(buffer.next_chunk(), None);
        assert!(buffer.is_empty());
    }

    #[test]
    fn no_chunk_of_joined_frames_exceeds_the_maximum() {
        let mut buffer = FrameBuffer { frames: vec![Bytes::from(vec![0; 3000]); 100], taken: 0 };
        let sizes: Vec<_> = std::iter::from_fn(|| buffer.next_chunk()).map(|c| c.len()).collect();
        assert!(sizes.iter().all(|size| *size <= CHUNK_MAX), "{sizes:?}");
        assert_eq!(sizes.iter().sum::<usize>(), 300_000);
    }
}
