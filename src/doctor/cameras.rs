//! Cameras: each is connected to, side by side, and its first frame is saved.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::facts::{Facts, Halt};
use super::{Area, Check, Found, Verdict};
use crate::capture::{CaptureError, Probe, probe};
use crate::config::{Camera, Capture, Source, Transport};
use crate::name::Name;
use crate::picture::jpeg;

/// Of the pictures that are saved.
const JPEG_QUALITY: u8 = 90;

/// Why a camera could not be looked at; in one line, without secrets.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// It gives no frames.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// It does, but the first one cannot be saved.
    #[error("{0}")]
    Picture(String),
}

/// Looks at one camera and saves its first frame as JPEG where `picture` says.
///
/// # Errors
/// When it gives no frames, or the picture cannot be saved.
pub fn look_at(
    camera: &Name,
    capture: &Capture,
    measure: Duration,
    picture: Option<&Path>,
) -> Result<Facts, LookError> {
    let found = probe(camera, capture, measure)?;
    let halt = Halt::of(capture, &found);
    let Probe { video, first_frame_after, first, frame_rate, seen, ended, .. } = found;
    if let Some(path) = picture {
        let bytes = jpeg(&first, JPEG_QUALITY).map_err(|error| LookError::Picture(error.to_string()))?;
        fs::write(path, bytes).map_err(|error| {
            LookError::Picture(format!("cannot write the picture {}: {error}", path.display()))
        })?;
    }
    let picture = picture.map(Path::to_path_buf);
    Ok(Facts { video, first_frame_after, frame_rate, seen, ended, halt, picture })
}

/// How cameras are looked at.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    /// Where pictures go.
    pub(super) pictures: &'a Path,
    /// How long frames are counted.
    pub(super) measure: Duration,
    /// Whether a daemon runs here, which may use a device.
    pub(super) daemon_runs: &'a (dyn Fn() -> bool + Sync),
}

impl Look<'_> {
    /// Looks at all of them side by side; each is told in its turn, while those after it are still looked at.
    pub(super) fn at_all(self, cameras: &[Camera], found: Found<'_>) {
        each_in_turn(cameras, &|camera| self.at(camera), found);
    }

    fn at(self, camera: &Camera) -> Check {
        let picture = self.pictures.join(format!("{}.jpg", camera.name));
        match look_at(&camera.name, &camera.capture, self.measure, Some(&picture)) {
            Ok(facts) => seen(&camera.name, &camera.capture.source, facts),
            Err(error) => unseen(&camera.name, &camera.capture.source, &error, self.daemon_runs),
        }
    }
}

