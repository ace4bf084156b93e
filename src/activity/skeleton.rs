//! From a window of joints to what the person does.
//!
//! A [`SkeletonClassifier`] owns one model. It takes windows as numbers; who makes them says what joints they hold and
//! at which times. Knows nothing of tracks and nothing of the windows before.

use std::sync::Arc;

use super::BODY_JOINTS;
use super::classifier::WindowClassifier;
use super::evidence::{Classify, Motion};
use super::scores::ActivityError;
use crate::frame::Image;
use crate::model::{Answer, Package, Runtime, Session, SessionOptions, SkeletonSpec, Testable};
use crate::tag::{Label, ModelRef};

/// One model that tells activities from joints, owned by one worker.
pub struct SkeletonClassifier {
    windows: WindowClassifier<4>,
    /// For each label what it is called in tags, and how people move.
    published: Vec<(Label, Motion)>,
    unknown: Option<usize>,
}

impl SkeletonClassifier {
    /// Loads the model of `package`, compares its input and output with the manifest, and runs it once on a window
    /// without a joint.
    ///
    /// # Errors
    /// When the package is for another task or for other joints, the model does not load or run, or its output is not
    /// the manifest's.
    pub fn open(
        package: &Package,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Self, ActivityError> {
        let spec = package.skeleton()?;
        if spec.joints != BODY_JOINTS {
            let (model, found) = (package.reference().name.clone(), spec.joints);
            return Err(ActivityError::Joints { model, found, expected: BODY_JOINTS });
        }
        let input = ([1, spec.steps, spec.joints, 3], spec.rate_hz);
        let windows = WindowClassifier::open(package, runtime, options, input, &spec.scores)?;
        let labels = windows.labels();
        Ok(SkeletonClassifier {
            published: labels.iter().map(|label| published(spec, label)).collect(),
            unknown: labels.iter().position(|label| spec.unknown.as_deref() == Some(&**label)),
            windows,
        })
    }

    /// Who makes the scores.
    pub fn model(&self) -> &Arc<ModelRef> {
        self.windows.model()
    }
}

impl Classify for SkeletonClassifier {
    fn steps(&self) -> usize {
        self.windows.steps()
    }

    fn rate_hz(&self) -> f32 {
        self.windows.rate_hz()
    }

    fn labels(&self) -> &[Label] {
        self.windows.labels()
    }

    fn published(&self, index: usize) -> &Label {
        &self.published[index].0
    }

    fn motion(&self, index: usize) -> Motion {
        self.published[index].1
    }

    fn unknown(&self) -> Option<usize> {
        self.unknown
    }

    fn classify(&mut self, joints: &[f32]) -> Result<&[f32], ActivityError> {
        self.windows.classify(joints)
    }
}

impl Testable for SkeletonClassifier {
    type Error = ActivityError;

    fn answer(&mut self, picture: &Image) -> Result<Answer, ActivityError> {
        self.windows.answer(picture)
    }

    fn session(&mut self) -> &mut Session {
        self.windows.session()
    }
}

/// What `label` is called in tags, and how people move.
fn published(spec: &SkeletonSpec, label: &Label) -> (Label, Motion) {
    let word =
        spec.published.get(&**label).map_or_else(|| Label::clone(label), |word| Label::from(word.as_str()));
    let is = |word: &Option<String>| word.as_deref() == Some(&**label);
    let motion = if is(&spec.walk) {
        Motion::Walking
    } else if is(&spec.run) {
        Motion::Running
    } else if spec.moving.iter().any(|moving| **moving == **label) {
        Motion::Moving
    } else {
        Motion::OnTheSpot
    };
    (word, motion)
}
