//! Damaged files, disks that fail, and clocks that jump.

use std::fs;

use proptest::prelude::*;

use super::*;

/// A folder with a file of so many tags.
fn filled(count: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::in_folder(folder.path());
    for first in (1..=count).step_by(20) {
        bench.append(first..=count.min(first + 19));
        bench.turn();
    }
    bench.worker.finish(bench.now);
    folder
}

fn set_aside(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.contains("corrupt")).collect();
    names.sort();
    names
}

/// Damages the file: either nothing is lost, or it is said. Service goes on in any case.
fn survives(folder: &Path, count: u64, damage: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    damage(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let mut bench = Bench::in_folder(folder);
    bench.append(1000..=1000);
    let (seqs, gaps) = bench.drain();
    assert_eq!((seqs.last(), gaps), (Some(&1000), vec![]));
    let all: Vec<u64> = (1..=count).chain([1000]).collect();
    if seqs != all {
        assert!(
            bench.problems() == ["outbox-corrupt"] || bench.shared.desk().state.dropped[4] > 0,
            "{seqs:?}"
        );
    }
    bench.worker.finish(bench.now);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_torn_file_is_set_aside(keep in 0.0f64..1.0) {
        let folder = filled(60);
        survives(folder.path(), 60, |bytes| bytes.truncate((bytes.len() as f64 * keep) as usize));
    }

    #[test]
    fn flipped_bits_are_noticed(places in prop::collection::vec((0.0f64..1.0, 1u8..), 1..40)) {
        let folder = filled(60);
        survives(folder.path(), 60, |bytes| {
            for (place, bits) in places {
                // The front of the file, which is full.
                let index = (60_000.0 * place * place) as usize;
                bytes[index] ^= bits;
            }
        });
    }
}

#[test]
fn a_foreign_file_is_set_aside_and_few_of_them_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=5u64 {
        fs::write(folder.path().join(FILE), format!("something else {round}").repeat(500)).unwrap();
        let mut bench = Bench::in_folder(folder.path());
        bench.append(round..=round);
        assert_eq!(bench.drain().0, [round]);
        assert_eq!(bench.problems(), ["outbox-corrupt"]);
    }
    assert_eq!(
        set_aside(folder.path()),
        ["outbox.redb.corrupt-3", "outbox.redb.corrupt-4", "outbox.redb.corrupt-5"]
    );

    let path = folder.path().join(FILE);
    fs::remove_file(&path).unwrap();
    {
        let table: redb::TableDefinition<&str, u64> = redb::TableDefinition::new("tags");
        let database = redb::Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(table).unwrap().insert("a", 1).unwrap();
        transaction.commit().unwrap();
    }
    let mut bench = Bench::in_folder(folder.path());
    bench.append(1..=1);
    assert_eq!(bench.drain().0, [1]);
    assert_eq!(bench.problems(), ["outbox-corrupt"]);
}

#[test]
fn what_came_in_during_a_check_that_is_given_up_is_kept_and_so_is_the_file() {
    for is_clean in [true, false] {
        // However far the check has come.
        for reads in 0.. {
            let disk = SimulatedDisk::default();
            let mut bench = Bench::on(&disk);
            for first in (1..=200).step_by(20) {
                bench.append(first..=first + 19);
                bench.turn();
            }
            if is_clean {
                bench.worker.finish(bench.now);
            }
            disk.cut(0);
            let before = disk.synced();

            disk.give_up_after(reads);
            let mut bench = Bench::on(&disk);
            bench.append(1000..=1019);
            bench.worker.finish(bench.now);
            assert_eq!(bench.shared.desk().state.unwritten(), (0, false));
            assert_eq!(bench.problems(), Vec::<&str>::new());
            let was_checked = disk.annexes().is_empty();
            // Far into the check: it is not over, and nothing was written.
            assert!(reads > 20 || (!was_checked && (!is_clean || disk.synced() == before)), "{reads} reads");
            disk.cut((reads as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));

            let mut bench = Bench::on(&disk);
            let all: Vec<u64> = (1..=200).chain(1000..=1019).collect();
            assert_eq!(bench.drain(), (all, vec![]), "given up after {reads} reads");
            assert_eq!((bench.problems(), disk.annexes().len()), (vec![], 0));
            if was_checked {
                break;
            }
        }
    }
}

