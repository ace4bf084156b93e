//! What a replay writes: tags, tracks and a picture.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use spotter::activity::Pose;
use spotter::clock::Timestamp;
use spotter::eval::mot::{self, PixelBox, Row};
use spotter::frame::{Frame, Image};
use spotter::geometry::BBox;
use spotter::picture::Picture;
use spotter::publish::wire;
use spotter::recognize::Recognizer;
use spotter::tag::{Label, TrackId};
use spotter::track::{Track, Tracker};

use crate::cli::output::{OutputError, cannot_write};

/// Whether this output goes to standard output.
pub(super) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// A file, or standard output.
struct Output {
    path: PathBuf,
    writer: Box<dyn Write>,
}

impl Output {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let writer: Box<dyn Write> = if is_stdout(path) {
            // Each line goes out at once: a reader may wait for it.
            Box::new(io::stdout())
        } else {
            Box::new(BufWriter::new(File::create(path).with_context(|| cannot_write(path))?))
        };
        Ok(Output { path: path.to_owned(), writer })
    }

    fn written(&self, result: io::Result<()>) -> anyhow::Result<()> {
        match result {
            Err(error) if is_stdout(&self.path) => Err(OutputError::from(error).into()),
            result => result.with_context(|| cannot_write(&self.path)),
        }
    }

    fn write(&mut self, text: &str) -> anyhow::Result<()> {
        let result = self.writer.write_all(text.as_bytes());
        self.written(result)
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let result = self.writer.flush();
        self.written(result)
    }
}

/// Tags as JSON, one per line.
pub(super) struct TagFile(Output);

impl TagFile {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        Ok(TagFile(Output::create(path)?))
    }

    pub(super) fn add(&mut self, tag: wire::Tag) -> anyhow::Result<()> {
        let json = wire::Message::Tag(tag).to_json();
        self.0.write(&format!("{json}\n"))
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        self.0.finish()
    }
}

/// Tracks in MOTChallenge format. Rows wait in memory until the end, as those of a track's first moments are known only
/// when it is confirmed, and the file is in the order of frames.
pub(super) struct TrackFile {
    output: Output,
    /// Capture time of every frame, in order.
    frames: Vec<Timestamp>,
    rows: Vec<Row>,
}

impl TrackFile {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        Ok(TrackFile { output: Output::create(path)?, frames: Vec::new(), rows: Vec::new() })
    }

    /// Adds every track that is visible on `frame`, and the earlier boxes of those that it confirmed.
    pub(super) fn add(&mut self, frame: &Frame, tracker: &Tracker) {
        self.frames.push(frame.at);
        for (track, sightings) in tracker.newly_confirmed() {
            let earlier = sightings.iter().filter(|sighting| sighting.at != frame.at);
            self.rows.extend(earlier.filter_map(|sighting| {
                let frame_number = self.frames.iter().rposition(|&at| at == sighting.at)? + 1;
                Some(row(frame_number, track.id, &sighting.bbox, sighting.score, &frame.image))
            }));
        }
        let visible = tracker.tracks().filter(|track| track.visible);
        let number = self.frames.len();
        self.rows.extend(visible.map(|track| row(number, track.id, &track.bbox, track.score, &frame.image)));
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.rows.sort_by_key(|row| (row.frame, row.id));
        self.output.write(&mot::write(&self.rows))?;
        self.output.finish()
    }
}

fn row(frame: usize, id: TrackId, bbox: &BBox, score: f32, image: &Image) -> Row {
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    let bbox = bbox.clipped();
    Row {
        frame: u32::try_from(frame).unwrap_or(u32::MAX),
        id: i64::try_from(id.0).unwrap_or(i64::MAX),
        bbox: PixelBox {
            left: f64::from(bbox.x) * width,
            top: f64::from(bbox.y) * height,
            width: f64::from(bbox.w) * width,
            height: f64::from(bbox.h) * height,
        },
        score: f64::from(score),
    }
}

/// The frame to draw: the one at a moment, or else the one with the most visible tracks.
pub(super) struct BestView {
    at: Option<Timestamp>,
    best: Option<View>,
}

/// A frame and what was known of it.
struct View {
    image: Image,
    tracks: Vec<Seen>,
    /// From which score on a joint is drawn.
    joint_score: f32,
}

/// A track, with the pose that was taken on this very frame, and what it was told to be doing.
struct Seen {
    track: Track,
    label: Label,
    pose: Option<Pose>,
    activity: Option<(Label, f32)>,
}

impl BestView {
    pub(super) fn new(start: Timestamp, at_s: Option<f64>) -> Self {
        BestView { at: at_s.map(|s| start + Duration::from_secs_f64(s.max(0.0))), best: None }
    }

    /// Looks at a frame that the recogniser has just seen as its camera 0.
    pub(super) fn consider(&mut self, frame: &Frame, recognizer: &Recognizer) {
        let visible = recognizer.tracker(0).tracks().filter(|track| track.visible).count();
        let better = match (&self.best, self.at) {
            (None, _) => true,
            // The last frame up to the moment.
            (Some(_), Some(at)) => frame.at <= at,
            (Some(best), None) => visible > best.tracks.iter().filter(|seen| seen.track.visible).count(),
        };
        if better {
            self.best = Some(View::of(frame, recognizer));
        }
    }

    pub(super) fn draw(&self, path: &Path) -> anyhow::Result<()> {
        let view = self.best.as_ref().context("there is no frame to draw")?;
        let mut picture = Picture::new(&view.image);
        let posed = view.tracks.iter().filter_map(|seen| Some((&seen.track, seen.pose.as_ref()?)));
        picture.draw_joints(&posed.collect::<Vec<_>>(), view.joint_score);
        let tracks: Vec<Track> = view.tracks.iter().map(|seen| seen.track.clone()).collect();
        let of = |track: &Track| view.tracks.iter().find(|seen| seen.track.id == track.id);
        picture.draw_tracks(
            &tracks,
            |track| of(track).map_or_else(|| Label::from(""), |seen| Label::clone(&seen.label)),
            |track| of(track)?.activity.clone(),
        );
        Ok(picture.write(path)?)
    }
}

impl View {
    fn of(frame: &Frame, recognizer: &Recognizer) -> Self {
        let seen = |track: &Track| Seen {
            track: track.clone(),
            label: Label::clone(recognizer.label(track)),
            pose: recognizer.pose(0, track.id).filter(|pose| pose.at == frame.at).cloned(),
            activity: recognizer.activity(0, track.id).map(|(label, score)| (Label::clone(label), score)),
        };
        View {
            image: frame.image.clone(),
            tracks: recognizer.tracker(0).tracks().map(seen).collect(),
            joint_score: recognizer.activities().map_or(0.0, |models| models.pose.joint_score()),
        }
    }
}
