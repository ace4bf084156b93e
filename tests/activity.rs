//! Scripted people before simulated cameras, and the activities that must be told of them: at 5, 10 and 25 frames per
//! second, from the side and the front, with up to 30 % of the joints missing, and from boxes alone.
//!
//! What is asserted are the tags that a subscriber gets with the default configuration: an activity needs a score of 0.5
//! for a second, a fall for 0.2 s.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use spotter::activity::{Parameters, PostureClassifier, SkeletonClassifier};
use spotter::model::{Package, Runtime, SessionOptions};

#[path = "support/plays.rs"]
mod plays;
#[path = "support/puppet.rs"]
mod puppet;
#[path = "support/watch.rs"]
mod watch;

use plays::{CASES, Case, DOWN};
use puppet::{Filming, Move, film};
use watch::{Event, Given, frames, watch};

const FRAME_RATES: &[f32] = &[5.0, 10.0, 25.0];

/// What is wrong with the events of a film that lasts `lasts_s`; frames are `frame_s` apart.
fn faults(case: &Case, events: &[Event], lasts_s: f32, slack_s: f32, frame_s: f32) -> Vec<String> {
    let mut faults = Vec::new();
    let mut rest = events;
    for (index, expected) in case.expected.iter().enumerate() {
        let is_first = index == 0;
        let by_s = expected.by_s + if is_first { slack_s } else { 0.0 };
        let is_it = |event: &Event| expected.labels.contains(&&*event.label);
        let Some(place) = rest.iter().position(is_it) else {
            faults.push(format!("no {:?}", expected.labels));
            continue;
        };
        let found = &rest[place];
        rest = &rest[place + 1..];
        let (earliest_s, latest_s) = expected.ends_s;
        let to_s = if found.to_s > lasts_s - 2.0 * frame_s { lasts_s } else { found.to_s };
        if (found.from_s < expected.from_s && !is_first) || found.confirmed_s > by_s {
            faults.push(format!("not between {} and {} s: {found:?}", expected.from_s, expected.by_s));
        }
        if to_s < earliest_s - frame_s || to_s > latest_s {
            faults.push(format!("does not end between {earliest_s} and {latest_s} s: {found:?}"));
        }
    }
    let stands = matches!(case.script.last(), Some((Move::Stand | Move::Fidget, _)));
    if stands && events.last().is_none_or(|last| &*last.label != "stand") {
        faults.push(format!("who stands at the end is not told to: {events:?}"));
    }
    for event in events {
        let expected = case.expected.iter().filter(|expected| expected.labels == [&*event.label]).count();
        let found = events.iter().filter(|other| other.label == event.label).count();
        let never = case.never.iter().any(|never| never.contains(&&*event.label));
        if never || !case.allows(event) {
            faults.push(format!("must not be: {event:?}"));
        } else if DOWN.contains(&&*event.label) && found != expected {
            faults.push(format!("{found} times, not {expected}: {event:?}"));
        }
    }
    faults
}

/// The share of films that go wrong in any way, and the first few ways.
struct Outcome {
    wrong: usize,
    films: usize,
    faults: Vec<String>,
    table: String,
}

/// Which films.
#[derive(Clone)]
struct Choice {
    given: Given,
    /// Cases by name; all when empty.
    only: &'static [&'static str],
    /// See [`Filming::noise`].
    noise: f32,
    /// How much later than usual the first activity may be told.
    late_s: f32,
    frame_rates: &'static [f32],
    dropped: &'static [f32],
    seeds: std::ops::Range<u64>,
    /// Whether gestures are asked for, so that they must be told.
    gestures: bool,
}

