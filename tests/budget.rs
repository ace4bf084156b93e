//! When time is short, everybody is looked at less often, alike, and never is nobody.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::time::Instant;

use spotter::activity::{Share, is_large_enough};
use spotter::config::{Activities, Camera, Capture, Models, Objects, Runtime, Source};
use spotter::daemon::open_recognizer;
use spotter::name::Name;
use spotter::tag::TrackId;
use spotter::track::Track;

#[path = "support/footage.rs"]
mod footage;

const FRAMES: usize = 100;
const FOOTAGE_S: f32 = 10.0;
/// Who was there for so many frames counts.
const LONG: usize = 50;

/// How often each person who was there for long was seen, and looked at.
fn looks(share: Share) -> Option<BTreeMap<TrackId, (usize, usize)>> {
    let vtest = footage::vtest()?;
    let camera = Camera {
        name: Name::new("ramp").unwrap(),
        capture: Capture::of(Source::File { path: vtest.clone(), repeat: false, frame_rate: None }),
        objects: Objects::default(),
        activities: Activities::default(),
        tracks: false,
        zones: Vec::new(),
        lines: Vec::new(),
    };
    let mut recognizer = open_recognizer(&Runtime::default(), &Models::default(), &[camera], share).unwrap();
    let mut looks: BTreeMap<TrackId, (usize, usize)> = BTreeMap::new();
    let mut poses = 0;
    for frame in footage::frames(&vtest, FRAMES) {
        poses += recognizer.recognize(0, &frame).unwrap().poses;
        let is_posed = |track: &&Track| {
            let is_person = &**recognizer.label(track) == "person";
            track.visible && is_person && is_large_enough(&track.bbox, &frame.image)
        };
        for track in recognizer.tracker(0).tracks().filter(is_posed) {
            let (seen, looked) = looks.entry(track.id).or_default();
            *seen += 1;
            *looked += usize::from(recognizer.pose(0, track.id).is_some_and(|pose| pose.at == frame.at));
        }
    }
    assert_eq!(poses as usize, looks.values().map(|(_, looked)| looked).sum::<usize>());
    looks.retain(|_, (seen, _)| *seen >= LONG);
    assert!(looks.len() >= 2, "some people are there for long: {looks:?}");
    Some(looks)
}

#[test]
fn everybody_is_looked_at_less_often_alike_when_time_is_short() {
    let start = Instant::now();
    let Some(asked) = looks(Share::Unlimited) else { return };
    // The share is measured, so that pauses grow about eightfold on a quick machine and on a slow one: nobody is then
    // looked at on every other frame, and everybody within eight seconds. Activities took a quarter of the time or more.
    let share = start.elapsed().as_secs_f32() / 4.0 / FOOTAGE_S / 8.0;
    for (id, (seen, looked)) in &asked {
        assert!(looked * 10 >= seen * 9, "track {id} was seen on {seen} frames and looked at on {looked}");
    }
    let short = looks(Share::Of(share)).unwrap();
    let sum = |of: fn(&(usize, usize)) -> usize| short.values().map(of).sum::<usize>();
    let (all_seen, all_looked) = (sum(|(seen, _)| *seen), sum(|(_, looked)| *looked));
    for (id, (seen, looked)) in &short {
        assert!(*looked >= 1, "nobody is forgotten: {short:?}");
        assert!(looked * 2 < *seen, "less often: {short:?}");
        let fair = seen * all_looked / all_seen;
        assert!(looked.abs_diff(fair) <= 2, "track {id} should have {fair} looks, as all have: {short:?}");
    }
}
