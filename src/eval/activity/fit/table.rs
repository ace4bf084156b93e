//! Fitted thresholds as text for a configuration file: `[activities.labels]` in TOML, with the figures in comments.

use std::fmt;

use super::{Figures, Fit, Fitted, LEAST_EVENTS, LEAST_TIME_S, Measure, Outcome, TIE, Verdict};
use crate::config::visible;

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\
# Thresholds that `spotter eval activity --fit` found best on clips: {} clips, {:.1} s of known truth.
# They are fitted to these clips, and the figures are of the same clips: expect worse figures on others.
# \"Before\" is with the thresholds of the configuration, \"after\" with all of those below.
# Where F1 does not get better by {TIE}, a threshold stays.",
            self.clips, self.time_s
        )?;
        self.labels.iter().try_for_each(|fitted| fitted.write(f))
    }
}

impl Fitted {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (label, truth) = (visible(&self.label), Truth(self));
        writeln!(f)?;
        match self.verdict {
            Verdict::Unknown => return writeln!(f, "# {label}: no model knows it; {truth}."),
            Verdict::Off => return writeln!(f, "# {label}: the configuration has it off; {truth}."),
            Verdict::TooLittle => {
                write!(f, "# {label}: too little truth, so it keeps its threshold; {truth}, and it takes ")?;
                match self.measure {
                    Measure::Events => writeln!(f, "{LEAST_EVENTS} events.")?,
                    Measure::Time => writeln!(f, "{LEAST_EVENTS} events and {LEAST_TIME_S} s.")?,
                }
            }
            Verdict::Fitted => {
                write!(f, "# {label}: {truth}; F1 of ")?;
                match self.measure {
                    Measure::Time => writeln!(f, "time.")?,
                    Measure::Events if self.others.is_empty() => writeln!(f, "events.")?,
                    Measure::Events => {
                        let others: Vec<String> = self.others.iter().map(|other| visible(other)).collect();
                        writeln!(f, "events, together with those of {}.", others.join(", "))?;
                    }
                }
            }
        }
        self.write_figures(f, "before", &self.before)?;
        self.write_figures(f, "after", &self.after)?;
        let rule = self.after.rule;
        writeln!(f, "[activities.labels.{}]", key(&self.label))?;
        writeln!(f, "threshold = {:?}", rule.threshold)?;
        writeln!(f, "min_duration_s = {:?}", rule.min_duration.as_secs_f64())
    }

    fn write_figures(&self, f: &mut fmt::Formatter<'_>, when: &str, outcome: &Outcome) -> fmt::Result {
        let Outcome { rule, figures } = outcome;
        write!(f, "#   {when:<6} threshold {:<4} F1 {:.3}, ", rule.threshold, figures.f1())?;
        let Figures { right, wrong, missed } = figures;
        match self.measure {
            Measure::Time => {
                writeln!(f, "precision {:.3}, recall {:.3}", figures.precision(), figures.recall())
            }
            Measure::Events => writeln!(f, "told {right} of {}, false {wrong}", right + missed),
        }
    }
}

/// How much the truth has of a label.
struct Truth<'a>(&'a Fitted);

impl fmt::Display for Truth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fitted { events, time_s, .. } = self.0;
        let plural = if *events == 1 { "" } else { "s" };
        write!(f, "{events} event{plural}, {time_s:.1} s")
    }
}

/// A label as a key of TOML.
fn key(label: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !label.is_empty() && label.chars().all(is_bare) {
        return label.to_owned();
    }
    let escaped = label.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
