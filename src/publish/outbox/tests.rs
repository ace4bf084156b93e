//! The outbox as a whole: through its thread on a real folder, and step by step on a simulated disk.

mod disk;
mod faults;
mod model;

use std::path::Path;
use std::sync::mpsc;

use super::*;
use crate::clock::{SimulatedClock, Timestamp};
use crate::publish::test_tags;
use disk::SimulatedDisk;

/// A thread's work without the thread.
struct Bench {
    shared: Arc<Shared>,
    worker: Worker,
    clock: Arc<SimulatedClock>,
    now: Instant,
}

const SMALL: Limits = Limits { unstored: 40, unstored_bytes: 1 << 20, lane: 8, lane_bytes: 1 << 20 };

const NO_BOUNDS: Bounds = Bounds {
    max_bytes: 1 << 30,
    max_age: Duration::from_secs(7 * 24 * 3600),
    shrink_above: 2 << 20,
    commit_interval: Duration::ZERO,
};

impl Bench {
    fn new(files: Box<dyn files::Files>, bounds: Bounds, now: Instant) -> Self {
        let clock = Arc::new(SimulatedClock::new(Timestamp::from_micros(1_800_000_000_000_000)));
        Self::at(files, bounds, now, clock)
    }

    fn at(files: Box<dyn files::Files>, bounds: Bounds, now: Instant, clock: Arc<SimulatedClock>) -> Self {
        let shared = Shared::new(SMALL, Disk::Opening, Box::new(|| {}));
        let time: Arc<dyn Clock> = Arc::<SimulatedClock>::clone(&clock);
        let worker = Worker::new(Arc::clone(&shared), files, time, bounds);
        Bench { shared, worker, clock, now }
    }

    fn on(disk: &SimulatedDisk) -> Self {
        Self::new(disk.files(), NO_BOUNDS, Instant::now())
    }

    fn in_folder(folder: &Path) -> Self {
        Self::new(Box::new(Folder::new(folder.to_owned())), NO_BOUNDS, Instant::now())
    }

    fn append(&self, numbers: std::ops::RangeInclusive<u64>) {
        let desk = &mut self.shared.desk();
        for tag in test_tags(numbers) {
            desk.state.append(tag, self.now);
        }
    }

    fn turn(&mut self) {
        self.worker.turn(self.now);
    }

    /// Offers and acknowledges all there is, backlog first. The numbers of the tags, and the gaps.
    fn drain(&mut self) -> (Vec<u64>, Vec<Gap>) {
        let (mut seqs, mut gaps) = (Vec::new(), Vec::new());
        loop {
            self.turn();
            let before = (seqs.len(), gaps.len());
            let state = &mut self.shared.desk().state;
            // In strict order: what is live waits until the whole backlog has been read.
            while let Some(entry) = state.next_backlog().or_else(|| match state.waiting().backlog {
                true => None,
                false => state.next_live(),
            }) {
                state.acknowledged(entry.id);
                match entry.record {
                    Record::Tag(tag) => {
                        let expected = test_tags(tag.seq..=tag.seq).next().unwrap();
                        assert_eq!(wire::Tag { historical: false, ..tag.clone() }, expected);
                        seqs.push(tag.seq);
                    }
                    Record::Gap(gap) => gaps.push(gap),
                }
            }
            if before == (seqs.len(), gaps.len()) {
                return (seqs, gaps);
            }
        }
    }

    fn problems(&self) -> Vec<&'static str> {
        let outbox = Outbox {
            shared: Arc::clone(&self.shared),
            max_age: Duration::MAX,
            sync: config::Sync::Interval,
            thread: None,
        };
        outbox.problems().into_iter().map(|problem| problem.code).collect()
    }
}

impl Outbox {
    /// One with `sync = "always"` and a disk that never answers.
    pub(in crate::publish) fn stalled() -> Self {
        let shared = Shared::new(Limits { unstored: 1000, ..SMALL }, Disk::Working, Box::new(|| {}));
        Outbox { shared, max_age: Duration::MAX, sync: config::Sync::Always, thread: None }
    }
}

fn config(folder: &Path) -> config::Outbox {
    config::Outbox { directory: Some(folder.to_owned()), ..config::Outbox::in_memory() }
}

fn open(config: &config::Outbox) -> (Outbox, mpsc::Receiver<()>) {
    let (ring, rung) = mpsc::sync_channel(1);
    let clock = Arc::new(crate::clock::SystemClock);
    let notify = move || {
        // A full channel means that it was told already.
        ring.try_send(()).ok();
    };
    let outbox = Outbox::open(config, clock, notify).unwrap();
    (outbox, rung)
}

const SOON: Duration = Duration::from_secs(20);

