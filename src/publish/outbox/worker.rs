//! The thread that owns the file: writes what is new as a group, removes what was acknowledged, reads the backlog.
//!
//! It holds the lock only to ask [`super::state`] what to do and to tell what was done, never across the disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::files::Files;
use super::gap::GapReason;
use super::state::{Batch, FIRST_ID};
use super::store::{Changes, Held, Store, StoreError};
use super::{Desk, Shared, annex, row};
use crate::clock::Clock;

/// New entries in one commit.
const MOST_IN_COMMIT: usize = 4096;

/// Rows in one read, and about so many bytes.
const MOST_IN_READ: usize = 512;
const MOST_BYTES_IN_READ: usize = 512 * 1024;

/// How long a removal waits for something else to be committed.
const LAZY: Duration = Duration::from_secs(1);

/// How often entries are looked at that may be too old.
const AGE_CHECK: Duration = Duration::from_secs(10);

/// How often an empty file is made small.
const SHRINK_PAUSE: Duration = Duration::from_secs(60);

/// How long a failing disk is left alone, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What the thread is to keep to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// How large the file may become.
    pub(super) max_bytes: u64,
    pub(super) max_age: Duration,
    /// An empty file larger than this gives its room back.
    pub(super) shrink_above: u64,
    /// From one commit to the next; zero for at once.
    pub(super) commit_interval: Duration,
}

