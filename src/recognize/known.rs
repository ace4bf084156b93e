//! What the models of a recogniser know, and what cameras ask of them that they do not.
//!
//! Values only: whoever has a [`Known`] can judge a configuration without the models, on any thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::activity;
use crate::config;
use crate::detect::{ClassId, Detector};
use crate::model::{Objects, Thresholds};
use crate::name::Name;
use crate::rules::{Vocabulary, ZoneRules};
use crate::tag::Label;

/// What the models of a recogniser know.
#[derive(Clone, Debug)]
pub struct Known {
    pub(super) vocabulary: Vocabulary,
    pub(super) objects: Objects,
    pub(super) thresholds: Thresholds,
    /// Nothing when activities are not recognised.
    activities: Option<Activities>,
}

/// What the models of the activities know.
#[derive(Clone, Debug)]
struct Activities {
    /// The names of the models.
    models: String,
    labels: Vec<Label>,
    /// Those among them that the skeleton classifier says.
    gestures: Vec<Label>,
    /// The detector's labels for what has a pose.
    people: Vec<String>,
}

impl Known {
    /// What these models know.
    pub fn of(detector: &Detector, activities: Option<&activity::Models>) -> Self {
        Known {
            vocabulary: Vocabulary { model: detector.model().clone(), labels: detector.labels().into() },
            objects: detector.objects().clone(),
            thresholds: detector.thresholds(),
            activities: activities.map(Activities::of),
        }
    }

    /// The same with these models of the activities.
    pub fn with_activities(self, activities: &activity::Models) -> Self {
        Known { activities: Some(Activities::of(activities)), ..self }
    }

    /// `detector` has taken over, with a model of the same package.
    pub(super) fn seen_by(&mut self, detector: &Detector) {
        self.vocabulary.model = Arc::clone(detector.model());
    }

    /// Whether activities are recognised.
    pub fn has_activities(&self) -> bool {
        self.activities.is_some()
    }

    /// The classes that have poses.
    pub(super) fn people(&self) -> Vec<ClassId> {
        self.activities.as_ref().map_or_else(Vec::new, |activities| self.classes(&activities.people))
    }

    /// Whether a camera asks for anything that the skeleton classifier says.
    pub(super) fn wants_gestures(&self, camera: &config::Camera) -> bool {
        let gestures = self.activities.iter().flat_map(|activities| &activities.gestures);
        gestures.into_iter().any(|label| camera.activities.of(label).enabled)
    }

    /// What cameras ask for and the models do not give, a line each.
    pub fn unmet(&self, cameras: &[config::Camera]) -> Vec<String> {
        let (model, low) = (&self.vocabulary.model.name, self.thresholds.low());
        let unknown = UnknownLabels::find(cameras, self);
        let mut problems: Vec<String> = unknown.iter().flat_map(UnknownLabels::lines).collect();
        for camera in cameras {
            if let Some(score) = camera.objects.score.filter(|&score| score < low) {
                problems.push(format!(
                    "camera {}: objects.score is {score}, but the model {model} gives nothing below {low}",
                    camera.name
                ));
            }
        }
        problems
    }

    /// The zones of a camera, and the labels that each looks for.
    pub fn zones(&self, camera: &config::Camera) -> Vec<(Name, Vec<String>)> {
        let texts = |labels: Vec<Label>| labels.iter().map(ToString::to_string).collect();
        self.zone_rules(camera).zones().map(|(name, labels)| (name.clone(), texts(labels))).collect()
    }

    /// The rules for a camera's zones.
    pub(super) fn zone_rules(&self, camera: &config::Camera) -> ZoneRules {
        let (name, interval) = (camera.name.clone(), camera.objects.update_interval);
        ZoneRules::new(name, self.vocabulary.clone(), &camera.zones, &self.wanted(camera), interval)
    }

