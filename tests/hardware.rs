//! Decoders that use hardware: taken where they work, never without a word where they do not.
//!
//! No machine that runs tests has one, so there is one that only says so.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::atomic::Ordering;

use gstreamer as gst;
use gstreamer::prelude::*;
use spotter::telemetry::{CameraState, Video};

#[path = "support/fake_decoder.rs"]
mod fake_decoder;
#[path = "support/watched.rs"]
mod watched;

use fake_decoder::REFUSES;
use watched::Watched;

/// Of equal ranks, GStreamer takes the first by name.
const NAME: &str = "zhwjpegdec";
const JPEG: &str =
    "pipeline = \"videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=10/1 ! jpegenc\"";
const H264: &str = "pipeline = \"videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=10/1 ! x264enc \
                    tune=zerolatency ! video/x-h264,profile=baseline\"";

/// Waits until a camera with this decoder is online; what decodes, and what is said beside.
fn online(source: &str, decoder: &str) -> (Video, Option<String>) {
    let watched = Watched::start(&format!("{source}\n{decoder}"));
    watched.wait(&format!("{decoder} online"), |given| {
        let status = given.statuses.last().filter(|_| given.is(CameraState::Online))?;
        Some((status.video.clone()?, status.reason.clone()))
    })
}

/// One test, because what is registered and whether it works is the same for all of the process.
#[test]
fn hardware_is_taken_where_it_works_and_named_where_it_does_not() {
    // The rank of NVIDIA's decoders, which is that of software too.
    fake_decoder::register(NAME, gst::Rank::PRIMARY);

    for decoder in ["", "decoder = \"auto\"", "decoder = \"hardware\"", "decoder = \"zhwjpegdec\""] {
        let (video, reason) = online(JPEG, decoder);
        assert_eq!((video.decoder.as_deref(), video.hardware), (Some(NAME), true), "{decoder}");
        assert_eq!((video.codec.as_str(), video.size, reason), ("jpeg", (64, 48), None), "{decoder}");
    }
    let (video, _) = online(JPEG, "decoder = \"software\"");
    assert!(!video.hardware, "{video:?}");

    REFUSES.store(true, Ordering::SeqCst);
    let (video, reason) = online(JPEG, "");
    assert!(!video.hardware && video.decoder.as_deref() != Some(NAME), "{video:?}");
    assert!(reason.as_deref().is_some_and(|reason| reason.contains(NAME)), "{reason:?}");
    let insists = Watched::start(&format!("{JPEG}\ndecoder = \"hardware\""));
    let offline =
        |given: &watched::Given| given.statuses.iter().filter(|is| is.state == CameraState::Offline).count();
    insists.wait("offline four times", |given| (offline(given) >= 4).then_some(()));
    assert!(!insists.given.0.lock().unwrap().statuses.iter().any(|is| is.state == CameraState::Online));

    // There is hardware, but none for this.
    let reason = Watched::start(&format!("{H264}\ndecoder = \"hardware\"")).offline();
    assert!(reason.ends_with("nothing decodes it that the key decoder allows"), "{reason}");

    // One without a rank is taken by its name.
    gst::ElementFactory::find("avdec_h264").unwrap().set_rank(gst::Rank::NONE);
    let (video, _) = online(H264, "decoder = \"avdec_h264\"");
    assert_eq!((video.decoder.as_deref(), video.hardware), (Some("avdec_h264"), false));
}