/// The thread's own.
pub(super) struct Worker {
    shared: Arc<Shared>,
    files: Box<dyn Files>,
    clock: Arc<dyn Clock>,
    bounds: Bounds,
    store: Option<Store>,
    /// Set by the first file: the key of this run's first entry, and which file it is.
    base: Option<u64>,
    identity: Option<u64>,
    last_commit: Option<Instant>,
    last_age_check: Option<Instant>,
    last_shrink: Option<Instant>,
    /// When to try a failing disk again, and how long to leave it alone after that.
    retry_at: Option<Instant>,
    pause: Duration,
    /// No row was stored before this second.
    oldest: Option<u64>,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        files: Box<dyn Files>,
        clock: Arc<dyn Clock>,
        bounds: Bounds,
    ) -> Self {
        Worker {
            shared,
            files,
            clock,
            bounds,
            store: None,
            base: None,
            identity: None,
            last_commit: None,
            last_age_check: None,
            last_shrink: None,
            retry_at: None,
            pause: FIRST_PAUSE,
            oldest: None,
        }
    }

    /// Works until it is told to stop, and then writes what is left.
    pub(super) fn run(mut self) {
        while !self.wait() {
            self.turn(Instant::now());
        }
        self.finish(Instant::now());
        // The folder is free before anybody hears that the file is closed.
        let shared = Arc::clone(&self.shared);
        drop(self);
        shared.desk().closed = true;
        shared.settled();
    }

    /// Waits until something is due. Whether to stop.
    fn wait(&mut self) -> bool {
        let mut desk = self.shared.desk();
        loop {
            if let Some(bounds) = desk.bounds.take() {
                (self.bounds, self.last_age_check) = (bounds, None);
            }
            if desk.stop {
                return true;
            }
            let now = Instant::now();
            let wait = match self.due(&desk, now) {
                Some(due) if due <= now => return false,
                Some(due) => due - now,
                None => Duration::from_secs(3600),
            };
            desk = self.shared.wait_for_work(desk, wait);
        }
    }

    /// When there is something to do; `None` for not before something changes.
    fn due(&self, desk: &Desk, now: Instant) -> Option<Instant> {
        let Some(store) = &self.store else { return Some(self.retry_at.unwrap_or(now)) };
        let after_commit = |pause| self.last_commit.map_or(now, |last| last + pause);
        let (new, other) = desk.state.unwritten();
        let dues = [
            (new > 0).then(|| after_commit(self.bounds.commit_interval)),
            other.then(|| after_commit(LAZY)),
            desk.state.wanted().map(|_| now),
            (store.rows() > 0).then(|| self.last_age_check.map_or(now, |last| last + AGE_CHECK)),
        ];
        dues.into_iter().flatten().min()
    }

    /// Does everything that can be done now.
    pub(super) fn turn(&mut self, now: Instant) {
        if self.store.is_none() {
            if self.retry_at.is_some_and(|at| now < at) {
                return;
            }
            match self.open(now) {
                Ok(()) => self.retry_at = None,
                Err(StoreError::GivenUp) => return,
                Err(error) => self.fail(error, now),
            }
            self.shared.tell(true);
        }
        match self.work(now) {
            Ok(offers) => self.shared.tell(offers),
            Err(error) => {
                self.fail(error, now);
                self.shared.tell(true);
            }
        }
    }

    /// Writes everything there is and closes the file; into an annex, when the file's check was given up.
    pub(super) fn finish(&mut self, now: Instant) {
        if self.store.is_none() {
            self.retry_at = None;
        }
        loop {
            self.turn(now);
            let (new, other) = self.shared.desk().state.unwritten();
            if self.store.is_none() || (new == 0 && !other) {
                break;
            }
        }
        if let Some(store) = self.store.take() {
            store.close();
        } else if self.shared.check.is_given_up()
            && let Err(error) = self.leave_annex()
        {
            self.fail(error, now);
        }
    }

    /// Puts what the file does not have beside it.
    fn leave_annex(&mut self) -> Result<(), StoreError> {
        let batch = self.shared.desk().state.batch(usize::MAX);
        let Some(annex) = annex::encode(&batch) else { return Ok(()) };
        self.files.put_annex(&annex)?;
        tracing::info!(
            tags = batch.inserts.len(),
            "the outbox is still being checked: tags go into an annex"
        );
        self.shared.desk().state.written(&batch);
        Ok(())
    }

    fn work(&mut self, now: Instant) -> Result<bool, StoreError> {
        if self.store.is_none() {
            return Ok(false);
        }
        let mut offers = self.commit(now)?;
        offers |= self.shed(now)?;
        offers |= self.load(now)?;
        self.shrink(now)?;
        self.report(now);
        Ok(offers)
    }

    fn commit(&mut self, now: Instant) -> Result<bool, StoreError> {
        let batch = self.shared.desk().state.batch(MOST_IN_COMMIT);
        self.write(&batch, now)
    }

    fn write(&mut self, batch: &Batch, now: Instant) -> Result<bool, StoreError> {
        let base = self.base;
        let Some(store) = self.store.as_mut().filter(|_| !batch.is_empty()) else { return Ok(false) };
        self.last_commit = Some(now);
        let seconds = store.seconds(now);
        let changes = Changes {
            inserts: batch
                .inserts
                .iter()
                .map(|(id, tag)| (key_of(base, *id), row::encode(tag, seconds)))
                .collect(),
            removals: batch.removals.iter().map(|id| key_of(base, *id)).collect(),
            gaps: batch.gaps.iter().map(|(id, gap)| (key_of(base, *id), gap.clone())).collect(),
            annex: None,
        };
        store.commit(&changes, self.clock.now(), now)?;
        self.pause = FIRST_PAUSE;
        self.oldest = if store.rows() == 0 { None } else { Some(self.oldest.unwrap_or(seconds)) };
        let offers = {
            let desk = &mut self.shared.desk();
            desk.overdue = false;
            desk.state.written(batch)
        };
        self.shared.settled();
        Ok(offers)
    }

    /// Drops the oldest rows as long as there are too many, or as long as they are too old.
    fn shed(&mut self, now: Instant) -> Result<bool, StoreError> {
        let most_bytes = rows_in(self.bounds.max_bytes);
        let mut offers = false;
        while let Some(store) = &self.store {
            let too_old = store.seconds(now).saturating_sub(self.bounds.max_age.as_secs());
            let excess = store.bytes().saturating_sub(most_bytes);
            let old = store.rows() > 0 && self.oldest.is_none_or(|oldest| oldest < too_old);
            self.last_age_check = Some(now);
            if excess == 0 && !old {
                break;
            }
            let (rows, _) = store.load(0..=u64::MAX, MOST_IN_READ, MOST_BYTES_IN_READ)?;
            self.oldest = rows.first().and_then(|(_, row)| row.seconds);
            let rows = rows.into_iter().map(|(key, row)| (id_of(self.base, key), row)).collect();
            let mut dropped = 0;
            let mut freed = 0;
            {
                let state = &mut self.shared.desk().state;
                if excess > 0 {
                    state.drop_oldest(rows, GapReason::Full, |row| {
                        let is_excess = freed < excess;
                        freed += row.bytes as u64;
                        dropped += u64::from(is_excess);
                        is_excess
                    });
                } else {
                    state.drop_oldest(rows, GapReason::Age, |row| {
                        let is_old = row.seconds.is_none_or(|seconds| seconds < too_old);
                        dropped += u64::from(is_old);
                        is_old
                    });
                }
            }
            if dropped == 0 {
                break;
            }
            offers = true;
            self.commit(now)?;
        }
        Ok(offers)
    }

    /// Reads what is next in the backlog.
    fn load(&mut self, now: Instant) -> Result<bool, StoreError> {
        let mut offers = false;
        while let Some(store) = &self.store {
            let Some((first, last)) = self.shared.desk().state.wanted() else { break };
            let keys = key_of(self.base, first)..=key_of(self.base, last);
            let (rows, is_all) = store.load(keys, MOST_IN_READ, MOST_BYTES_IN_READ)?;
            let rows = rows.into_iter().map(|(key, row)| (id_of(self.base, key), row)).collect();
            offers |= self.shared.desk().state.loaded((first, last), rows, is_all, now);
        }
        Ok(offers)
    }

    /// After a long backlog the file is large and empty: then making it small is cheap.
    fn shrink(&mut self, now: Instant) -> Result<(), StoreError> {
        let is_due = self.last_shrink.is_none_or(|last| now >= last + SHRINK_PAUSE);
        if let Some(store) = self.store.as_mut().filter(|store| is_due && store.rows() == 0)
            && self.files.bytes() > self.bounds.shrink_above
        {
            self.last_shrink = Some(now);
            store.shrink()?;
        }
        Ok(())
    }

    fn report(&self, now: Instant) {
        let Some(store) = &self.store else { return };
        let bytes = self.files.bytes();
        let mut desk = self.shared.desk();
        desk.bytes = bytes;
        desk.oldest =
            self.oldest.map(|oldest| Duration::from_secs(store.seconds(now).saturating_sub(oldest)));
    }

    fn open(&mut self, now: Instant) -> Result<(), StoreError> {
        let opened = match self.open_once(now) {
            Err(StoreError::Corrupt(why)) if !self.shared.check.is_given_up() => {
                self.set_aside(&why)?;
                self.open_once(now)
            }
            opened => opened,
        };
        // Whatever it is called then, it says nothing about the file.
        opened.map_err(|error| if self.shared.check.is_given_up() { StoreError::GivenUp } else { error })
    }

    fn open_once(&mut self, now: Instant) -> Result<(), StoreError> {
        let new_identity = uuid::Uuid::new_v4().as_u64_pair().0;
        let (files, check) = (&mut self.files, &self.shared.check);
        let (mut store, mut held) =
            Store::open(|| files.open(check), new_identity, self.clock.now(), now, self.bounds.max_age)?;
        let is_empty = held.keys.is_none() && held.gaps.is_empty();
        if self.identity.is_some_and(|identity| identity != held.identity) && !is_empty {
            store.close();
            return Err(StoreError::Corrupt("it is another outbox's file".to_owned()));
        }
        let is_first = self.identity.is_none();
        if is_first {
            self.take_in_annexes(&mut store, &mut held, now)?;
        }
        let base = if is_first { held.next_key() } else { self.base.unwrap_or(0) };
        let removing = self.shared.desk().state.removing();
        let present = store.present(removing.iter().map(|id| key_of(Some(base), *id)))?;
        self.oldest =
            store.load(0..=u64::MAX, 1, 1)?.0.first().map(|(_, row)| row.seconds.unwrap_or_default());
        let mut desk = self.shared.desk();
        if is_first {
            desk.state.restore(held.keys.map(|(first, last)| (first, last, store.rows())), held.gaps);
        } else if self.identity != Some(held.identity) {
            // The file was taken away, or set aside.
            let gone = desk.state.start_over();
            if gone > 0 {
                desk.corrupt.get_or_insert_with(|| "the outbox's file was removed".to_owned());
            }
            tracing::error!(
                tags = gone,
                "the outbox has a new file, tags that were only in the old one are lost"
            );
        }
        let present: BTreeSet<u64> = present.into_iter().map(|key| id_of(Some(base), key)).collect();
        desk.state.disk_works(present);
        desk.overdue = false;
        if desk.disk.take().is_some() {
            tracing::warn!("the outbox is on disk again");
        }
        drop(desk);
        (self.base, self.identity) = (Some(base), Some(held.identity));
        self.store = Some(store);
        Ok(())
    }

    /// Takes in what runs have left that ended before the file was checked.
    fn take_in_annexes(
        &mut self,
        store: &mut Store,
        held: &mut Held,
        now: Instant,
    ) -> Result<(), StoreError> {
        while let Some(bytes) = self.files.oldest_annex()? {
            match annex::decode(&bytes) {
                // It was not removed any more.
                Some(annex) if held.annex == Some(annex.id) => {}
                Some(annex) => {
                    let changes = annex.into_changes(held.next_key(), store.seconds(now));
                    store.commit(&changes, self.clock.now(), now)?;
                    held.take_in(&changes);
                    tracing::info!(tags = changes.inserts.len(), "the outbox has taken in an annex");
                }
                None => {
                    let name = self.files.set_annex_aside()?;
                    let text = format!("an annex of the outbox was damaged and is set aside as {name}");
                    tracing::error!("{text}; tags that waited in it are lost");
                    self.shared.desk().corrupt = Some(text);
                    continue;
                }
            }
            self.files.remove_annex()?;
        }
        Ok(())
    }

    /// The file is of no use: it goes out of the way.
    fn set_aside(&mut self, why: &str) -> Result<(), StoreError> {
        let name = self.files.set_aside().map_err(|error| {
            StoreError::Disk(format!("the outbox is damaged ({why}) and cannot be set aside: {error}"))
        })?;
        let text = format!("the outbox was damaged and is set aside as {name}: {why}");
        tracing::error!("{text}; tags that waited in it are lost");
        self.shared.desk().corrupt = Some(text);
        Ok(())
    }

    /// The file cannot be used as it is now.
    pub(super) fn fail(&mut self, error: StoreError, now: Instant) {
        if let Some(store) = self.store.take() {
            store.close();
        }
        let error = match error {
            StoreError::Corrupt(why) => match self.set_aside(&why).and_then(|()| self.open_once(now)) {
                Ok(()) => return,
                Err(error) => error,
            },
            error => error,
        };
        let why = match error {
            StoreError::InUse => "another process has the outbox open".to_owned(),
            StoreError::Corrupt(why) | StoreError::Disk(why) => why,
            StoreError::GivenUp => "its check was given up".to_owned(),
        };
        self.retry_at = Some(now + self.pause);
        self.pause = (2 * self.pause).min(LONGEST_PAUSE);
        let mut desk = self.shared.desk();
        if desk.disk.is_none() {
            tracing::error!(error = why, "the outbox cannot be written, tags wait in memory only");
        }
        desk.disk = Some(why);
        desk.state.disk_failed();
        drop(desk);
        self.shared.settled();
    }
}

/// How many bytes of rows a file of this size has room for. Rows in order fill pages to 96 %; the rest is for commits.
fn rows_in(file_bytes: u64) -> u64 {
    file_bytes / 10 * 9
}

/// An entry's key in the file. Entries of this run follow those that the first file had.
fn key_of(base: Option<u64>, id: u64) -> u64 {
    if id >= FIRST_ID { id - FIRST_ID + base.unwrap_or(0) } else { id }
}

/// The entry with this key.
fn id_of(base: Option<u64>, key: u64) -> u64 {
    match base {
        Some(base) if key >= base => key - base + FIRST_ID,
        _ => key,
    }
}
