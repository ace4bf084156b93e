//! `spotter replay`: a file, every frame, as fast as possible.

mod outputs;
mod progress;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::CommandFactory;
use clap::error::ErrorKind;
use sha2::{Digest, Sha256};
use spotter::activity::Share;
use spotter::capture::{Stream, Timing, missing_bytes};
use spotter::clock::Timestamp;
use spotter::config::{self, Activities, Capture, Config, Objects, Source};
use spotter::daemon::open_recognizer;
use spotter::frame::Frame;
use spotter::name::Name;
use spotter::picture;
use spotter::publish::Sequencer;
use spotter::recognize::Recognizer;
use spotter::tag::{Body, Phase, Tag};
use uuid::Uuid;

use super::footage::{configured, ensure_utf8, next};
use super::log::complain;
use super::output::say;
use super::{Outcome, ranges, run::refuse};
use outputs::{BestView, TagFile, TrackFile};
use progress::Progress;

/// A file that ends this much before the length it states was cut short, unless its frames are that slow.
const CUT_SHORT: Duration = Duration::from_secs(1);

/// Recognises every frame of a video file, as fast as possible.
///
/// Nothing is dropped and nothing is sent. Time is simulated: the file starts at 1970-01-01T00:00:00Z unless `--start`
/// says otherwise, so the same file and settings give the same bytes on every run. Exits with 1 when the file cannot be
/// read or was cut short; what was found up to there is written all the same.
#[derive(clap::Args)]
pub struct Arguments {
    /// The video file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the tags, one JSON object per line, as a subscriber would receive them. `-` is standard output, to which
    /// nothing else is written then.
    #[arg(long, value_name = "FILE")]
    tags: Option<PathBuf>,
    /// Write the tracks in MOTChallenge format: frame,id,left,top,width,height,score,-1,-1,-1, in pixels, frames from 1.
    /// A track's boxes begin when it was first seen, before it was confirmed. `-` is standard output.
    #[arg(long, value_name = "FILE")]
    tracks: Option<PathBuf>,
    /// Draw the tracks on a frame: the one at `--picture-at`, or else the one with the most tracks. JPEG or PNG.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Moment of the picture, in seconds from the start of the recording.
    #[arg(long, value_name = "SECONDS", requires = "picture", value_parser = ranges::number(0.0..=1e6))]
    picture_at: Option<f64>,
    /// Capture time of the file's first moment, RFC 3339.
    #[arg(long, value_name = "TIME", default_value_t = Timestamp::EPOCH)]
    start: Timestamp,
    /// Frames per second that the file was recorded at, from 0.1 to 1000, when that is not what it states, or when its
    /// frames have no times, as those of raw MJPEG. Default: what
    /// it states, or the configuration's `frame_rate` when the camera plays this very file.
    #[arg(long, value_name = "N", value_parser = ranges::number(0.1..=1000.0))]
    frame_rate: Option<f64>,
    /// Take models and runtime from this configuration, and objects, activities, zones and lines from the camera that
    /// `--camera` names.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The camera's name in tags; with `--config`, the camera whose settings count (default: the first, or `replay`).
    #[arg(long, value_name = "NAME")]
    camera: Option<Name>,
    /// Only these labels, separated by commas (default: the configuration's, or else those that the model's
    /// package reports).
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    labels: Option<Vec<String>>,
    /// Recognise objects only.
    #[arg(long)]
    no_activities: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let to_stdout = |output: &Option<PathBuf>| output.as_deref().is_some_and(outputs::is_stdout);
    let (tags_to_stdout, tracks_to_stdout) = (to_stdout(&arguments.tags), to_stdout(&arguments.tracks));
    if tags_to_stdout && tracks_to_stdout {
        let text = "--tags - and --tracks - would be mixed on standard output; give one of them a file";
        super::Arguments::command().error(ErrorKind::ArgumentConflict, text).exit();
    }
    ensure_utf8(&arguments.file)?;
    // The text may hold a login, and is not repeated.
    let is_address = arguments.file.to_str().is_some_and(|file| file.contains("://"));
    anyhow::ensure!(
        !is_address,
        "replay takes a recorded file, not an address; `spotter probe` looks at a camera"
    );
    let config = match arguments.config.as_deref().map(Config::load).transpose() {
        Ok(config) => config,
        Err(error) => return Ok(refuse(arguments.config.as_deref().unwrap_or(Path::new("")), &error)),
    };
    let (node, runtime, models) = match &config {
        Some(config) => (config.node.clone(), config.runtime.clone(), config.models.clone()),
        None => (Name::new("replay")?, config::Runtime::default(), config::Models::default()),
    };
    let camera = camera(arguments, config.as_ref())?;
    let mut stream = Stream::open(camera.name.clone(), &camera.capture, Timing::Simulated(arguments.start))?;
    let first = next(&mut stream)?;
    if let Some(path) = &arguments.picture {
        picture::reserve(path)?;
    }
    let recognizer = open_recognizer(&runtime, &models, std::slice::from_ref(&camera), Share::Unlimited)?;

