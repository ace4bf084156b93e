//! Turns what was recognised from the steady clock to the time of day, once, on its way out.
//!
//! Used by [`super::Recognizer::work`]. A replay has no need of it: its times are those of the file.

use std::collections::BTreeMap;

use super::Recognized;
use crate::clock::{Clock, ClockOf, Setting, Timestamp};
use crate::name::Name;
use crate::tag::{Activity, Body, Label, Phase, Tag, TrackId, Window};

/// Dates tags. All times of a tag are by the clock as it is set when the tag is made, but for the beginning of an activity:
/// subscribers tell activities apart by it, so it stays what the first tag said.
#[derive(Debug, Default)]
pub(super) struct Dating {
    /// How the clock was set when each activity began that has not ended. Every start has its end.
    begun: BTreeMap<Begun, Setting>,
    /// Whose clock the last frame of each camera was by.
    by: BTreeMap<Name, ClockOf>,
}

/// What tells one activity from another; the time is the steady clock's.
type Begun = (Name, Option<TrackId>, Label, String, Timestamp);

impl Dating {
    /// From now on, tags of this camera rest on a frame whose capture time is by this clock.
    pub(super) fn follow(&mut self, camera: &Name, clock: ClockOf) {
        match self.by.get_mut(camera) {
            Some(by) => *by = clock,
            None => drop(self.by.insert(camera.clone(), clock)),
        }
    }

    /// What is known of a camera, for another worker; it is forgotten here.
    pub(super) fn leave(&mut self, camera: &Name) -> Dating {
        let (begun, others) =
            std::mem::take(&mut self.begun).into_iter().partition(|((of, ..), _)| of == camera);
        self.begun = others;
        Dating { begun, by: self.by.remove_entry(camera).into_iter().collect() }
    }

    /// Takes up what another worker knows of its camera.
    pub(super) fn take_up(&mut self, other: Dating) {
        self.begun.extend(other.begun);
        self.by.extend(other.by);
    }

    /// Gives everything its time of day, and tags their latency.
    pub(super) fn date(&mut self, recognized: &mut Recognized, clock: &dyn Clock) {
        let (now, setting) = (clock.steady(), clock.setting());
        for tag in &mut recognized.tags {
            tag.latency = now.since(tag.at);
            self.date_tag(tag, setting);
        }
        for occupancy in &mut recognized.occupancies {
            occupancy.at = setting.time_of_day(occupancy.at);
        }
        if let Some(tracks) = &mut recognized.tracks {
            tracks.at = setting.time_of_day(tracks.at);
        }
    }

    fn date_tag(&mut self, tag: &mut Tag, setting: Setting) {
        let began = match &tag.body {
            Body::Activity(activity) => self.began(tag, activity.since, setting),
            _ => setting,
        };
        tag.clock = setting.standing;
        tag.at_by = self.by.get(&tag.camera).copied().unwrap_or_default();
        tag.at = setting.time_of_day(tag.at);
        match &mut tag.body {
            Body::Object(Some(summary)) => {
                summary.first_seen = setting.time_of_day(summary.first_seen);
                summary.last_seen = setting.time_of_day(summary.last_seen);
            }
            Body::Activity(Activity { since, window: Window { from, to }, summary, .. }) => {
                *since = began.time_of_day(*since);
                (*from, *to) = (setting.time_of_day(*from), setting.time_of_day(*to));
                if let Some(summary) = summary {
                    summary.ended = setting.time_of_day(summary.ended);
                }
            }
            Body::Object(None) | Body::Zone(_) | Body::Line(_) => {}
        }
    }

