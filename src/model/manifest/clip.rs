//! What a manifest says of a classifier of clips.

use std::time::Duration;

use super::input::{self, Fit, INPUT_NAME, Values};
use super::section::{self, Section};
use super::{Input, InputType, Layout, Sections, pose};
use crate::frame::Filter;

/// Elements of a clip's tensor, so that a slip of the pen does not fill the memory.
const MAX_ELEMENTS: u64 = 100_000_000;

/// A classifier of what goes on, from frames over time.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipSpec {
    /// The frames that the model takes.
    pub input: ClipInput,
    /// The output, f32 `[1, labels]` or `[labels]`; `None` stands for the only one.
    pub scores: Option<String>,
    /// From the output to probabilities.
    pub activation: Activation,
    /// The label that means none of the others.
    pub unknown: Option<String>,
    /// What a clip shows.
    pub scope: Scope,
    /// How often the model is run for a subject.
    pub every: Duration,
}

/// How a clip model wants its frames. The writer is [`crate::model::ClipTensor`].
#[derive(Clone, Debug, PartialEq)]
pub struct ClipInput {
    /// How one frame is kept: u8, `[1, H, W, 3]`, in the model's order of colours, 0..=255.
    frame: Input,
    pub(in crate::model) layout: ClipLayout,
    pub(in crate::model) element: InputType,
    /// Per channel, in the model's order: `value = scale * v + offset` for `v` in 0..=255.
    pub(in crate::model) scale: [f32; 3],
    pub(in crate::model) offset: [f32; 3],
    pub(in crate::model) frames: usize,
    interval: Duration,
}

/// The order of the tensor's axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum ClipLayout {
    /// `[1, 3, T, H, W]`.
    Ncthw,
    /// `[1, T, 3, H, W]`.
    Ntchw,
    /// `[1, T, H, W, 3]`.
    Nthwc,
}

/// How the output becomes probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// Softmax of the output divided by `temperature`, which is above 0.
    Logits {
        /// 1 for a model that is as sure as it should be, more for one that is too sure.
        temperature: f32,
    },
    /// They are probabilities, which sum to at most 1.
    Probabilities,
}

/// What a clip shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Scope {
    /// The whole frame.
    Frame,
    /// Somebody or something that is followed.
    Track {
        /// The side of the square crop in longer sides of the box, 1..=4.
        scale: f32,
        /// Labels of the detector for what has clips; at least one.
        of: Vec<String>,
    },
    /// People who are close together. A clip shows one fixed square of the picture.
    Group {
        /// The least side of the square, in the mean of the longer box sides of two people who are close, 1..=4.
        scale: f32,
        /// Two people are close when the gap between their boxes, across and down, is smaller than this many of the
        /// smaller one's longer sides, 0..=3. With 0 their boxes must overlap.
        near: f32,
        /// Labels of the detector for what makes groups; at least one.
        of: Vec<String>,
    },
}

impl ClipInput {
    /// Frames of a clip, T.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// The time between two frames of a clip, in whole microseconds.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How one frame is kept: a u8 tensor `[1, H, W, 3]` in the model's order of colours, 0..=255.
    pub fn frame(&self) -> &Input {
        &self.frame
    }

    /// How a frame is scaled.
    pub fn filter(&self) -> Filter {
        self.frame.filter
    }

    pub(super) fn name(&self) -> &str {
        &self.frame.name
    }

    /// The tensor's shape, batch first.
    pub(in crate::model) fn shape(&self) -> [usize; 5] {
        let (width, height) = (self.frame.width as usize, self.frame.height as usize);
        match self.layout {
            ClipLayout::Ncthw => [1, 3, self.frames, height, width],
            ClipLayout::Ntchw => [1, self.frames, 3, height, width],
            ClipLayout::Nthwc => [1, self.frames, height, width, 3],
        }
    }

