//! The keys of `[[camera]]` that say how frames are taken: where from, by what decoder, how many, what is blacked out.

use std::path::Path;
use std::time::Duration;

use super::credential::{self, Files, Secret};
use super::read::Section;
use super::{CameraUrl, Genicam, Source, Transport};
use super::{genicam, zones};
use crate::geometry::{Orientation, Polygon};

/// How a camera's frames are taken. Two cameras with the same value have pipelines that do the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    /// Where they come from.
    pub source: Source,
    /// How often an address over HTTP that gives a single picture is asked for the next; each second when absent.
    pub poll: Option<Duration>,
    /// What decodes them.
    pub decoder: Decoder,
    /// The most frames per second that are taken; all when absent. The others are dropped as soon as they are decoded.
    pub max_frame_rate: Option<f64>,
    /// Of an HLS stream's variants and of several videos in one stream the widest is taken that has at most so many pixels
    /// in a row, else the least wide one.
    pub max_width: u32,
    /// Whether only key frames are decoded: little work, and a frame as seldom as the camera makes key frames.
    pub key_frames_only: bool,
    /// How its picture is shown, after what a file says itself: `rotate`, then `flip`.
    pub orientation: Orientation,
    /// `[[camera.mask]]`: parts of the picture that are blacked out before anything sees a frame.
    pub masks: Vec<Polygon>,
    /// The same picture for so long is told as frozen; never when absent.
    pub frozen_after: Option<Duration>,
}

/// What decodes a camera's video.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Decoder {
    /// Hardware where there is some that works, by the elements' rank, else software.
    #[default]
    Auto,
    /// Hardware only.
    Hardware,
    /// Software only.
    Software,
    /// The GStreamer element of this name only.
    Element(String),
}

impl Decoder {
    /// Reads `auto`, `hardware`, `software` or the name of an element.
    ///
    /// # Errors
    /// When the text can be no element's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Decoder::Auto),
            "hardware" => Ok(Decoder::Hardware),
            "software" => Ok(Decoder::Software),
            element
                if !element.is_empty()
                    && element.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) =>
            {
                Ok(Decoder::Element(element.to_owned()))
            }
            other => Err(format!(
                "is \"{other}\"; allowed: \"auto\", \"hardware\", \"software\", or the name of a GStreamer element such \
                 as \"vah264dec\""
            )),
        }
    }
}

impl Capture {
    /// The same picture for so long is frozen unless the configuration says otherwise.
    pub const FROZEN_AFTER: Duration = Duration::from_secs(30);

    /// The widest picture that is taken where there are several, unless the configuration says otherwise.
    pub const MAX_WIDTH: u32 = 1920;

    /// Every frame of `source`, with the defaults for the rest.
    pub fn of(source: Source) -> Self {
        Capture {
            source,
            poll: None,
            decoder: Decoder::Auto,
            max_frame_rate: None,
            max_width: Capture::MAX_WIDTH,
            key_frames_only: false,
            orientation: Orientation::UPRIGHT,
            masks: Vec::new(),
            frozen_after: Some(Capture::FROZEN_AFTER),
        }
    }
}

/// Nothing when there is no source to take frames from, which is then noted.
pub(super) fn read(section: &mut Section<'_, '_, '_>, files: &Files<'_>, base: &Path) -> Option<Capture> {
    let source = source(section, files, base);
    let poll = section.number("poll_s", 0.05..=3600.0);
    if poll.is_some() && !matches!(source, None | Some(Source::Http { .. })) {
        section.problem("poll_s", "is only for an http:// or https:// source");
    }
    let poll = poll.map(Duration::from_secs_f64);
    let decoder = section.parsed("decoder", Decoder::parse).unwrap_or_default();
    let max_frame_rate = section.number("max_frame_rate", 0.01..=240.0);
    let max_width = section.integer("max_width", 16..=16_384).and_then(|width| u32::try_from(width).ok());
    let max_width = max_width.unwrap_or(Capture::MAX_WIDTH);
    let key_frames_only = section.boolean("key_frames_only").unwrap_or(false);
    let orientation = orientation(section);
    let masks = section.each("mask", zones::polygon);
    let frozen_after = match section.number("frozen_after_s", 0.0..=86_400.0) {
        None => Some(Capture::FROZEN_AFTER),
        Some(0.0) => None,
        Some(seconds) if seconds < 2.0 => {
            section.problem("frozen_after_s", "is below 2; give 0 for never");
            None
        }
        Some(seconds) => Some(Duration::from_secs_f64(seconds)),
    };
    let source = source?;
    Some(Capture {
        source,
        poll,
        decoder,
        max_frame_rate,
        max_width,
        key_frames_only,
        orientation,
        masks,
        frozen_after,
    })
}

