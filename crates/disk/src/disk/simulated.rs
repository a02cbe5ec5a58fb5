//! A disk in memory that fails as real ones do: power goes, calls fail, bits flip, room ends.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Disk, DiskFile, Lock};

/// What a call of the disk does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails, and a part of what was to be written is there.
    Error,
    /// There is no room, and a part of what was to be written is there.
    Full,
    /// The process is dead: this call and all later ones fail.
    Death,
}

/// The content of a file.
#[derive(Clone, Default)]
struct Node {
    /// As programs see it.
    seen: Vec<u8>,
    /// As it is on the disk.
    safe: Vec<u8>,
    /// What was written and not synced, in the order of the writes.
    dirty: Vec<(usize, usize)>,
    /// The bytes that take room.
    taken: usize,
    /// Writing back failed, and no program was told yet.
    unreported: bool,
}

#[derive(Clone, Default)]
struct State {
    nodes: Vec<Node>,
    names: BTreeMap<String, usize>,
    safe_names: BTreeMap<String, usize>,
    fault: Option<(u32, Fault)>,
    calls: u64,
    room: Option<usize>,
    locked: Option<std::sync::Weak<()>>,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

struct SimulatedFile(SimulatedDisk, usize);

impl SimulatedDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another disk with the same content.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = State { locked: None, ..self.state().clone() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Lets the call after `calls` calls do `fault` instead of its work. Only calls count that
    /// change the disk.
    pub fn fail_after(&self, calls: u32, fault: Fault) {
        self.state().fault = Some((calls, fault));
    }

    /// Ends all faults: the process that died is started again.
    pub fn heal(&self) {
        let mut state = self.state();
        state.fault = None;
        state.locked = None;
    }

    /// Limits the bytes that all files together may take.
    pub fn set_room(&self, room: Option<usize>) {
        self.state().room = room;
    }

    /// The bytes that all files together take.
    pub fn taken(&self) -> usize {
        self.state().taken()
    }

    /// How many calls changed the disk.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Power fails. Of what was not synced an arbitrary part survives: up to any byte, without
    /// some page in the middle or with an old one of another file there, some later writes without
    /// earlier ones. Each change of a name that
    /// was not synced may have happened or not.
    pub fn lose_power(&self, rng: &mut fastrand::Rng) {
        let mut state = self.state();
        let State { nodes, names, safe_names, .. } = &mut *state;
        let segments = names.iter().filter(|(name, _)| name.ends_with(".log"));
        let segments: Vec<usize> = segments.map(|(_, node)| *node).collect();
        for n in 0..nodes.len() {
            let other = rng.choice(&segments).copied().filter(|other| *other != n);
            let stale = other.map(|other| nodes[other].seen.clone()).unwrap_or_default();
            nodes[n].lose_power(rng, &stale);
        }
        let all: Vec<String> = names.keys().chain(safe_names.keys()).cloned().collect();
        for name in all {
            let kept = if rng.bool() { names.get(&name) } else { safe_names.get(&name) };
            match kept.copied() {
                Some(node) => names.insert(name, node),
                None => names.remove(&name),
            };
        }
        *safe_names = names.clone();
    }

    /// Writing back what was not synced fails for one file, unseen by any program: it shows again
    /// what is on the disk. The next sync of the file fails. False if nothing was unsynced.
    pub fn fail_to_write_back(&self, rng: &mut fastrand::Rng) -> bool {
        let mut state = self.state();
        let named: Vec<usize> = state.names.values().copied().collect();
        let dirty: Vec<usize> =
            named.into_iter().filter(|node| !state.nodes[*node].dirty.is_empty()).collect();
        let Some(node) = rng.choice(&dirty) else { return false };
        let node = &mut state.nodes[*node];
        for (from, to) in std::mem::take(&mut node.dirty) {
            let to = to.min(node.seen.len());
            if from < to {
                let before = node.before(from, to);
                node.seen[from..to].copy_from_slice(&before);
            }
        }
        node.unreported = true;
        true
    }

    /// Flips a bit of a file whose name has this ending, and returns where, for
    /// [`flip_back`](Self::flip_back).
    pub fn flip_bit(&self, rng: &mut fastrand::Rng, ending: &str) -> Option<(usize, usize, u8)> {
        let mut state = self.state();
        let names = state.names.iter().filter(|(name, _)| name.ends_with(ending));
        let nodes = names.map(|(_, node)| *node).filter(|node| state.nodes[*node].taken > 0);
        let nodes: Vec<usize> = nodes.collect();
        // The newest as often as all others.
        let node = if rng.bool() { *nodes.last()? } else { *rng.choice(&nodes)? };
        let size = state.nodes[node].taken.min(state.nodes[node].seen.len());
        if size == 0 {
            return None;
        }
        let from = if rng.bool() { size.saturating_sub(60) } else { 0 };
        let flip = (node, rng.usize(from..size), 1 << rng.u8(0..8));
        state.flip(flip);
        Some(flip)
    }

    /// Flips a bit back.
    pub fn flip_back(&self, flip: (usize, usize, u8)) {
        self.state().flip(flip);
    }

    fn call(&self) -> Result<(), Fault> {
        let mut state = self.state();
        state.calls += 1;
        match &mut state.fault {
            Some((0, Fault::Death)) => Err(Fault::Death),
            Some((0, fault)) => {
                let fault = *fault;
                state.fault = None;
                Err(fault)
            }
            Some((left, _)) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn ask(&self) -> io::Result<()> {
        self.call().map_err(Fault::error)
    }
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::Full => io::ErrorKind::StorageFull.into(),
            fault => io::Error::other(format!("{fault:?}")),
        }
    }
}

impl State {
    fn taken(&self) -> usize {
        self.names.values().map(|node| self.nodes[*node].taken).sum()
    }

