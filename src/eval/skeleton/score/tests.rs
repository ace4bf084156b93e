//! Scores against cases worked out by hand.

use super::*;

fn answers(rows: &[(usize, &[f64], f64)]) -> Vec<Answer> {
    rows.iter()
        .map(|&(truth, labels, unknown)| Answer {
            truth,
            probabilities: Probabilities { labels: labels.to_vec(), unknown },
        })
        .collect()
}

fn labels() -> [Label; 3] {
    ["a", "b", "c"].map(Label::from)
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-12
}

#[test]
fn a_case_worked_out_by_hand() {
    let answers = answers(&[
        (0, &[0.9, 0.05, 0.05], 0.0),
        (0, &[0.4, 0.35, 0.05], 0.2),
        (0, &[0.1, 0.25, 0.05], 0.6),
        (1, &[0.05, 0.9, 0.05], 0.0),
        (1, &[0.2, 0.3, 0.0], 0.5),
    ]);
    let score = SkeletonScore::of(&answers, &labels()).unwrap();
    assert_eq!(score.clips, 5);
    assert_eq!(score.confusion, [[2, 1, 0], [0, 2, 0], [0, 0, 0]]);
    assert!(near(score.accuracy, 0.8), "{}", score.accuracy);
    assert!(near(score.accuracy_with_unknown, 0.6), "{}", score.accuracy_with_unknown);
    assert!(near(score.unknown, 0.4), "{}", score.unknown);
    // The bins are those of 0.9 twice (right, right), of 0.4 (right), of 0.3 (right) and of 0.25 (wrong); the last two
    // are in the bins up to 5/15 and up to 4/15.
    let ece = (0.2 + 0.6 + 0.7 + 0.25) / 5.0;
    assert!(near(score.ece, ece), "{}", score.ece);
    let shown: Vec<_> = score
        .per_class
        .iter()
        .map(|class| (class.clips, class.unknown, class.precision, class.recall))
        .collect();
    assert_eq!(
        shown,
        [(3, 1, Some(1.0), Some(2.0 / 3.0)), (2, 1, Some(2.0 / 3.0), Some(1.0)), (0, 0, None, None),]
    );
    let f1: Vec<_> = score.per_class.iter().map(|class| class.f1).collect();
    assert_eq!(f1, [Some(0.8), Some(0.8), None]);
}

#[test]
fn the_first_of_equals_is_the_answer_and_unknown_needs_more() {
    let answers =
        answers(&[(0, &[0.4, 0.4, 0.2], 0.0), (1, &[0.1, 0.4, 0.1], 0.4), (2, &[0.0, 0.0, 0.0], 1.0)]);
    let score = SkeletonScore::of(&answers, &labels()).unwrap();
    assert_eq!(score.confusion, [[1, 0, 0], [0, 1, 0], [1, 0, 0]]);
    assert!(near(score.unknown, 1.0 / 3.0), "{}", score.unknown);
}

#[test]
fn whoever_is_sure_and_right_or_unsure_and_wrong_is_calibrated() {
    // Probability of the best label, whether it is right, and the error.
    let cases: &[(&[(f64, bool)], f64)] = &[
        (&[(1.0, true)], 0.0),
        (&[(1.0, false)], 1.0),
        (&[(0.5, true), (0.5, false)], 0.0),
        // Both in the bin (0.6, 0.667], its ends.
        (&[(0.61, true), (2.0 / 3.0, false)], ((0.61 + 2.0 / 3.0) / 2.0 - 0.5_f64).abs()),
        // On both sides of 0.6, which belongs to the lower one.
        (&[(0.6, true), (0.61, false)], (0.4 + 0.61) / 2.0),
        (&[(0.0, false)], 0.0),
    ];
    for (rows, expected) in cases {
        let answers: Vec<Answer> = rows
            .iter()
            .map(|&(best, right)| Answer {
                truth: usize::from(!right),
                probabilities: Probabilities { labels: vec![best, 0.0, 0.0], unknown: 0.0 },
            })
            .collect();
        let score = SkeletonScore::of(&answers, &labels()).unwrap();
        assert!(near(score.ece, *expected), "{rows:?}: {}", score.ece);
    }
}

#[test]
fn without_answers_there_is_no_score() {
    assert_eq!(SkeletonScore::of(&[], &labels()), None);
}
