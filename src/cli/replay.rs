//! `spotter replay`: a file, every frame, as fast as possible.

mod outputs;
mod progress;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sha2::{Digest, Sha256};
use spotter::capture::{Next, Stream, Timing, missing_bytes};
use spotter::clock::Timestamp;
use spotter::config::{self, Config, Objects, Source};
use spotter::daemon::open_detector;
use spotter::name::Name;
use spotter::picture;
use spotter::publish::Sequencer;
use spotter::recognize::Recognizer;
use uuid::Uuid;

use super::{Outcome, run::refuse};
use outputs::{BestView, TagFile, TrackFile};
use progress::Progress;

/// How long a file may give no frame before it counts as hanging.
const SILENCE: Duration = Duration::from_secs(30);
/// A file that ends this much before the length it states was cut short.
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
    /// Write the tags, one JSON object per line, as a subscriber would receive them.
    #[arg(long, value_name = "FILE")]
    tags: Option<PathBuf>,
    /// Write the tracks in MOTChallenge format: frame,id,left,top,width,height,score,-1,-1,-1, in pixels, frames from 1.
    /// A track's boxes begin when it was first seen, before it was confirmed.
    #[arg(long, value_name = "FILE")]
    tracks: Option<PathBuf>,
    /// Draw the tracks on a frame: the one at `--picture-at`, or else the one with the most tracks. JPEG or PNG.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Moment of the picture, in seconds from the start of the file.
    #[arg(long, value_name = "SECONDS", requires = "picture")]
    picture_at: Option<f64>,
    /// Capture time of the file's first moment, RFC 3339.
    #[arg(long, value_name = "TIME", default_value_t = Timestamp::EPOCH)]
    start: Timestamp,
    /// Take models and runtime from this configuration, and objects from the camera that `--camera` names.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The camera's name in tags; with `--config`, the camera whose settings count (default: the first, or `replay`).
    #[arg(long, value_name = "NAME")]
    camera: Option<Name>,
    /// Only these labels, separated by commas (default: every label, or the configuration's).
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    labels: Option<Vec<String>>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = match arguments.config.as_deref().map(Config::load).transpose() {
        Ok(config) => config,
        Err(error) => return Ok(refuse(arguments.config.as_deref().unwrap_or(Path::new("")), &error)),
    };
    let (node, runtime, models) = match &config {
        Some(config) => (config.node.clone(), config.runtime.clone(), config.models.clone()),
        None => (Name::new("replay")?, config::Runtime::default(), config::Models::default()),
    };
    let camera = camera(arguments, config.as_ref())?;
    let mut stream = Stream::open(camera.name.clone(), &camera.source, Timing::Simulated(arguments.start))?;
    let first = next(&mut stream)?;
    if let Some(path) = &arguments.picture {
        picture::reserve(path)?;
    }
    let detector = open_detector(&runtime, &models)?;
    let recognizer = Recognizer::new(detector, std::slice::from_ref(&camera))?;

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
    let Counts { frames, tags, tracks, last } = replay.counts;
    println!(
        "{frames} frames in {:.1} s, {:.1} frames per second; {tracks} tracks, {tags} tags",
        took.as_secs_f64(),
        frames as f64 / took.as_secs_f64(),
    );
    read?;
    cut_short(&arguments.file, stream.duration(), last.map(|at| at.since(arguments.start)))
}

/// The camera that the file plays, with the settings that count.
fn camera(arguments: &Arguments, config: Option<&Config>) -> anyhow::Result<config::Camera> {
    let configured = match (config, &arguments.camera) {
        (None, _) => None,
        (Some(config), None) => config.cameras.first(),
        (Some(config), Some(name)) => {
            let found = config.cameras.iter().find(|camera| camera.name == *name);
            Some(found.with_context(|| format!("the configuration has no camera {name}"))?)
        }
    };
    let name = match (&arguments.camera, configured) {
        (Some(name), _) => name.clone(),
        (None, Some(camera)) => camera.name.clone(),
        (None, None) => Name::new("replay")?,
    };
    let mut objects = configured.map_or_else(Objects::default, |camera| camera.objects.clone());
    if arguments.labels.is_some() {
        objects.labels.clone_from(&arguments.labels);
    }
    Ok(config::Camera { name, source: Source::File { path: arguments.file.clone(), repeat: false }, objects })
}

/// A boot id that is the same for the same file name: a replay is no boot, and two of them must not differ.
fn boot(file: &Path) -> Uuid {
    let name = file.file_name().unwrap_or_default();
    let digest = Sha256::digest(name.as_encoded_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The next frame, or nothing at the end of the file.
fn next(stream: &mut Stream) -> anyhow::Result<Option<spotter::frame::Frame>> {
    match stream.next(SILENCE)? {
        Next::Frame(frame) => Ok(Some(frame)),
        Next::Idle => Err(stream.silent(SILENCE).into()),
        Next::End => Ok(None),
    }
}

#[derive(Default)]
struct Counts {
    frames: u64,
    tags: u64,
    tracks: u64,
    /// Capture time of the last frame.
    last: Option<Timestamp>,
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
        first: Option<spotter::frame::Frame>,
        start: Timestamp,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let mut frame = first;
        while let Some(current) = frame {
            let tags = self.recognizer.recognize(0, &current)?;
            self.write(&tags)?;
            let tracker = self.recognizer.tracker(0);
            if let Some(tracks) = &mut self.tracks {
                tracks.add(&current, tracker);
            }
            if let Some(view) = &mut self.view {
                view.consider(&current, tracker);
            }
            self.counts.frames += 1;
            self.counts.last = Some(current.at);
            progress.at(current.at.since(start), self.counts.frames);
            frame = next(stream)?;
        }
        Ok(())
    }

    /// Ends every track and writes what comes at the end.
    fn finish(&mut self, picture: Option<&Path>) -> anyhow::Result<()> {
        let ends = self.recognizer.cut(0);
        self.write(&ends)?;
        if let Some(tags) = self.tags.take() {
            tags.finish()?;
        }
        if let Some(tracks) = self.tracks.take() {
            tracks.finish()?;
        }
        if let (Some(path), Some(view)) = (picture, &self.view) {
            view.draw(path, |track| Arc::clone(self.recognizer.label(track)))?;
        }
        Ok(())
    }

    fn write(&mut self, tags: &[spotter::tag::Tag]) -> anyhow::Result<()> {
        for tag in tags {
            self.counts.tags += 1;
            self.counts.tracks += u64::from(tag.phase == spotter::tag::Phase::Start);
            let message = self.sequencer.message(tag);
            if let Some(file) = &mut self.tags {
                file.add(message)?;
            }
        }
        Ok(())
    }
}

/// Whether the file ended where it says that it ends.
fn cut_short(file: &Path, stated: Option<Duration>, reached: Option<Duration>) -> anyhow::Result<Outcome> {
    if let Some(missing) = missing_bytes(file) {
        let reached = reached.unwrap_or_default().as_secs_f64();
        anyhow::bail!("{} was cut short after {reached:.1} s: {missing} bytes are missing", file.display());
    }
    match stated.zip(reached) {
        Some((stated, reached)) if reached + CUT_SHORT < stated => anyhow::bail!(
            "{} was cut short: it states {:.1} s of video and ends after {:.1} s",
            file.display(),
            stated.as_secs_f64(),
            reached.as_secs_f64()
        ),
        _ => Ok(Outcome::Done),
    }
}