    let mut replay = Replay {
        tags: arguments.tags.as_deref().map(TagFile::create).transpose()?,
        tracks: arguments.tracks.as_deref().map(TrackFile::create).transpose()?,
        view: arguments.picture.as_ref().map(|_| BestView::new(arguments.start, arguments.picture_at)),
        sequencer: Sequencer::new(node, boot(&arguments.file)),
        recognizer,
        counts: Counts::default(),
    };
    let progress = Progress::start(stream.duration());
    let read = replay.go_through(&mut stream, first, arguments.start, &progress);
    let took = progress.finish();
    replay.finish(arguments.picture.as_deref())?;
    let Counts { frames, tags, tracks, poses, end } = replay.counts;
    let summary = format!(
        "{frames} frames in {:.1} s, {:.1} frames per second; {tracks} tracks, {poses} poses, {tags} tags",
        took.as_secs_f64(),
        frames as f64 / took.as_secs_f64(),
    );
    if tags_to_stdout || tracks_to_stdout {
        complain!("{summary}");
    } else {
        say!("{summary}")?;
    }
    read?;
    cut_short(&arguments.file, stream.duration(), &end.times(arguments.start))
}

/// The camera that the file plays, with the settings that count.
fn camera(arguments: &Arguments, config: Option<&Config>) -> anyhow::Result<config::Camera> {
    let configured = configured(config, arguments.camera.as_ref())?;
    let name = match (&arguments.camera, configured) {
        (Some(name), _) => name.clone(),
        (None, Some(camera)) => camera.name.clone(),
        (None, None) => Name::new("replay")?,
    };
    let mut objects = configured.map_or_else(Objects::default, |camera| camera.objects.clone());
    if arguments.labels.is_some() {
        objects.labels.clone_from(&arguments.labels);
    }
    let path = arguments.file.clone();
    let frame_rate = arguments
        .frame_rate
        .or_else(|| configured.and_then(|camera| frame_rate_of(&path, &camera.capture.source)));
    let mut activities = configured.map_or_else(Activities::default, |camera| camera.activities.clone());
    activities.enabled &= !arguments.no_activities;
    let (zones, lines) =
        configured.map(|camera| (camera.zones.clone(), camera.lines.clone())).unwrap_or_default();
    let source = Source::File { path, repeat: false, frame_rate };
    // Its masks hold here as well.
    let capture = match configured {
        Some(camera) => Capture { source, ..camera.capture.clone() },
        None => Capture::of(source),
    };
    Ok(config::Camera { name, capture, objects, activities, tracks: false, zones, lines })
}

/// The frame rate that `source` gives for the file at `path`; nothing when it is about another one.
fn frame_rate_of(path: &Path, source: &Source) -> Option<f64> {
    match source {
        Source::File { path: configured, frame_rate, .. } => {
            let same = configured.canonicalize().ok()? == path.canonicalize().ok()?;
            frame_rate.filter(|_| same)
        }
        _ => None,
    }
}

