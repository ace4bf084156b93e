//! Lines of the log that could not be written.
//!
//! The command line counts them, [`crate::publish`] tells of them: the log itself cannot, for as long as it does not work.

use std::sync::{Mutex, PoisonError};

/// The lines of this process that are lost. Its log is one, so this is one as well.
pub static LOG: LogLosses = LogLosses(Mutex::new((0, String::new())));

/// How many lines of a log are lost, and why the last one is.
#[derive(Debug)]
pub struct LogLosses(Mutex<(u64, String)>);

impl LogLosses {
    /// One more line is lost.
    pub fn add(&self, why: &str) {
        let mut losses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        losses.0 += 1;
        why.clone_into(&mut losses.1);
    }

    /// Lines lost since the start, and why the last one is; nothing when none is.
    pub fn now(&self) -> Option<(u64, String)> {
        let losses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (losses.0 > 0).then(|| losses.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_counted_with_the_last_reason() {
        let losses = LogLosses(Mutex::default());
        assert_eq!(losses.now(), None);
        losses.add("broken pipe");
        losses.add("disk full");
        assert_eq!(losses.now(), Some((2, "disk full".to_owned())));
    }
}
