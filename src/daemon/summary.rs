//! The daemon in one line, as `systemctl status` shows it.

use std::fmt;

use crate::publish::Counts;
use crate::telemetry::CameraState;

/// Fewer tags than this are on their way to a broker that is there, and nothing to tell of.
const BACKLOG: u64 = 100;

/// What is worth a line about the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    cameras: usize,
    online: usize,
    disabled: usize,
    waiting: u64,
    away: bool,
}

impl Summary {
    /// Sums up the states of all cameras, and what has become of what was published.
    pub(super) fn new(states: impl IntoIterator<Item = CameraState>, counts: &Counts) -> Self {
        // Before the first attempt has failed nobody can say that the broker is away.
        let away = !counts.connected && (counts.connections > 0 || counts.last_error.is_some());
        let mut summary = Summary { waiting: counts.waiting, away, ..Summary::default() };
        for state in states {
            summary.cameras += 1;
            summary.online += usize::from(state == CameraState::Online);
            summary.disabled += usize::from(state == CameraState::Disabled);
        }
        summary
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { cameras, online, disabled, waiting, away } = *self;
        write!(f, "{online} of {cameras} cameras online")?;
        if disabled > 0 {
            write!(f, ", {disabled} disabled")?;
        }
        match (waiting, away) {
            (0, true) => f.write_str("; the broker is away"),
            (1, true) => f.write_str("; 1 tag waits for the broker, which is away"),
            (_, true) => write!(f, "; {waiting} tags wait for the broker, which is away"),
            (BACKLOG.., false) => write!(f, "; {waiting} tags wait for the broker"),
            (_, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CameraState::{Connecting, Disabled, Offline, Online};

    #[test]
    fn a_line_says_what_an_operator_asks_first() {
        let there = Counts { connected: true, connections: 1, ..Counts::default() };
        let starting = Counts::default();
        let away = |waiting| Counts { connections: 1, waiting, ..Counts::default() };
        let never = Counts { last_error: Some("refused".to_owned()), ..Counts::default() };
        let backlog = |waiting| Counts { waiting, ..there.clone() };
        let cases: [(&[CameraState], Counts, &str); 8] = [
            (&[Connecting], starting, "0 of 1 cameras online"),
            (&[Online, Online], there.clone(), "2 of 2 cameras online"),
            (&[Online, Offline, Disabled], there.clone(), "1 of 3 cameras online, 1 disabled"),
            (&[Online], backlog(99), "1 of 1 cameras online"),
            (&[Online], backlog(5000), "1 of 1 cameras online; 5000 tags wait for the broker"),
            (&[Online], never, "1 of 1 cameras online; the broker is away"),
            (&[Online], away(1), "1 of 1 cameras online; 1 tag waits for the broker, which is away"),
            (
                &[Online, Online, Online, Offline, Online, Online],
                away(12),
                "5 of 6 cameras online; 12 tags wait for the broker, which is away",
            ),
        ];
        for (states, counts, expected) in cases {
            assert_eq!(Summary::new(states.iter().copied(), &counts).to_string(), expected);
        }
    }
}
