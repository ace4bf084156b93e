//! What decodes a camera's video: which elements there are, and which of them decodebin may plug.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Once;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

use super::error::CaptureError;
use crate::config::Decoder;

/// What decodebin is told of an element that it would plug, by the names of `GstAutoplugSelectResult`.
const TRY: &str = "try";
const SKIP: &str = "skip";

/// Why a decoder cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoDecoder {
    #[error("decoder is \"hardware\", and no hardware decoder is installed or no device for one is there")]
    NoHardware,
    #[error("decoder is \"{0}\", which is no element that is installed")]
    Missing(String),
    #[error("decoder is \"{0}\", which decodes no video")]
    Other(String),
}

/// Starts GStreamer, unless it runs, and puts decoders that use hardware before those of software.
///
/// decodebin tries the greatest rank first, and of equal ones the first by name. Some have no rank, as VA-API's in
/// GStreamer 1.22, and are never plugged then; NVIDIA's and Intel's stand beside or below software. All are raised by as
/// much as software has at most, so that they keep their order, unless the environment variable `GST_PLUGIN_FEATURE_RANK`
/// names them.
///
/// # Errors
/// When GStreamer cannot start.
pub(super) fn start() -> Result<(), CaptureError> {
    static RANKED: Once = Once::new();
    static ROOM: Once = Once::new();
    ROOM.call_once(make_room);
    gst::init().map_err(|error| CaptureError::NoGstreamer(error.to_string()))?;
    RANKED.call_once(|| {
        let ranked = std::env::var("GST_PLUGIN_FEATURE_RANK").unwrap_or_default();
        let is_named = |factory: &gst::ElementFactory| {
            ranked.split(',').any(|entry| entry.split(':').next() == Some(factory.name().as_str()))
        };
        for factory in of_rank(gst::Rank::NONE) {
            if is_hardware(&factory) && !is_named(&factory) {
                factory.set_rank(factory.rank() + i32::from(gst::Rank::PRIMARY) + 1);
            }
        }
    });
    Ok(())
}

/// Makes the folder of GStreamer's list of plug-ins, where the environment names that: it is the state's, and GStreamer
/// would make it for everybody to read. Without it the list is made anew at every start.
fn make_room() {
    let list = std::env::var_os("GST_REGISTRY").map(PathBuf::from);
    if let Some(folder) = list.as_deref().and_then(Path::parent)
        && !folder.exists()
        && let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(folder)
    {
        tracing::debug!(folder = %folder.display(), %error, "GStreamer's list of plug-ins cannot be kept");
    }
}

/// Whether there is what the configuration asks for. GStreamer must be running. A decoder that is asked for by its name is
/// plugged also when it has no rank.
pub(super) fn check(decoder: &Decoder) -> Result<(), NoDecoder> {
    match decoder {
        Decoder::Auto | Decoder::Software => Ok(()),
        Decoder::Hardware if all().any(|factory| is_hardware(&factory)) => Ok(()),
        Decoder::Hardware => Err(NoDecoder::NoHardware),
        Decoder::Element(name) => match gst::ElementFactory::find(name) {
            Some(factory) if is_decoder(&factory) => {
                factory.set_rank(factory.rank().max(gst::Rank::MARGINAL));
                Ok(())
            }
            Some(_) => Err(NoDecoder::Other(name.clone())),
            None => Err(NoDecoder::Missing(name.clone())),
        },
    }
}

/// Lets `decodebin` plug only what `decoder` allows; it tries those by their rank, and takes the first that links.
pub(super) fn limit(decodebin: &gst::Element, decoder: &Decoder) {
    if *decoder == Decoder::Auto {
        return;
    }
    let decoder = decoder.clone();
    decodebin.connect("autoplug-select", false, move |values| {
        let factory = values.get(3)?.get::<gst::ElementFactory>().ok()?;
        let answer = if !is_decoder(&factory) || allows(&decoder, &factory) { TRY } else { SKIP };
        glib::EnumClass::with_type(glib::Type::from_name("GstAutoplugSelectResult")?)?
            .to_value_by_nick(answer)
    });
}

