//! Decoders that use hardware: taken where they work, never without a word where they do not.
//!
//! No machine that runs tests has one, so this registers an element of its own that says it is one. It decodes JPEG to
//! grey, or refuses all that it is given.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::atomic::{AtomicBool, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;
use spotter::telemetry::{CameraState, Video};

#[path = "support/watched.rs"]
mod watched;

use watched::Watched;

const NAME: &str = "fakehwjpegdec";
const JPEG: &str =
    "pipeline = \"videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=10/1 ! jpegenc\"";
const H264: &str = "pipeline = \"videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=10/1 ! x264enc \
                    tune=zerolatency ! video/x-h264,profile=baseline\"";

/// Whether it refuses all that it is given.
static REFUSES: AtomicBool = AtomicBool::new(false);

mod fake {
    use std::sync::LazyLock;

    use gstreamer::glib;
    use gstreamer::subclass::prelude::*;

    use super::*;

    const SIZE: (i32, i32) = (64, 48);

    pub struct Fake {
        sink: gst::Pad,
        source: gst::Pad,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Fake {
        const NAME: &'static str = "SpotterFakeHardwareDecoder";
        type Type = super::FakeDecoder;
        type ParentType = gst::Element;

        fn with_class(class: &Self::Class) -> Self {
            let sink = gst::Pad::builder_from_template(&class.pad_template("sink").unwrap())
                .chain_function(|_, parent, buffer| {
                    Fake::catch_panic_pad_function(
                        parent,
                        || Err(gst::FlowError::Error),
                        |fake| fake.decode(buffer),
                    )
                })
                .event_function(|pad, parent, event| {
                    Fake::catch_panic_pad_function(parent, || false, |fake| fake.hear(pad, event))
                })
                .build();
            let source = gst::Pad::builder_from_template(&class.pad_template("src").unwrap()).build();
            Fake { sink, source }
        }
    }

    impl ObjectImpl for Fake {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj().add_pad(&self.sink).unwrap();
            self.obj().add_pad(&self.source).unwrap();
        }
    }

    impl GstObjectImpl for Fake {}

    impl ElementImpl for Fake {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Fake decoder",
                    "Codec/Decoder/Image/Hardware",
                    "Makes JPEG grey",
                    "Spotter",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<[gst::PadTemplate; 2]> = LazyLock::new(|| {
                let pad = |name, direction, caps: &str| {
                    let caps = caps.parse::<gst::Caps>().unwrap();
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).unwrap()
                };
                [
                    pad("sink", gst::PadDirection::Sink, "image/jpeg"),
                    pad("src", gst::PadDirection::Src, "video/x-raw,format=(string)GRAY8"),
                ]
            });
            &*TEMPLATES
        }
    }

    impl Fake {
        fn hear(&self, pad: &gst::Pad, event: gst::Event) -> bool {
            let gst::EventView::Caps(_) = event.view() else {
                return gst::Pad::event_default(pad, Some(&*self.obj()), event);
            };
            let caps = gst::Caps::builder("video/x-raw")
                .field("format", "GRAY8")
                .field("width", SIZE.0)
                .field("height", SIZE.1)
                .field("framerate", gst::Fraction::new(10, 1))
                .build();
            self.source.push_event(gst::event::Caps::new(&caps))
        }

        fn decode(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
            if REFUSES.load(Ordering::SeqCst) {
                gst::element_imp_error!(self, gst::StreamError::Decode, ["the device refuses"]);
                return Err(gst::FlowError::Error);
            }
            let grey = vec![128_u8; (SIZE.0 * SIZE.1) as usize];
            let mut decoded = gst::Buffer::from_mut_slice(grey);
            decoded.get_mut().unwrap().set_pts(buffer.pts());
            self.source.push(decoded)
        }
    }
}

gstreamer::glib::wrapper! {
    pub struct FakeDecoder(ObjectSubclass<fake::Fake>) @extends gst::Element, gst::Object;
}

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
    gst::init().unwrap();
    // Without a rank, as VA-API's decoders come in GStreamer 1.22.
    gst::Element::register(None, NAME, gst::Rank::NONE, FakeDecoder::static_type()).unwrap();

    for decoder in ["", "decoder = \"auto\"", "decoder = \"hardware\"", "decoder = \"fakehwjpegdec\""] {
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

    // One without a rank is taken by its name.
    gst::ElementFactory::find("avdec_h264").unwrap().set_rank(gst::Rank::NONE);
    let (video, _) = online(H264, "decoder = \"avdec_h264\"");
    assert_eq!((video.decoder.as_deref(), video.hardware), (Some("avdec_h264"), false));
}
