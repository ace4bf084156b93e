//! The outbox as a state machine against a simple model, with power cuts anywhere.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    /// Tags are of the present from now on.
    Connect,
    /// The thread does what is due.
    Turn,
    Backlog,
    Live,
    Acknowledge(usize),
    Refuse(usize),
    Discard(usize),
    Retry,
    Withdraw,
    Disk {
        fails: bool,
    },
    Hours(u64),
    /// Orderly.
    Restart,
    /// The same, but nobody waits until the file is checked.
    HastyRestart,
    /// As the bits say.
    PowerCut(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1u64..12).prop_map(Step::Append),
        2 => Just(Step::Connect),
        8 => Just(Step::Turn),
        6 => Just(Step::Backlog),
        4 => Just(Step::Live),
        6 => (0usize..8).prop_map(Step::Acknowledge),
        2 => (0usize..8).prop_map(Step::Refuse),
        1 => (0usize..8).prop_map(Step::Discard),
        2 => Just(Step::Retry),
        1 => Just(Step::Withdraw),
        1 => any::<bool>().prop_map(|fails| Step::Disk { fails }),
        1 => (0u64..7).prop_map(Step::Hours),
        1 => Just(Step::Restart),
        1 => Just(Step::HastyRestart),
        1 => any::<u64>().prop_map(Step::PowerCut),
    ];
    prop::collection::vec(step, 1..90)
}

type Number = (Uuid, u64);

/// What must be true, kept in the simplest way.
struct Model {
    disk: SimulatedDisk,
    bounds: Bounds,
    bench: Bench,
    boot: u128,
    seq: u64,
    /// On disk for certain, at one time.
    committed: BTreeSet<Number>,
    /// Appended in this run.
    appended: BTreeSet<Number>,
    acknowledged: BTreeSet<Number>,
    /// Acknowledged since the last power cut.
    removed: BTreeSet<Number>,
    named: BTreeSet<Number>,
    /// Named while the disk was there: such a tag never comes again.
    gone: BTreeSet<Number>,
    on_offer: BTreeMap<EntryId, Record>,
    last_backlog: Option<EntryId>,
    last_live: Option<EntryId>,
    /// Whether tags may be offered that are not on disk.
    failing: bool,
    /// Whether that was so at any time.
    failed: bool,
    connected: bool,
}

impl Model {
    fn new(max_bytes: u64) -> Self {
        let disk = SimulatedDisk::default();
        let bounds = Bounds { max_bytes, max_age: Duration::from_secs(10 * 3600), ..NO_BOUNDS };
        Model {
            bench: Bench::new(disk.files(), bounds, Instant::now()),
            disk,
            bounds,
            boot: 1,
            seq: 0,
            committed: BTreeSet::new(),
            appended: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            removed: BTreeSet::new(),
            named: BTreeSet::new(),
            gone: BTreeSet::new(),
            on_offer: BTreeMap::new(),
            last_backlog: None,
            last_live: None,
            failing: false,
            failed: false,
            connected: false,
        }
    }

    fn turn(&mut self) {
        self.bench.turn();
        let state = &self.bench.shared.desk().state;
        if state.disk() == Disk::Working && state.unwritten() == (0, false) {
            self.committed.append(&mut self.appended.clone());
        }
        let failed = std::mem::replace(&mut self.failing, state.disk() == Disk::Failing);
        self.failed |= self.failing;
        if failed && !self.failing {
            // Older ones can be read again.
            self.last_backlog = None;
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Append(count) => {
                for mut tag in test_tags(self.seq + 1..=self.seq + count) {
                    (tag.boot, tag.historical) = (Uuid::from_u128(self.boot), !self.connected);
                    self.appended.insert((tag.boot, tag.seq));
                    self.bench.shared.desk().state.append(tag, self.bench.now);
                }
                self.seq += count;
            }
            Step::Connect => self.connected = true,
            Step::Turn => self.turn(),
            Step::Backlog => {
                let entry = self.bench.shared.desk().state.next_backlog();
                if let Some(entry) = entry {
                    // A gap may come to stand where offers have passed already.
                    if let Record::Tag(_) = entry.record {
                        prop_assert!(
                            self.last_backlog < Some(entry.id),
                            "{entry:?} after {:?}",
                            self.last_backlog
                        );
                        self.last_backlog = Some(entry.id);
                    }
                    self.offered(entry, true)?;
                }
            }
            Step::Live => {
                let entry = self.bench.shared.desk().state.next_live();
                if let Some(entry) = entry {
                    prop_assert!(self.last_live < Some(entry.id));
                    self.last_live = Some(entry.id);
                    self.offered(entry, false)?;
                }
            }
            Step::Acknowledge(index) => {
                if let Some((id, record)) = self.take_offered(index) {
                    self.bench.shared.desk().state.acknowledged(id);
                    self.has_left(&record);
                }
            }
            Step::Refuse(index) => {
                if let Some((id, _)) = self.take_offered(index) {
                    self.bench.shared.desk().state.refused(id);
                }
            }
            Step::Discard(index) => {
                if let Some((id, record)) = self.take_offered(index) {
                    self.bench.shared.desk().state.discard(id);
                    if let Record::Gap(_) = record {
                        self.has_left(&record);
                    }
                }
            }
            Step::Retry => {
                self.bench.shared.desk().state.retry();
                self.last_backlog = None;
            }
            Step::Withdraw => {
                self.bench.shared.desk().state.withdraw();
                self.on_offer.clear();
                (self.last_backlog, self.connected) = (None, false);
            }
            Step::Disk { fails } => self.disk.fail(fails),
            Step::Hours(hours) => self.bench.now += Duration::from_secs(hours * 3600),
            Step::Restart => {
                self.disk.fail(false);
                self.bench.now += Duration::from_secs(60);
                self.bench.worker.finish(self.bench.now);
                // Everything is on disk now.
                self.committed.append(&mut self.appended.clone());
                self.disk.cut(0);
                self.begin();
            }
            Step::HastyRestart => {
                self.disk.fail(false);
                self.bench.shared.check.give_up();
                self.bench.worker.finish(self.bench.now);
                // In the file, or beside it; but what was to be removed may still be there.
                self.committed.append(&mut self.appended.clone());
                self.removed.clear();
                self.disk.cut(0);
                self.begin();
            }
            Step::PowerCut(chance) => {
                self.disk.cut(chance);
                self.removed.clear();
                self.begin();
            }
        }
        let state = &self.bench.shared.desk().state;
        let most = SMALL.unstored + 4 * SMALL.lane + self.on_offer.len() + 12;
        prop_assert!(state.in_memory() <= most, "{} in memory", state.in_memory());
        Ok(())
    }

