//! What the clip classifiers look at on one camera: the whole picture, tracks, and groups.
//!
//! [`super::Observer`] shows it every frame, first to [`Clips::meet`], then for each classifier to [`Clips::watch`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::{Budget, Look};
use super::clip::{ClipClassifier, ClipWindow};
use super::groups::{GroupId, Groups};
use super::pose::is_large_enough;
use super::scores::ActivityError;
use super::smooth::Smooth;
use super::turns::{Turn, Turns};
use super::{Belief, Judgement, Subject};
use crate::frame::Frame;
use crate::geometry::BBox;
use crate::model::ClipScope;
use crate::tag::TrackId;
use crate::track::{Track, Tracker};

/// What is kept of one camera. The first part of a key is the classifier's index.
#[derive(Default)]
pub(super) struct Clips {
    /// The frames of each subject; those of groups are kept for [`Subject::Scene`].
    windows: BTreeMap<(usize, Subject), Kept>,
    watched: BTreeMap<(usize, Subject), Watched>,
    groups: BTreeMap<usize, Groups>,
    last_group: GroupId,
}

/// Frames.
struct Kept {
    window: ClipWindow,
    /// What keeping them has cost since a clip of them was last classified.
    cost: Duration,
}

/// What is known of a subject from its clips.
#[derive(Default)]
struct Watched {
    smooth: Smooth,
    turn: Turn,
}

/// A subject on a frame.
pub(super) struct Seen {
    subject: Subject,
    /// Where it is; of a group, the square that its clips show.
    bbox: BBox,
    /// Who belongs to a group.
    members: Vec<TrackId>,
}

/// What a frame shows.
#[derive(Default)]
pub(super) struct Met {
    /// By classifier.
    pub(super) subjects: Vec<Vec<Seen>>,
    /// Groups that have ended.
    pub(super) ended: Vec<GroupId>,
}

/// A clip classifier, and the frame that it is shown.
pub(super) struct Watch<'w> {
    pub(super) frame: &'w Frame,
    /// Seconds since the frame before.
    pub(super) since_s: f64,
    /// By how much a look may be too early.
    pub(super) early: Duration,
    /// The classifier's index.
    pub(super) index: usize,
    pub(super) classifier: &'w mut ClipClassifier,
    pub(super) turns: &'w mut Turns,
    pub(super) budget: &'w mut Budget,
}

