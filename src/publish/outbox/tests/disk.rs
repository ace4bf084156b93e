//! A disk in memory: it can fail, and a power cut takes what was not synced, or parts of it.

use std::io;
use std::sync::{Arc, Mutex};

use redb::{Database, StorageBackend};

use crate::publish::outbox::check::Check;
use crate::publish::outbox::files::Files;
use crate::publish::outbox::store::{self, StoreError};

#[derive(Debug, Default)]
struct Content {
    /// What is there after a power cut.
    synced: Vec<u8>,
    /// What the process sees.
    seen: Vec<u8>,
    unsynced: Vec<Change>,
    failing: bool,
    /// Handles of an earlier life do nothing any more.
    life: u64,
    set_aside: usize,
    /// Beside the file, oldest first. They are whole and on disk at once, or not there.
    annexes: Vec<Vec<u8>>,
    /// So many reads more, and the check is given up.
    patience: Option<usize>,
}

#[derive(Clone, Debug)]
enum Change {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Length(length) => bytes.resize(*length, 0),
            Change::Write(offset, data) => {
                let end = offset + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(data);
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct SimulatedDisk(Arc<Mutex<Content>>);

impl SimulatedDisk {
    pub(super) fn files(&self) -> Box<dyn Files> {
        Box::new(SimulatedFiles(self.clone()))
    }

    /// Lets every write fail as on a full disk, or work again.
    pub(super) fn fail(&self, failing: bool) {
        self.0.lock().unwrap().failing = failing;
    }

    /// The process is killed and the power goes: of what was not synced, each change is there, or half of it, or not, as
    /// the bits of `chance` say.
    pub(super) fn cut(&self, mut chance: u64) {
        let mut content = self.0.lock().unwrap();
        let mut bytes = std::mem::take(&mut content.synced);
        for change in std::mem::take(&mut content.unsynced) {
            match (chance & 3, change) {
                (0, _) => {}
                (1, Change::Write(offset, mut data)) => {
                    data.truncate(data.len() / 2);
                    Change::Write(offset, data).apply(&mut bytes);
                }
                (_, change) => change.apply(&mut bytes),
            }
            chance = chance.rotate_right(2).wrapping_mul(3);
        }
        content.seen = bytes.clone();
        content.synced = bytes;
        content.failing = false;
        content.patience = None;
        content.life += 1;
    }

    /// What is there after a power cut.
    pub(super) fn synced(&self) -> Vec<u8> {
        self.0.lock().unwrap().synced.clone()
    }

    /// What lies beside the file.
    pub(super) fn annexes(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().annexes.clone()
    }

    /// Puts other things beside the file.
    pub(super) fn set_annexes(&self, annexes: Vec<Vec<u8>>) {
        self.0.lock().unwrap().annexes = annexes;
    }

    /// Whoever opens the file is told to give up after so many reads. Until the power is cut.
    pub(super) fn give_up_after(&self, reads: usize) {
        self.0.lock().unwrap().patience = Some(reads);
    }
}

struct SimulatedFiles(SimulatedDisk);

impl Files for SimulatedFiles {
    fn open(&mut self, check: &Arc<Check>) -> Result<Database, StoreError> {
        let life = {
            let mut content = self.0.0.lock().unwrap();
            content.life += 1;
            content.life
        };
        let backend = Backend { disk: self.0.clone(), life, check: Arc::clone(check) };
        Ok(check.run(|| store::builder().create_with_backend(check.guard(backend)))?)
    }

    fn set_aside(&mut self) -> io::Result<String> {
        let mut content = self.0.0.lock().unwrap();
        let (life, set_aside) = (content.life + 1, content.set_aside + 1);
        let annexes = std::mem::take(&mut content.annexes);
        *content = Content { life, set_aside, annexes, ..Content::default() };
        Ok(format!("file-{set_aside}"))
    }

    fn put_annex(&mut self, annex: &[u8]) -> Result<(), StoreError> {
        let mut content = self.0.0.lock().unwrap();
        if content.failing {
            return Err(StoreError::Disk("it is full".to_owned()));
        }
        content.annexes.push(annex.to_vec());
        Ok(())
    }

    fn oldest_annex(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.0.lock().unwrap().annexes.first().cloned())
    }

    fn remove_annex(&mut self) -> io::Result<()> {
        self.0.0.lock().unwrap().annexes.remove(0);
        Ok(())
    }

    fn set_annex_aside(&mut self) -> io::Result<String> {
        self.remove_annex()?;
        Ok("annex".to_owned())
    }

    fn bytes(&self) -> u64 {
        self.0.0.lock().unwrap().seen.len() as u64
    }
}

#[derive(Debug)]
struct Backend {
    disk: SimulatedDisk,
    life: u64,
    check: Arc<Check>,
}

impl Backend {
    fn with<T>(&self, run: impl FnOnce(&mut Content) -> io::Result<T>) -> io::Result<T> {
        let mut content = self.disk.0.lock().unwrap();
        if content.life != self.life {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        run(&mut content)
    }

    fn change(&self, change: Change) -> io::Result<()> {
        self.with(|content| {
            if content.failing {
                return Err(io::ErrorKind::StorageFull.into());
            }
            change.apply(&mut content.seen);
            content.unsynced.push(change);
            Ok(())
        })
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.with(|content| Ok(content.seen.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|content| {
            match &mut content.patience {
                Some(0) => self.check.give_up(),
                Some(left) => *left -= 1,
                None => {}
            }
            let start = usize::try_from(offset).unwrap();
            let bytes = content.seen.get(start..start + out.len());
            out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Change::Length(usize::try_from(length).unwrap()))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|content| {
            if content.failing {
                return Err(io::ErrorKind::StorageFull.into());
            }
            for change in std::mem::take(&mut content.unsynced) {
                change.apply(&mut content.synced);
            }
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write(usize::try_from(offset).unwrap(), data.to_vec()))
    }
}