    fn flip(&mut self, (node, at, bit): (usize, usize, u8)) {
        let node = &mut self.nodes[node];
        node.seen[at] ^= bit;
        if let Some(byte) = node.safe.get_mut(at) {
            *byte = node.seen[at];
        }
    }
}

impl Node {
    fn lose_power(&mut self, rng: &mut fastrand::Rng, stale: &[u8]) {
        let dirty = std::mem::take(&mut self.dirty);
        let total: usize = dirty.iter().map(|(from, to)| to - from).sum();
        let mut after = self.safe.clone();
        let lengths = [self.safe.len(), self.seen.len()];
        after.resize(lengths[rng.usize(0..2)], 0);
        let mut left = if rng.u8(0..4) == 0 { 0 } else { rng.usize(0..=total) };
        let unordered = rng.u8(0..4) == 0;
        for (from, to) in dirty {
            let size = match unordered && rng.bool() {
                true => to - from,
                false => left.min(to - from),
            };
            left -= left.min(size);
            let end = (from + size).min(self.seen.len());
            if end > from {
                after.resize(after.len().max(end), 0);
                after[from..end].copy_from_slice(&self.seen[from..end]);
                if rng.u8(0..4) == 0 {
                    // A page in the middle is as it was.
                    let begin = rng.usize(from..end);
                    let end = (begin + rng.usize(1..=512)).min(end);
                    let before = self.before(begin, end);
                    after[begin..end].copy_from_slice(&before);
                    // Only where the file had no block of its own.
                    if let Some(stale) = stale.get(begin..end)
                        && rng.bool()
                        && before.iter().all(|byte| *byte == 0)
                    {
                        after[begin..end].copy_from_slice(stale);
                    }
                }
            }
        }
        self.seen = after.clone();
        self.taken = self.taken.min(after.len());
        self.safe = after;
        self.unreported = false;
    }

    /// What is on the disk at these places; zeros where nothing is.
    fn before(&self, from: usize, to: usize) -> Vec<u8> {
        (from..to).map(|at| self.safe.get(at).copied().unwrap_or(0)).collect()
    }

    fn sync(&mut self) {
        self.safe.resize(self.seen.len(), 0);
        for (from, to) in std::mem::take(&mut self.dirty) {
            let to = to.min(self.seen.len());
            if from < to {
                self.safe[from..to].copy_from_slice(&self.seen[from..to]);
            }
        }
    }
}

impl Disk for SimulatedDisk {
    fn lock(&self, _: &str) -> io::Result<Lock> {
        let mut state = self.state();
        if state.locked.as_ref().is_some_and(|held| held.strong_count() > 0) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let held = Arc::new(());
        state.locked = Some(Arc::downgrade(&held));
        Ok(Lock::new(1, held))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.ask()?;
        let mut state = self.state();
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.nodes.push(Node::default());
        let node = state.nodes.len() - 1;
        state.names.insert(name.to_owned(), node);
        Ok(Arc::new(SimulatedFile(self.clone(), node)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let node = *self.state().names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimulatedFile(self.clone(), node)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.ask()?;
        let mut state = self.state();
        let node = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), node);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.ask()?;
        self.state().names.remove(name).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn sync_names(&self) -> io::Result<()> {
        self.ask()?;
        let mut state = self.state();
        state.safe_names = state.names.clone();
        Ok(())
    }
}

impl DiskFile for SimulatedFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut asked = self.0.call();
        let mut state = self.0.state();
        let mut size = if asked.is_ok() { bytes.len() } else { bytes.len() / 2 };
        let from = at as usize;
        if let Some(room) = state.room {
            let more = (from + size).saturating_sub(state.nodes[self.1].taken);
            let free = room.saturating_sub(state.taken());
            if more > free {
                size -= (more - free).min(size);
                asked = asked.and(Err(Fault::Full));
            }
        }
        let node = &mut state.nodes[self.1];
        let to = from + size;
        node.seen.resize(node.seen.len().max(to), 0);
        node.seen[from..to].copy_from_slice(&bytes[..size]);
        node.dirty.push((from, to));
        node.taken = node.taken.max(to);
        asked.map_err(Fault::error)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.0.state();
        let seen = &state.nodes[self.1].seen;
        let from = (at as usize).min(seen.len());
        let size = into.len().min(seen.len() - from);
        into[..size].copy_from_slice(&seen[from..from + size]);
        Ok(size)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.state().nodes[self.1].seen.len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.ask()?;
        let mut state = self.0.state();
        let node = &mut state.nodes[self.1];
        let (before, after) = (node.seen.len(), length as usize);
        node.seen.resize(after, 0);
        node.taken = node.taken.min(after);
        if after < before {
            // Zeros, when the file grows again.
            node.dirty.push((after, before));
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let asked = self.0.ask();
        let mut state = self.0.state();
        let node = &mut state.nodes[self.1];
        if asked.is_err() || std::mem::take(&mut node.unreported) {
            // The pages count as written from here on, and are not.
            node.dirty.clear();
            return asked.and(Err(io::Error::other("writing back failed before")));
        }
        node.sync();
        Ok(())
    }
}
