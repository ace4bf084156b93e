//! Several workers share cameras: those move from one to another, and nobody sees it in the tags.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

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
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/program.rs"]
mod program;
#[path = "support/setting.rs"]
mod setting;

use mosquitto::{Mosquitto, Subscriber};
use program::PATIENCE;
use setting::Setting;

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

#[test]
fn on_the_cpu_there_is_a_worker_for_each_core_and_models_are_listed_once() {
    let Some(vtest) = footage::vtest() else { return };
    let broker = Mosquitto::start("");
    let source = format!("source = \"{}\"\nloop = true\n", vtest.display());
    let text = format!(
        "[node]\nname = \"edge\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\n[[camera]]\nname = \"gate\"\n{source}",
        broker.port()
    );
    let setting = Setting::with_camera(&text, &source);
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let program = setting.start(["run"]);
    let several = std::thread::available_parallelism().unwrap().get() > 1;
    // `gate` comes first in the file.
    let mut wanted = if several { vec![("gate", 1), ("ramp", 2)] } else { Vec::new() };
    let mut models = None;
    let deadline = Instant::now() + PATIENCE;
    while !wanted.is_empty() || models.is_none() {
        assert!(Instant::now() < deadline, "{wanted:?}");
        let (topic, message) = subscriber.next();
        if topic == "spotter/v1/edge/status" && message["state"] == "online" {
            models = Some(message["models"].as_array().unwrap().clone());
        }
        wanted.retain(|(camera, worker)| {
            topic != format!("spotter/v1/edge/{camera}/status") || message["worker"] != *worker
        });
    }
    let models = models.unwrap();
    let tasks: Vec<&str> = models.iter().map(|model| model["task"].as_str().unwrap()).collect();
    assert_eq!(tasks, ["detect", "pose", "posture", "skeleton"]);
    assert!(models.iter().all(|model| model["worker"].is_null()), "{models:#?}");
    program.signal("TERM");
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
