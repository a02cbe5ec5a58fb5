//! A disk whose reads a test can hold.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::disk::{Disk, DiskFile, Lock, simulated::SimulatedDisk};

/// A disk that holds the first read of the readers' threads once the gate is shut.
#[derive(Clone, Default)]
pub(super) struct GatedDisk {
    pub(super) disk: SimulatedDisk,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Shut,
    /// Shut, and somebody waits.
    Waiting,
}

struct GatedFile(Arc<dyn DiskFile>, Arc<Gate>);

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self) {
        let mut state = self.state();
        while *state != State::Open {
            *state = State::Waiting;
            state = self.opened.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl GatedDisk {
    /// Holds the next read.
    pub(super) fn shut(&self) {
        *self.gate.state() = State::Shut;
    }

    /// Whether a read is held.
    pub(super) fn has_waiting(&self) -> bool {
        *self.gate.state() == State::Waiting
    }

    /// Lets reads pass.
    pub(super) fn open(&self) {
        *self.gate.state() = State::Open;
        self.gate.opened.notify_all();
    }

    fn gated(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(GatedFile(file, self.gate.clone()))
    }
}

impl Disk for GatedDisk {
    fn lock(&self, name: &str) -> io::Result<Lock> {
        self.disk.lock(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(name).map(|file| self.gated(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(name).map(|file| self.gated(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn sync_names(&self) -> io::Result<()> {
        self.disk.sync_names()
    }
}

impl DiskFile for GatedFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_at(bytes, at)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        if std::thread::current().name() == Some("log-read") {
            self.1.pass();
        }
        self.0.read_at(into, at)
    }

    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_length(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}
