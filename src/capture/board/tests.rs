//! What workers find on the board.

use super::*;
use crate::clock::{ClockOf, Timestamp};
use crate::frame::{Colorimetry, ColourMatrix, Image, PixelFormat};
use crate::name::Name;

fn frame(number: u64) -> Frame {
    let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
    let image =
        Image::new(PixelFormat::Gray8, (1, 1), colorimetry, [1, 0, 0], Arc::new(vec![vec![0]])).unwrap();
    Frame { camera: Name::new("c").unwrap(), number, at: Timestamp::EPOCH, by: ClockOf::Arrival, image }
}

fn board(cameras: usize) -> (Board, Vec<Arc<FrameCounters>>) {
    let counters: Vec<_> = (0..cameras).map(|_| Arc::default()).collect();
    (Board::new(counters.clone(), 1), counters)
}

fn taken(board: &Board) -> (usize, Option<u64>) {
    match board.take(0).unwrap() {
        Item::Frame(index, frame) => (index, Some(frame.number)),
        Item::Cut(index) => (index, None),
        other => panic!("{other:?}"),
    }
}

/// A camera with this name.
fn camera(name: &str) -> Arc<config::Camera> {
    let text = format!("[node]\nname = \"n\"\n[[camera]]\nname = \"{name}\"\npipeline = \"videotestsrc\"\n");
    let mut config = config::Config::parse(&text, std::path::Path::new("")).unwrap();
    Arc::new(config.cameras.remove(0))
}

/// Everything that waits, in short.
fn all(board: &Board) -> Vec<String> {
    let pick = || board.lock().pick(0);
    let told = |item| match item {
        Item::Frame(index, frame) => format!("{index}: frame {}", frame.number),
        Item::Cut(index) => format!("{index}: cut"),
        Item::Changed(index, camera) => format!("{index}: {}", camera.name),
        Item::Removed(index) => format!("{index}: removed"),
        Item::Leaves(index) => format!("{index}: leaves"),
        Item::Arrives(index) => format!("{index}: arrives"),
        Item::Woken => "woken".to_owned(),
    };
    std::iter::from_fn(pick).map(told).collect()
}

#[test]
fn the_newest_frame_wins_and_the_loss_is_counted() {
    let (board, counters) = board(1);
    for number in 0..5 {
        board.put(0, frame(number));
    }
    assert_eq!(taken(&board), (0, Some(4)));
    assert_eq!(counters[0].dropped().get(), 4);
}

#[test]
fn cameras_take_turns() {
    let (board, _) = board(3);
    for index in 0..3 {
        board.put(index, frame(index as u64));
    }
    assert_eq!(taken(&board).0, 0);
    // The fast camera is back at once, and still waits for the others.
    board.put(0, frame(9));
    assert_eq!([taken(&board).0, taken(&board).0, taken(&board).0], [1, 2, 0]);
}

#[test]
fn a_cut_comes_before_what_follows_it() {
    let (board, counters) = board(1);
    board.put(0, frame(1));
    board.cut(0);
    board.put(0, frame(2));
    assert_eq!([taken(&board), taken(&board)], [(0, None), (0, Some(2))]);
    assert_eq!(counters[0].dropped().get(), 1);
}

#[test]
fn closing_wakes_a_waiting_worker() {
    let (board, _) = board(1);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| board.take(0).is_none());
        board.close();
        assert!(worker.join().unwrap());
    });
}

#[test]
fn a_change_comes_before_the_frames_that_follow_it_and_the_newest_counts() {
    let (board, counters) = board(2);
    board.put(0, frame(1));
    board.change(0, camera("a"));
    board.change(0, camera("b"));
    board.put(1, frame(7));
    board.cut(0);
    board.put(0, frame(2));
    assert_eq!(all(&board), ["0: b", "0: cut", "0: frame 2", "1: frame 7"]);
    assert_eq!(counters[0].dropped().get(), 1);
}

#[test]
fn cameras_come_and_go_and_the_others_keep_their_index() {
    let (board, counters) = board(3);
    board.put(1, frame(1));
    board.put(2, frame(2));
    board.remove(1);
    assert_eq!(counters[1].dropped().get(), 1);
    // The worker does not know yet that the place is free.
    let counted: Arc<FrameCounters> = Arc::default();
    assert_eq!(board.add(camera("gate"), Arc::clone(&counted), None), 3);
    board.put(3, frame(3));
    board.put(3, frame(4));
    assert_eq!(counted.dropped().get(), 1);
    assert_eq!(all(&board), ["1: removed", "2: frame 2", "3: gate", "3: frame 4"]);
    // Now it does.
    assert_eq!(board.add(camera("yard"), Arc::default(), None), 1);
    board.put(1, frame(5));
    board.put(0, frame(6));
    assert_eq!(all(&board), ["0: frame 6", "1: yard", "1: frame 5"]);
    assert!(Arc::ptr_eq(&board.counters(3), &counted));
}

