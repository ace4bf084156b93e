//! What capture makes of sources that behave oddly, with real pipelines: masks, rates, key frames, decoders, cameras that
//! freeze or cannot be stopped. Servers that do are in `sources.rs`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use spotter::capture::{CaptureError, Next, Stream, Timing};
use spotter::clock::SystemClock;
use spotter::config::{self, Config};
use spotter::frame::Frame;
use spotter::name::Name;
use spotter::telemetry::CameraState;

#[path = "support/pipeline.rs"]
mod pipeline;
#[path = "support/watched.rs"]
mod watched;

use pipeline::Pipeline;
use watched::Watched;

const PATIENCE: Duration = Duration::from_secs(60);

/// A camera with these lines of configuration.
fn camera(lines: &str) -> config::Camera {
    let text = format!("[node]\nname = \"edge\"\n[[camera]]\nname = \"ramp\"\n{lines}\n");
    Config::parse(&text, std::path::Path::new("")).unwrap().cameras.remove(0)
}

fn open(lines: &str) -> Result<Stream, CaptureError> {
    Stream::open(Name::new("ramp").unwrap(), &camera(lines).capture, Timing::Live(Arc::new(SystemClock)))
}

fn frame(stream: &mut Stream) -> Frame {
    match stream.next(PATIENCE).unwrap() {
        Next::Frame(frame) => frame,
        other => panic!("{other:?}"),
    }
}

/// Takes frames until the end.
fn rest(stream: &mut Stream) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Next::Frame(frame) = stream.next(PATIENCE).unwrap() {
        frames.push(frame);
    }
    frames
}

const H264: &str = "x264enc tune=zerolatency key-int-max=10 ! video/x-h264,profile=baseline";

#[test]
fn a_mask_is_black_in_what_the_stream_gives() {
    let white = "pipeline = \"videotestsrc pattern=white num-buffers=3 ! video/x-raw,format=I420,width=64,height=48\"";
    let mask = "[[camera.mask]]\npolygon = [[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]]";
    let plain = frame(&mut open(white).unwrap()).image.to_rgb();
    let masked = frame(&mut open(&format!("{white}\n{mask}")).unwrap()).image.to_rgb();
    for (x, y) in [(0, 0), (16, 12), (31, 23)] {
        let at = 3 * (y * 64 + x);
        assert!(plain[at..at + 3].iter().all(|&v| v > 250), "it is white without a mask");
        assert!(masked[at..at + 3].iter().all(|&v| v < 3), "({x}, {y}) shows {:?}", &masked[at..at + 3]);
    }
    for (x, y) in [(36, 10), (10, 28), (63, 47)] {
        let at = 3 * (y * 64 + x);
        assert!(masked[at..at + 3].iter().all(|&v| v > 250), "({x}, {y}) is no part of it");
    }
}

#[test]
fn only_so_many_frames_pass_and_none_of_the_others_counts_as_lost() {
    let lines = "pipeline = \"videotestsrc num-buffers=60 ! video/x-raw,width=64,height=48,framerate=30/1\"\n\
                 max_frame_rate = 5";
    let mut stream = open(lines).unwrap();
    let frames = rest(&mut stream);
    let numbers: Vec<u64> = frames.iter().map(|frame| frame.number).collect();
    assert_eq!(stream.seen().given, 60);
    // A loaded machine may take one of them late, which is counted; none is lost without.
    assert_eq!(numbers.len() as u64 + stream.seen().lost, 10, "{numbers:?}");
    assert!(numbers.iter().all(|number| number % 6 == 0), "{numbers:?}");
}

#[test]
fn of_a_file_whose_true_rate_is_known_so_many_pass_in_a_second_of_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fast.mkv");
    let path = path.to_str().unwrap();
    Pipeline::start(&format!(
        "videotestsrc num-buffers=40 ! video/x-raw,width=64,height=48,framerate=20/1 ! jpegenc ! matroskamux ! \
         filesink location={path}"
    ))
    .play_out();
    // Two seconds by the file's own word; one second, or four.
    for (frame_rate, every) in [(40, 4), (10, 1)] {
        let lines = format!("source = \"{path}\"\nframe_rate = {frame_rate}\nmax_frame_rate = 10");
        let mut stream = open(&lines).unwrap();
        let numbers: Vec<u64> = rest(&mut stream).iter().map(|frame| frame.number).collect();
        assert_eq!(numbers.len() as u64 + stream.seen().lost, 40 / every, "{numbers:?}");
        assert!(numbers.iter().all(|number| number % every == 0), "{numbers:?}");
    }
}

