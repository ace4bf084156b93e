//! Cameras: each is connected to, side by side, and its first frame is saved.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Area, Check, Verdict};
use crate::capture::{Probe, Seen, probe};
use crate::config::{Camera, Capture, Source};
use crate::name::Name;
use crate::picture::jpeg;
use crate::telemetry::Video;

/// How long a camera has for its first frame, beside the time for which its frames are counted.
const FIRST_FRAME: Duration = Duration::from_secs(12);
/// Of the pictures that are saved.
const JPEG_QUALITY: u8 = 90;

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
    /// Where its first frame was saved.
    pub picture: Option<PathBuf>,
}

impl Facts {
    /// What went wrong: names and counts, those that are not 0.
    pub fn faults(&self) -> Vec<(&'static str, u64)> {
        let Seen { damaged, before_key, time_jumps, format_changes, .. } = self.seen;
        [
            ("damaged", damaged),
            ("before_key", before_key),
            ("time_jumps", time_jumps),
            ("format_changes", format_changes),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .collect()
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Video { codec, size: (width, height), decoder, hardware } = &self.video;
        write!(f, "{codec} {width}x{height}")?;
        if let Some(decoder) = decoder {
            write!(f, " by {decoder} ({})", if *hardware { "hardware" } else { "software" })?;
        }
        match self.frame_rate {
            Some(rate) => write!(f, ", {rate:.1} frames per second")?,
            None => write!(f, ", one frame")?,
        }
        write!(f, ", the first after {} ms", self.first_frame_after.as_millis())?;
        for (fault, count) in self.faults() {
            write!(f, ", {} {count}", fault.replace('_', " "))?;
        }
        if let Some(picture) = &self.picture {
            write!(f, "; {}", picture.display())?;
        }
        Ok(())
    }
}

/// Looks at one camera and saves its first frame as JPEG where `picture` says.
///
/// # Errors
/// Why it gives no frames, or why the picture cannot be saved; in one line, without secrets.
pub fn look_at(
    camera: &Name,
    capture: &Capture,
    measure: Duration,
    picture: Option<&Path>,
) -> Result<Facts, String> {
    let found = probe(camera, capture, measure, FIRST_FRAME + measure).map_err(|error| error.to_string())?;
    let Probe { video, first_frame_after, first, frame_rate, seen, ended } = found;
    if let Some(path) = picture {
        let bytes = jpeg(&first, JPEG_QUALITY).map_err(|error| error.to_string())?;
        fs::write(path, bytes)
            .map_err(|error| format!("cannot write the picture {}: {error}", path.display()))?;
    }
    let picture = picture.map(Path::to_path_buf);
    Ok(Facts { video, first_frame_after, frame_rate, seen, ended, picture })
}

/// Looks at all of them side by side; each is told in its turn.
pub(super) fn look_at_all(
    cameras: &[Camera],
    pictures: &Path,
    measure: Duration,
    found: &mut dyn FnMut(Check),
) {
    std::thread::scope(|scope| {
        let looking: Vec<_> = cameras
            .iter()
            .map(|camera| {
                let look = move || check(camera, pictures, measure);
                std::thread::Builder::new().name(format!("doctor-{}", camera.name)).spawn_scoped(scope, look)
            })
            .collect();
        for (camera, looking) in cameras.iter().zip(looking) {
            let failed =
                |why: &str| Check::new(Area::Cameras, camera.name.to_string(), Verdict::Failure, why);
            found(match looking {
                Ok(looking) => looking.join().unwrap_or_else(|_| failed("the look at it has panicked")),
                Err(error) => failed(&format!("no thread for it is to be had: {error}")),
            });
        }
    });
}

fn check(camera: &Camera, pictures: &Path, measure: Duration) -> Check {
    let new =
        |verdict, text: &dyn fmt::Display| Check::new(Area::Cameras, camera.name.to_string(), verdict, text);
    let picture = pictures.join(format!("{}.jpg", camera.name));
    match look_at(&camera.name, &camera.capture, measure, Some(&picture)) {
        Err(why) => new(Verdict::Failure, &why).advise(advice(&camera.capture.source)),
        Ok(facts) => {
            let faults = !facts.faults().is_empty();
            let unverified = matches!(
                &camera.capture.source,
                Source::Rtsp { verify_tls: false, .. } | Source::Http { verify_tls: false, .. }
            );
            let verdict = if faults || unverified { Verdict::Warning } else { Verdict::Ok };
            let mut check = new(verdict, &facts);
            if faults {
                check = check.advise(
                    "frames come damaged or out of time: look at the network, or try transport = \"tcp\"",
                );
            } else if unverified {
                check = check.advise("verify_tls is false: anybody may be at the other end");
            }
            check.facts = Some(facts);
            check
        }
    }
}

fn advice(source: &Source) -> &'static str {
    match source {
        Source::Rtsp { .. } | Source::Http { .. } => {
            "check address, path, user and password, for instance with `spotter probe` and another address"
        }
        Source::V4l2 { .. } => {
            "check that the device is plugged in, nobody else uses it, and this user may open it"
        }
        Source::Libcamera { .. } => "check that libcamera knows the camera: `cam --list`",
        Source::File { .. } => "check that the file is there and this user may read it",
        Source::Pipeline { .. } => "try the fragment with `gst-launch-1.0 FRAGMENT ! decodebin ! fakesink`",
    }
}
