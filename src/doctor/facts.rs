//! What a camera gave while it was looked at, and whether it went on.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::kind;
use crate::capture::{Probe, Seen};
use crate::config::{Capture, Source};
use crate::telemetry::Video;

/// What a camera gave while it was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What comes and what decodes it.
    pub video: Video,
    /// From the start of the pipeline to its first frame.
    pub first_frame_after: Duration,
    /// Frames per second; nothing when one frame came.
    pub frame_rate: Option<f64>,
    /// What was counted.
    pub seen: Seen,
    /// Whether the source ended meanwhile.
    pub ended: bool,
    /// How its frames ceased to come, when they did.
    pub halt: Option<Halt>,
    /// Where its first frame was saved.
    pub picture: Option<PathBuf>,
}

/// How the frames of a camera ceased to come while it was looked at. A file may end, or have its frames far apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// The stream ended, which that of a camera does not.
    Ended,
    /// Nothing came any more, for so long.
    Silent(Duration),
    /// Only key frames are decoded, and for so long none came after the first: they may be further apart than that.
    OneKeyFrame(Duration),
}

impl Halt {
    pub(super) fn of(capture: &Capture, found: &Probe) -> Option<Halt> {
        if matches!(capture.source, Source::File { .. }) {
            return None;
        }
        if found.ended {
            return Some(Halt::Ended);
        }
        let is_one_key_frame = capture.key_frames_only && found.frame_rate.is_none();
        found.silent.map(if is_one_key_frame { Halt::OneKeyFrame } else { Halt::Silent })
    }

    /// Whether it is no camera to work with.
    pub fn is_failure(self) -> bool {
        !matches!(self, Halt::OneKeyFrame(_))
    }

    /// What to do about it.
    pub(super) fn advice(self, source: &Source) -> &'static str {
        match (self, source) {
            (Halt::OneKeyFrame(_), _) => {
                "with key_frames_only, let the camera send a key frame every 1 or 2 seconds, or look for longer with \
                 --seconds 30"
            }
            (Halt::Ended, Source::Http { .. }) => {
                "the stream of a camera does not end: give the address of its video, not of a picture or a clip"
            }
            (Halt::Ended, Source::Pipeline { .. }) => {
                "the stream of a camera does not end: see what ends the fragment, such as num-buffers"
            }
            (Halt::Ended, _) => {
                "the stream of a camera does not end: look at the camera, and at how many it lets watch"
            }
            (Halt::Silent(_), Source::V4l2 { .. } | Source::Libcamera { .. } | Source::Genicam(_)) => {
                "frames cease to come: look at the camera's cable and where it is plugged in"
            }
            (Halt::Silent(_), _) => {
                "frames cease to come: look at the camera, its network, and at how many it lets watch"
            }
        }
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Halt::Ended => write!(f, "the stream ended"),
            Halt::Silent(silent) | Halt::OneKeyFrame(silent) => {
                write!(f, "no further frame for {} s", silent.as_secs())
            }
        }
    }
}

impl Facts {
    /// What went wrong: names and counts, those that are not 0. Frames before the first key frame are no fault: whoever
    /// joins a stream comes between two key frames.
    pub fn faults(&self) -> Vec<(&'static str, u64)> {
        let Seen { damaged, time_jumps, format_changes, incomplete, .. } = self.seen;
        let faults = [
            ("damaged", damaged),
            ("time_jumps", time_jumps),
            ("format_changes", format_changes),
            ("incomplete", incomplete),
        ];
        faults.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// The same in words, such as `time jumps 2`.
    pub fn fault_words(&self) -> impl Iterator<Item = String> {
        self.faults().into_iter().map(|(fault, count)| format!("{} {count}", fault.replace('_', " ")))
    }

    /// What decodes and with what, such as `avdec_h264 (software)`; nothing for raw video.
    pub fn decoder(&self) -> Option<String> {
        let Video { decoder, hardware, .. } = &self.video;
        decoder.as_ref().map(|decoder| format!("{decoder} ({})", kind(*hardware)))
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Video { codec, size: (width, height), .. } = &self.video;
        write!(f, "{codec} {width}x{height}")?;
        if let Some(decoder) = self.decoder() {
            write!(f, " by {decoder}")?;
        }
        match self.frame_rate {
            Some(rate) => write!(f, ", {rate:.1} frames per second")?,
            None => write!(f, ", one frame")?,
        }
        write!(f, ", the first after {} ms", self.first_frame_after.as_millis())?;
        match self.halt {
            Some(halt) => write!(f, ", then {halt}")?,
            None if self.ended => write!(f, ", then the file ended")?,
            None => {}
        }
        for fault in self.fault_words() {
            write!(f, ", {fault}")?;
        }
        if let Some(picture) = &self.picture {
            write!(f, "; {}", picture.display())?;
        }
        Ok(())
    }
}
