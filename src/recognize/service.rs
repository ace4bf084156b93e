//! Models in service: one that fails is left out until another takes over, between two frames.
//!
//! What runs on an accelerator may be lost and come back. Whoever brings it back is a [`Mender`]; [`super::Recognizer`]
//! goes on meanwhile with what is left: without the detector it looks at no frame, without a model of the activities it
//! tells of objects only.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::RecognizeError;
use super::dating::Dating;
use super::scene::Scene;
use crate::activity::{self, ActivityError};
use crate::detect::{DetectError, Detector};
use crate::model::SessionError;
use crate::name::Name;
use crate::tag::{ModelRef, TrackId};

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

/// Brings nothing back: what runs on the CPU and fails there would fail again.
pub struct NoMender;

impl Mender for NoMender {
    fn failed(&mut self, _: &str, _: &RecognizeError) -> bool {
        false
    }

    fn successor(&mut self) -> Option<Successor> {
        None
    }
}

impl<M: Mender + ?Sized> Mender for Box<M> {
    fn failed(&mut self, name: &str, why: &RecognizeError) -> bool {
        (**self).failed(name, why)
    }

    fn successor(&mut self) -> Option<Successor> {
        (**self).successor()
    }
}

/// What several workers share: cameras that go from one to another.
#[derive(Default)]
pub struct Exchange(Mutex<Shared>);

#[derive(Default)]
struct Shared {
    /// What is known of cameras that have left a worker and not come to the next yet, and of the times of their tags.
    scenes: BTreeMap<usize, (Scene, Dating)>,
    /// The last track of each camera that has gone: when it comes again, ids go on there, for they mean one thing in a
    /// boot. As many as names were ever taken out of the configuration.
    last_ids: BTreeMap<Name, TrackId>,
}

impl Exchange {
    /// Puts down what is known of the camera at `index`.
    pub(super) fn put(&self, index: usize, scene: Scene, dating: Dating) {
        self.lock().scenes.insert(index, (scene, dating));
    }

    /// Takes up what is known of the camera at `index`.
    pub(super) fn take(&self, index: usize) -> Option<(Scene, Dating)> {
        self.lock().scenes.remove(&index)
    }

    /// Takes up what nobody has taken.
    pub(super) fn take_any(&self) -> Option<(usize, (Scene, Dating))> {
        self.lock().scenes.pop_first()
    }

    /// The last track of a camera that had this name.
    pub(super) fn last_id(&self, name: &Name) -> TrackId {
        self.lock().last_ids.get(name).copied().unwrap_or(TrackId(0))
    }

    pub(super) fn set_last_id(&self, name: &Name, last: TrackId) {
        self.lock().last_ids.insert(name.clone(), last);
    }

    /// No panic leaves it half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