    /// How the clock was set when the activity of `tag` began.
    fn began(&mut self, tag: &Tag, since: Timestamp, setting: Setting) -> Setting {
        let key = (tag.camera.clone(), tag.track, tag.label.clone(), tag.model.name.clone(), since);
        match tag.phase {
            Phase::Start | Phase::Update => *self.begun.entry(key).or_insert(setting),
            Phase::End => self.begun.remove(&key).unwrap_or(setting),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock::{SimulatedClock, Standing};
    use crate::geometry::BBox;
    use crate::tag::{ActivitySummary, ModelRef, Summary};

    const YEAR_US: i64 = 365 * 86_400_000_000;

    fn seconds(seconds: u64) -> Timestamp {
        Timestamp::EPOCH + Duration::from_secs(seconds)
    }

    fn tag(phase: Phase, at: Timestamp, body: Body) -> Tag {
        let model = ModelRef {
            name: "poses".to_owned(),
            version: "1".to_owned(),
            sha256: "ab".repeat(32),
            on: "cpu".into(),
        };
        Tag {
            camera: Name::new("ramp").unwrap(),
            phase,
            track: Some(TrackId(1)),
            tracks: Vec::new(),
            at,
            label: Arc::from("walk"),
            score: 0.5,
            bbox: BBox::WHOLE,
            model: Arc::new(model),
            latency: Duration::ZERO,
            clock: Standing::Synchronised,
            at_by: ClockOf::Arrival,
            body,
        }
    }

    fn walk(phase: Phase, at: Timestamp, summary: Option<ActivitySummary>) -> Tag {
        let window = Window { from: at - Duration::from_secs(1), to: at };
        tag(
            phase,
            at,
            Body::Activity(Activity { since: seconds(9), window, alternatives: Vec::new(), summary }),
        )
    }

    fn dated(dating: &mut Dating, clock: &SimulatedClock, tag: Tag) -> Tag {
        let mut recognized = Recognized { tags: vec![tag], ..Recognized::default() };
        dating.date(&mut recognized, clock);
        recognized.tags.remove(0)
    }

    #[test]
    fn tags_say_whose_clock_the_last_frame_of_their_camera_was_by() {
        let (ramp, gate) = (Name::new("ramp").unwrap(), Name::new("gate").unwrap());
        let (mut dating, clock) = (Dating::default(), SimulatedClock::new(seconds(10)));
        let by = |dating: &mut Dating| {
            dated(dating, &clock, tag(Phase::Start, seconds(9), Body::Object(None))).at_by
        };
        assert_eq!(by(&mut dating), ClockOf::Arrival, "before any frame");
        dating.follow(&ramp, ClockOf::Sender);
        dating.follow(&gate, ClockOf::Arrival);
        assert_eq!(by(&mut dating), ClockOf::Sender);
        dating.follow(&ramp, ClockOf::Arrival);
        assert_eq!(by(&mut dating), ClockOf::Arrival);
    }

    /// The clock is set by a year, forward and back, between two tags of the same things.
    #[test]
    fn a_clock_that_is_set_changes_times_of_day_and_no_durations() {
        for step_us in [YEAR_US, -YEAR_US] {
            let mut dating = Dating::default();
            let clock = SimulatedClock::new(seconds(10));
            clock.step_to(Setting { ahead_us: 0, standing: Standing::Unsynchronised });
            let start = dated(&mut dating, &clock, walk(Phase::Start, seconds(10), None));
            assert_eq!((start.at, start.clock), (seconds(10), Standing::Unsynchronised));

            let set = Setting { ahead_us: step_us, standing: Standing::Synchronised };
            let after = |steady| Timestamp::from_micros(Timestamp::as_micros(steady) + step_us);
            clock.step_to(set);
            clock.set(set.time_of_day(seconds(12)));
            let ended =
                ActivitySummary { ended: seconds(11), duration: Duration::from_secs(2), best_score: 0.9 };
            let end = dated(&mut dating, &clock, walk(Phase::End, seconds(11), Some(ended)));
            assert_eq!((end.at, end.clock), (after(seconds(11)), Standing::Synchronised));
            assert_eq!(end.latency, Duration::from_secs(1));
            let (Body::Activity(start), Body::Activity(end)) = (start.body, end.body) else {
                panic!("activities")
            };
            assert_eq!(end.since, start.since, "an activity is known by its beginning");
            assert_eq!(end.window, Window { from: after(seconds(10)), to: after(seconds(11)) });
            let summary = end.summary.unwrap();
            assert_eq!((summary.ended, summary.duration), (after(seconds(11)), Duration::from_secs(2)));
            assert!(dating.begun.is_empty(), "nothing is kept of what has ended");

            let (first_seen, last_seen) = (seconds(8), seconds(11));
            let summary =
                Summary { first_seen, last_seen, best_score: 0.9, path: Vec::new(), labels: Vec::new() };
            let gone = dated(&mut dating, &clock, tag(Phase::End, last_seen, Body::Object(Some(summary))));
            let Body::Object(Some(summary)) = gone.body else { panic!("an object's end") };
            assert_eq!((summary.first_seen, summary.last_seen), (after(first_seen), after(last_seen)));
        }
    }
}
