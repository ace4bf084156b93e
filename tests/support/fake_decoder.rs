//! A decoder that says it uses hardware, since no machine that runs tests has one: it decodes JPEG to grey, or refuses all that
//! it is given.

#![allow(dead_code, reason = "every test uses its own part")]

use std::sync::atomic::{AtomicBool, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;

/// Whether it refuses all that it is given.
pub static REFUSES: AtomicBool = AtomicBool::new(false);

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

/// Registers it under this name. Before any camera starts, because that is when ranks are looked at.
pub fn register(name: &str, rank: gst::Rank) {
    gst::init().unwrap();
    gst::Element::register(None, name, rank, FakeDecoder::static_type()).unwrap();
}