    /// `None` only when a problem has been noted.
    fn read(mut section: Section<'_>) -> Option<Self> {
        let name = section.required("name", INPUT_NAME, section::text);
        let size = input::size(&mut section, 2048);
        let frames = section.required("frames", "a whole number from 1 to 256", section::whole(1..=256));
        let layouts =
            [("ncthw", ClipLayout::Ncthw), ("ntchw", ClipLayout::Ntchw), ("nthwc", ClipLayout::Nthwc)];
        let layout = section.choice("layout", &layouts);
        let stride = section.required("stride", "a whole number from 1 to 1000", section::whole(1..=1000));
        let fps = section.required("fps", "a number from 1 to 240", section::within(1.0..=240.0));
        let values = Values::read(&mut section);
        let fits = [("letterbox", Fit::Letterbox), ("stretch", Fit::Stretch), ("crop", Fit::Crop)];
        let resize = input::resize(&mut section, &fits);
        if let (Some((width, height)), Some(frames)) = (size, frames)
            && 3 * u64::from(width) * u64::from(height) * u64::from(frames) > MAX_ELEMENTS
        {
            let most = MAX_ELEMENTS / 1_000_000;
            section.problem(format!(
                "`input`: {frames} frames of {width}x{height} pixels are more than {most} million numbers"
            ));
        }
        if resize.is_some() {
            section.finish();
        }

        let ((width, height), Values { element, channels, scale, offset }) = (size?, values?);
        let (resize, filter) = resize?;
        let frame = Input {
            name: name?,
            width,
            height,
            layout: Layout::Nhwc,
            element: InputType::U8,
            channels,
            scale: [1.0; 3],
            offset: [0.0; 3],
            resize,
            filter,
        };
        let micros = (f64::from(stride?) * 1e6 / f64::from(fps?)).round() as u64;
        let interval = Duration::from_micros(micros);
        Some(ClipInput { frame, layout: layout?, element, scale, offset, frames: frames? as usize, interval })
    }
}

impl ClipSpec {
    /// `None` only when a problem has been noted.
    pub(super) fn read(sections: &mut Sections<'_>) -> Option<Self> {
        let input = sections.read("input", ClipInput::read);
        let output = sections.read("output", output);
        let clip = sections.read("clip", clip);
        let ((activation, scores, unknown), (scope, every)) = (output?, clip?);
        Some(ClipSpec { input: input?, scores, activation, unknown, scope, every })
    }
}

fn output(mut section: Section<'_>) -> Option<(Activation, Option<String>, Option<String>)> {
    let activation = if section.choice("family", &[("logits", true), ("probabilities", false)])? {
        let sharper = section.optional_or(
            "temperature",
            1.0,
            "a number from 0.01 to 100",
            section::within(0.01..=100.0),
        );
        sharper.map(|temperature| Activation::Logits { temperature })
    } else {
        Some(Activation::Probabilities)
    };
    let scores = section.optional("scores", "the name of an output of the model", section::text);
    let unknown = section.optional("unknown", "a label", section::text);
    section.finish();
    Some((activation?, scores, unknown))
}

/// The words for [`Scope`].
#[derive(Clone, Copy)]
enum ScopeWord {
    Frame,
    Track,
    Group,
}

fn clip(mut section: Section<'_>) -> Option<(Scope, Duration)> {
    let every =
        section.required("every_s", "a number of seconds from 0.05 to 3600", section::within(0.05..=3600.0));
    let words = [("frame", ScopeWord::Frame), ("track", ScopeWord::Track), ("group", ScopeWord::Group)];
    let scope = match section.choice("scope", &words)? {
        ScopeWord::Frame => Some(Scope::Frame),
        ScopeWord::Track => {
            let (scale, of) = (pose::scale(&mut section), pose::people(&mut section));
            scale.zip(of).map(|(scale, of)| Scope::Track { scale, of })
        }
        ScopeWord::Group => group(&mut section),
    };
    section.finish();
    Some((scope?, Duration::from_secs_f32(every?)))
}

fn group(section: &mut Section<'_>) -> Option<Scope> {
    let scale = section.required(
        "scale",
        "a number from 1 to 4, in the mean of the longer box sides of two people",
        section::within(1.0..=4.0),
    );
    let near = section.required(
        "near",
        "a number from 0 to 3, in longer box sides of the smaller of two people",
        section::within(0.0..=3.0),
    );
    let of = pose::people(section);
    Some(Scope::Group { scale: scale?, near: near?, of: of? })
}
