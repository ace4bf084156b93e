//! `[input]`: the one picture tensor that a model takes.

use super::section::{self, Section};

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
        let side = |v: &toml::Value| v.as_integer().filter(|n| (1..=8192).contains(n)).map(|n| n as u32);
        let sides = "a whole number of pixels from 1 to 8192";
        let name = section.required("name", "the name of the model's input", section::text);
        let width = section.required("width", sides, side);
        let height = section.required("height", sides, side);
        let layout = section.choice("layout", &[("nchw", Layout::Nchw), ("nhwc", Layout::Nhwc)]);
        let element = section.choice("dtype", &[("f32", InputType::F32), ("u8", InputType::U8)]);
        let channels = section.choice("colour", &[("rgb", Channels::Rgb), ("bgr", Channels::Bgr)]);

        let whole_range = element == Some(InputType::U8);
        let ranges =
            if whole_range { "[0, 255] for dtype = \"u8\"" } else { "two different numbers, such as [0, 1]" };
        let range = section.required("range", ranges, |value| {
            let [low, high] = section::numbers(value)?;
            let fits = if whole_range { [low, high] == [0.0, 255.0] } else { low != high };
            fits.then_some([low, high])
        });
        let (mean, std) = if whole_range {
            (None, None)
        } else {
            let mean = section.optional("mean", "three numbers, in the order of `colour`", section::numbers);
            let std = section.optional("std", "three numbers above 0, in the order of `colour`", |value| {
                section::numbers(value).filter(|std: &[f32; 3]| std.iter().all(|&s| s > 0.0))
            });
            (mean, std)
        };
        let resize = section.choice("resize", &[("letterbox", true), ("stretch", false)]);
        let resize = match resize {
            Some(true) => {
                let pad = section.required("pad", "a grey from 0 to 255", |value| {
                    value.as_integer().and_then(|n| u8::try_from(n).ok())
                });
                let align = section
                    .choice_or_first("align", &[("center", Align::Center), ("top-left", Align::TopLeft)]);
                pad.zip(align).map(|(pad, align)| Resize::Letterbox { pad, align })
            }
            Some(false) => Some(Resize::Stretch),
            None => None,
        };
        if resize.is_some() {
            section.finish();
        }

        let [low, high] = range?;
        let (mean, std) = (mean.unwrap_or([0.0; 3]), std.unwrap_or([1.0; 3]));
        Some(Input {
            name: name?,
            width: width?,
            height: height?,
            layout: layout?,
            element: element?,
            channels: channels?,
            scale: std.map(|std| (high - low) / 255.0 / std),
            offset: [0, 1, 2].map(|c| (low - mean[c]) / std[c]),
            resize: resize?,
        })
    }
}