/// Tells the demultiplexer of MJPEG over HTTP that a camera has one stream: it would wait for others, and decodebin for it.
pub(super) fn expect_one_stream(pipeline: &gst::Pipeline) {
    pipeline.connect_deep_element_added(|_, _, element| {
        if element.factory().is_some_and(|factory| factory.name() == "multipartdemux") {
            element.set_property("single-stream", true);
        }
    });
}

/// Whether the configuration allows this decoder.
pub(super) fn allows(decoder: &Decoder, factory: &gst::ElementFactory) -> bool {
    match decoder {
        Decoder::Auto => true,
        Decoder::Hardware => is_hardware(factory),
        Decoder::Software => !is_hardware(factory),
        Decoder::Element(name) => factory.name() == name.as_str(),
    }
}

/// Whether it decodes video or pictures. Bins that choose a decoder of their own do not count.
pub(super) fn is_decoder(factory: &gst::ElementFactory) -> bool {
    let class = factory.metadata(gst::ELEMENT_METADATA_KLASS).unwrap_or_default();
    class.contains("Decoder")
        && (class.contains("Video") || class.contains("Image"))
        && !class.contains("Bin")
}

/// Whether it uses hardware.
pub(super) fn is_hardware(factory: &gst::ElementFactory) -> bool {
    factory.metadata(gst::ELEMENT_METADATA_KLASS).is_some_and(|class| class.contains("Hardware"))
}

/// Every installed decoder of video and pictures that is plugged by itself.
pub(super) fn all() -> impl Iterator<Item = gst::ElementFactory> {
    of_rank(gst::Rank::MARGINAL)
}

/// Every installed decoder of video and pictures with at least this rank.
fn of_rank(least: gst::Rank) -> impl Iterator<Item = gst::ElementFactory> {
    let decoders = gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO;
    let pictures = gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_IMAGE;
    [decoders, pictures]
        .into_iter()
        .flat_map(move |kind| gst::ElementFactory::factories_with_type(kind, least))
}

/// A name for what `caps` describe, such as `h264`.
pub(super) fn codec(caps: &gst::CapsRef) -> String {
    let Some(structure) = caps.structure(0) else { return "unknown".to_owned() };
    let name = structure.name().as_str();
    match name {
        "video/mpeg" => format!("mpeg{}", structure.get::<i32>("mpegversion").unwrap_or(2)),
        _ => name.rsplit('/').next().unwrap_or(name).trim_start_matches("x-").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_said() {
        gst::init().unwrap();
        assert_eq!(check(&Decoder::Auto), Ok(()));
        assert_eq!(check(&Decoder::Software), Ok(()));
        assert_eq!(check(&Decoder::Element("avdec_h264".to_owned())), Ok(()));
        let missing = "nosuchdec".to_owned();
        assert_eq!(check(&Decoder::Element(missing.clone())), Err(NoDecoder::Missing(missing)));
        let other = "videoconvert".to_owned();
        assert_eq!(check(&Decoder::Element(other.clone())), Err(NoDecoder::Other(other)));
        let hardware = all().any(|factory| is_hardware(&factory));
        assert_eq!(check(&Decoder::Hardware).is_ok(), hardware);
    }

    #[test]
    fn classes_tell_software_from_hardware() {
        gst::init().unwrap();
        let factory = |name: &str| gst::ElementFactory::find(name).unwrap();
        let (software, parser) = (factory("avdec_h264"), factory("h264parse"));
        assert!(is_decoder(&software) && !is_hardware(&software) && !is_decoder(&parser));
        assert!(!is_decoder(&factory("decodebin")) && !is_decoder(&factory("avdec_aac")));
        assert!(allows(&Decoder::Software, &software) && !allows(&Decoder::Hardware, &software));
        assert!(!allows(&Decoder::Element("vah264dec".to_owned()), &software));
    }

    #[test]
    fn codecs_have_short_names() {
        gst::init().unwrap();
        let mpeg4 = gst::Caps::builder("video/mpeg").field("mpegversion", 4).build();
        for (caps, expected) in [
            (gst::Caps::new_empty_simple("video/x-h264"), "h264"),
            (gst::Caps::new_empty_simple("image/jpeg"), "jpeg"),
            (mpeg4, "mpeg4"),
        ] {
            assert_eq!(codec(&caps), expected);
        }
    }
}