#[test]
fn an_annex_is_taken_in_once_and_a_damaged_one_is_named() {
    let disk = SimulatedDisk::default();
    for first in [1, 4] {
        let mut bench = Bench::on(&disk);
        bench.append(first..=first + 2);
        bench.shared.check.give_up();
        bench.worker.finish(bench.now);
    }
    let annexes = disk.annexes();
    assert_eq!(annexes.len(), 2);
    let mut bench = Bench::on(&disk);
    bench.turn();
    assert!(disk.annexes().is_empty());
    bench.worker.finish(bench.now);
    // The power went before it was removed.
    disk.set_annexes(vec![annexes[1].clone()]);
    let mut bench = Bench::on(&disk);
    assert_eq!(bench.drain(), ((1..=6).collect(), vec![]));
    bench.worker.finish(bench.now);

    let mut damaged = annexes[1].clone();
    damaged[100] ^= 1;
    disk.set_annexes(vec![damaged, annexes[0].clone()]);
    let mut bench = Bench::on(&disk);
    assert_eq!(bench.drain(), ((1..=3).collect(), vec![]));
    assert_eq!(bench.problems(), ["outbox-corrupt"]);
    assert!(disk.annexes().is_empty());
}

#[test]
fn a_file_that_nobody_had_time_to_check_is_found_damaged_by_the_next_run() {
    let folder = filled(60);
    let path = folder.path().join(FILE);
    let mut damaged = fs::read(&path).unwrap();
    damaged[4096..].iter_mut().for_each(|byte| *byte ^= 0x55);
    fs::write(&path, &damaged).unwrap();
    for first in [1000, 1003] {
        let mut bench = Bench::in_folder(folder.path());
        bench.append(first..=first + 2);
        bench.shared.check.give_up();
        bench.worker.finish(bench.now);
        assert_eq!(bench.problems(), Vec::<&str>::new());
        assert!(fs::read(&path).unwrap() == damaged && set_aside(folder.path()).is_empty());
    }
    assert!(folder.path().join("outbox.annex-1").is_file() && folder.path().join("outbox.annex-2").is_file());
    // What cannot even be read is damaged too.
    fs::create_dir(folder.path().join("outbox.annex-3")).unwrap();
    let mut bench = Bench::in_folder(folder.path());
    assert_eq!(bench.drain(), ((1000..=1005).collect(), vec![]));
    assert_eq!(bench.problems(), ["outbox-corrupt"]);
    assert_eq!(set_aside(folder.path()), ["outbox.redb.corrupt-1", "outbox.redb.corrupt-2"]);
    let mut names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.all(|name| !name.to_str().unwrap().contains("annex")));
}

#[test]
fn a_full_disk_sends_tags_through_memory_until_it_has_room() {
    let disk = SimulatedDisk::default();
    let mut bench = Bench::on(&disk);
    bench.append(1..=5);
    bench.turn();
    disk.fail(true);
    bench.append(6..=10);
    bench.turn();
    assert_eq!(bench.problems(), ["outbox-disk"]);
    let offered = bench.shared.desk().state.next_live().unwrap();
    assert_eq!(seq(&offered), (1, false));
    for first in (11..=100).step_by(10) {
        bench.append(first..=first + 9);
        bench.turn();
    }
    let dropped = bench.shared.desk().state.dropped[GapReason::Disk.index()];
    assert_eq!(dropped, 55, "all but the stored and as many as fit");
    disk.fail(false);
    bench.now += Duration::from_secs(3600);
    bench.turn();
    assert_eq!(bench.problems(), Vec::<&str>::new());
    bench.turn();
    disk.cut(0);
    let mut bench = Bench::on(&disk);
    let (seqs, gaps) = bench.drain();
    assert_eq!(seqs, (1..=5).chain(61..=100).collect::<Vec<u64>>());
    let named: Vec<_> = gaps.iter().map(|gap| (gap.first, gap.last, gap.reason)).collect();
    assert_eq!(named, [(6, 60, GapReason::Disk)]);
}

