//! How often activities are looked at: as often as asked, or as the time allows.
//!
//! One worker has one [`Budget`] for all its cameras. Each look at a person (a pose and its classification) and each run
//! of a clip classifier is measured; when what is asked for would take more than the share of the worker's time that
//! activities may have, every pause between two looks grows by the same factor. So nobody is looked at less than anybody
//! else, and detection keeps the rest of the time.

use std::time::Duration;

/// A measured cost weighs so much against what was known before.
const NEW_COST: f64 = 0.1;
/// The first look costs at most this, in seconds; what is dearer shows with the next ones,
const MOST_AT_FIRST_S: f64 = 0.25;
/// of which each counts as at most so many times what is known.
const MOST_GROWTH: f64 = 5.0;

/// What is looked at on a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// At a person's joints.
    Joints,
    /// At a clip, by the classifier with this index.
    Clip(usize),
}

/// How much of the worker's time activities may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// All they ask for: nothing is measured against, so that the same file gives the same tags.
    Unlimited,
    /// At most this much, above 0 and below 1.
    Of(f32),
}

/// Measures what activities cost and says how far their cadence must fall.
#[derive(Debug)]
pub struct Budget {
    share: Share,
    /// Smoothed seconds of one look, by kind.
    costs_s: Vec<(Look, f64)>,
    /// What each camera asks for, in looks per second of each kind.
    asked: Vec<Vec<(Look, f64)>>,
}

impl Budget {
    /// A budget for the cameras `0..cameras`.
    pub fn new(share: Share, cameras: usize) -> Self {
        Budget { share, costs_s: Vec::new(), asked: vec![Vec::new(); cameras] }
    }

    /// What a camera asks for from now on, in looks per second of each kind. One that is new has its place from now on.
    pub fn ask(&mut self, camera: usize, looks_per_second: Vec<(Look, f64)>) {
        if self.asked.len() <= camera {
            self.asked.resize_with(camera + 1, Vec::new);
        }
        self.asked[camera] = looks_per_second;
    }

    /// A look took so long.
    pub fn spent(&mut self, look: Look, took: Duration) {
        let took_s = took.as_secs_f64();
        // A hiccup of the machine is no cost.
        match self.costs_s.iter_mut().find(|(of, _)| *of == look) {
            Some((_, cost_s)) => *cost_s += (took_s.min(MOST_GROWTH * *cost_s) - *cost_s) * NEW_COST,
            None => self.costs_s.push((look, took_s.min(MOST_AT_FIRST_S))),
        }
    }

    /// The factor by which every pause between two looks grows; 1 when there is time for all that is asked.
    pub fn stretch(&self) -> f64 {
        let Share::Of(share) = self.share else { return 1.0 };
        let cost_s =
            |look: &Look| self.costs_s.iter().find(|(of, _)| of == look).map_or(0.0, |(_, cost)| *cost);
        let asked = self.asked.iter().flatten();
        let wanted: f64 = asked.map(|(look, per_second)| per_second * cost_s(look)).sum();
        (wanted / f64::from(share)).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cadence_of_everybody_falls_alike_when_time_is_short() {
        let mut budget = Budget::new(Share::Of(0.5), 2);
        assert_eq!(budget.stretch(), 1.0);
        for _ in 0..100 {
            budget.spent(Look::Joints, Duration::from_millis(10));
        }
        // People on two cameras, each to be looked at ten times a second, and what it comes to.
        for (people, stretch) in
            [((2.0, 0.0), 1.0), ((5.0, 0.0), 1.0), ((5.0, 5.0), 2.0), ((40.0, 10.0), 10.0)]
        {
            budget.ask(0, vec![(Look::Joints, people.0 * 10.0)]);
            budget.ask(1, vec![(Look::Joints, people.1 * 10.0)]);
            assert!((budget.stretch() - stretch).abs() < 1e-9, "{people:?}: {}", budget.stretch());
        }
        // A clip classifier takes its part of the same time.
        budget.spent(Look::Clip(0), Duration::from_millis(200));
        budget.ask(1, vec![(Look::Joints, 0.0), (Look::Clip(0), 1.0)]);
        assert!((budget.stretch() - 8.4).abs() < 1e-9);
    }

    #[test]
    fn a_replay_looks_as_often_as_asked_whatever_it_takes() {
        let mut budget = Budget::new(Share::Unlimited, 1);
        budget.spent(Look::Joints, Duration::from_secs(9));
        budget.ask(0, vec![(Look::Joints, 1000.0)]);
        assert_eq!(budget.stretch(), 1.0);
    }

    #[test]
    fn costs_follow_the_machine() {
        let mut budget = Budget::new(Share::Of(0.1), 1);
        budget.ask(0, vec![(Look::Joints, 10.0)]);
        budget.spent(Look::Joints, Duration::from_millis(10));
        assert!((budget.stretch() - 1.0).abs() < 1e-9);
        (0..60).for_each(|_| budget.spent(Look::Joints, Duration::from_millis(40)));
        assert!((budget.stretch() - 4.0).abs() < 0.05, "{}", budget.stretch());
    }
}
