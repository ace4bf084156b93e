//! From a window of boxes and joints to how somebody holds themselves.

use std::sync::Arc;

use super::window::VALUES;
use crate::activity::classifier::WindowClassifier;
use crate::activity::scores::ActivityError;
use crate::frame::Image;
use crate::model::{Answer, Package, PostureSpec, Runtime, Session, SessionOptions, Testable};
use crate::tag::{Label, ModelRef};

/// A classifier of a person's boxes and joints over time.
pub trait ClassifyPosture {
    /// Steps of a window.
    fn steps(&self) -> usize;

    /// Steps per second.
    fn rate_hz(&self) -> f32;

    /// The labels that the scores belong to.
    fn labels(&self) -> &[Label];

    /// The places of the labels that mean something to those who ask.
    fn roles(&self) -> Roles;

    /// The probability of each label, 0..=1; they sum to 1. `window` is what [`super::PostureWindow`] says.
    ///
    /// # Errors
    /// When the model fails.
    fn classify(&mut self, window: &[f32]) -> Result<&[f32], ActivityError>;
}

/// Places of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// On their feet: they stand, walk or run.
    pub up: usize,
    /// They lie.
    pub lie: usize,
    /// They fall, or have just fallen.
    pub fall: usize,
}

/// One model that tells postures, owned by one worker.
pub struct PostureClassifier {
    windows: WindowClassifier<3>,
    roles: Roles,
}

impl PostureClassifier {
    /// Loads the model of `package`, compares its input and output with the manifest, and runs it once on a window
    /// without a box.
    ///
    /// # Errors
    /// When the package is for another task or takes other values, the model does not load or run, or its output is not
    /// the manifest's.
    pub fn open(
        package: &Package,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Self, ActivityError> {
        let spec = package.posture()?;
        if spec.values != VALUES {
            let (model, found) = (package.reference().name.clone(), spec.values);
            return Err(ActivityError::Values { model, found, expected: VALUES });
        }
        let input = ([1, spec.steps, spec.values], spec.rate_hz);
        let windows = WindowClassifier::open(package, runtime, options, input, &spec.scores)?;
        let roles = roles(spec, windows.labels());
        Ok(PostureClassifier { windows, roles })
    }

    /// Who makes the scores.
    pub fn model(&self) -> &Arc<ModelRef> {
        self.windows.model()
    }
}

impl ClassifyPosture for PostureClassifier {
    fn steps(&self) -> usize {
        self.windows.steps()
    }

    fn rate_hz(&self) -> f32 {
        self.windows.rate_hz()
    }

    fn labels(&self) -> &[Label] {
        self.windows.labels()
    }

    fn roles(&self) -> Roles {
        self.roles
    }

    fn classify(&mut self, window: &[f32]) -> Result<&[f32], ActivityError> {
        self.windows.classify(window)
    }
}

impl Testable for PostureClassifier {
    type Error = ActivityError;

    fn answer(&mut self, picture: &Image) -> Result<Answer, ActivityError> {
        self.windows.answer(picture)
    }

    fn session(&mut self) -> &mut Session {
        self.windows.session()
    }
}

/// Where the labels of the manifest's roles are; the package has checked that they are labels.
fn roles(spec: &PostureSpec, labels: &[Label]) -> Roles {
    let place = |role: &str| labels.iter().position(|label| **label == *role).unwrap_or_default();
    Roles { up: place(&spec.up), lie: place(&spec.lie), fall: place(&spec.fall) }
}