fn each_in_turn(cameras: &[Camera], look: &(dyn Fn(&Camera) -> Check + Sync), found: Found<'_>) {
    std::thread::scope(|scope| {
        let looking: Vec<_> = cameras
            .iter()
            .map(|camera| {
                let name = format!("doctor-{}", camera.name);
                std::thread::Builder::new().name(name).spawn_scoped(scope, move || look(camera))
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

/// Of a camera that gave frames.
fn seen(camera: &Name, source: &Source, facts: Facts) -> Check {
    let mut advice: Vec<_> = facts.halt.iter().map(|halt| halt.advice(source)).collect();
    if facts.seen.damaged > 0 {
        advice.push(match source {
            Source::Rtsp { transport: Transport::Udp, .. } => {
                "frames come damaged: set transport = \"tcp\", or look at the network"
            }
            Source::Rtsp { .. } | Source::Http { .. } => {
                "frames come damaged: look at the network and its cables, or set a lower bit rate at the camera"
            }
            Source::V4l2 { .. } | Source::Libcamera { .. } | Source::Genicam(_) => {
                "frames come damaged: look at the camera's cable and where it is plugged in"
            }
            Source::File { .. } => "frames are damaged: record the file anew",
            Source::Pipeline { .. } => "frames come damaged: look at the network or the cable to the camera",
        });
    }
    if facts.seen.incomplete > 0 {
        advice.push(
            "frames come in part: set packet_size = \"auto\", give the receive buffer more room (net.core.rmem_default), or \
             lower frame_rate",
        );
    }
    if facts.seen.time_jumps > 0 {
        advice.push(match source {
            Source::File { .. } => "its time stamps jump: record the file anew",
            _ => "its time stamps jump: look at the camera's clock, and give it a time server",
        });
    }
    if let Source::Rtsp { verify_tls: false, .. } | Source::Http { verify_tls: false, .. } = source {
        advice.push("verify_tls is false: anybody may be at the other end");
    }
    let verdict = match facts.halt {
        Some(halt) if halt.is_failure() => Verdict::Failure,
        _ if advice.is_empty() => Verdict::Ok,
        _ => Verdict::Warning,
    };
    let check = Check::new(Area::Cameras, camera.to_string(), verdict, &facts);
    let check = if advice.is_empty() { check } else { check.advise(advice.join("; ")) };
    Check { facts: Some(facts), ..check }
}

/// Of a camera that gave none.
fn unseen(camera: &Name, source: &Source, error: &LookError, daemon_runs: &dyn Fn() -> bool) -> Check {
    let new = |verdict, text: String| Check::new(Area::Cameras, camera.to_string(), verdict, text);
    let is_busy = matches!(error, LookError::Capture(CaptureError::Busy { .. }));
    if is_busy && daemon_runs() {
        return new(Verdict::Skipped, format!("{error}; the daemon that runs here uses it"))
            .advise("see its status: if it is not online there, something else uses the camera");
    }
    new(Verdict::Failure, error.to_string()).advise(match (source, error) {
        (_, LookError::Picture(_)) => "name a folder that this user may write with --pictures",
        (Source::Genicam(_), _) if is_busy => {
            "stop what controls it, on this machine or another; a camera lets go of a program that ended within some seconds"
        }
        _ if is_busy => {
            "stop what uses it, such as a daemon that this user may not see; `fuser -v /dev/video*` as root shows it"
        }
        (Source::Rtsp { .. } | Source::Http { .. }, _) => {
            "check address, path, user and password, for instance with `spotter probe` and another address"
        }
        (Source::V4l2 { .. }, _) => {
            "check that the device is plugged in, that nothing else uses it, such as a daemon, and that this user may \
             open it"
        }
        (Source::Libcamera { .. }, _) => {
            "check that libcamera knows the camera (`cam --list`), and that nothing else uses it, such as a daemon"
        }
        (Source::Genicam(_), _) => {
            "see what answers with `spotter discover`; check the camera's power and cable, that it is in this machine's \
             network, and that the firewall lets UDP from it in"
        }
        (Source::File { .. }, _) => "check that the file is there and this user may read it",
        (Source::Pipeline { .. }, _) => {
            "try the fragment with `gst-launch-1.0 FRAGMENT ! decodebin ! fakesink`"
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::capture::Seen;
    use crate::config::Config;
    use crate::telemetry::Video;

    fn source(text: &str, transport: Transport) -> Source {
        let mut source = Source::parse(text, Path::new("")).unwrap();
        if let Source::Rtsp { transport: used, .. } = &mut source {
            *used = transport;
        }
        source
    }

    fn facts(counted: Seen, halt: Option<Halt>) -> Facts {
        let video = Video { codec: "h264".to_owned(), size: (320, 240), decoder: None, hardware: false };
        let first_frame_after = Duration::from_millis(300);
        let ended = halt == Some(Halt::Ended);
        let (frame_rate, picture) = (Some(10.0), None);
        Facts { video, first_frame_after, frame_rate, seen: counted, ended, halt, picture }
    }

    fn check(source: &Source, counted: Seen) -> Check {
        seen(&Name::new("gate").unwrap(), source, facts(counted, None))
    }

    #[test]
    fn a_stream_that_is_joined_between_key_frames_is_well() {
        let camera = source("rtsp://cam/1", Transport::Udp);
        let check = check(&camera, Seen { given: 30, before_key: 12, ..Seen::default() });
        assert_eq!((check.verdict, &check.advice), (Verdict::Ok, &None), "{check:?}");
        assert_eq!(check.facts.unwrap().faults(), []);
    }

    #[test]
    fn faults_of_a_camera_are_warnings_with_advice_for_its_source() {
        let (damaged, jumps) =
            (Seen { damaged: 2, ..Seen::default() }, Seen { time_jumps: 1, ..Seen::default() });
        let both = Seen { damaged: 1, time_jumps: 1, ..Seen::default() };
        for (text, transport, counted, expected) in [
            ("rtsp://cam/1", Transport::Udp, damaged, "frames come damaged: set transport = \"tcp\""),
            (
                "rtsp://cam/1",
                Transport::Tcp,
                damaged,
                "frames come damaged: look at the network and its cables",
            ),
            (
                "http://cam/1",
                Transport::Tcp,
                damaged,
                "frames come damaged: look at the network and its cables",
            ),
            ("/dev/video0", Transport::Tcp, damaged, "frames come damaged: look at the camera's cable"),
            ("rtsp://cam/1", Transport::Udp, jumps, "its time stamps jump: look at the camera's clock"),
            (
                "rtsp://cam/1",
                Transport::Udp,
                both,
                "frames come damaged: set transport = \"tcp\", or look at the \
             network; its time stamps jump: look at the camera's clock",
            ),
        ] {
            let check = check(&source(text, transport), counted);
            assert_eq!(check.verdict, Verdict::Warning, "{check:?}");
            assert!(check.advice.as_ref().unwrap().starts_with(expected), "{check:?}");
        }
    }

    #[test]
    fn a_stream_that_does_not_go_on_is_no_camera_to_work_with() {
        let silent = Halt::Silent(Duration::from_secs(6));
        let one = Halt::OneKeyFrame(Duration::from_secs(15));
        let start = "h264 320x240, 10.0 frames per second, the first after 300 ms, then";
        for (text, halt, verdict, told, advice) in [
            (
                "rtsp://cam/1",
                Halt::Ended,
                Verdict::Failure,
                "the stream ended",
                "the stream of a camera does",
            ),
            ("rtsp://cam/1", silent, Verdict::Failure, "no further frame for 6 s", "frames cease to come"),
            ("rtsp://cam/1", one, Verdict::Warning, "no further frame for 15 s", "with key_frames_only, let"),
        ] {
            let counted = Seen { damaged: 2, ..Seen::default() };
            let check =
                seen(&Name::new("gate").unwrap(), &source(text, Transport::Tcp), facts(counted, Some(halt)));
            assert_eq!(check.verdict, verdict, "{check:?}");
            assert_eq!(check.text, format!("{start} {told}, damaged 2"));
            let advised = check.advice.unwrap();
            assert!(advised.starts_with(advice) && advised.contains("; frames come damaged"), "{advised}");
        }
    }

    #[test]
    fn a_device_that_the_daemon_uses_is_skipped() {
        let camera = Name::new("door").unwrap();
        let text = || "/dev/video0".to_owned();
        let busy = LookError::from(CaptureError::Busy { source_name: text(), reason: "is busy".to_owned() });
        let gone =
            LookError::from(CaptureError::Failed { source_name: text(), reason: "no device".to_owned() });
        let device = source("/dev/video0", Transport::Tcp);
        for (error, runs, verdict, advice) in [
            (&busy, true, Verdict::Skipped, "see its status"),
            (&busy, false, Verdict::Failure, "stop what uses it, such as a daemon"),
            (&gone, true, Verdict::Failure, "check that the device is plugged in"),
        ] {
            let check = unseen(&camera, &device, error, &|| runs);
            assert_eq!(check.verdict, verdict, "{check:?}");
            assert!(check.advice.as_ref().unwrap().starts_with(advice), "{check:?}");
        }
    }

    #[test]
    fn a_camera_is_told_while_others_are_looked_at() {
        let text = "[node]\nname = \"a\"\n[mqtt]\nbroker = \"mqtt://b\"\n[[camera]]\nname = \"quick\"\nsource = \"rtsp://c\"\n\
                    [[camera]]\nname = \"slow\"\nsource = \"rtsp://d\"\n";
        let cameras = Config::parse(text, Path::new("")).unwrap().cameras;
        let (told, hear) = std::sync::mpsc::sync_channel(2);
        let hear = Mutex::new(hear);
        // The slow one is done when the quick one has been told.
        let look = |camera: &Camera| {
            let text = match camera.name.as_str() {
                "slow" => hear.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap_or("nobody"),
                _ => "at once",
            };
            Check::new(Area::Cameras, camera.name.to_string(), Verdict::Ok, text)
        };
        let mut found = Vec::new();
        each_in_turn(&cameras, &look, &mut |check| {
            told.send("told").unwrap();
            found.push((check.name, check.text));
        });
        let expected = [("quick", "at once"), ("slow", "told")];
        assert_eq!(found, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }
}
