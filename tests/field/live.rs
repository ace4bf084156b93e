//! A live stream that a pipeline of the test makes, served over HTTP: joined now, or with all that a server keeps of it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// Frames after a key frame by which all of it has passed the multiplexer.
const PASSED: usize = 3;

/// Where somebody who comes joins the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joins {
    /// Right after the next key frame.
    AfterKeyFrame,
    /// With all that has come since the camera began, at once.
    Beginning,
}

/// What was made so far.
#[derive(Default)]
struct Made {
    pieces: Vec<Vec<u8>>,
    /// Encoded frames, and of which of them was a key frame last.
    frames: usize,
    last_key: Option<usize>,
}

type Shared = Arc<(Mutex<Made>, Condvar)>;

/// A running camera. Dropping it stops it.
pub struct Live {
    pipeline: gst::Pipeline,
    made: Shared,
}

impl Live {
    /// Runs a pipeline whose last element is left out: what it makes is served. The element `encoded` gives encoded frames.
    pub fn start(text: &str) -> Self {
        gst::init().unwrap();
        let text = format!("{text} ! appsink name=served sync=false");
        let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
        let made = Shared::default();
        let (makes, counts) = (Arc::clone(&made), Arc::clone(&made));
        let encoded = pipeline.by_name("encoded").unwrap().static_pad("src").unwrap();
        encoded.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let Some(gst::PadProbeData::Buffer(buffer)) = &info.data else { return gst::PadProbeReturn::Ok };
            let mut made = counts.0.lock().unwrap();
            made.frames += 1;
            if !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
                made.last_key = Some(made.frames);
            }
            counts.1.notify_all();
            gst::PadProbeReturn::Ok
        });
        let sink = pipeline.by_name("served").unwrap().downcast::<AppSink>().unwrap();
        let new_sample = move |sink: &AppSink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let bytes = sample.buffer().unwrap().map_readable().unwrap().to_vec();
            makes.0.lock().unwrap().pieces.push(bytes);
            makes.1.notify_all();
            Ok(gst::FlowSuccess::Ok)
        };
        sink.set_callbacks(AppSinkCallbacks::builder().new_sample(new_sample).build());
        pipeline.set_state(gst::State::Playing).unwrap();
        Live { pipeline, made }
    }

    /// What the camera sees from now on: a pattern of the `videotestsrc` that is called `scene`.
    pub fn show(&self, pattern: &str) {
        self.pipeline.by_name("scene").unwrap().set_property_from_str("pattern", pattern);
    }

    /// Waits until the camera has made so many frames.
    pub fn wait_for(&self, frames: usize) {
        drop(until(&self.made, |made| made.frames >= frames));
    }

    /// What serves it.
    pub fn server(&self, kind: &'static str, joins: Joins) -> Server {
        Server { made: Arc::clone(&self.made), kind, joins }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            eprintln!("a pipeline does not stop: {error}");
        }
    }
}

/// Serves a stream to each who comes.
pub struct Server {
    made: Shared,
    kind: &'static str,
    joins: Joins,
}

impl Server {
    /// Answers a request for as long as somebody reads.
    pub fn answer(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        write!(stream, "HTTP/1.0 200 OK\r\nServer: test\r\nContent-Type: {}\r\n\r\n", self.kind)?;
        let mut next = match self.joins {
            Joins::Beginning => 0,
            Joins::AfterKeyFrame => {
                let begun = until(&self.made, |_| true).frames;
                let is_past = |made: &Made| {
                    made.last_key.is_some_and(|key| key >= begun && made.frames == key + PASSED)
                };
                until(&self.made, is_past).pieces.len()
            }
        };
        loop {
            let bytes = until(&self.made, |made| made.pieces.len() > next).pieces[next..].to_vec();
            next += bytes.len();
            stream.write_all(&bytes.concat())?;
            stream.flush()?;
        }
    }
}

/// Waits for what was made.
fn until(made: &Shared, holds: impl Fn(&Made) -> bool) -> MutexGuard<'_, Made> {
    let deadline = Instant::now() + PATIENCE;
    let mut so_far = made.0.lock().unwrap();
    while !holds(&so_far) {
        let left = deadline.checked_duration_since(Instant::now()).expect("the camera makes frames");
        so_far = made.1.wait_timeout(so_far, left).unwrap().0;
    }
    so_far
}
