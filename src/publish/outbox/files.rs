//! The outbox's folder: the file, its lock, annexes, and damaged files that were set aside.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::Database;
use redb::backends::FileBackend;

use super::check::Check;
use super::store::{self, StoreError};

/// The file's name.
pub const FILE: &str = "outbox.redb";

const LOCK: &str = "outbox.lock";

/// How an annex's name begins; its number follows. And its name while it is written.
const ANNEX: &str = "outbox.annex-";
const NEW_ANNEX: &str = "outbox.annex.new";

/// Damaged files that are kept; past it the oldest goes.
const MOST_SET_ASIDE: usize = 3;

/// Where the database comes from.
pub(super) trait Files: Send {
    /// Opens and checks it; makes an empty one when there is none. Fails when `check` is given up.
    fn open(&mut self, check: &Arc<Check>) -> Result<Database, StoreError>;

    /// Takes the database, which is closed, out of the way. Where it is now.
    fn set_aside(&mut self) -> io::Result<String>;

    /// Puts an annex beside it, whole or not at all, and returns when it is on disk.
    fn put_annex(&mut self, annex: &[u8]) -> Result<(), StoreError>;

    /// The oldest annex, if there is one.
    fn oldest_annex(&self) -> io::Result<Option<Vec<u8>>>;

    /// Removes the oldest annex.
    fn remove_annex(&mut self) -> io::Result<()>;

    /// Takes the oldest annex out of the way. Where it is now.
    fn set_annex_aside(&mut self) -> io::Result<String>;

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

    /// Files whose names are this and a number, with their numbers, oldest first.
    fn numbered(&self, name: &str) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let file = entry.file_name();
            let number = file.to_str().and_then(|file| file.strip_prefix(name)?.parse().ok());
            found.extend(number.map(|number| (number, entry.path())));
        }
        found.sort();
        Ok(found)
    }

    fn annex(&self) -> io::Result<Option<PathBuf>> {
        Ok(self.numbered(ANNEX)?.into_iter().next().map(|(_, path)| path))
    }

    /// Makes a damaged file one of those that are kept. Its new name.
    fn keep_aside(&self, damaged: &Path) -> io::Result<String> {
        let prefix = format!("{FILE}.corrupt-");
        let before = self.numbered(&prefix)?;
        let number = before.last().map_or(1, |(number, _)| number + 1);
        let name = format!("{prefix}{number}");
        fs::rename(damaged, self.directory.join(&name))?;
        let kept = MOST_SET_ASIDE - 1;
        for (_, path) in &before[..before.len().saturating_sub(kept)] {
            fs::remove_file(path)?;
        }
        Ok(name)
    }
}

impl Files for Folder {
    fn open(&mut self, check: &Arc<Check>) -> Result<Database, StoreError> {
        self.take()?;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(self.path())?;
        let storage = check.guard(FileBackend::new(file)?);
        Ok(check.run(|| store::builder().create_with_backend(storage))?)
    }

    fn set_aside(&mut self) -> io::Result<String> {
        self.keep_aside(&self.path())
    }

    fn put_annex(&mut self, annex: &[u8]) -> Result<(), StoreError> {
        self.take()?;
        let number = self.numbered(ANNEX)?.last().map_or(1, |(number, _)| number + 1);
        let new = self.directory.join(NEW_ANNEX);
        let mut file = File::create(&new)?;
        file.write_all(annex)?;
        file.sync_all()?;
        fs::rename(&new, self.directory.join(format!("{ANNEX}{number}")))?;
        // The name is to last too.
        Ok(File::open(&self.directory)?.sync_all()?)
    }

    fn oldest_annex(&self) -> io::Result<Option<Vec<u8>>> {
        // What cannot be read is as good as damaged.
        Ok(self.annex()?.map(|path| fs::read(path).unwrap_or_default()))
    }

    fn remove_annex(&mut self) -> io::Result<()> {
        self.annex()?.map_or(Ok(()), fs::remove_file)
    }

    fn set_annex_aside(&mut self) -> io::Result<String> {
        let annex = self.annex()?.ok_or(io::ErrorKind::NotFound)?;
        self.keep_aside(&annex)
    }

    fn bytes(&self) -> u64 {
        fs::metadata(self.path()).map_or(0, |file| file.len())
    }
}