/// The next entry, waited for.
fn next(outbox: &Outbox, rung: &mpsc::Receiver<()>, lanes: &mut Lanes) -> Entry {
    let until = Instant::now() + SOON;
    loop {
        if let Some(entry) = outbox.next(lanes, Instant::now()) {
            return entry;
        }
        rung.recv_timeout(until.saturating_duration_since(Instant::now())).expect("something to offer");
    }
}

fn seq(entry: &Entry) -> (u64, bool) {
    let Record::Tag(tag) = &entry.record else { panic!("{entry:?}") };
    (tag.seq, tag.historical)
}

#[test]
fn what_was_not_acknowledged_comes_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = config::Outbox { sync: config::Sync::Always, ..config(folder.path()) };
    let mut lanes = Lanes::new(1000, Instant::now());
    {
        let (outbox, rung) = open(&config);
        for tag in test_tags(1..=3) {
            assert!(outbox.append(tag).wait(SOON), "{:?}", outbox.problems());
        }
        let first = next(&outbox, &rung, &mut lanes);
        let second = next(&outbox, &rung, &mut lanes);
        assert_eq!((seq(&first), seq(&second)), ((1, false), (2, false)));
        outbox.acknowledged(first.id);
        assert_eq!((outbox.depth().waiting, outbox.is_drained(), outbox.problems()), (2, false, vec![]));
    }
    let (outbox, rung) = open(&config);
    let again = [next(&outbox, &rung, &mut lanes), next(&outbox, &rung, &mut lanes)];
    assert_eq!(again.each_ref().map(seq), [(2, true), (3, true)]);
    // The thread looks at the size when it has time.
    let until = Instant::now() + SOON;
    while outbox.depth().disk_bytes == 0 {
        assert!(Instant::now() < until, "the file has no size");
        std::thread::yield_now();
    }
    again.iter().for_each(|entry| outbox.acknowledged(entry.id));
    assert!(outbox.is_drained() && outbox.is_running());
}

#[test]
fn nobody_waits_again_for_a_disk_before_it_has_answered() {
    const SHORT: Duration = Duration::from_millis(30);
    let mut bench = Bench::on(&SimulatedDisk::default());
    let shared = Arc::clone(&bench.shared);
    let outbox = Outbox { shared, max_age: Duration::MAX, sync: config::Sync::Always, thread: None };
    let append = |seq| outbox.append(test_tags(seq..=seq).next().unwrap());
    // While the file is checked, and when the disk stalls later.
    for round in 0..2 {
        let begun = Instant::now();
        let first = append(20 * round + 1);
        assert!(!first.wait(SHORT) && begun.elapsed() >= SHORT);
        assert!((2..=20).all(|seq| !append(20 * round + seq).wait(SOON)));
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        bench.turn();
        assert!(first.wait(SOON));
    }
}

#[test]
fn a_disk_that_does_not_take_the_last_tags_is_spoken_of_and_not_waited_for() {
    let outbox = Outbox::stalled();
    test_tags(1..=3).for_each(|tag| drop(outbox.append(tag)));
    let begun = Instant::now();
    assert_eq!(outbox.close().wait(Duration::ZERO), 3);
    assert!(outbox.shared.check.is_given_up() && outbox.shared.desk().late_told);
    assert_eq!(outbox.close().wait(SOON), 3);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[test]
fn a_closed_outbox_has_written_everything_and_left_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let config = config::Outbox { sync: config::Sync::Always, ..config(folder.path()) };
    let (closed, _) = open(&config);
    test_tags(1..=3).for_each(|tag| drop(closed.append(tag)));
    assert_eq!((closed.close().wait(SOON), closed.is_kept()), (0, true));
    let begun = Instant::now();
    assert!(!closed.append(test_tags(4..=4).next().unwrap()).wait(SOON));
    assert!(begun.elapsed() < SOON, "nobody writes it any more");
    let (outbox, rung) = open(&config);
    let mut lanes = Lanes::new(1000, Instant::now());
    let all: Vec<_> = (0..3).map(|_| seq(&next(&outbox, &rung, &mut lanes))).collect();
    assert_eq!(all, [(1, true), (2, true), (3, true)]);
}

#[test]
fn one_folder_is_for_one_process() {
    let folder = tempfile::tempdir().unwrap();
    assert!(try_out(folder.path()).is_ok());
    let (outbox, _) = open(&config(folder.path()));
    let clock = Arc::new(crate::clock::SystemClock);
    let second = Outbox::open(&config(folder.path()), clock, || {}).err().unwrap().to_string();
    assert!(second.ends_with("another process has this outbox open"), "{second}");
    assert_eq!(try_out(folder.path()).unwrap_err().to_string(), second);
    drop(outbox);
    assert!(try_out(folder.path()).is_ok());
}

