//! What YUV values mean: what the stream says of its colours, what its file says, and what holds where neither does.
//!
//! GStreamer drops all that a stream says when it names a range and no matrix, as cheap cameras do, and takes limited range
//! instead. So the text of the caps is read here, field by field.
//!
//! Pure. Called by [`super::stream`]; [`super::container`] reads files.

use gstreamer as gst;
use gstreamer_video::{self as gst_video, VideoColorMatrix, VideoColorRange, VideoColorimetry};

use crate::frame::{Colorimetry, ColourMatrix};

/// What is stated of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stated {
    /// The matrix.
    pub matrix: Option<ColourMatrix>,
    /// Whether the range is the full one.
    pub full_range: Option<bool>,
}

/// How pictures came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As they are.
    Raw,
    /// As JPEG, which has full range (JFIF 1.02).
    Jpeg,
    /// As any other video, which has limited range unless it says otherwise.
    Video,
}

impl Encoding {
    /// Of a codec's short name; nothing where nothing decodes.
    pub(super) fn of(codec: Option<&str>) -> Self {
        match codec {
            None => Encoding::Raw,
            Some("jpeg") => Encoding::Jpeg,
            Some(_) => Encoding::Video,
        }
    }
}

/// What `caps` state.
pub(super) fn stated(caps: &gst::CapsRef) -> Stated {
    let text = caps.structure(0).and_then(|structure| structure.get::<&str>("colorimetry").ok());
    let Some(stated) = text.and_then(|text| text.parse::<VideoColorimetry>().ok()) else {
        return Stated::default();
    };
    Stated {
        matrix: match stated.matrix() {
            VideoColorMatrix::Bt601 => Some(ColourMatrix::Bt601),
            VideoColorMatrix::Bt709 => Some(ColourMatrix::Bt709),
            VideoColorMatrix::Bt2020 => Some(ColourMatrix::Bt2020),
            VideoColorMatrix::Smpte240m => Some(ColourMatrix::Smpte240m),
            VideoColorMatrix::Fcc => Some(ColourMatrix::Fcc),
            _ => None,
        },
        full_range: match stated.range() {
            VideoColorRange::Range0_255 => Some(true),
            VideoColorRange::Range16_235 => Some(false),
            _ => None,
        },
    }
}

/// What holds for a picture that `info` describes. A range is full when either says so: where they differ, the other is a
/// default that nobody has set.
pub(super) fn colorimetry(
    stream: Stated,
    container: Stated,
    encoding: Encoding,
    info: &gst_video::VideoInfo,
) -> Colorimetry {
    let is_full = match (encoding, stream.full_range, container.full_range) {
        (_, Some(true), _) | (_, _, Some(true)) => true,
        (_, Some(false), _) | (_, _, Some(false)) => false,
        (Encoding::Jpeg, None, None) => true,
        // GStreamer's own: full for grey.
        (Encoding::Raw, None, None) => info.colorimetry().range() == VideoColorRange::Range0_255,
        (Encoding::Video, None, None) => false,
    };
    let usual = match encoding {
        Encoding::Jpeg => ColourMatrix::Bt601,
        Encoding::Raw | Encoding::Video if info.width().max(info.height()) >= 1280 || info.height() > 576 => {
            ColourMatrix::Bt709
        }
        Encoding::Raw | Encoding::Video => ColourMatrix::Bt601,
    };
    Colorimetry { matrix: stream.matrix.or(container.matrix).unwrap_or(usual), full_range: is_full }
}

#[cfg(test)]
mod tests {
    use gstreamer_video::{VideoFormat, VideoInfo};

    use super::*;

    fn of(colorimetry: &str) -> Stated {
        let caps = gst::Caps::builder("video/x-raw").field("colorimetry", colorimetry).build();
        stated(&caps)
    }

    #[test]
    fn texts_are_read_field_by_field() {
        gst::init().unwrap();
        let (bt601, bt709) = (Some(ColourMatrix::Bt601), Some(ColourMatrix::Bt709));
        for (text, matrix, full_range) in [
            ("1:0:0:0", None, Some(true)),
            ("2:0:0:0", None, Some(false)),
            ("1:4:0:0", bt601, Some(true)),
            ("0:3:5:1", bt709, None),
            ("bt709", bt709, Some(false)),
            ("bt601", bt601, Some(false)),
            ("bt2020", Some(ColourMatrix::Bt2020), Some(false)),
            ("1:5:0:0", Some(ColourMatrix::Smpte240m), Some(true)),
            ("2:2:0:0", Some(ColourMatrix::Fcc), Some(false)),
            ("sRGB", None, Some(true)),
            ("nonsense", None, None),
        ] {
            assert_eq!(of(text), Stated { matrix, full_range }, "{text}");
        }
        assert_eq!(stated(&gst::Caps::builder("video/x-raw").build()), Stated::default());
    }

    #[test]
    fn what_nobody_states_is_what_is_usual() {
        gst::init().unwrap();
        let (none, full) = (Stated::default(), Stated { matrix: None, full_range: Some(true) });
        let limited = Stated { matrix: Some(ColourMatrix::Bt2020), full_range: Some(false) };
        let (sd, hd, tall) = ((704, 576), (1920, 1080), (1080, 1920));
        let (i420, grey) = (VideoFormat::I420, VideoFormat::Gray8);
        let (bt601, bt709, bt2020) = (ColourMatrix::Bt601, ColourMatrix::Bt709, ColourMatrix::Bt2020);
        for (stream, container, encoding, format, size, matrix, full_range) in [
            (none, none, Encoding::Video, i420, sd, bt601, false),
            (none, none, Encoding::Video, i420, hd, bt709, false),
            (none, none, Encoding::Video, i420, tall, bt709, false),
            (none, none, Encoding::Jpeg, i420, hd, bt601, true),
            (none, none, Encoding::Raw, grey, sd, bt601, true),
            (none, none, Encoding::Raw, i420, sd, bt601, false),
            (none, none, Encoding::Video, grey, sd, bt601, false),
            (full, none, Encoding::Video, grey, sd, bt601, true),
            (full, none, Encoding::Video, i420, hd, bt709, true),
            (full, limited, Encoding::Video, i420, hd, bt2020, true),
            (limited, full, Encoding::Video, i420, sd, bt2020, true),
            (none, limited, Encoding::Video, i420, sd, bt2020, false),
        ] {
            let info = VideoInfo::builder(format, size.0, size.1).build().unwrap();
            let found = colorimetry(stream, container, encoding, &info);
            assert_eq!(
                found,
                Colorimetry { matrix, full_range },
                "{stream:?} {container:?} {encoding:?} {size:?}"
            );
        }
    }
}