    /// The classes that become tags on a camera; all when empty.
    pub(super) fn wanted(&self, camera: &config::Camera) -> Vec<ClassId> {
        let mut wanted = self.classes(camera.objects.labels.as_ref().unwrap_or(&self.objects.reported));
        // Of its own accord, the camera looks for what its zones and lines ask for as well.
        if !wanted.is_empty() && camera.objects.labels.is_none() {
            wanted.extend(self.vocabulary.classes(camera.labels_of_zones().chain(camera.labels_of_lines())));
            wanted.sort_unstable();
            wanted.dedup();
        }
        wanted
    }

    pub(super) fn classes(&self, labels: &[String]) -> Vec<ClassId> {
        self.vocabulary.classes(labels.iter().map(String::as_str))
    }
}

impl Activities {
    fn of(models: &activity::Models) -> Self {
        let names: Vec<&str> = models.references().map(|model| model.name.as_str()).collect();
        let gestures = models.gestures().iter().map(|(label, _)| label.clone()).collect();
        let people = models.pose.of().to_vec();
        Activities { models: names.join(", "), labels: models.labels(), gestures, people }
    }
}

/// Labels that cameras ask for and no model has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{}", self.lines().collect::<Vec<_>>().join("; "))]
pub struct UnknownLabels(Vec<Unknown>);

/// One such label.
#[derive(Debug, PartialEq, Eq)]
struct Unknown {
    key: &'static str,
    label: String,
    /// The cameras that ask for it.
    cameras: Vec<Name>,
    /// The models that should know it, and what they know.
    models: String,
    known: String,
}

impl UnknownLabels {
    /// Looks at every camera's labels; nothing when the models know them all.
    pub fn find(cameras: &[config::Camera], models: &Known) -> Option<UnknownLabels> {
        let Vocabulary { model, labels: known } = &models.vocabulary;
        let model = || model.name.clone();
        let of_objects = cameras.iter().map(|camera| {
            (&camera.name, camera.objects.labels.iter().flatten().map(String::as_str).collect())
        });
        let of_zones = cameras.iter().map(|camera| (&camera.name, camera.labels_of_zones().collect()));
        let of_lines = cameras.iter().map(|camera| (&camera.name, camera.labels_of_lines().collect()));
        let mut unknown = unknown("objects.labels", of_objects, known, model());
        unknown.extend(self::unknown("zone.labels", of_zones, known, model()));
        unknown.extend(self::unknown("line.labels", of_lines, known, model()));
        if let Some(Activities { models, labels, .. }) = &models.activities {
            let watched = cameras.iter().filter(|camera| camera.activities.enabled);
            let of_activities = watched
                .map(|camera| (&camera.name, camera.activities.labels.keys().map(String::as_str).collect()));
            unknown.extend(self::unknown("activities.labels", of_activities, labels, models.clone()));
        }
        (!unknown.is_empty()).then_some(UnknownLabels(unknown))
    }

    /// A line for each label.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|Unknown { key, label, cameras, models, known }| {
            let cameras: Vec<&str> = cameras.iter().map(Name::as_str).collect();
            let cameras = cameras.join(", ");
            format!("{key} has \"{label}\" (camera {cameras}), which the model {models} does not know; it knows: {known}")
        })
    }
}

/// What is `asked` for by `key` of each camera and not among `known`, in the order of labels.
fn unknown<'a>(
    key: &'static str,
    asked: impl Iterator<Item = (&'a Name, Vec<&'a str>)>,
    known: &[Label],
    models: String,
) -> Vec<Unknown> {
    let mut asking: BTreeMap<&str, Vec<Name>> = BTreeMap::new();
    for (camera, labels) in asked {
        for label in labels.into_iter().filter(|label| !known.iter().any(|known| **known == **label)) {
            let cameras = asking.entry(label).or_default();
            if cameras.last() != Some(camera) {
                cameras.push(camera.clone());
            }
        }
    }
    let unknown = |(label, cameras): (&str, Vec<Name>)| Unknown {
        key,
        label: label.to_owned(),
        cameras,
        models: models.clone(),
        known: known.join(", "),
    };
    asking.into_iter().map(unknown).collect()
}
