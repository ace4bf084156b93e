//! Fitting on people who are believed to do scripted things.

use std::path::Path;

use super::super::recording::tests::{Scene, recording};
use super::super::score::tests::{falls, range};
use super::*;
use crate::config::Config;

/// Somebody walks, and that is sure or not; somebody stands.
const SURE: &[(&str, f32)] = &[("walk", 0.8), ("stand", 0.1)];
const UNSURE: &[(&str, f32)] = &[("walk", 0.45), ("stand", 0.3)];
const STILL: &[(&str, f32)] = &[("stand", 0.9), ("walk", 0.1)];

fn fit_one(ranges: &[Range], scenes: &[Scene<'_>]) -> Fit {
    let known: Vec<Label> = ["fall", "fallen", "sit down", "stand", "walk", "wave"].map(Label::from).into();
    fit(&[(ranges, &recording(scenes))], &Activities::default(), &known, &falls())
}

fn of<'a>(fit: &'a Fit, label: &str) -> &'a Fitted {
    fit.labels.iter().find(|fitted| fitted.label == label).unwrap()
}

#[test]
fn a_label_that_is_believed_too_little_gets_a_lower_threshold_and_no_lower_than_it_takes() {
    let ranges = [
        range("walk", 0.0, 4.0),
        range("stand", 4.0, 8.0),
        range("walk", 8.0, 14.0),
        range("stand", 14.0, 20.0),
    ];
    let scenes = [(1, 0..40, SURE), (1, 40..80, STILL), (1, 80..140, UNSURE), (1, 140..200, STILL)];
    let fit = fit_one(&ranges, &scenes);
    let walk = of(&fit, "walk");
    assert_eq!((walk.verdict, walk.measure), (Verdict::Fitted, Measure::Time));
    assert_eq!((walk.before.rule.threshold, walk.after.rule.threshold), (0.5, 0.45));
    assert!(walk.after.figures.f1() > 0.95 && walk.before.figures.f1() < 0.7, "{walk:?}");
    assert_eq!(of(&fit, "stand").after.rule.threshold, 0.5, "nothing is gained, so it stays");
}

#[test]
fn false_alarms_raise_the_threshold_of_falls_no_further_than_falls_are_told() {
    let fall: &[(&str, f32)] = &[("fallen", 0.85)];
    let no_fall: &[(&str, f32)] = &[("fallen", 0.6)];
    let ranges = [
        range("fall", 0.0, 1.0),
        range("fallen", 1.0, 5.0),
        range("stand", 5.0, 15.0),
        range("fall", 15.0, 16.0),
        range("fallen", 16.0, 20.0),
    ];
    let scenes = [
        (1, 5..50, fall),
        (1, 50..90, STILL),
        (1, 90..120, no_fall),
        (1, 120..150, STILL),
        (1, 155..200, fall),
    ];
    let fit = fit_one(&ranges, &scenes);
    let fallen = of(&fit, "fallen");
    assert_eq!((fallen.measure, fallen.others.as_slice()), (Measure::Events, &["fall".to_owned()][..]));
    assert_eq!(fallen.before.figures, Figures { right: 4.0, wrong: 1.0, missed: 0.0 });
    assert_eq!(fallen.after.figures, Figures { right: 4.0, wrong: 0.0, missed: 0.0 });
    assert_eq!(fallen.after.rule, ActivityRule { threshold: 0.65, ..fallen.before.rule });
    assert_eq!(of(&fit, "fall").after.rule.threshold, 0.5, "it is never believed, so it stays");
}

#[test]
fn ties_go_to_the_configured_threshold_then_to_the_nearest_then_to_the_higher() {
    for (configured, good, expected) in [
        (0.5, 0.0..=1.0, 0.5),
        (0.47, 0.46..=0.9, 0.47),
        (0.47, 0.48..=0.9, 0.5),
        (0.5, 0.0..=0.42, 0.4),
        (0.2, 0.0..=0.95, 0.2),
    ] {
        let f1 = |threshold: f32| if good.contains(&threshold) { 0.9 } else { 0.5 };
        assert_eq!(best(configured, f1), expected, "{configured} {good:?}");
    }
    // 0.45 and 0.55 are alike.
    assert_eq!(best(0.5, |threshold| if threshold == 0.5 { 0.5 } else { 0.9 }), 0.55);
    // A gain that is too small is none.
    assert_eq!(best(0.5, |threshold| f64::from(threshold) / 250.0), 0.5);
}

#[test]
fn the_table_is_part_of_a_configuration() {
    let ranges = [
        range("walk", 0.0, 4.0),
        range("stand", 4.0, 8.0),
        range("walk", 8.0, 14.0),
        range("fallen", 14.0, 15.0),
        range("sit down", 15.0, 16.0),
        range("skate\n[mqtt]", 16.0, 17.0),
    ];
    let scenes = [(1, 0..40, SURE), (1, 40..80, STILL), (1, 80..140, UNSURE)];
    let mut options = Activities::default();
    let rule = options.of("sit down");
    options.labels.insert("sit down".to_owned(), ActivityRule { enabled: true, threshold: 0.37, ..rule });
    let known: Vec<Label> = ["fallen", "sit down", "stand", "walk"].map(Label::from).into();
    let fit = fit(&[(&ranges, &recording(&scenes))], &options, &known, &falls());
    let text = fit.to_string();
    assert!(text.contains("# skate\\n[mqtt]: no model knows it; 1 event, 1.0 s."), "{text}");
    assert!(text.contains("# walk: 2 events, 10.0 s; F1 of time."), "{text}");
    assert!(text.contains("# stand: too little truth, so it keeps its threshold; 1 event, 4.0 s,"), "{text}");

    let camera = "[[camera]]\nname = \"ramp\"\nsource = \"ramp.mp4\"\n";
    let config = Config::parse(&format!("{text}\n{camera}"), Path::new("")).unwrap();
    let read = &config.cameras[0].activities;
    let thresholds: Vec<(&str, f32)> =
        read.labels.iter().map(|(label, rule)| (&**label, rule.threshold)).collect();
    assert_eq!(thresholds, [("fallen", 0.5), ("sit down", 0.37), ("stand", 0.5), ("walk", 0.45)]);
    for label in ["fallen", "sit down", "stand", "walk"] {
        let (read, used) = (read.of(label), options.of(label));
        assert_eq!((read.enabled, read.min_duration), (used.enabled, used.min_duration), "{label}");
    }
}

#[test]
fn what_is_not_told_gets_no_rule() {
    // A rule would turn waving on.
    let fit = fit_one(&[range("wave", 0.0, 10.0), range("wave", 12.0, 20.0)], &[(1, 0..200, STILL)]);
    assert_eq!(of(&fit, "wave").verdict, Verdict::Off);
    let text = fit.to_string();
    assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#')), "{text}");
    assert!(text.contains("# wave: the configuration has it off; 2 events, 18.0 s."), "{text}");
}