#[test]
fn a_camera_that_is_lost_before_the_worker_heard_of_it_is_heard_of_first_and_after_its_end_not_at_all() {
    let (board, _) = board(0);
    let index = board.add(camera("gate"), Arc::default(), None);
    board.cut(index);
    board.put(index, frame(1));
    assert_eq!(all(&board), ["0: gate", "0: cut", "0: frame 1"]);
    board.remove(index);
    board.cut(index);
    board.put(index, frame(2));
    assert_eq!(all(&board), ["0: removed"]);
    board.cut(index);
    assert_eq!(all(&board), [""; 0]);
}

#[test]
fn a_camera_that_goes_before_the_worker_heard_of_it_is_only_removed() {
    let (board, _) = board(0);
    assert_eq!(board.add(camera("gate"), Arc::default(), None), 0);
    board.put(0, frame(1));
    board.remove(0);
    assert_eq!(all(&board), ["0: removed"]);
    assert_eq!(all(&board), [""; 0]);
}

#[test]
fn the_old_one_of_a_name_has_gone_before_the_new_one_comes() {
    let (board, _) = board(3);
    board.remove(2);
    assert_eq!(board.add(camera("c"), Arc::default(), None), 3);
    board.put(0, frame(1));
    assert_eq!(all(&board), ["2: removed", "0: frame 1", "3: c"]);
}

/// The board of two cameras and two workers, each with one of them.
fn shared() -> (Board, Vec<Arc<FrameCounters>>) {
    let counters: Vec<_> = (0..2).map(|_| Arc::default()).collect();
    (Board::new(counters.clone(), 2), counters)
}

/// Everything that waits for a worker, which leaves what it is to leave.
fn all_of(board: &Board, worker: usize) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(item) = { board.lock().pick(worker) } {
        told.push(match item {
            Item::Frame(index, frame) => format!("{index}: frame {}", frame.number),
            Item::Leaves(index) => {
                board.left(index);
                format!("{index}: leaves")
            }
            Item::Arrives(index) => format!("{index}: arrives"),
            Item::Removed(index) => format!("{index}: removed"),
            other => format!("{other:?}"),
        });
    }
    told
}

fn workers(counters: &[Arc<FrameCounters>]) -> Vec<Option<usize>> {
    counters.iter().map(|counters| counters.worker()).collect()
}

#[test]
fn cameras_are_spread_over_workers() {
    let counters: Vec<_> = (0..3).map(|_| Arc::default()).collect();
    let board = Board::new(counters.clone(), 2);
    assert_eq!(workers(&counters), [Some(1), Some(2), Some(1)]);
    (0..3).for_each(|index| board.put(index, frame(index as u64)));
    assert_eq!(all_of(&board, 0), ["0: frame 0", "2: frame 2"]);
    assert_eq!(all_of(&board, 1), ["1: frame 1"]);
    let new = Arc::default();
    let index = board.add(camera("new"), Arc::clone(&new), None);
    assert_eq!((index, new.worker()), (3, Some(2)), "who has the fewest");
    let alone = Arc::default();
    Board::new(vec![Arc::clone(&alone)], 1);
    assert_eq!(alone.worker(), None);
}

#[test]
fn who_has_nothing_to_do_takes_over_a_camera_whose_frames_wait_and_keeps_it_for_a_while() {
    let counters: Vec<_> = (0..3).map(|_| Arc::default()).collect();
    let board = Board::new(counters.clone(), 2);
    board.put(0, frame(1));
    let now = Instant::now();
    let ask = |worker, after: Duration| board.lock().ask_for_one(worker, now + after);
    assert!(matches!(ask(1, Duration::ZERO), Asked::Later(_)), "its worker may take it soon");
    // Newer frames have waited as long as the first, since none was taken.
    (2..5).for_each(|number| board.put(0, frame(number)));
    board.put(2, frame(9));
    assert!(matches!(ask(1, WAITS * 2), Asked::Camera));
    assert!(matches!(ask(1, WAITS * 2), Asked::Nothing), "one at a time");
    assert_eq!(all_of(&board, 1), [""; 0], "not before the other has left it");
    assert_eq!(all_of(&board, 0), ["0: leaves", "2: frame 9"]);
    assert_eq!(all_of(&board, 1), ["0: arrives", "0: frame 4"]);
    assert_eq!(workers(&counters), [Some(2), Some(2), Some(1)]);

    board.put(0, frame(5));
    assert!(matches!(ask(0, WAITS * 2), Asked::Later(wait) if wait > STAYS / 2));
    assert!(matches!(ask(0, STAYS * 2), Asked::Camera));
}

