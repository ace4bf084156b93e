//! Times for the frames of a file that has none: pictures one after the other, as raw MJPEG and GIF are.
//!
//! Pure. Called for each decoded frame of a file, by [`super::flow`].

use std::time::Duration;

/// What becomes of a frame's time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// It is right.
    Kept,
    /// This takes its place.
    Made(Duration),
    /// There is none, and nothing says how many frames there are in a second.
    Missing,
}

/// The time stamps of a file's frames, in order.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    frames: u32,
    first: Duration,
    /// Whether frames have no time of their own.
    untimed: bool,
}

impl Stamps {
    /// The stamp of the next frame, which came with `given`. There are `rate` frames in a second, as far as anything says.
    ///
    /// Frames have no times when the second has none, or the second and third have that of the first.
    pub(super) fn next(&mut self, given: Option<Duration>, rate: Option<f64>) -> Stamp {
        let number = self.frames;
        self.frames = self.frames.saturating_add(1);
        if number == 0 {
            self.first = given.unwrap_or_default();
            return if given.is_some() { Stamp::Kept } else { Stamp::Made(Duration::ZERO) };
        }
        let has_time = given.is_some_and(|given| given != self.first);
        if number <= 2 {
            self.untimed = !has_time;
        }
        match (self.untimed, rate) {
            (false, _) => Stamp::Kept,
            (true, Some(rate)) => Stamp::Made(self.first + Duration::from_secs_f64(f64::from(number) / rate)),
            // The second frame of a file may be shown together with the first.
            (true, None) if number == 1 && given.is_some() => Stamp::Kept,
            (true, None) => Stamp::Missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(given_ms: &[Option<u64>], rate: Option<f64>) -> Vec<Stamp> {
        let mut stamps = Stamps::default();
        given_ms.iter().map(|given| stamps.next(given.map(Duration::from_millis), rate)).collect()
    }

    fn made(ms: u64) -> Stamp {
        Stamp::Made(Duration::from_millis(ms))
    }

    #[test]
    fn frames_without_a_time_are_counted() {
        let (kept, missing) = (Stamp::Kept, Stamp::Missing);
        let mjpeg = [Some(0), None, None, None];
        assert_eq!(run(&mjpeg, Some(10.0)), [kept, made(100), made(200), made(300)]);
        assert_eq!(run(&mjpeg, None), [kept, missing, missing, missing]);
        let gif = [Some(0), Some(0), Some(0), Some(0)];
        assert_eq!(run(&gif, Some(4.0)), [kept, made(250), made(500), made(750)]);
        assert_eq!(run(&gif, None), [kept, kept, missing, missing]);
        assert_eq!(run(&[None, None], Some(1.0)), [made(0), made(1000)]);
    }

    #[test]
    fn times_that_are_there_stay() {
        let kept = Stamp::Kept;
        for rate in [None, Some(25.0)] {
            assert_eq!(run(&[Some(7000), Some(7040), Some(7040), Some(7100)], rate), [kept; 4]);
            assert_eq!(run(&[Some(0)], rate), [kept]);
        }
        assert_eq!(run(&[Some(0), Some(0), Some(40), Some(80)], None), [kept; 4]);
        assert_eq!(run(&[Some(0), Some(0), Some(80), Some(120)], Some(25.0)), [kept, made(40), kept, kept]);
    }
}