fn bench(choice: &Choice, parameters: &Parameters, models: &mut Models) -> Outcome {
    let given = choice.given;
    let mut result = Outcome { wrong: 0, films: 0, faults: Vec::new(), table: String::new() };
    let chosen = |case: &&Case| choice.only.is_empty() || choice.only.contains(&case.name);
    for case in CASES.iter().filter(|case| case.is_for(given)).filter(chosen) {
        write!(result.table, "{:20}", case.name).unwrap();
        let (script, lead_s, slack_s) = case.script_for(given);
        let lasts_s = case.script.iter().map(|(_, lasts_s)| lasts_s).sum();
        for &fps in choice.frame_rates {
            for &dropped in choice.dropped {
                let (mut right, mut films) = (0, 0);
                let mut delays = Vec::new();
                let (mut told, mut gestures) = (0, 0);
                for (view, seed) in
                    case.views.iter().flat_map(|view| choice.seeds.clone().map(move |seed| (*view, seed)))
                {
                    let filming = Filming { view, fps, dropped, noise: choice.noise, seed };
                    let shots = frames(film(&script, &filming), given);
                    let skeleton = choice.gestures.then_some(&mut models.skeleton);
                    let mut events = watch(shots, parameters, &mut models.posture, skeleton);
                    events.iter_mut().for_each(|event| event.put_earlier(lead_s));
                    let mut faults = faults(case, &events, lasts_s, slack_s + choice.late_s, 1.0 / fps);
                    if let Some(in_time) = case.gesture_told(view, &events).filter(|_| choice.gestures) {
                        (told, gestures) = (told + usize::from(in_time), gestures + 1);
                        faults.extend((!in_time).then(|| format!("gesture not in time: {events:?}")));
                    }
                    films += 1;
                    right += usize::from(faults.is_empty());
                    delays.extend(
                        events.iter().filter(|event| &*event.label == "fall").map(|event| event.confirmed_s),
                    );
                    let film = format!("{}, {filming:?}", case.name);
                    result.faults.extend(faults.into_iter().map(|fault| format!("{film}: {fault}")));
                }
                write!(result.table, " {right:2}/{films:2}").unwrap();
                if let (true, Some(slowest)) =
                    (case.name.starts_with("fall"), delays.into_iter().reduce(f32::max))
                {
                    let begins_s = case.script[0].1;
                    write!(result.table, " ({:.2} s)", slowest - begins_s).unwrap();
                }
                if gestures > 0 {
                    write!(result.table, " (told {told}/{gestures})").unwrap();
                }
                result.films += films;
                result.wrong += films - right;
            }
            result.table += " |";
        }
        result.table.push('\n');
    }
    result
}

fn assert_right(result: &Outcome) {
    println!("{}", result.table);
    let first: Vec<&str> = result.faults.iter().take(40).map(String::as_str).collect();
    assert!(result.wrong == 0, "{} of {} films:\n{}", result.wrong, result.films, first.join("\n"));
}

fn everything(given: Given) -> Choice {
    Choice {
        given,
        only: &[],
        noise: 0.015,
        late_s: 0.0,
        frame_rates: FRAME_RATES,
        dropped: &[0.0, 0.15, 0.3],
        seeds: 0..5,
        gestures: false,
    }
}

#[test]
fn people_are_told_by_boxes_and_joints() {
    assert_right(&bench(&everything(Given::All), &Parameters::default(), &mut committed()));
}

#[test]
fn people_are_told_by_boxes_alone() {
    let choice = Choice { dropped: &[0.0], ..everything(Given::Boxes) };
    assert_right(&bench(&choice, &Parameters::default(), &mut committed()));
}

#[test]
fn people_are_told_by_their_tracks() {
    assert_right(&bench(&everything(Given::Tracks), &Parameters::default(), &mut committed()));
}

/// The models of the repository.
struct Models {
    posture: PostureClassifier,
    skeleton: SkeletonClassifier,
}

fn committed() -> Models {
    let package =
        |name| Package::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)).unwrap();
    let (runtime, options) = (Runtime::load(None).unwrap(), SessionOptions::on_cpu(1));
    Models {
        posture: PostureClassifier::open(&package("posture-tcn"), &runtime, &options).unwrap(),
        skeleton: SkeletonClassifier::open(&package("skeleton-tcn-jhmdb"), &runtime, &options).unwrap(),
    }
}

#[test]
fn gestures_are_told_when_they_are_asked_for() {
    let choice = Choice { seeds: 0..1, gestures: true, ..everything(Given::All) };
    assert_right(&bench(&choice, &Parameters::default(), &mut committed()));
}

#[test]
fn gestures_are_told_of_tracks() {
    let choice = Choice { dropped: &[0.15], seeds: 2..3, gestures: true, ..everything(Given::Tracks) };
    assert_right(&bench(&choice, &Parameters::default(), &mut committed()));
}