#[test]
fn only_key_frames_are_decoded_when_only_these_are_wanted() {
    let lines = format!(
        "pipeline = \"videotestsrc num-buffers=50 ! video/x-raw,width=64,height=48,framerate=50/1 ! {H264}\"\n\
         key_frames_only = true"
    );
    let mut stream = open(&lines).unwrap();
    let frames = rest(&mut stream);
    assert_eq!(stream.seen().given, 5, "one of ten");
    assert_eq!(frames.len() as u64 + stream.seen().lost, 5);
    let video = stream.video().unwrap();
    assert_eq!((video.codec.as_str(), video.size, video.hardware), ("h264", (64, 48), false));
}

#[test]
fn a_stream_that_begins_without_a_key_frame_is_survived_and_counted() {
    // The first group but its key frame is there: what an RTSP server sends to who comes late.
    let lines = format!(
        "pipeline = \"videotestsrc num-buffers=40 ! video/x-raw,width=64,height=48,framerate=50/1 ! {H264} ! \
         identity drop-buffer-flags=discont ! h264parse\""
    );
    let mut stream = open(&lines).unwrap();
    let frames = rest(&mut stream);
    let seen = stream.seen();
    assert!(!frames.is_empty());
    assert_eq!(seen.given + seen.before_key, 39, "{seen:?}");
    assert_eq!(seen.before_key, 9, "{seen:?}");
}

#[test]
fn the_decoder_is_the_one_that_was_asked_for() {
    let source =
        format!("pipeline = \"videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48 ! {H264}\"");
    for (decoder, element) in
        [("auto", None), ("software", Some("avdec_h264")), ("avdec_h264", Some("avdec_h264"))]
    {
        let mut stream = open(&format!("{source}\ndecoder = \"{decoder}\"")).unwrap();
        frame(&mut stream);
        let found = stream.video().unwrap().decoder.unwrap();
        assert!(element.is_none_or(|element| element == found), "{decoder}: {found}");
    }
    // One that decodes other video leaves nothing that fits.
    let error =
        open(&format!("{source}\ndecoder = \"avdec_mpeg4\"")).and_then(|mut stream| stream.next(PATIENCE));
    let error = error.expect_err("it decodes no H.264").to_string();
    assert!(error.ends_with("nothing decodes it that the key decoder allows"), "{error}");
    // A pipeline that brings its own is held to it as well.
    let own = source.replace(H264, &format!("{H264} ! avdec_h264"));
    let error =
        open(&format!("{own}\ndecoder = \"openh264dec\"")).and_then(|mut stream| stream.next(PATIENCE));
    assert!(error.is_err(), "{error:?}");
    // Where there is no hardware for it, asking for it is an error at once.
    if let Err(error) = open(&format!("{source}\ndecoder = \"hardware\"")) {
        assert!(error.to_string().contains("no hardware decoder"), "{error}");
    }
    let error = open(&format!("{source}\ndecoder = \"nosuchdec\"")).err().unwrap();
    assert!(error.to_string().contains("nosuchdec"), "{error}");
}

#[test]
fn the_same_picture_over_and_over_is_frozen_and_a_still_scene_with_noise_is_not() {
    let scene = |pattern: &str| {
        format!(
            "pipeline = \"videotestsrc is-live=true pattern={pattern} ! \
             video/x-raw,format=I420,width=160,height=90,framerate=10/1 ! {H264}\"\nfrozen_after_s = 3"
        )
    };
    let frozen = Watched::start(&scene("smpte75"));
    frozen.told(CameraState::Online);
    let status = frozen.told(CameraState::Frozen);
    assert_eq!(status.reason.as_deref(), Some("the same picture for 3 s"));
    assert_eq!(status.video.unwrap().size, (160, 90));
    // The same scene, of which a small part is noise.
    let noisy = Watched::start(&scene("smpte"));
    noisy.told(CameraState::Online);
    let told = noisy.tells(Duration::from_secs(6));
    assert!(told.is_none(), "{told:?}");
}

#[test]
fn pipelines_that_do_not_stop_are_abandoned_and_hold_nobody_up_and_there_are_never_many() {
    // An element that sleeps for a minute with every frame keeps its pipeline from stopping.
    let mut stuck = Watched::start(
        "pipeline = \"videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=20/1 ! \
         identity sleep-time=60000000\"",
    );
    stuck.told(CameraState::Connecting);
    let remote = stuck.remote();
    let offline = stuck.told(CameraState::Offline);
    assert!(offline.reason.unwrap().contains("no frame for"), "it says why");
    let abandoned = || remote.health().status().faults.abandoned;
    assert_eq!(abandoned(), 1);
    // While three of them hang, no other is opened.
    for hanging in 2..=3 {
        stuck.wait(&format!("{hanging} abandoned"), |_| (abandoned() == hanging).then_some(()));
    }
    stuck.wait("that they hang", |given| given.offline()?.contains("3 pipelines of it hang").then_some(()));
    assert_eq!(abandoned(), 3);
    assert!(stuck.stop() < Duration::from_secs(2));
}
