//! Decoders that use hardware and have no rank, as VA-API's in GStreamer 1.22, which GStreamer by itself never takes.
//!
//! Apart from `hardware.rs`, because ranks are looked at once in a process.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use gstreamer as gst;
use spotter::telemetry::CameraState;

#[path = "support/fake_decoder.rs"]
mod fake_decoder;
#[path = "support/watched.rs"]
mod watched;

use watched::Watched;

#[test]
fn hardware_without_a_rank_is_taken() {
    fake_decoder::register("fakehwjpegdec", gst::Rank::NONE);
    let camera = Watched::start(
        "pipeline = \"videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=10/1 ! jpegenc\"",
    );
    let video = camera.told(CameraState::Online).video.unwrap();
    assert_eq!((video.decoder.as_deref(), video.hardware), (Some("fakehwjpegdec"), true));
}
