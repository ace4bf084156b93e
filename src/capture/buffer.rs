//! A decoder's buffer as a picture, without a copy.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer_video::{self as gst_video, VideoFrameExt};

use super::description::gst_name;
use crate::frame::{BadImage, Colorimetry, Image, PixelFormat, Planes};

/// A mapped buffer is a picture's bytes.
struct Mapped(gst_video::VideoFrame<gst_video::video_frame::Readable>);

impl Planes for Mapped {
    fn plane(&self, index: usize) -> &[u8] {
        u32::try_from(index).ok().and_then(|index| self.0.plane_data(index).ok()).unwrap_or_default()
    }
}

/// The picture in `buffer`, which `info` describes, with values that mean `colorimetry`.
///
/// # Errors
/// When it is none that models take.
pub(super) fn image(
    buffer: gst::Buffer,
    info: &gst_video::VideoInfo,
    colorimetry: Colorimetry,
) -> Result<Image, String> {
    let name = info.format().to_str();
    let format = PixelFormat::ALL
        .into_iter()
        .find(|&format| gst_name(format) == name.as_str())
        .ok_or_else(|| format!("it came as {name}"))?;
    let frame = gst_video::VideoFrame::from_buffer_readable(buffer, info)
        .map_err(|_| "its buffer cannot be mapped".to_owned())?;
    let mut strides = [0; 3];
    for (stride, &found) in strides.iter_mut().zip(frame.plane_stride()) {
        *stride = usize::try_from(found).map_err(|_| "its rows run upwards".to_owned())?;
    }
    Image::new(format, (info.width(), info.height()), colorimetry, strides, Arc::new(Mapped(frame)))
        .map_err(|error: BadImage| error.to_string())
}
