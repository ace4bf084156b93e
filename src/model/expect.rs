//! What is expected of an output, compared with what the model declares at start and gives on every run.
//!
//! Whoever reads a model's outputs ([`crate::detect`]'s decoders, [`crate::activity`]) makes an [`Expected`] for each
//! when it opens the model, and takes the numbers through it.

use super::session::{Outputs, TensorInfo};
use super::values::{Tensor, Values};

/// Outputs that are not what the manifest's family says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOutput {
    /// There is no such output.
    #[error("family `{family}` takes output `{name}`, but the outputs are {found}")]
    Missing {
        /// The output family.
        family: &'static str,
        /// The output's name.
        name: String,
        /// What there is.
        found: String,
    },
    /// The manifest names no output, and there are several.
    #[error("[output] {key} is missing, and the outputs are {found}")]
    Ambiguous {
        /// The key that would name it.
        key: &'static str,
        /// What there is.
        found: String,
    },
    /// An output has another type or shape.
    #[error("family `{family}` expects output {expected} ({why}), found {found}")]
    Shape {
        /// The output family.
        family: &'static str,
        /// Name, type and shape as they should be.
        expected: String,
        /// Where that comes from.
        why: String,
        /// Name, type and shape as they are.
        found: String,
    },
    /// Outputs that belong together have different lengths.
    #[error("family `{family}`: output `{name}` has {found} rows, but `{other}` has {expected}")]
    Length {
        /// The output family.
        family: &'static str,
        /// The output.
        name: String,
        /// Its rows.
        found: usize,
        /// The output it goes with.
        other: String,
        /// The rows of that one.
        expected: usize,
    },
    /// A class without a label.
    #[error("an object of class {class}, but the labels go from {first} to {last}")]
    Class {
        /// The class number that the model gave.
        class: i64,
        /// The class number of the first label.
        first: usize,
        /// The class number of the last label.
        last: usize,
    },
    /// Scores that no classifier gives.
    #[error(
        "family `{family}`: the scores of output `{name}` are no probabilities: each is at least 0 and all sum to {expected}, \
         but they are {found}"
    )]
    Scores {
        /// The output family.
        family: &'static str,
        /// The output.
        name: String,
        /// The sum as it should be.
        expected: &'static str,
        /// The scores, or their sum.
        found: String,
    },
}

/// The types that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// f32 only.
    Floats,
    /// f32, i64 or i32: class numbers and counts.
    Numbers,
}

/// One output as a family expects it.
#[derive(Debug)]
pub struct Expected {
    family: &'static str,
    name: String,
    wanted: Wanted,
    /// Any of these; `None` is a dimension of any size.
    shapes: Vec<Vec<Option<usize>>>,
    why: String,
}

impl Expected {
    /// Finds the output `name` (or the only one) among those `declared` and compares it, as far as they say, with the
    /// types and shapes that do (`None` is a dimension of any size). `why` tells where the shape comes from.
    ///
    /// # Errors
    /// When there is no such output, or it has another type or shape.
    pub fn new(
        family: &'static str,
        name: Option<&str>,
        declared: &[TensorInfo],
        (wanted, shapes): (Wanted, &[&[Option<usize>]]),
        why: String,
    ) -> Result<Self, BadOutput> {
        let found = || declared.iter().map(TensorInfo::to_string).collect::<Vec<_>>().join(", ");
        let info = match (name, declared) {
            (Some(name), _) => declared
                .iter()
                .find(|info| info.name == name)
                .ok_or_else(|| BadOutput::Missing { family, name: name.to_owned(), found: found() })?,
            (None, [only]) => only,
            (None, _) => return Err(BadOutput::Ambiguous { key: "name", found: found() }),
        };
        let shapes = shapes.iter().map(|shape| shape.to_vec()).collect();
        let expected = Expected { family, name: info.name.clone(), wanted, shapes, why };
        let fits_type = wanted.types().contains(&info.element.to_string().as_str());
        // A model may leave its outputs' rank open; then the first run tells.
        if fits_type && (info.shape.is_empty() || expected.fits(&info.shape)) {
            Ok(expected)
        } else {
            Err(expected.bad(info.to_string()))
        }
    }

    /// The output of a run, when it has the expected type and shape.
    ///
    /// # Errors
    /// When it has not.
    pub fn of<'o>(&self, outputs: &'o Outputs<'_>) -> Result<Tensor<'o>, BadOutput> {
        let Some(tensor) = outputs.get(&self.name) else {
            return Err(self.bad("an output of another type".to_owned()));
        };
        let shape: Vec<Option<usize>> = tensor.shape.iter().map(|&n| usize::try_from(n).ok()).collect();
        let fits_type = self.wanted == Wanted::Numbers || matches!(tensor.values, Values::F32(_));
        if fits_type && self.fits(&shape) { Ok(tensor) } else { Err(self.bad(format!("{:?}", tensor.shape))) }
    }

    /// The dimensions of a f32 output, and its elements.
    ///
    /// # Errors
    /// When it has another type or shape.
    pub fn floats<'o>(&self, outputs: &'o Outputs<'_>) -> Result<(&'o [i64], &'o [f32]), BadOutput> {
        let tensor = self.of(outputs)?;
        match tensor.values {
            Values::F32(values) => Ok((tensor.shape, values)),
            Values::I64(_) | Values::I32(_) => Err(self.bad("an output of another type".to_owned())),
        }
    }

    /// The error for an output with `found` rows beside `expected` ones of `other`.
    pub fn bad_length(&self, found: usize, other: &Expected, expected: usize) -> BadOutput {
        BadOutput::Length {
            family: self.family,
            name: self.name.clone(),
            found,
            other: other.name.clone(),
            expected,
        }
    }

    /// The error for scores that should sum to `expected`.
    pub fn bad_scores(&self, expected: &'static str, found: String) -> BadOutput {
        BadOutput::Scores { family: self.family, name: self.name.clone(), expected, found }
    }

    fn fits(&self, found: &[Option<usize>]) -> bool {
        let same = |expected: &Vec<Option<usize>>| {
            expected.len() == found.len()
                && expected.iter().zip(found).all(|(e, f)| e.is_none() || f.is_none() || e == f)
        };
        self.shapes.iter().any(same)
    }

    fn bad(&self, found: String) -> BadOutput {
        let size = |n: &Option<usize>| n.map_or_else(|| "any".to_owned(), |n| n.to_string());
        let shape = |shape: &Vec<Option<usize>>| {
            let sizes: Vec<String> = shape.iter().map(size).collect();
            format!("[{}]", sizes.join(", "))
        };
        let shapes: Vec<String> = self.shapes.iter().map(shape).collect();
        let expected =
            format!("`{}` {} {}", self.name, self.wanted.types().join(" or "), shapes.join(" or "));
        BadOutput::Shape { family: self.family, expected, why: self.why.clone(), found }
    }
}

impl Wanted {
    fn types(self) -> &'static [&'static str] {
        match self {
            Wanted::Floats => &["f32"],
            Wanted::Numbers => &["f32", "i64", "i32"],
        }
    }
}