fn orientation(section: &mut Section<'_, '_, '_>) -> Orientation {
    let rotated = match section.integer("rotate", 0..=270) {
        None | Some(0) => Orientation::UPRIGHT,
        Some(90) => Orientation::CLOCKWISE,
        Some(180) => Orientation::HALF_TURN,
        Some(270) => Orientation::COUNTERCLOCKWISE,
        Some(other) => {
            section.problem("rotate", format!("is {other}; allowed: 0, 90, 180, 270"));
            Orientation::UPRIGHT
        }
    };
    let flipped = section.parsed("flip", |text| match text {
        "none" => Ok(Orientation::UPRIGHT),
        "horizontal" => Ok(Orientation::MIRRORED),
        "vertical" => Ok(Orientation::UPSIDE_DOWN),
        other => Err(format!("is \"{other}\"; allowed: \"none\", \"horizontal\", \"vertical\"")),
    });
    rotated.then(flipped.unwrap_or_default())
}

fn source(section: &mut Section<'_, '_, '_>, files: &Files<'_>, base: &Path) -> Option<Source> {
    let text = section.parsed("source", |text| Source::parse(text, base));
    let fragment = section.parsed("pipeline", Source::fragment);
    match (section.has("source"), section.has("pipeline")) {
        (false, false) => section.problem("source", "is missing; give source or pipeline"),
        (true, true) => section.problem("pipeline", "stands beside source; give one of the two"),
        _ => {}
    }
    if fragment.as_deref().is_some_and(|text| text.trim().is_empty()) {
        section.problem("pipeline", "is empty");
    }
    let repeat = section.boolean("loop");
    let frame_rate = section.number("frame_rate", 0.1..=1000.0);
    let transport = section.parsed("transport", |text| match text {
        "tcp" => Ok(Transport::Tcp),
        "udp" => Ok(Transport::Udp),
        other => Err(format!("is \"{other}\"; allowed: \"tcp\", \"udp\"")),
    });
    let verify_tls = section.boolean("verify_tls");
    let login = credential::login(section, files);
    let has_genicam = section.has("genicam");
    let mut settings = Genicam::default();
    genicam::read(section.child("genicam"), &mut settings);
    let mut source = text.or(fragment.map(|fragment| Source::Pipeline { fragment }))?;
    // A key that the source has no use for is a misunderstanding.
    let mut only = |key: &'static str, is_given: bool, what: &str, fits: bool| {
        if is_given && !fits {
            section.problem(key, format!("is only for {what}"));
        }
    };
    let is_file = matches!(source, Source::File { .. });
    let is_rtsp = matches!(source, Source::Rtsp { .. });
    let is_tls = source.url().is_some_and(CameraUrl::is_encrypted);
    only("loop", repeat.is_some(), "a source that is a file", is_file);
    only("frame_rate", frame_rate.is_some(), "a source that is a file", is_file);
    only("transport", transport.is_some(), "an rtsp:// source", is_rtsp);
    only("verify_tls", verify_tls.is_some(), "an rtsps:// or https:// source", is_tls);
    only("genicam", has_genicam, "a genicam: source", matches!(source, Source::Genicam(_)));
    only("username", login.is_some(), "an rtsp:// or http:// source", source.url().is_some());
    match &mut source {
        Source::File { repeat: repeats, frame_rate: rate, .. } => {
            *repeats = repeat.unwrap_or(false);
            *rate = frame_rate;
        }
        Source::Rtsp { url, transport: way, verify_tls: verify } => {
            *way = transport.unwrap_or_default();
            *verify = verify_tls.unwrap_or(true);
            log_in(section, url, login);
        }
        Source::Http { url, verify_tls: verify } => {
            *verify = verify_tls.unwrap_or(true);
            log_in(section, url, login);
        }
        Source::Genicam(camera) => *camera = Genicam { camera: camera.camera.take(), ..settings },
        Source::V4l2 { .. } | Source::Libcamera { .. } | Source::Pipeline { .. } => {}
    }
    Some(source)
}

fn log_in(section: &mut Section<'_, '_, '_>, url: &mut CameraUrl, login: Option<(String, Secret)>) {
    if section.has("username") && url.has_login() {
        section.problem("username", "stands beside a login in the source; give one of the two");
    }
    if let Some((username, password)) = login {
        url.log_in(&username, password.reveal());
    }
}
