//! The file: one redb database with the tags, the gaps and a few figures.
//!
//! Owned by the outbox's thread; every call may wait for the disk. redb checks sums and gives errors for most damage, and
//! panics on some: a panic inside of it counts as damage, and the database is dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::age::{Age, Saved};
use super::gap::Gap;
use super::row::{self, Row};
use crate::clock::Timestamp;

const TAGS: TableDefinition<u64, &[u8]> = TableDefinition::new("tags");
const GAPS: TableDefinition<u64, &[u8]> = TableDefinition::new("gaps");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

const FORMAT: u64 = 1;

/// What redb may keep of the file in memory.
pub(super) const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// Why the file does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoreError {
    /// Another process has it.
    InUse,
    /// It is damaged, or something else.
    Corrupt(String),
    /// The disk does not let us, for now.
    Disk(String),
    /// Its check was given up: nothing is known of it.
    GivenUp,
}

/// Anything that redb reports.
impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        use std::io::ErrorKind::{InvalidData, UnexpectedEof};
        let error = error.into();
        match &error {
            redb::Error::DatabaseAlreadyOpen => StoreError::InUse,
            redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::RepairAborted
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. } => StoreError::Corrupt(error.to_string()),
            redb::Error::Io(io) if [InvalidData, UnexpectedEof].contains(&io.kind()) => {
                StoreError::Corrupt(error.to_string())
            }
            _ => StoreError::Disk(error.to_string()),
        }
    }
}

/// What is to be written together.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    pub(super) inserts: Vec<(u64, Vec<u8>)>,
    pub(super) removals: Vec<u64>,
    pub(super) gaps: Vec<(u64, Option<Gap>)>,
    /// The annex that these come from, if they do.
    pub(super) annex: Option<u64>,
}

/// The open file.
#[derive(Debug)]
pub(super) struct Store {
    db: Database,
    age: Age,
    /// Rows of tags.
    rows: u64,
    /// Their sizes together.
    bytes: u64,
}

/// What an opened file holds.
#[derive(Debug)]
pub(super) struct Held {
    /// First and last key of the tags.
    pub(super) keys: Option<(u64, u64)>,
    pub(super) gaps: Vec<(u64, Gap)>,
    /// Tells this file from another.
    pub(super) identity: u64,
    /// The annex that it has taken in last.
    pub(super) annex: Option<u64>,
}

impl Held {
    /// The key after all that it has.
    pub(super) fn next_key(&self) -> u64 {
        let last = self.keys.map(|(_, last)| last).max(self.gaps.last().map(|(key, _)| *key));
        last.map_or(0, |last| last + 1)
    }

    /// The file has these too, whose keys follow.
    pub(super) fn take_in(&mut self, changes: &Changes) {
        if let (Some((new, _)), Some((last, _))) = (changes.inserts.first(), changes.inserts.last()) {
            self.keys = Some((self.keys.map_or(*new, |(first, _)| first), *last));
        }
        self.gaps.extend(changes.gaps.iter().filter_map(|(key, gap)| Some((*key, gap.clone()?))));
        self.annex = changes.annex;
    }
}

/// The settings that every database here is opened with.
pub(super) fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

impl Store {
    /// Opens it, checks all of it, and makes the tables when they are not there.
    pub(super) fn open(
        open: impl FnOnce() -> Result<Database, StoreError>,
        new_identity: u64,
        wall: Timestamp,
        now: Instant,
        max_age: Duration,
    ) -> Result<(Self, Held), StoreError> {
        guarded(|| {
            let db = open()?;
            let transaction = db.begin_write()?;
            let (rows, bytes, held, saved);
            {
                let tags = transaction.open_table(TAGS)?;
                let gap_rows = transaction.open_table(GAPS)?;
                let mut meta = transaction.open_table(META)?;
                let figure = |name| Ok::<_, StoreError>(meta.get(name)?.map(|value| value.value()));
                let format = figure("format")?;
                if format.is_some_and(|format| format != FORMAT) {
                    return Err(StoreError::Corrupt(format!("a file of format {format:?}, not {FORMAT}")));
                }
                let identity = figure("identity")?.unwrap_or(new_identity);
                saved = match (figure("seconds")?, figure("wall")?) {
                    (Some(seconds), Some(wall)) => Some(Saved { seconds, wall: from_figure(wall) }),
                    _ => None,
                };
                bytes = figure("bytes")?.unwrap_or(0);
                let annex = figure("annex")?;
                rows = tags.len()?;
                let ends = (tags.first()?, tags.last()?);
                let keys = match ends {
                    (Some(first), Some(last)) => Some((first.0.value(), last.0.value())),
                    _ => None,
                };
                let mut gaps = Vec::new();
                for gap in gap_rows.iter()? {
                    let (key, gap) = gap?;
                    gaps.extend(row::decode_gap(gap.value()).map(|gap| (key.value(), gap)));
                }
                held = Held { keys, gaps, identity, annex };
                meta.insert("format", FORMAT)?;
                meta.insert("identity", identity)?;
            }
            transaction.commit()?;
            let age = Age::resume(saved, wall, now, max_age);
            Ok((Store { db, age, rows, bytes }, held))
        })
    }