#[test]
fn in_memory_the_oldest_leave_a_gap() {
    let (outbox, rung) = open(&config::Outbox { memory_tags: 3, ..config::Outbox::in_memory() });
    let mut lanes = Lanes::new(1000, Instant::now());
    assert!(test_tags(1..=2).all(|tag| !outbox.append(tag).wait(SOON)));
    let on_offer = next(&outbox, &rung, &mut lanes);
    test_tags(3..=6).for_each(|tag| drop(outbox.append(tag)));
    let gap = next(&outbox, &rung, &mut lanes);
    assert!(matches!(&gap.record, Record::Gap(Gap { first: 2, last: 4, reason: GapReason::Full, .. })));
    let depth = outbox.depth();
    assert_eq!((depth.waiting, depth.gaps, depth.dropped_tags(), depth.lost), (3, 1, 3, Some((2, 4))));
    outbox.discard(on_offer.id);
    outbox.acknowledged(gap.id);
    let size = next(&outbox, &rung, &mut lanes);
    assert!(matches!(&size.record, Record::Gap(Gap { first: 1, last: 1, reason: GapReason::Size, .. })));
}

#[test]
fn an_overtaking_tag_says_how_many_older_ones_will_come() {
    let disk = SimulatedDisk::default();
    let mut bench = Bench::on(&disk);
    bench.append(1..=30);
    bench.turn();
    bench.shared.desk().state.withdraw();
    bench.turn();
    bench.append(31..=31);
    bench.turn();
    let state = &mut bench.shared.desk().state;
    assert!(state.in_memory() <= 9, "{}", state.in_memory());
    let first = state.next_backlog().unwrap();
    let live = state.next_live().unwrap();
    assert_eq!((seq(&first), first.older_waiting), ((1, true), 0));
    assert_eq!((seq(&live), live.older_waiting), ((31, false), 29));
    state.refused(first.id);
    assert_eq!(state.next_backlog().map(|entry| (seq(&entry), entry.older_waiting)), Some(((2, true), 1)));
}

#[test]
fn a_refused_tag_stays_out_of_the_way_until_it_is_tried_again() {
    let disk = SimulatedDisk::default();
    let mut bench = Bench::on(&disk);
    bench.append(1..=20);
    bench.turn();
    for _ in 0..20 {
        let entry = {
            let state = &mut bench.shared.desk().state;
            state.next_backlog().or_else(|| state.next_live()).unwrap()
        };
        bench.shared.desk().state.refused(entry.id);
        bench.turn();
    }
    assert!(bench.shared.desk().state.is_drained());
    assert!(bench.shared.desk().state.in_memory() <= SMALL.lane);
    bench.shared.desk().state.retry();
    assert_eq!(bench.drain(), ((1..=20).collect(), vec![]));
}

#[test]
fn an_empty_file_gives_its_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::in_folder(folder.path());
    for first in (1..=4000).step_by(40) {
        bench.append(first..=first + 39);
        bench.turn();
    }
    let size = || std::fs::metadata(folder.path().join(FILE)).unwrap().len();
    let full = size();
    assert!(full > NO_BOUNDS.shrink_above, "{full}");
    assert_eq!(bench.drain().0.len(), 4000);
    assert!(size() < full / 2, "{} of {full}", size());
    bench.append(4001..=4001);
    assert_eq!(bench.drain(), (vec![4001], vec![]));
}

#[test]
fn other_limits_hold_from_now_on() {
    // In memory, and on the disk, whose thread hears of it.
    let folder = tempfile::tempdir().unwrap();
    let in_memory = config::Outbox { memory_tags: 500, ..config::Outbox::in_memory() };
    let on_disk = config(folder.path());
    for (before, after) in [
        (in_memory.clone(), config::Outbox { memory_tags: 200, ..in_memory }),
        (on_disk.clone(), config::Outbox { max_bytes: 20_000, ..on_disk }),
    ] {
        let (mut outbox, _rung) = open(&before);
        for tag in test_tags(1..=300) {
            drop(outbox.append(tag));
        }
        let until = Instant::now() + SOON;
        let stored = |outbox: &Outbox| before.directory.is_none() || outbox.depth().disk_bytes > 0;
        while !stored(&outbox) && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        assert_eq!(outbox.depth().dropped_tags(), 0);
        outbox.configure(&after);
        while outbox.depth().dropped_tags() < 100 && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let depth = outbox.depth();
        assert!(depth.dropped_tags() >= 100 && depth.gaps > 0, "{depth:?}");
        assert_eq!(depth.waiting + depth.dropped_tags(), 300);
    }
}