#[test]
fn without_a_folder_recognition_goes_on_and_the_folder_is_tried_again() {
    let base = tempfile::tempdir().unwrap();
    let in_the_way = base.path().join("outbox");
    fs::write(&in_the_way, "").unwrap();
    let mut bench = Bench::in_folder(&in_the_way.join("deep"));
    bench.append(1..=3);
    bench.turn();
    assert_eq!(bench.problems(), ["outbox-disk"]);
    assert_eq!(bench.shared.desk().state.next_live().map(|entry| seq(&entry)), Some((1, false)));
    fs::remove_file(&in_the_way).unwrap();
    bench.now += Duration::from_secs(5);
    bench.turn();
    assert_eq!(bench.problems(), Vec::<&str>::new());
    bench.worker.finish(bench.now);
    drop(bench);
    assert_eq!(Bench::in_folder(&in_the_way.join("deep")).drain().0, [1, 2, 3]);
}

#[test]
fn a_file_that_breaks_while_in_use_is_replaced_and_memory_written_again() {
    let disk = SimulatedDisk::default();
    let mut bench = Bench::on(&disk);
    bench.append(1..=5);
    bench.turn();
    bench.worker.fail(StoreError::Corrupt("a test says so".to_owned()), bench.now);
    bench.append(6..=6);
    bench.turn();
    disk.cut(0);
    assert_eq!(bench.problems(), ["outbox-corrupt"]);
    assert_eq!(Bench::on(&disk).drain().0, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn what_is_too_old_goes_but_a_clock_that_jumps_takes_nothing() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let disk = SimulatedDisk::default();
    let mut bench = Bench::on(&disk);
    bench.append(1..=3);
    bench.turn();
    for (seq, jump) in [(4, 0), (5, 4_000_000_000_000_000)] {
        bench.clock.set(Timestamp::from_micros(jump));
        bench.append(seq..=seq);
        bench.turn();
    }
    assert_eq!(bench.shared.desk().state.dropped, [0; 5]);
    bench.now += 4 * DAY;
    bench.append(6..=6);
    bench.turn();
    bench.worker.finish(bench.now);
    // The restart is said to take a century: it counts half a life.
    let clock = Arc::new(SimulatedClock::new(Timestamp::from_micros(8_000_000_000_000_000)));
    let mut bench = Bench::at(disk.files(), NO_BOUNDS, bench.now, clock);
    bench.turn();
    let lost = bench.shared.desk().state.dropped[GapReason::Age.index()];
    assert_eq!(lost, 5);
    let (seqs, gaps) = bench.drain();
    assert_eq!(seqs, [6]);
    assert_eq!(gaps.iter().map(|gap| (gap.first, gap.last)).collect::<Vec<_>>()[0], (1, 5));
}

#[test]
fn the_oldest_go_when_the_file_is_full() {
    let disk = SimulatedDisk::default();
    let bounds = Bounds { max_bytes: 60_000, ..NO_BOUNDS };
    let mut bench = Bench::new(disk.files(), bounds, Instant::now());
    for first in (1..=200).step_by(20) {
        bench.append(first..=first + 19);
        bench.turn();
    }
    let lost = bench.shared.desk().state.dropped[GapReason::Full.index()];
    assert!((60..160).contains(&lost), "{lost}");
    let (seqs, gaps) = bench.drain();
    assert_eq!(seqs, (lost + 1..=200).collect::<Vec<u64>>());
    assert_eq!(gaps.iter().map(|gap| (gap.first, gap.last)).collect::<Vec<_>>(), [(1, lost)]);
}