#[test]
fn nobody_takes_the_last_camera_of_another() {
    let (board, _) = shared();
    board.put(0, frame(1));
    assert!(matches!(board.lock().ask_for_one(1, Instant::now() + STAYS), Asked::Nothing));
}

#[test]
fn who_cannot_work_lends_its_cameras_and_has_them_again() {
    let (board, counters) = shared();
    board.put(0, frame(1));
    board.set_out(0, true);
    assert_eq!(all_of(&board, 0), ["0: leaves"]);
    board.put(0, frame(2));
    assert_eq!(all_of(&board, 1), ["0: arrives", "0: frame 2"]);
    assert!(matches!(board.lock().ask_for_one(0, Instant::now() + STAYS * 2), Asked::Nothing));
    board.wake(0);
    assert_eq!(all_of(&board, 0), ["Woken"]);

    board.set_out(0, false);
    assert_eq!(all_of(&board, 1), ["0: leaves"]);
    assert_eq!(all_of(&board, 0), ["0: arrives"]);
    assert_eq!(workers(&counters), [Some(1), Some(2)]);

    // It is well again before it has lent anything.
    board.set_out(0, true);
    board.set_out(0, false);
    assert_eq!((all_of(&board, 0), all_of(&board, 1)), (Vec::new(), Vec::new()));
}

#[test]
fn while_nobody_can_work_cameras_stay_and_whoever_is_well_first_has_them_all() {
    let (board, counters) = shared();
    board.set_out(0, true);
    board.set_out(1, true);
    board.put(1, frame(3));
    assert_eq!(all_of(&board, 1), ["1: frame 3"]);
    assert_eq!(all_of(&board, 0), [""; 0], "nobody is left to lend it to");
    board.set_out(0, false);
    assert_eq!(
        (all_of(&board, 1), all_of(&board, 0)),
        (vec!["1: leaves".to_owned()], vec!["1: arrives".to_owned()])
    );
    board.set_out(1, false);
    assert_eq!(
        (all_of(&board, 0), all_of(&board, 1)),
        (vec!["1: leaves".to_owned()], vec!["1: arrives".to_owned()])
    );
    assert_eq!(workers(&counters), [Some(1), Some(2)]);
}

#[test]
fn a_camera_that_has_left_comes_to_somebody_whatever_happens_meanwhile() {
    // The other one cannot work any more, either.
    let (board, counters) = shared();
    board.set_out(0, true);
    assert!(matches!(board.lock().pick(0), Some(Item::Leaves(0))));
    board.set_out(1, true);
    board.left(0);
    assert_eq!((all_of(&board, 0), all_of(&board, 1)), (vec!["0: arrives".to_owned()], Vec::new()));
    assert_eq!(workers(&counters), [Some(1), Some(2)]);

    // It has gone.
    let (board, _) = shared();
    board.set_out(0, true);
    assert!(matches!(board.lock().pick(0), Some(Item::Leaves(0))));
    assert_eq!(board.remove(0), 0);
    board.left(0);
    assert_eq!(all_of(&board, 0), ["0: arrives", "0: removed"]);
}

#[test]
fn the_next_camera_of_a_name_is_heard_of_by_who_hears_of_the_end_of_the_last() {
    let (board, _) = shared();
    let after = board.remove(0);
    let index = board.add(camera("ramp"), Arc::default(), Some(after));
    assert_eq!(index, 2, "the place is not free before the worker has heard of it");
    assert_eq!(all_of(&board, 1), [""; 0]);
    assert_eq!(all_of(&board, 0)[0], "0: removed");
}

#[test]
fn a_camera_that_goes_on_its_way_to_another_worker_is_heard_of_by_that_one() {
    let (board, _) = shared();
    board.set_out(0, true);
    board.remove(0);
    assert_eq!(all_of(&board, 0), ["0: removed"], "it had not left");

    let (board, _) = shared();
    board.set_out(0, true);
    assert_eq!(all_of(&board, 0), ["0: leaves"]);
    board.remove(0);
    assert_eq!(
        (all_of(&board, 1), all_of(&board, 0)),
        (vec!["0: arrives".to_owned(), "0: removed".to_owned()], Vec::new())
    );
}
