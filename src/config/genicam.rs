//! A GenICam camera (GigE Vision, USB3 Vision): which one, and the keys of `[camera.genicam]` that it is set to.

use super::read::Section;

/// Longest name of a camera; a serial number has 16 characters, a name of GigE Vision's three fields at most 82.
const LONGEST_NAME: usize = 128;

/// Which camera, and what it is set to. What is absent stays as the camera has it, the pixel format aside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Genicam {
    /// Name, serial number or address; the first that answers when absent.
    pub camera: Option<String>,
    /// How pixels are sent; the best that the camera offers when absent.
    pub pixel_format: Option<SensorFormat>,
    /// Width of the region that is sent, in pixels.
    pub width: Option<u32>,
    /// Height of it.
    pub height: Option<u32>,
    /// Frames per second.
    pub frame_rate: Option<f64>,
    /// Exposure time in microseconds.
    pub exposure_us: Option<Level>,
    /// Gain in dB.
    pub gain_db: Option<Level>,
    /// Bytes of a packet with its IP header; only for GigE Vision.
    pub packet_size: Option<PacketSize>,
    /// Other features of the camera, each `Name=Value`, set after all else.
    pub features: Vec<String>,
}

/// What the camera finds by itself, or a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    /// The camera goes on looking for the best.
    Auto,
    /// This.
    Fixed(f64),
}

/// The size of GigE Vision's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketSize {
    /// The largest that test packets show to come through.
    Auto,
    /// So many bytes.
    Bytes(u32),
}

/// How a sensor's pixels are sent, by its name in GenICam's Pixel Format Naming Convention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensorFormat {
    /// Its name, which the camera knows too.
    pub name: &'static str,
    /// What the bits mean.
    pub layout: SensorLayout,
    /// Bits of a sample; those above 8 come in two bytes each, lowest byte first.
    pub bits: u32,
}

/// What the samples of a picture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SensorLayout {
    /// Brightness.
    Mono,
    /// One colour a pixel; the text is the order of the first two pixels of the first two lines, as GStreamer writes it.
    Bayer(&'static str),
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Chroma before brightness.
    Uyvy,
    /// Brightness before chroma.
    Yuy2,
}

const fn format(name: &'static str, layout: SensorLayout, bits: u32) -> SensorFormat {
    SensorFormat { name, layout, bits }
}

/// Every format that plays, those of one layout with the fewest bits first. Both names of the convention and of GigE Vision 1.
const FORMATS: &[SensorFormat] = &{
    use SensorLayout::{Bayer, Bgr, Mono, Rgb, Uyvy, Yuy2};
    [
        format("Mono8", Mono, 8),
        format("Mono10", Mono, 10),
        format("Mono12", Mono, 12),
        format("Mono14", Mono, 14),
        format("Mono16", Mono, 16),
        format("BayerGR8", Bayer("grbg"), 8),
        format("BayerRG8", Bayer("rggb"), 8),
        format("BayerGB8", Bayer("gbrg"), 8),
        format("BayerBG8", Bayer("bggr"), 8),
        format("BayerGR10", Bayer("grbg"), 10),
        format("BayerRG10", Bayer("rggb"), 10),
        format("BayerGB10", Bayer("gbrg"), 10),
        format("BayerBG10", Bayer("bggr"), 10),
        format("BayerGR12", Bayer("grbg"), 12),
        format("BayerRG12", Bayer("rggb"), 12),
        format("BayerGB12", Bayer("gbrg"), 12),
        format("BayerBG12", Bayer("bggr"), 12),
        format("BayerGR16", Bayer("grbg"), 16),
        format("BayerRG16", Bayer("rggb"), 16),
        format("BayerGB16", Bayer("gbrg"), 16),
        format("BayerBG16", Bayer("bggr"), 16),
        format("RGB8", Rgb, 8),
        format("RGB8Packed", Rgb, 8),
        format("BGR8", Bgr, 8),
        format("BGR8Packed", Bgr, 8),
        format("YUV422_8_UYVY", Uyvy, 8),
        format("YUV422Packed", Uyvy, 8),
        format("YUV422_8", Yuy2, 8),
        format("YUV422_YUYV_Packed", Yuy2, 8),
    ]
};

impl SensorFormat {
    /// Reads the name of a format that plays.
    ///
    /// # Errors
    /// With the names that do, when it is another.
    pub fn parse(name: &str) -> Result<Self, String> {
        if let Some(format) = FORMATS.iter().find(|format| format.name == name) {
            return Ok(*format);
        }
        let is_packed = name.ends_with("Packed") || name.ends_with('p');
        let hint = if is_packed {
            " (samples that share bytes do not play; 8 bits take less, and models use no more)"
        } else {
            ""
        };
        let names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
        Err(format!("is \"{name}\"{hint}; allowed: {}", names.join(", ")))
    }

    /// The format with 8 bits whose picture in GStreamer is this.
    pub fn of_layout(layout: SensorLayout) -> Option<Self> {
        FORMATS.iter().find(|format| format.layout == layout && format.bits == 8).copied()
    }
}

