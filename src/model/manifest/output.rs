//! `[output]`: which family a model's outputs belong to, and what differs between models of a family.
//!
//! Only the description is here. [`crate::detect`] has one decoder per family, and says what shapes it expects.

use std::num::NonZeroU32;

use toml::Value;

use super::section::{self, Section};

/// The outputs of a detector. Texts are names of output tensors; a name that is `None` stands for the only output.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Finished boxes in one tensor, as YOLOv10 and models with a decoder in the graph give them.
    Boxes {
        /// The tensor.
        name: Option<String>,
        /// What the corners are measured in.
        coordinates: Coordinates,
    },
    /// Finished boxes in separate tensors, as SSD with non-maximum suppression in the graph gives them.
    Ssd {
        /// Corners.
        boxes: String,
        /// Scores.
        scores: String,
        /// Class numbers.
        classes: String,
        /// How many of the boxes count; `None`: all.
        count: Option<String>,
        /// The order of a box's corners.
        order: CornerOrder,
        /// What the corners are measured in.
        coordinates: Coordinates,
        /// The class number of the first label: 1 where 0 is the background.
        first_class: u16,
    },
    /// YOLOX's grid, undecoded.
    Yolox {
        /// The tensor.
        name: Option<String>,
        /// Pixels per grid cell, in the order in which the grids follow each other.
        strides: Vec<NonZeroU32>,
    },
    /// One column per anchor: centre, size and class scores, as YOLOv8, YOLO11 and YOLO12 give them.
    Yolov8 {
        /// The tensor.
        name: Option<String>,
        /// What centre and size are measured in.
        coordinates: Coordinates,
    },
    /// One query per row, as DETR, RT-DETR and D-FINE give them; boxes are normalised centre and size.
    Detr {
        /// Class logits.
        logits: String,
        /// Boxes.
        boxes: String,
        /// From logits to scores.
        activation: Activation,
        /// The column of the logits that means nothing is there, with softmax only; `None`: the last one.
        background: Option<u16>,
    },
    /// A heatmap whose peaks are things, and beside it how far their sides are.
    Centernet {
        /// Class logits at every cell.
        heatmap: String,
        /// Distances to the sides at every cell.
        sizes: String,
        /// Pixels per cell.
        stride: NonZeroU32,
    },
}

/// What a box is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinates {
    /// Pixels of the model's input.
    Pixels,
    /// 0..=1 across the model's input.
    Normalised,
}

/// The order of a box's corners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CornerOrder {
    /// Left, top, right, bottom.
    Xyxy,
    /// Top, left, bottom, right.
    Yxyx,
}

/// How a raw output becomes a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Every class on its own.
    Sigmoid,
    /// All classes and the background share 1.
    Softmax,
}

#[derive(Clone, Copy)]
enum Family {
    Boxes,
    Ssd,
    Yolox,
    Yolov8,
    Detr,
    Centernet,
}

const FAMILIES: [(&str, Family); 6] = [
    ("boxes", Family::Boxes),
    ("ssd", Family::Ssd),
    ("yolox", Family::Yolox),
    ("yolov8", Family::Yolov8),
    ("detr", Family::Detr),
    ("centernet", Family::Centernet),
];

pub(super) const COORDINATES: [(&str, Coordinates); 2] =
    [("pixels", Coordinates::Pixels), ("normalised", Coordinates::Normalised)];

const TENSOR: &str = "the name of an output of the model";

impl Output {
    /// The family's name in a manifest.
    pub fn family(&self) -> &'static str {
        match self {
            Output::Boxes { .. } => "boxes",
            Output::Ssd { .. } => "ssd",
            Output::Yolox { .. } => "yolox",
            Output::Yolov8 { .. } => "yolov8",
            Output::Detr { .. } => "detr",
            Output::Centernet { .. } => "centernet",
        }
    }

    /// Whether the family gives one thing many boxes.
    pub(super) fn needs_nms(&self) -> bool {
        matches!(self, Output::Yolox { .. } | Output::Yolov8 { .. })
    }

    /// `None` only when a problem has been noted.
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        // Which other keys there may be hangs on the family, so without it they are not judged.
        let output = match section.choice("family", &FAMILIES)? {
            Family::Boxes => boxes(&mut section),
            Family::Ssd => ssd(&mut section),
            Family::Yolox => yolox(&mut section),
            Family::Yolov8 => yolov8(&mut section),
            Family::Detr => detr(&mut section),
            Family::Centernet => centernet(&mut section),
        };
        section.finish();
        output
    }
}

fn boxes(section: &mut Section<'_>) -> Option<Output> {
    let name = section.optional("name", TENSOR, section::text);
    let coordinates = section.choice("coordinates", &COORDINATES);
    Some(Output::Boxes { name, coordinates: coordinates? })
}

fn ssd(section: &mut Section<'_>) -> Option<Output> {
    let [boxes, scores, classes] =
        ["boxes", "scores", "classes"].map(|key| section.required(key, TENSOR, section::text));
    let count = section.optional("count", TENSOR, section::text);
    let order = section.choice("order", &[("xyxy", CornerOrder::Xyxy), ("yxyx", CornerOrder::Yxyx)]);
    let coordinates = section.choice("coordinates", &COORDINATES);
    let first_class =
        section.required("first_class", "the class number of the first label, 0 or 1", |value| {
            value.as_integer().filter(|n| (0..=1).contains(n)).map(|n| n as u16)
        });
    Some(Output::Ssd {
        boxes: boxes?,
        scores: scores?,
        classes: classes?,
        count,
        order: order?,
        coordinates: coordinates?,
        first_class: first_class?,
    })
}

fn yolox(section: &mut Section<'_>) -> Option<Output> {
    let name = section.optional("name", TENSOR, section::text);
    let strides =
        section.required("strides", "an array of whole numbers above 0, such as [8, 16, 32]", |value| {
            let strides: Option<Vec<NonZeroU32>> = value.as_array()?.iter().map(stride).collect();
            strides.filter(|strides| !strides.is_empty())
        });
    Some(Output::Yolox { name, strides: strides? })
}

fn yolov8(section: &mut Section<'_>) -> Option<Output> {
    let name = section.optional("name", TENSOR, section::text);
    let coordinates = section.choice_or_first("coordinates", &COORDINATES);
    Some(Output::Yolov8 { name, coordinates: coordinates? })
}

fn detr(section: &mut Section<'_>) -> Option<Output> {
    let [logits, boxes] = ["logits", "boxes"].map(|key| section.required(key, TENSOR, section::text));
    let activation =
        section.choice("activation", &[("sigmoid", Activation::Sigmoid), ("softmax", Activation::Softmax)]);
    let background = if activation == Some(Activation::Softmax) {
        section.optional("background", "the logits' column of the background, from 0", |value| {
            u16::try_from(value.as_integer()?).ok()
        })
    } else {
        None
    };
    Some(Output::Detr { logits: logits?, boxes: boxes?, activation: activation?, background })
}

fn centernet(section: &mut Section<'_>) -> Option<Output> {
    let [heatmap, sizes] = ["heatmap", "sizes"].map(|key| section.required(key, TENSOR, section::text));
    let stride = section.required("stride", "a whole number above 0, such as 4", stride);
    Some(Output::Centernet { heatmap: heatmap?, sizes: sizes?, stride: stride? })
}

fn stride(value: &Value) -> Option<NonZeroU32> {
    u32::try_from(value.as_integer()?).ok().and_then(NonZeroU32::new)
}
