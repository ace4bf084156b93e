//! Models in service: one that fails is left out until another takes over, between two frames.
//!
//! What runs on an accelerator may be lost and come back. Whoever brings it back is a [`Mender`]; [`super::Recognizer`]
//! goes on meanwhile with what is left: without the detector it looks at no frame, without a model of the activities it
//! tells of objects only.

use super::RecognizeError;
use crate::activity::{self, ActivityError};
use crate::detect::{DetectError, Detector};
use crate::model::SessionError;
use crate::tag::ModelRef;

/// A model that takes over from the one of the same package.
pub enum Successor {
    /// Finds objects.
    Detector(Box<Detector>),
    /// Has a part in recognising activities.
    Activity(activity::Model),
}

impl Successor {
    /// Who it is.
    pub fn reference(&self) -> &ModelRef {
        match self {
            Successor::Detector(detector) => detector.model(),
            Successor::Activity(model) => model.reference(),
        }
    }
}

impl From<Detector> for Successor {
    fn from(detector: Detector) -> Self {
        Successor::Detector(Box::new(detector))
    }
}

impl<M: Into<activity::Model>> From<M> for Successor {
    fn from(model: M) -> Self {
        Successor::Activity(model.into())
    }
}

/// Brings back models that have failed. No call waits for a model to be loaded or to run.
pub trait Mender {
    /// The model of the package `name` has failed. Whether another will take over; when none will, the work ends.
    fn failed(&mut self, name: &str, why: &RecognizeError) -> bool;

    /// A model that is ready to take over.
    fn successor(&mut self) -> Option<Successor>;
}

impl RecognizeError {
    /// The package whose model has failed while it ran.
    pub fn failed_model(&self) -> Option<&str> {
        match self {
            RecognizeError::Detect(
                DetectError::Session(
                    SessionError::Run { model, .. }
                    | SessionError::Server { model, .. }
                    | SessionError::Slow { model, .. },
                )
                | DetectError::Output { model, .. },
            )
            | RecognizeError::Activity(
                ActivityError::Session(
                    SessionError::Run { model, .. }
                    | SessionError::Server { model, .. }
                    | SessionError::Slow { model, .. },
                )
                | ActivityError::Output { model, .. },
            ) => Some(model),
            RecognizeError::Detect(_) | RecognizeError::Activity(_) => None,
        }
    }
}
