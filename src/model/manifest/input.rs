//! `[input]`: the one picture tensor that a model takes.

use super::section::{self, Section};
use crate::frame::Filter;

/// How a model wants its picture. The writer is [`crate::model::InputTensor`].
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub(in crate::model) name: String,
    pub(in crate::model) width: u32,
    pub(in crate::model) height: u32,
    pub(in crate::model) layout: Layout,
    pub(in crate::model) element: InputType,
    pub(in crate::model) channels: Channels,
    /// Per channel, in the model's order: `value = scale * v + offset` for `v` in 0..=255.
    pub(in crate::model) scale: [f32; 3],
    pub(in crate::model) offset: [f32; 3],
    pub(in crate::model) resize: Resize,
    pub(in crate::model) filter: Filter,
}

/// The order of the tensor's axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Layout {
    /// `[1, 3, H, W]`.
    Nchw,
    /// `[1, H, W, 3]`.
    Nhwc,
}

/// The type of the tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum InputType {
    F32,
    U8,
    I32,
}

/// The order of the three colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Channels {
    Rgb,
    Bgr,
}

/// How a picture of another shape is brought to the model's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Resize {
    /// Each axis on its own.
    Stretch,
    /// Both axes alike, the rest filled with the grey `pad`.
    Letterbox { pad: u8, align: Align },
    /// Both axes alike until the shorter side fits; of the longer one the middle.
    Crop,
}

/// Where a letterboxed picture lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Align {
    Center,
    TopLeft,
}

impl Input {
    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The tensor's shape, batch first.
    pub(in crate::model) fn shape(&self) -> [usize; 4] {
        let (width, height) = (self.width as usize, self.height as usize);
        match self.layout {
            Layout::Nchw => [1, 3, height, width],
            Layout::Nhwc => [1, height, width, 3],
        }
    }

    /// `None` only when a problem has been noted.
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let name = section.required("name", INPUT_NAME, section::text);
        let size = size(&mut section, 8192);
        let layout = section.choice("layout", &[("nchw", Layout::Nchw), ("nhwc", Layout::Nhwc)]);
        let values = Values::read(&mut section);
        let resize = resize(&mut section, &[("letterbox", Fit::Letterbox), ("stretch", Fit::Stretch)]);
        if resize.is_some() {
            section.finish();
        }
        let ((width, height), Values { element, channels, scale, offset }) = (size?, values?);
        let (name, layout, (resize, filter)) = (name?, layout?, resize?);
        Some(Input { name, width, height, layout, element, channels, scale, offset, resize, filter })
    }
}

/// What `name` is.
pub(super) const INPUT_NAME: &str = "the name of the model's input";

/// The keys `width` and `height`, each up to `most`.
pub(super) fn size(section: &mut Section<'_>, most: u32) -> Option<(u32, u32)> {
    let sides = format!("a whole number of pixels from 1 to {most}");
    let width = section.required("width", &sides, section::whole(1..=most));
    let height = section.required("height", &sides, section::whole(1..=most));
    width.zip(height)
}

/// What stands in the tensor for a colour.
pub(super) struct Values {
    pub element: InputType,
    pub channels: Channels,
    /// As in [`Input`].
    pub scale: [f32; 3],
    pub offset: [f32; 3],
}

impl Values {
    /// The keys `dtype`, `colour`, `range`, `mean` and `std`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let types = [("f32", InputType::F32), ("u8", InputType::U8), ("i32", InputType::I32)];
        let element = section.choice("dtype", &types);
        let channels = section.choice("colour", &[("rgb", Channels::Rgb), ("bgr", Channels::Bgr)]);

        let integer = types[1..].iter().find(|(_, integer)| element == Some(*integer)).map(|(word, _)| word);
        let ranges = integer.map_or_else(
            || "two different numbers, such as [0, 1]".to_owned(),
            |word| format!("[0, 255] for dtype = \"{word}\""),
        );
        let range = section.required("range", &ranges, |value| {
            let [low, high] = section::numbers(value)?;
            let fits = if integer.is_some() { [low, high] == [0.0, 255.0] } else { low != high };
            fits.then_some([low, high])
        });
        let (mean, std) = if integer.is_some() {
            (None, None)
        } else {
            let mean = section.optional("mean", "three numbers, in the order of `colour`", section::numbers);
            let std = section.optional("std", "three numbers above 0, in the order of `colour`", |value| {
                section::numbers(value).filter(|std: &[f32; 3]| std.iter().all(|&s| s > 0.0))
            });
            (mean, std)
        };

        let [low, high] = range?;
        let (mean, std) = (mean.unwrap_or([0.0; 3]), std.unwrap_or([1.0; 3]));
        Some(Values {
            element: element?,
            channels: channels?,
            scale: std.map(|std| (high - low) / 255.0 / std),
            offset: [0, 1, 2].map(|c| (low - mean[c]) / std[c]),
        })
    }
}

/// The words of `resize`.
#[derive(Clone, Copy)]
pub(super) enum Fit {
    Letterbox,
    Stretch,
    Crop,
}

/// The keys `resize`, `pad`, `align` and `filter`.
pub(super) fn resize(section: &mut Section<'_>, allowed: &[(&str, Fit)]) -> Option<(Resize, Filter)> {
    let resize = match section.choice("resize", allowed)? {
        Fit::Stretch => Some(Resize::Stretch),
        Fit::Crop => Some(Resize::Crop),
        Fit::Letterbox => {
            let pad = section.required("pad", "a grey from 0 to 255", |value| {
                value.as_integer().and_then(|n| u8::try_from(n).ok())
            });
            let align =
                section.choice_or_first("align", &[("center", Align::Center), ("top-left", Align::TopLeft)]);
            pad.zip(align).map(|(pad, align)| Resize::Letterbox { pad, align })
        }
    };
    let filters = [("bilinear", Filter::Bilinear), ("hamming", Filter::Hamming)];
    resize.zip(section.choice_or_first("filter", &filters))
}

/// The input of a classifier of windows: its name, its steps, the steps per second, and how many numbers or places the key
/// `of_step` says that a step has, `most` at the most.
pub(super) fn window(
    mut section: Section<'_>,
    of_step: &'static str,
    most: u32,
) -> Option<(String, usize, f32, usize)> {
    let name = section.required("name", INPUT_NAME, section::text);
    let steps = section.required("steps", "a whole number from 1 to 1024", section::whole(1..=1024));
    let rate_hz = section.required("rate_hz", "a number from 1 to 120", section::within(1.0..=120.0));
    let allowed = format!("a whole number from 1 to {most}");
    let size = section.required(of_step, &allowed, section::whole(1..=most));
    section.finish();
    Some((name?, steps? as usize, rate_hz?, size? as usize))
}
