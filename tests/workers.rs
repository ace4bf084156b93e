//! Several workers share cameras: those move from one to another, and nobody sees it in the tags.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use spotter::activity::Share;
use spotter::capture::Board;
use spotter::clock::SystemClock;
use spotter::config::{Camera, Models, Runtime};
use spotter::daemon::open_recognizer;
use spotter::name::Name;
use spotter::recognize::{Exchange, NoMender, Recognized, Recognizer};
use spotter::tag::Tag;

#[path = "support/footage.rs"]
mod footage;

const FRAMES: usize = 60;
const CAMERAS: [&str; 2] = ["ramp", "gate"];

fn cameras() -> Vec<Camera> {
    let text = "[node]\nname = \"edge\"\n[[camera]]\nname = \"c\"\npipeline = \"videotestsrc\"\n";
    let config = spotter::config::Config::parse(text, Path::new("")).unwrap();
    CAMERAS.map(|name| Camera { name: Name::new(name).unwrap(), ..config.cameras[0].clone() }).to_vec()
}

fn recognizer() -> Recognizer {
    open_recognizer(&Runtime::default(), &Models::default(), &cameras(), Share::Unlimited).unwrap()
}

/// A tag without the time that it took, and without when it was made.
fn told(tags: &[Tag]) -> Vec<String> {
    let lasting = |tag: &Tag| {
        let tag = Tag { latency: Duration::ZERO, clock: Default::default(), ..tag.clone() };
        format!("{tag:?}")
    };
    tags.iter().map(lasting).collect()
}

/// The tags of each camera when so many workers see the same frames, and before each frame `meanwhile` is done.
fn tags(workers: usize, meanwhile: impl Fn(usize, &Board)) -> Vec<Vec<String>> {
    let vtest = footage::vtest().unwrap();
    let board = Board::new((0..CAMERAS.len()).map(|_| Arc::default()).collect(), workers);
    let exchange = Arc::new(Exchange::default());
    let (sender, received) = sync_channel(100);
    let mut all = vec![Vec::new(); CAMERAS.len()];
    let mut hear = |recognized: &Recognized| {
        for tag in &recognized.tags {
            let camera = CAMERAS.iter().position(|name| *name == tag.camera.as_str()).unwrap();
            all[camera].extend(told(std::slice::from_ref(tag)));
        }
    };
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let recognizer = recognizer().among(worker, workers, Arc::clone(&exchange));
            let (board, sender): (_, mpsc::SyncSender<Recognized>) = (&board, sender.clone());
            scope.spawn(move || {
                let hand_on = |recognized| sender.send(recognized).unwrap();
                recognizer.work(board, &SystemClock, NoMender, hand_on).unwrap();
            });
        }
        drop(sender);
        let next = || {
            received.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|error| {
                board.close();
                panic!("{error}")
            })
        };
        // Each camera has no zone, and says so.
        CAMERAS.iter().for_each(|_| drop(next()));
        for (number, frame) in footage::frames(&vtest, FRAMES).into_iter().enumerate() {
            meanwhile(number, &board);
            for index in 0..CAMERAS.len() {
                let frame = spotter::frame::Frame { camera: cameras()[index].name.clone(), ..frame.clone() };
                board.put(index, frame);
                hear(&next());
            }
        }
        board.close();
        received.iter().for_each(|recognized| hear(&recognized));
    });
    all
}

#[test]
fn cameras_that_move_from_worker_to_worker_give_the_same_tags() {
    if footage::vtest().is_none() {
        return;
    }
    let alone = tags(1, |_, _| {});
    assert!(alone.iter().all(|tags| tags.len() > 8), "{alone:?}");
    let moved = tags(2, |number, board| match number {
        20 => board.set_out(0, true),
        35 => board.set_out(0, false),
        45 => board.set_out(1, true),
        _ => {}
    });
    assert_eq!(alone, moved);
}
