//! How the pictures of a stream lie in memory and are shown: worked out when their caps change, not for each of them.

use gstreamer as gst;
use gstreamer_video as gst_video;

use super::buffer;
use super::colour::{Encoding, colorimetry, stated};
use super::flow::Flow;
use crate::frame::{Colorimetry, Image};
use crate::geometry::Orientation;

/// What the caps of a picture and its way here say of it.
pub(super) struct Layout {
    caps: gst::Caps,
    info: gst_video::VideoInfo,
    colorimetry: Colorimetry,
}

impl Layout {
    /// # Errors
    /// When the caps are not those of pictures.
    pub(super) fn of(caps: &gst::CapsRef, flow: &Flow) -> Result<Self, String> {
        let info = gst_video::VideoInfo::from_caps(caps).map_err(|error| error.to_string())?;
        let decoding = flow.decoding();
        let encoding = Encoding::of(decoding.as_ref().map(|decoding| decoding.codec.as_str()));
        let colorimetry = colorimetry(stated(caps), flow.container(), encoding, &info);
        Ok(Layout { caps: caps.to_owned(), info, colorimetry })
    }

    /// Whether pictures with these caps are laid out like this.
    pub(super) fn is_of(&self, caps: &gst::CapsRef) -> bool {
        *self.caps == *caps
    }

    /// Stated frames per second.
    pub(super) fn rate(&self) -> gst::Fraction {
        self.info.fps()
    }

    /// A picture, as it is shown: turned, and with square pixels.
    ///
    /// # Errors
    /// When its format is none that is read, or the buffer cannot be mapped.
    pub(super) fn image(&self, buffer: gst::Buffer, orientation: Orientation) -> Result<Image, String> {
        let image = buffer::image(buffer, &self.info, self.colorimetry)?;
        let pixel = self.info.par();
        Ok(image.shown_as(orientation, f64::from(pixel.numer()) / f64::from(pixel.denom())))
    }
}
