//! The outbox's folder: the file, its lock, and damaged files that were set aside.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::PathBuf;

use redb::Database;

use super::store::{self, StoreError};

/// The file's name.
pub const FILE: &str = "outbox.redb";

const LOCK: &str = "outbox.lock";

/// Damaged files that are kept; past it the oldest goes.
const MOST_SET_ASIDE: usize = 3;

/// Where the database comes from.
pub(super) trait Files: Send {
    /// Opens it; makes an empty one when there is none.
    fn open(&mut self) -> Result<Database, StoreError>;

    /// Takes the database, which is closed, out of the way. Where it is now.
    fn set_aside(&mut self) -> io::Result<String>;

    /// Its size on disk.
    fn bytes(&self) -> u64;
}

/// A folder on disk.
#[derive(Debug)]
pub(super) struct Folder {
    directory: PathBuf,
    lock: Option<File>,
}

impl Folder {
    pub(super) fn new(directory: PathBuf) -> Self {
        Folder { directory, lock: None }
    }

    /// Makes the folder and takes it for this process, so long as this value lives.
    pub(super) fn take(&mut self) -> Result<(), StoreError> {
        if self.lock.is_some() {
            return Ok(());
        }
        let disk = |error: io::Error| StoreError::Disk(format!("{}: {error}", self.directory.display()));
        fs::create_dir_all(&self.directory).map_err(disk)?;
        let path = self.directory.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(disk)?;
        match file.try_lock() {
            Ok(()) => self.lock = Some(file),
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse),
            Err(TryLockError::Error(error)) => return Err(disk(error)),
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// The damaged files with their numbers, oldest first.
    fn set_aside_before(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(FILE)?.strip_prefix(".corrupt-"));
            if let Some(number) = number.and_then(|number| number.parse().ok()) {
                found.push((number, entry.path()));
            }
        }
        found.sort();
        Ok(found)
    }
}

impl Files for Folder {
    fn open(&mut self) -> Result<Database, StoreError> {
        self.take()?;
        Ok(store::builder().create(self.path())?)
    }

    fn set_aside(&mut self) -> io::Result<String> {
        let before = self.set_aside_before()?;
        let number = before.last().map_or(1, |(number, _)| number + 1);
        let name = format!("{FILE}.corrupt-{number}");
        fs::rename(self.path(), self.directory.join(&name))?;
        let kept = MOST_SET_ASIDE - 1;
        for (_, path) in &before[..before.len().saturating_sub(kept)] {
            fs::remove_file(path)?;
        }
        Ok(name)
    }

    fn bytes(&self) -> u64 {
        fs::metadata(self.path()).map_or(0, |file| file.len())
    }
}