    /// Another run of the node.
    fn begin(&mut self) {
        let now = self.bench.now;
        self.bench = Bench::new(self.disk.files(), self.bounds, now);
        (self.boot, self.seq) = (self.boot + 1, 0);
        self.appended.clear();
        self.on_offer.clear();
        (self.last_backlog, self.last_live) = (None, None);
        (self.failing, self.connected) = (false, false);
    }

    fn offered(&mut self, entry: Entry, historical: bool) -> Result<(), TestCaseError> {
        if let Record::Tag(tag) = &entry.record {
            let number = (tag.boot, tag.seq);
            prop_assert_eq!(tag.historical, historical);
            let mut expected = test_tags(tag.seq..=tag.seq).next().unwrap();
            (expected.boot, expected.historical) = (tag.boot, historical);
            prop_assert_eq!(tag, &expected, "a tag that comes again is the same");
            prop_assert!(!self.removed.contains(&number), "{number:?} was acknowledged");
            let stored = self.bench.shared.desk().state.is_stored(entry.id);
            prop_assert!(stored || self.failing, "{number:?} is not on disk");
        }
        prop_assert!(self.on_offer.insert(entry.id, entry.record).is_none(), "offered twice");
        Ok(())
    }

    fn take_offered(&mut self, index: usize) -> Option<(EntryId, Record)> {
        let id = *self.on_offer.keys().nth(index % self.on_offer.len().max(1))?;
        self.on_offer.remove_entry(&id)
    }

    fn has_left(&mut self, record: &Record) {
        match record {
            Record::Tag(tag) => {
                self.acknowledged.insert((tag.boot, tag.seq));
                self.removed.insert((tag.boot, tag.seq));
            }
            Record::Gap(gap) => {
                let numbers = (gap.first..=gap.last).map(|seq| (gap.boot, seq));
                self.named.extend(numbers.clone());
                if !self.failed {
                    self.gone.extend(numbers);
                }
            }
        }
    }

    /// Everything that is left is delivered; then nothing may be missing.
    fn end(mut self) -> Result<(), TestCaseError> {
        self.disk.fail(false);
        self.bench.now += Duration::from_secs(60);
        self.step(Step::Withdraw)?;
        for round in 0.. {
            self.turn();
            self.step(Step::Backlog)?;
            self.step(Step::Live)?;
            while !self.on_offer.is_empty() {
                self.step(Step::Acknowledge(0))?;
            }
            let left = self.bench.shared.desk().state.count();
            if left == 0 {
                break;
            }
            prop_assert!(round < 3000, "{left} never come");
        }
        for number in self.committed.iter().chain(&self.appended) {
            let accounted = self.acknowledged.contains(number) || self.named.contains(number);
            prop_assert!(accounted, "{number:?} is nowhere");
        }
        for number in &self.gone {
            prop_assert!(!self.removed.contains(number), "{number:?} is called lost and was delivered");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_is_lost_without_a_word(steps in steps(), room in prop::option::of(20_000u64..60_000)) {
        let mut model = Model::new(room.unwrap_or(1 << 30));
        for step in steps {
            model.step(step)?;
        }
        model.end()?;
    }
}
