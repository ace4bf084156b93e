//! The check of a file while it is opened, which the end of the process must not have to wait for.
//!
//! redb reads the whole file to check it, and asks whether to go on only between one whole pass and the next. So its reads
//! go through here and fail once the check is given up. To redb that is a disk that has failed: it writes nothing any
//! more, and the file is as after a power cut, which the next open repairs.

use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{BackendError, StorageBackend};

/// Whether a file is being checked, and whether anybody still wants to know what comes of it.
#[derive(Debug, Default)]
pub(super) struct Check {
    running: AtomicBool,
    given_up: AtomicBool,
}

impl Check {
    /// No check comes to an end from now on. What is open stays usable.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }

    /// Whether it is given up; what an open says then proves nothing about the file.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }

    /// Runs what opens a database, in a storage that [`Check::guard`] made.
    pub(super) fn run<T>(&self, open: impl FnOnce() -> T) -> T {
        self.running.store(true, Ordering::SeqCst);
        let opened = open();
        self.running.store(false, Ordering::SeqCst);
        opened
    }

    /// The same storage; its reads fail when the check is given up while it runs.
    pub(super) fn guard<B: StorageBackend>(self: &Arc<Self>, storage: B) -> Guarded<B> {
        Guarded { storage, check: Arc::clone(self) }
    }
}

/// A database's storage that a check can be given up on.
#[derive(Debug)]
pub(super) struct Guarded<B> {
    storage: B,
    check: Arc<Check>,
}

impl<B: StorageBackend> StorageBackend for Guarded<B> {
    fn len(&self) -> io::Result<u64> {
        self.storage.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.check.running.load(Ordering::SeqCst) && self.check.is_given_up() {
            return Err(io::Error::other("the check is given up"));
        }
        self.storage.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.storage.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.storage.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.storage.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.storage.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.storage.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.storage.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.storage.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.storage.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.storage.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.storage.query_lock_range(start, end)
    }
}
