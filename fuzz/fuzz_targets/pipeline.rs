//! Any source as a pipeline's text: GStreamer reads it as exactly the elements that are meant, and the source's address or
//! path arrives at its element as it was given. What quotes and spaces it holds makes no element of its own.
//!
//! The first byte chooses the source, the rest is its address or path. A fragment of the user's own is only looked at as
//! text: it may hold any element, so it is never built.

#![no_main]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gst::prelude::*;
use gstreamer as gst;
use libfuzzer_sys::{Corpus, fuzz_target};
use spotter::capture::{Pace, describe};
use spotter::config::{Capture, Source, Transport};

/// What follows each source's own element.
const REST: [&str; 4] = ["decodebin", "videoconvert", "capsfilter", "appsink"];

fuzz_target!(
    init: gst::init().expect("GStreamer"),
    |data: &[u8]| -> Corpus {
        let Some((&choice, text)) = data.split_first() else { return Corpus::Reject };
        let Ok(text) = std::str::from_utf8(text) else { return Corpus::Reject };
        // The configuration refuses it in every source.
        if text.contains('\0') {
            return Corpus::Reject;
        }
        let pace = if choice & 1 == 0 { Pace::Live } else { Pace::EveryFrame };
        match choice >> 1 & 3 {
            0 => check(&Source::File { path: PathBuf::from(text), repeat: false, frame_rate: None }, pace),
            1 => check(&Source::V4l2 { device: PathBuf::from(text) }, pace),
            2 => {
                let Ok(mut source) = Source::parse(text, Path::new("/srv")) else { return Corpus::Reject };
                // Not everywhere installed.
                if matches!(source, Source::Libcamera { .. } | Source::Genicam(_)) {
                    return Corpus::Reject;
                }
                if let Source::Rtsp { transport, .. } = &mut source {
                    *transport = if choice & 8 == 0 { Transport::Tcp } else { Transport::Udp };
                }
                check(&source, pace);
            }
            _ => {
                let described = describe(&Capture::of(Source::Pipeline { fragment: text.to_owned() }), pace);
                assert!(described.starts_with(text), "{described:?}");
                assert!(described.contains(" ! appsink name=frames "), "{described:?}");
            }
        }
        Corpus::Keep
    }
);

fn check(source: &Source, pace: Pace) {
    // A file's path that is no UTF-8 is refused before.
    let (factory, property, given) = match source {
        Source::File { path, .. } => ("filesrc", "location", written(path)),
        Source::V4l2 { device } => ("v4l2src", "device", written(device)),
        Source::Rtsp { url, .. } => ("rtspsrc", "location", url.reveal_to_rtspsrc()),
        Source::Http { url, .. } => ("souphttpsrc", "location", url.reveal().to_owned()),
        Source::Libcamera { .. } | Source::Genicam(_) | Source::Pipeline { .. } => {
            unreachable!("never built")
        }
    };
    let described = describe(&Capture::of(source.clone()), pace);
    let pipeline = gst::parse::launch(&described).unwrap_or_else(|error| panic!("{error}: {described:?}"));
    let pipeline = pipeline.downcast::<gst::Pipeline>().expect("more than one element");
    let elements: Vec<gst::Element> =
        pipeline.iterate_elements().into_iter().map(|element| element.expect("nobody changes it")).collect();
    let kinds: Vec<String> =
        elements.iter().map(|element| element.factory().expect("made by one").name().to_string()).collect();
    let found: BTreeSet<&str> = kinds.iter().map(String::as_str).collect();
    let mut expected: BTreeSet<&str> = REST.into();
    expected.insert(factory);
    assert_eq!(found, expected, "{described:?}");
    let element = &elements[kinds.iter().position(|kind| kind == factory).expect("it is among them")];
    let arrived = element.property::<Option<String>>(property);
    // rtspsrc keeps nothing of an address that it cannot read; the camera is offline then. It must never keep another one.
    let refused = arrived.is_none() && factory == "rtspsrc";
    assert!(refused || arrived == Some(given), "{arrived:?}: {described:?}");
    assert!(pipeline.by_name("frames").is_some_and(|sink| sink.is::<gst::Element>()), "{described:?}");
}

/// A path as its element is given it.
fn written(path: &Path) -> String {
    let path = if path.is_relative() { Path::new(".").join(path) } else { path.to_owned() };
    path.to_string_lossy().into_owned()
}