/// What cannot be a camera's name.
pub(super) struct BadCameraName;

/// Reads what follows `genicam:`.
///
/// # Errors
/// When it cannot be a camera's name.
pub(super) fn camera(text: &str) -> Result<Option<String>, BadCameraName> {
    let name = text.trim_start_matches("//").trim();
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(BadCameraName);
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

/// Reads `[camera.genicam]` into `camera`.
pub(super) fn read(mut section: Section<'_, '_, '_>, camera: &mut Genicam) {
    let pixels = |n: i64| u32::try_from(n).ok();
    camera.pixel_format = section.parsed("pixel_format", SensorFormat::parse);
    camera.width = section.integer("width", 16..=65_535).and_then(pixels);
    camera.height = section.integer("height", 16..=65_535).and_then(pixels);
    camera.frame_rate = section.number("frame_rate", 0.1..=1000.0);
    let level = |level: Option<f64>| level.map_or(Level::Auto, Level::Fixed);
    camera.exposure_us = section.number_or("exposure_us", 1.0..=100_000_000.0, "auto").map(level);
    camera.gain_db = section.number_or("gain_db", 0.0..=100.0, "auto").map(level);
    camera.packet_size = section.number_or("packet_size", 576.0..=16_000.0, "auto").map(|size| match size {
        None => PacketSize::Auto,
        // GigE Vision wants a multiple of four.
        Some(bytes) => PacketSize::Bytes(bytes as u32 & !3),
    });
    camera.features = section.strings("features").unwrap_or_default();
    if let Some(wrong) = camera.features.iter().find(|text| !is_feature(text)) {
        section.problem(
            "features",
            format!("has \"{wrong}\"; each is one Name=Value, such as BalanceWhiteAuto=Continuous"),
        );
    }
    section.finish();
}

/// Whether it is a feature's name and a value without what would end it.
fn is_feature(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_value = |c: char| c.is_ascii_graphic() && !"\"'\\`;".contains(c);
    text.split_once('=').is_some_and(|(name, value)| {
        !name.is_empty() && name.chars().all(is_word) && !value.is_empty() && value.chars().all(is_value)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Source};

    #[test]
    fn formats_have_their_names_and_no_others() {
        let rg12 = SensorFormat::parse("BayerRG12").unwrap();
        assert_eq!((rg12.layout, rg12.bits), (SensorLayout::Bayer("rggb"), 12));
        assert_eq!(SensorFormat::of_layout(SensorLayout::Bayer("rggb")).unwrap().name, "BayerRG8");
        for (name, said) in
            [("mono8", "is \"mono8\"; allowed: Mono8, "), ("Mono12p", "share bytes do not play")]
        {
            let why = SensorFormat::parse(name).unwrap_err();
            assert!(why.contains(said), "{why}");
        }
    }

    #[test]
    fn settings_are_read_and_wrong_ones_are_named() {
        let parse = |source: &str, keys: &str| {
            let text = format!("[[camera]]\nname = \"a\"\nsource = \"{source}\"\n[camera.genicam]\n{keys}\n");
            Config::parse(&text, Path::new(""))
        };
        let keys = "pixel_format = \"Mono12\"\nexposure_us = \"auto\"\ngain_db = 6\npacket_size = 9001\nframe_rate = 12.5";
        let config = parse("genicam://0042", keys).unwrap();
        let Source::Genicam(camera) = &config.cameras[0].capture.source else { panic!("{config:?}") };
        assert_eq!(camera.camera.as_deref(), Some("0042"));
        assert_eq!((camera.exposure_us, camera.gain_db), (Some(Level::Auto), Some(Level::Fixed(6.0))));
        assert_eq!((camera.packet_size, camera.frame_rate), (Some(PacketSize::Bytes(9000)), Some(12.5)));
        for (source, keys, said) in [
            (
                "genicam:",
                "exposure_us = \"long\"",
                "exposure_us is \"long\"; it must be a number from 1 to 100000000, or \"auto\"",
            ),
            ("genicam:", "gain_db = 101", "gain_db is 101; it must be a number from 0 to 100, or \"auto\""),
            ("genicam:", "features = [\"Gamma\"]", "features has \"Gamma\"; each is one Name=Value"),
            ("genicam:", "colour = true", "genicam.colour is unknown; allowed here: pixel_format, width"),
            ("rtsp://cam/1", "width = 640", "genicam is only for a genicam: source"),
            ("genicam:a\\u0007", "", "source is no camera's name"),
        ] {
            let why = parse(source, keys).unwrap_err().to_string();
            assert!(why.contains(said), "{why}");
        }
    }

    #[test]
    fn features_are_one_assignment_each() {
        for good in ["TriggerMode=Off", "Gamma=0.7", "UserSetSelector=UserSet1"] {
            assert!(is_feature(good), "{good}");
        }
        for bad in ["TriggerMode", "=Off", "A=", "A=B C=D", "A=B\"", "Träger=1", "A=\n"] {
            assert!(!is_feature(bad), "{bad:?}");
        }
    }
}