/// A boot id that is the same for the same file name: a replay is no boot, and two of them must not differ.
fn boot(file: &Path) -> Uuid {
    let name = file.file_name().unwrap_or_default();
    let digest = Sha256::digest(name.as_encoded_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[derive(Default)]
struct Counts {
    frames: u64,
    tags: u64,
    tracks: u64,
    poses: u64,
    end: LastFrames,
}

/// Capture times of the last frames, in order.
#[derive(Default)]
struct LastFrames(VecDeque<Timestamp>);

impl LastFrames {
    /// So many show how slow a file is.
    const MOST: usize = 10;

    fn add(&mut self, at: Timestamp) {
        if self.0.len() == Self::MOST {
            self.0.pop_front();
        }
        self.0.push_back(at);
    }

    /// Since the file's `start`.
    fn times(&self, start: Timestamp) -> Vec<Duration> {
        self.0.iter().map(|at| at.since(start)).collect()
    }
}

struct Replay {
    recognizer: Recognizer,
    sequencer: Sequencer,
    tags: Option<TagFile>,
    tracks: Option<TrackFile>,
    view: Option<BestView>,
    counts: Counts,
}

impl Replay {
    fn go_through(
        &mut self,
        stream: &mut Stream,
        first: Option<Frame>,
        start: Timestamp,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let mut frame = first;
        while let Some(current) = frame {
            let recognized = self.recognizer.recognize(0, &current)?;
            self.counts.poses += recognized.poses;
            self.write(&recognized.tags)?;
            let tracker = self.recognizer.tracker(0);
            if let Some(tracks) = &mut self.tracks {
                tracks.add(&current, tracker);
            }
            if let Some(view) = &mut self.view {
                view.consider(&current, &self.recognizer);
            }
            self.counts.frames += 1;
            self.counts.end.add(current.at);
            progress.at(current.at.since(start), self.counts.frames);
            frame = next(stream)?;
        }
        Ok(())
    }

    /// Ends every track and writes what comes at the end.
    fn finish(&mut self, picture: Option<&Path>) -> anyhow::Result<()> {
        let ends = self.recognizer.cut(0).tags;
        self.write(&ends)?;
        if let Some(tags) = self.tags.take() {
            tags.finish()?;
        }
        if let Some(tracks) = self.tracks.take() {
            tracks.finish()?;
        }
        if let (Some(path), Some(view)) = (picture, &self.view) {
            view.draw(path)?;
        }
        Ok(())
    }

    fn write(&mut self, tags: &[Tag]) -> anyhow::Result<()> {
        for tag in tags {
            self.counts.tags += 1;
            let is_object = matches!(tag.body, Body::Object(_));
            self.counts.tracks += u64::from(is_object && tag.phase == Phase::Start);
            let message = self.sequencer.message(tag);
            if let Some(file) = &mut self.tags {
                file.add(message)?;
            }
        }
        Ok(())
    }
}

/// Whether the file ended where it says that it ends, with its last frames at these times.
fn cut_short(file: &Path, stated: Option<Duration>, last: &[Duration]) -> anyhow::Result<Outcome> {
    let reached = last.last().copied().unwrap_or_default().as_secs_f64();
    if let Some(missing) = missing_bytes(file) {
        anyhow::bail!("{} was cut short after {reached:.1} s: {missing} bytes are missing", file.display());
    }
    match stated {
        Some(stated) if ends_before(stated, last) => anyhow::bail!(
            "{} was cut short: it states {:.1} s of video and ends after {reached:.1} s",
            file.display(),
            stated.as_secs_f64(),
        ),
        _ => Ok(Outcome::Done),
    }
}

/// Whether frames are missing between the last ones and `stated`. The last frame is shown for as long as the others,
/// and a length that is stated may count one more.
fn ends_before(stated: Duration, last: &[Duration]) -> bool {
    let Some(&reached) = last.last() else { return false };
    // A single frame may be shown for any time.
    let Some(longest) = last.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max() else {
        return false;
    };
    reached + CUT_SHORT.max(2 * longest) < stated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_file_is_not_cut_short() {
        // What the file states, when its last frames begin, all in milliseconds, and whether it was cut short.
        for (stated, last, cut) in [
            (20_000, &[19_700, 19_800, 19_900][..], false),
            (20_000, &[18_800, 18_900], true),
            (20_000, &[19_000, 19_000], false),
            (20_000, &[14_000, 16_000, 18_000], false),
            (20_000, &[12_000, 14_000], true),
            (20_000, &[12_000, 16_000, 16_100], false),
            (20_000, &[0], false),
            (20_000, &[], false),
        ] {
            let times: Vec<Duration> = last.iter().map(|&ms| Duration::from_millis(ms)).collect();
            assert_eq!(ends_before(Duration::from_millis(stated), &times), cut, "{stated}: {last:?}");
        }
    }
}
