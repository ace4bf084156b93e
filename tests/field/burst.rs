//! Live sources that begin with a burst of old frames.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use spotter::capture::{Next, Stream, Timing};
use spotter::clock::{Clock, SystemClock};
use spotter::config::Config;
use spotter::frame::Frame;
use tempfile::TempDir;

use crate::live::{Joins, Live};
use crate::media_server::MediaServer;
use crate::pipeline::Pipeline;
use crate::watched::{PATIENCE, Watched};
use crate::web::Web;

/// Seconds of frames at the least with which a connection begins; what a wrong capture time would be wrong by.
const BURST_S: f64 = 7.0;
/// Seconds for which a picture may be on its way on a machine that has much to do.
const ON_ITS_WAY_S: f64 = 3.0;

fn open(url: &str) -> Stream {
    let text = format!("[node]\nname = \"edge\"\n[[camera]]\nname = \"test\"\nsource = \"{url}\"\n");
    let config = Config::parse(&text, Path::new("")).unwrap();
    let camera = &config.cameras[0];
    Stream::open(camera.name.clone(), &camera.capture, Timing::Live(Arc::new(SystemClock))).unwrap()
}

fn next(stream: &mut Stream) -> Frame {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Next::Frame(frame) = stream.next(Duration::from_millis(200)).unwrap() {
            return frame;
        }
    }
    panic!("no frame");
}

fn is_white(frame: &Frame) -> bool {
    frame.image.luma_row(60)[80] > 128
}

fn now_s() -> f64 {
    at_s(SystemClock.now())
}

fn at_s(at: spotter::clock::Timestamp) -> f64 {
    at.as_micros() as f64 / 1e6
}

/// Connects to a camera that has shown white until `black_s` and black since then, for as long as the burst at least, and
/// shows white again when it is told.
///
/// `old` is whether the age of the burst itself is known too.
fn frames_are_as_old_as_they_are(url: &str, black_s: f64, old: bool, show_white: impl Fn()) {
    let mut stream = open(url);
    let mut last_s = 0.0;
    let begun = Instant::now();
    // What was before, as far as it comes through, and then what is now.
    while begun.elapsed() < Duration::from_secs(4) {
        let frame = next(&mut stream);
        let at = at_s(frame.at);
        // Two clocks are read one after the other.
        assert!(at >= last_s - 0.05, "time runs backwards by {} s", last_s - at);
        if old && is_white(&frame) {
            assert!(at - black_s < ON_ITS_WAY_S, "white is told {} s after it was gone", at - black_s);
        }
        last_s = at;
    }
    let white_s = now_s();
    show_white();
    let frame = std::iter::repeat_with(|| next(&mut stream)).find(is_white).unwrap();
    let (came_after, told_after) = (now_s() - white_s, at_s(frame.at) - white_s);
    assert!(came_after < ON_ITS_WAY_S, "white came {came_after} s after it was shown");
    assert!((-0.5..ON_ITS_WAY_S).contains(&told_after), "white is told {told_after} s after it was shown");
    assert_eq!(stream.seen().time_jumps, 0);
}

/// node-media-server sends all that came since the last key frame to each who comes.
#[test]
fn node_media_server_begins_with_the_last_group_of_pictures() {
    let server = MediaServer::start(2000);
    server.show("white");
    server.wait_for(20);
    server.show("black");
    let black_s = now_s();
    server.wait_for(20 + (BURST_S * 10.0) as u64);
    frames_are_as_old_as_they_are(&server.url(), black_s, true, || server.show("white"));
}

/// A server that begins with all that a stream was, of this kind.
fn a_burst_of(kind: &'static str, muxer: &str, old: bool) {
    let live = Live::start(&format!(
        "videotestsrc name=scene is-live=true pattern=white ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 ! \
         x264enc tune=zerolatency speed-preset=ultrafast key-int-max=2000 ! h264parse name=encoded ! {muxer}"
    ));
    live.wait_for(20);
    live.show("black");
    let black_s = now_s();
    live.wait_for(20 + (BURST_S * 10.0) as usize);
    let server = live.server(kind, Joins::Beginning);
    let web = Web::start(move |_, _, stream| server.answer(stream));
    frames_are_as_old_as_they_are(&format!("http://127.0.0.1:{}/cam", web.port), black_s, old, || {
        live.show("white")
    });
}

/// GStreamer's `tsdemux` (1.22) bends the time stamps of a burst towards its arrival, so its own frames are told as newer than
/// they are. What comes after it is told right.
#[test]
fn a_burst_of_a_transport_stream() {
    a_burst_of("video/mp2t", "mpegtsmux", false);
}

#[test]
fn a_burst_of_matroska() {
    a_burst_of("video/x-matroska", "matroskamux streamable=true", true);
}

#[test]
fn a_burst_of_fragmented_mp4() {
    a_burst_of("video/mp4", "mp4mux fragment-duration=200 streamable=true", true);
}

#[test]
fn a_camera_behind_a_burst_is_online_and_its_frames_are_new() {
    let server = MediaServer::start(80);
    server.wait_for(75);
    let watched = Watched::of(&server.url());
    let is_new = |age_s: f64| (-0.5..ON_ITS_WAY_S).contains(&age_s);
    watched.frames(20, "new pictures", |shot| is_new(shot.age_s));
    let given = watched.given.0.lock().unwrap();
    assert!(given.shots.iter().rev().take(10).all(|shot| is_new(shot.age_s)), "{:?}", given.shots);
}

/// A server that sends four seconds of a recording in each, for as long as somebody reads: what a decoder is given first
/// waits for the end of a burst that has none. A stop does not.
#[test]
fn a_burst_without_an_end_does_not_hold_up_a_stop() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("cam.ts");
    Pipeline::start(&format!(
        "videotestsrc num-buffers=1200 pattern=ball ! video/x-raw,format=I420,width=160,height=120,framerate=25/1 ! \
         x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! h264parse ! mpegtsmux ! filesink location={}",
        file.display()
    ))
    .play_out();
    let recording = std::fs::read(&file).unwrap();
    let pieces = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&pieces);
    let web = Web::start(move |_, _, stream| {
        write!(stream, "HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")?;
        // 48 s of it in 12 s, in pieces of a frame or two.
        for piece in recording.chunks((recording.len() / 800).next_multiple_of(188)) {
            stream.write_all(piece)?;
            counts.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(15));
        }
        Ok(())
    });
    let mut watched = Watched::of(&format!("http://127.0.0.1:{}/cam", web.port));
    let deadline = Instant::now() + PATIENCE;
    while pieces.load(Ordering::Relaxed) < 40 {
        assert!(Instant::now() < deadline, "nobody reads");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let remote = watched.remote();
    let took = watched.stop();
    assert_eq!(remote.health().status().faults.abandoned, 0, "its pipeline hung; stopping took {took:?}");
}
