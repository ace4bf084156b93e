//! What the rules call what they speak of, and who says so.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{ClockOf, Standing, Timestamp};
use crate::detect::ClassId;
use crate::name::Name;
use crate::tag::{Body, Label, ModelRef, Phase, Tag};
use crate::track::Track;

/// Whose words the tags use.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    /// The model that made the detections.
    pub model: Arc<ModelRef>,
    /// Its labels, by class.
    pub labels: Arc<[Label]>,
}

impl Vocabulary {
    /// The label of a class; the detector gives none beyond its labels.
    pub fn label(&self, class: ClassId) -> Label {
        Arc::clone(&self.labels[usize::from(class.0)])
    }

    /// The class with this label; nothing when the model does not know it.
    pub fn class(&self, label: &str) -> Option<ClassId> {
        let index = self.labels.iter().position(|known| **known == *label)?;
        u16::try_from(index).ok().map(ClassId)
    }

    /// The classes of those labels that the model knows.
    pub fn classes<'l>(&self, labels: impl IntoIterator<Item = &'l str>) -> Vec<ClassId> {
        labels.into_iter().filter_map(|label| self.class(label)).collect()
    }

    /// Every class.
    pub(super) fn all(&self) -> impl Iterator<Item = ClassId> {
        (0..=u16::MAX).map(ClassId).take(self.labels.len())
    }

    /// A tag about a track as it stands.
    pub(super) fn tag(&self, camera: &Name, phase: Phase, at: Timestamp, track: &Track, body: Body) -> Tag {
        Tag {
            camera: camera.clone(),
            phase,
            track: Some(track.id),
            tracks: Vec::new(),
            at,
            label: self.label(track.class),
            score: track.score.clamp(0.0, 1.0),
            bbox: track.bbox.clipped(),
            model: Arc::clone(&self.model),
            latency: Duration::ZERO,
            clock: Standing::default(),
            at_by: ClockOf::default(),
            body,
        }
    }
}