/// People who stand before a bad camera, whose joints tremble so much that a classifier sees them do all kinds of things.
/// Their boxes tremble as well, so that it takes longer until they are sure not to move.
fn trembling() -> Choice {
    let all = everything(Given::All);
    Choice { only: &["stand", "wait"], noise: 0.05, late_s: 1.5, seeds: 0..2, gestures: true, ..all }
}

#[test]
fn who_stands_is_told_to_though_their_joints_tremble() {
    assert_right(&bench(&trembling(), &Parameters::default(), &mut committed()));
}

/// A parameter that is wrong in one way.
type Mistake = (&'static str, fn(&mut Parameters));

const MISTAKES: &[Mistake] = &[
    ("standing ends too late", |wrong| wrong.walk_from.0 = 0.75),
    ("standing ends too early", |wrong| wrong.walk_from.0 = 0.02),
    ("running begins too late", |wrong| wrong.run_from.0 = 3.5),
    ("running begins too early", |wrong| wrong.run_from.0 = 0.7),
    ("speed is jitter", |wrong| wrong.speed_window = Duration::from_millis(50)),
    ("speed is history", |wrong| wrong.speed_window = Duration::from_secs(3)),
    ("the lens is long", |wrong| wrong.focal_length = 12.0),
    ("growth is nothing", |wrong| wrong.growth_errors = 50.0),
    ("scores are slow", |wrong| wrong.smoothing = Duration::from_secs(4)),
    ("posture is slow", |wrong| wrong.posture_follows = Duration::from_secs(3)),
    ("a fall takes no time", |wrong| wrong.fall_within = Duration::ZERO),
    ("a fall takes any time", |wrong| wrong.fall_within = Duration::from_secs(9)),
    ("a fall lasts long", |wrong| wrong.fall_lasts = Duration::from_secs(4)),
    ("a fall is over at once", |wrong| wrong.fall_lasts = Duration::from_millis(300)),
    ("up at once", |wrong| (wrong.up_again, wrong.calm_follows) = (Duration::ZERO, Duration::ZERO)),
    ("never up", |wrong| wrong.up_again = Duration::from_secs(60)),
    ("all is unknown", |wrong| wrong.unknown_share = 0.8),
];

#[test]
fn wrong_parameters_are_found_out() {
    let choice = Choice { dropped: &[0.15], seeds: 0..2, ..everything(Given::All) };
    let mut models = committed();
    for (mistake, make) in MISTAKES {
        let mut wrong = Parameters::default();
        make(&mut wrong);
        let outcome = bench(&choice, &wrong, &mut models);
        println!("{mistake}: {} of {}", outcome.wrong, outcome.films);
        assert!(outcome.wrong > 0, "{mistake}: nobody notices");
    }
}

/// Mistakes that show only with a classifier that says something.
const MISTAKES_ABOUT_THE_CLASSIFIER: &[Mistake] = &[
    ("gestures are as common as in training", |wrong| wrong.gestures_are_rare = 1.0),
    ("gestures do not happen", |wrong| wrong.gestures_are_rare = 0.01),
    ("the classifier never takes a gait for another", |wrong| wrong.gaits_confused = 0.0),
    ("nobody stirs", |wrong| wrong.stirs_from.0 = 0.1),
    ("never enough joints", |wrong| wrong.joints_seen = 1.0),
];

#[test]
fn parameters_that_are_wrong_about_the_classifier_are_found_out() {
    let (frame_rates, dropped): (&[f32], &[f32]) = (&[5.0, 10.0], &[0.15]);
    let trembling = Choice { frame_rates, dropped, ..trembling() };
    let only = &["wave", "sit down"];
    let all = everything(Given::All);
    let waving = Choice { only, frame_rates, dropped, seeds: 0..2, gestures: true, ..all };
    let mut models = committed();
    for (mistake, make) in MISTAKES_ABOUT_THE_CLASSIFIER {
        let mut wrong = Parameters::default();
        make(&mut wrong);
        let outcomes = [&trembling, &waving].map(|choice| bench(choice, &wrong, &mut models));
        let [trembling, waving] = outcomes.map(|outcome| (outcome.wrong, outcome.films));
        println!("{mistake}: {} of {}, {} of {}", trembling.0, trembling.1, waving.0, waving.1);
        assert!(trembling.0 + waving.0 > 0, "{mistake}: nobody notices");
    }
}
