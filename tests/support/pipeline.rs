//! A pipeline of a test's own, such as one that writes a file.

#![allow(dead_code, reason = "every test uses its own part")]

use gstreamer as gst;
use gstreamer::prelude::*;

/// A pipeline that runs until it is dropped, or to its end.
pub struct Pipeline(gst::Element);

impl Pipeline {
    pub fn start(text: &str) -> Self {
        gst::init().unwrap();
        let pipeline = gst::parse::launch(text).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Pipeline(pipeline)
    }

    /// Waits for its end.
    pub fn play_out(self) {
        let types = [gst::MessageType::Eos, gst::MessageType::Error];
        let message = self.0.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(30), &types);
        assert!(message.is_some_and(|message| message.type_() == gst::MessageType::Eos));
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if let Err(error) = self.0.set_state(gst::State::Null) {
            eprintln!("a pipeline does not stop: {error}");
        }
    }
}