    /// Writes all or nothing, and returns when it is on disk.
    pub(super) fn commit(
        &mut self,
        changes: &Changes,
        wall: Timestamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        let (rows, bytes) = guarded(|| {
            let transaction = self.db.begin_write()?;
            let mut bytes = self.bytes;
            let rows;
            {
                let mut tags = transaction.open_table(TAGS)?;
                for key in &changes.removals {
                    if let Some(removed) = tags.remove(key)? {
                        bytes = bytes.saturating_sub(removed.value().len() as u64);
                    }
                }
                for (key, row) in &changes.inserts {
                    if let Some(replaced) = tags.insert(key, row.as_slice())? {
                        bytes = bytes.saturating_sub(replaced.value().len() as u64);
                    }
                    bytes += row.len() as u64;
                }
                rows = tags.len()?;
                let mut gaps = transaction.open_table(GAPS)?;
                for (key, gap) in &changes.gaps {
                    match gap {
                        Some(gap) => drop(gaps.insert(key, row::encode_gap(gap).as_slice())?),
                        None => drop(gaps.remove(key)?),
                    }
                }
                let mut meta = transaction.open_table(META)?;
                meta.insert("bytes", bytes)?;
                meta.insert("seconds", self.age.seconds(now))?;
                meta.insert("wall", to_figure(wall))?;
                if let Some(annex) = changes.annex {
                    meta.insert("annex", annex)?;
                }
            }
            transaction.commit()?;
            Ok((rows, bytes))
        })?;
        (self.rows, self.bytes) = (rows, bytes);
        Ok(())
    }

    /// Rows between two keys, oldest first: at most so many, and not many more than so many bytes. And whether these
    /// are all.
    pub(super) fn load(
        &self,
        keys: std::ops::RangeInclusive<u64>,
        most: usize,
        most_bytes: usize,
    ) -> Result<(Vec<(u64, Row)>, bool), StoreError> {
        guarded(|| {
            let transaction = self.db.begin_read()?;
            let tags = transaction.open_table(TAGS)?;
            let mut found = Vec::new();
            let mut bytes = 0;
            for entry in tags.range(keys.clone())? {
                if found.len() >= most || bytes >= most_bytes {
                    return Ok((found, false));
                }
                let (key, value) = entry?;
                bytes += value.value().len();
                found.push((key.value(), row::decode(value.value())));
            }
            Ok((found, true))
        })
    }

    /// Which of these keys have a row.
    pub(super) fn present(&self, keys: impl Iterator<Item = u64>) -> Result<Vec<u64>, StoreError> {
        guarded(|| {
            let transaction = self.db.begin_read()?;
            let tags = transaction.open_table(TAGS)?;
            let mut present = Vec::new();
            for key in keys {
                if tags.get(key)?.is_some() {
                    present.push(key);
                }
            }
            Ok(present)
        })
    }

    /// Gives free room back to the file system. Takes as long as what is left is large.
    pub(super) fn shrink(&mut self) -> Result<(), StoreError> {
        guarded(|| {
            self.db.compact()?;
            Ok(())
        })
    }

    /// Closes it. Whatever redb says to that, the file holds what was committed.
    pub(super) fn close(self) {
        if let Err(error) = guarded(move || {
            drop(self.db);
            Ok(())
        }) {
            tracing::warn!(?error, "closing the outbox");
        }
    }

    /// What the outbox's clock shows.
    pub(super) fn seconds(&self, now: Instant) -> u64 {
        self.age.seconds(now)
    }

    /// Rows of tags.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The sizes of all rows together.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn to_figure(wall: Timestamp) -> u64 {
    wall.as_micros().cast_unsigned()
}

fn from_figure(figure: u64) -> Timestamp {
    Timestamp::from_micros(figure.cast_signed())
}

/// Runs what calls redb. A panic in there is damage; what it was called on must not be used any more.
fn guarded<T>(run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<String>().map(String::as_str);
        let why = why.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason");
        Err(StoreError::Corrupt(format!("the database gave up: {why}")))
    })
}