impl Clips {
    /// What each of the `classifiers` looks at on a frame. `label` says what a track is, in the detector's words.
    pub(super) fn meet<'l>(
        &mut self,
        frame: &Frame,
        tracker: &Tracker,
        label: impl Fn(&Track) -> &'l str,
        classifiers: &[ClipClassifier],
    ) -> Met {
        let visible = |of: &[String]| -> Vec<&Track> {
            let is_one = |track: &&Track| track.visible && of.iter().any(|of| *of == label(track));
            tracker.tracks().filter(is_one).collect()
        };
        let mut met = Met::default();
        for (index, classifier) in classifiers.iter().enumerate() {
            let subjects = match classifier.scope() {
                ClipScope::Frame => {
                    vec![Seen { subject: Subject::Scene, bbox: BBox::WHOLE, members: Vec::new() }]
                }
                ClipScope::Track { of, .. } => {
                    let seen = |track: &Track| Seen {
                        subject: Subject::Track(track.id),
                        bbox: track.bbox,
                        members: Vec::new(),
                    };
                    visible(of).into_iter().map(seen).collect()
                }
                ClipScope::Group { scale, near, of } => {
                    let people =
                        visible(of).into_iter().filter(|track| is_large_enough(&track.bbox, &frame.image));
                    let people: Vec<_> = people.map(|track| (track.id, track.bbox)).collect();
                    let groups = self.groups.entry(index).or_insert_with(|| Groups::new(*scale, *near));
                    let aspect = frame.image.aspect();
                    met.ended.extend(groups.follow(frame.at, &people, aspect, &mut self.last_group));
                    let seen = groups.iter().map(|group| Seen {
                        subject: Subject::Group(group.id),
                        bbox: group.square,
                        members: group.members(),
                    });
                    seen.collect()
                }
            };
            met.subjects.push(subjects);
        }
        let has_ended = |subject: &Subject| met.ended.iter().any(|id| *subject == Subject::Group(*id));
        self.watched.retain(|(_, subject), _| !has_ended(subject));
        met
    }

    /// Shows a frame to a clip classifier, and classifies the subjects that are due.
    ///
    /// # Errors
    /// When the model fails.
    pub(super) fn watch(
        &mut self,
        watch: &mut Watch<'_>,
        subjects: &[Seen],
    ) -> Result<Vec<Judgement>, ActivityError> {
        let (at, index, look) = (watch.frame.at, watch.index, Look::Clip(watch.index));
        let of_groups = matches!(watch.classifier.scope(), ClipScope::Group { .. });
        let source = |subject: Subject| (index, if of_groups { Subject::Scene } else { subject });
        if of_groups {
            let kept = self.keep(watch, Subject::Scene, &BBox::WHOLE);
            // A look at a group pays for the frames since the look before, not for those without any group.
            if subjects.is_empty() {
                kept.cost = Duration::ZERO;
            }
        } else {
            for seen in subjects {
                self.keep(watch, seen.subject, &seen.bbox);
            }
        }
        let pause_s = watch.classifier.every().as_secs_f64() * watch.budget.stretch();
        let pause = Duration::from_secs_f64(pause_s);
        let turn = |seen: &Seen| {
            self.watched.get(&(index, seen.subject)).map_or(Turn::default(), |watched| watched.turn)
        };
        let has_clip = |seen: &Seen| {
            self.windows.get(&source(seen.subject)).is_some_and(|kept| kept.window.span().is_some())
        };
        let mut due: Vec<(Turn, &Seen)> = subjects
            .iter()
            .map(|seen| (turn(seen), seen))
            .filter(|(turn, seen)| has_clip(seen) && turn.is_due(at, pause, watch.early))
            .collect();
        due.sort_by_key(|(turn, seen)| (*turn, seen.subject));
        due.truncate(watch.turns.take(look, due.len(), subjects.len(), watch.since_s / pause_s));
        due.sort_by_key(|(_, seen)| seen.subject);
        let mut judgements = Vec::new();
        for (turn, seen) in due {
            let Some(kept) = self.windows.get_mut(&source(seen.subject)) else { continue };
            let Some(window) = kept.window.span() else { continue };
            let begun = Instant::now();
            let Some(scores) = watch.classifier.classify(&kept.window, &seen.bbox)? else { continue };
            let watched = self.watched.entry((index, seen.subject)).or_default();
            let scores = watched.smooth.add(at, window, scores);
            let (labels, unknown) = (watch.classifier.labels(), watch.classifier.unknown());
            let belief = Belief::of(window, labels, unknown, scores);
            watched.turn = turn.after(at, pause);
            watch.budget.spent(look, std::mem::take(&mut kept.cost) + begun.elapsed());
            judgements.push(Judgement {
                subject: seen.subject,
                model: Arc::clone(watch.classifier.model()),
                others: Arc::default(),
                members: seen.members.clone(),
                bbox: seen.bbox,
                belief,
            });
        }
        Ok(judgements)
    }

    /// Forgets a track.
    pub(super) fn forget(&mut self, track: TrackId) {
        let is_other = |subject: Subject| subject != Subject::Track(track);
        self.windows.retain(|(_, subject), _| is_other(*subject));
        self.watched.retain(|(_, subject), _| is_other(*subject));
    }

    /// Forgets everything but the number of the last group: what follows is a new scene.
    pub(super) fn cut(&mut self) {
        *self = Clips { last_group: self.last_group, ..Clips::default() };
    }

    /// Lets the window of a subject, which is at `bbox`, keep the frame if it wants to.
    fn keep(&mut self, watch: &mut Watch<'_>, subject: Subject, bbox: &BBox) -> &mut Kept {
        let begun = Instant::now();
        let empty = || Kept { window: watch.classifier.window(), cost: Duration::ZERO };
        let kept = self.windows.entry((watch.index, subject)).or_insert_with(empty);
        watch.classifier.observe(&mut kept.window, &watch.frame.image, bbox, watch.frame.at);
        kept.cost += begun.elapsed();
        kept
    }
}
