//! Streams of pipelines that the tests write.

use super::*;
use crate::capture::description::SINK;
use crate::clock::SystemClock;

fn stream(fragment: &str, timing: Timing) -> Stream {
    let source = Source::Pipeline { fragment: fragment.to_owned() };
    Stream::open(Name::new("test").unwrap(), &Capture::of(source), timing).unwrap()
}

/// Numbers and capture times of the frames up to the end.
fn rest(stream: &mut Stream) -> Vec<(u64, i64)> {
    let mut frames = Vec::new();
    loop {
        match stream.next(Duration::from_secs(10)).unwrap() {
            Next::Frame(frame) => frames.push((frame.number, frame.at.as_micros())),
            Next::Idle => panic!("nothing for ten seconds"),
            Next::End => return frames,
        }
    }
}

#[test]
fn simulated_time_gives_every_frame_its_place_in_the_file() {
    let fragment = "videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48,framerate=10/1";
    let mut stream = stream(fragment, Timing::Simulated(Timestamp::from_micros(7)));
    let expected: Vec<(u64, i64)> = (0..5).map(|n| (n, 7 + 100_000 * n as i64)).collect();
    assert_eq!(rest(&mut stream), expected);
}

#[test]
fn frames_that_nobody_took_leave_a_gap_in_the_numbers() {
    let fragment = "videotestsrc num-buffers=40 ! video/x-raw,width=64,height=48,framerate=200/1";
    let mut stream = stream(fragment, Timing::Live(Arc::new(SystemClock)));
    let Next::Frame(first) = stream.next(Duration::from_secs(10)).unwrap() else { panic!("a frame") };
    let deadline = Instant::now() + Duration::from_secs(10);
    let played = || stream.pipeline.query_position::<gst::ClockTime>().unwrap_or_default();
    while played() < gst::ClockTime::from_mseconds(150) {
        assert!(Instant::now() < deadline, "the pipeline does not go on");
        std::thread::yield_now();
    }
    let numbers: Vec<u64> = rest(&mut stream).into_iter().map(|(number, _)| number).collect();
    assert!(numbers[0] > first.number + 1, "{numbers:?}");
    assert!(numbers.is_sorted() && numbers.last() == Some(&39), "{numbers:?}");
}

#[test]
fn a_true_frame_rate_needs_a_stated_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uneven.mkv");
    // Frames of 10 per second whose file says that they are unevenly spaced.
    let text = format!(
        "videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48,framerate=10/1 ! jpegenc ! \
         capssetter caps=image/jpeg,width=64,height=48,framerate=0/1 replace=true ! matroskamux ! \
         appsink name={SINK} sync=false"
    );
    gst::init().unwrap();
    let writer = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = writer.by_name(SINK).unwrap().downcast::<AppSink>().unwrap();
    writer.set_state(gst::State::Playing).unwrap();
    let mut bytes = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        bytes.extend_from_slice(&sample.buffer().unwrap().map_readable().unwrap());
    }
    writer.set_state(gst::State::Null).unwrap();
    std::fs::write(&path, bytes).unwrap();

    let open = |frame_rate| {
        let source = Source::File { path: path.clone(), repeat: false, frame_rate };
        let capture = Capture::of(source);
        Stream::open(Name::new("test").unwrap(), &capture, Timing::Simulated(Timestamp::EPOCH)).unwrap()
    };
    assert_eq!(rest(&mut open(None)).len(), 5);
    let mut stream = open(Some(7.0));
    let error = loop {
        if let Err(error) = stream.next(Duration::from_secs(10)) {
            break error;
        }
    };
    assert_eq!(error.to_string(), format!("{}: {NO_STATED_RATE}", path.display()));
}

#[test]
fn what_cannot_be_built_is_one_line() {
    let source = Source::Pipeline { fragment: "nosuchelement".to_owned() };
    let capture = Capture::of(source);
    let error = Stream::open(Name::new("test").unwrap(), &capture, Timing::Simulated(Timestamp::EPOCH));
    let text = error.err().expect("no such element").to_string();
    assert!(text.contains("no element \"nosuchelement\"") && !text.contains('\n'), "{text}");
}
