//! The formats in use in a shard.

use tricast_core::Format;

/// Names a format of a shard. One byte, because every connection keeps one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FormatIndex(u8);

#[derive(Default)]
pub(crate) struct Formats(Vec<&'static dyn Format>);

impl Formats {
    /// Returns the index of `format`, which is added if no connection has used it before.
    pub(crate) fn index_of(&mut self, format: &'static dyn Format) -> FormatIndex {
        let known = self.0.iter().position(|known| known.variant() == format.variant());
        let index = known.unwrap_or_else(|| {
            self.0.push(format);
            self.0.len() - 1
        });
        FormatIndex(index as u8)
    }

    pub(crate) fn get(&self, index: FormatIndex) -> &'static dyn Format {
        self.0[usize::from(index.0)]
    }
}

/// One value for each format that has one.
#[derive(Debug)]
pub(crate) struct PerFormat<T>(Vec<Option<T>>);

impl<T> Default for PerFormat<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> PerFormat<T> {
    pub(crate) fn get(&self, index: FormatIndex) -> Option<&T> {
        self.0.get(usize::from(index.0))?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: FormatIndex) -> Option<&mut T> {
        self.0.get_mut(usize::from(index.0))?.as_mut()
    }

    pub(crate) fn ensure_with(&mut self, index: FormatIndex, make: impl FnOnce() -> T) {
        let index = usize::from(index.0);
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        self.0[index].get_or_insert_with(make);
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (FormatIndex, &mut T)> {
        let entries = self.0.iter_mut().enumerate();
        entries.filter_map(|(index, value)| Some((FormatIndex(index as u8), value.as_mut()?)))
    }
}
