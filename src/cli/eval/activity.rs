//! `spotter eval activity`: how well activities are told of clips whose truth is known.

mod fit;
mod people;
mod report;

use std::path::PathBuf;

use anyhow::Context;
use spotter::activity::Share;
use spotter::capture::{Stream, Timing};
use spotter::clock::Timestamp;
use spotter::config::{self, Activities, Capture, Config, Objects, Source};
use spotter::daemon::open_recognizer;
use spotter::eval::activity::{self, Calibration, Clip, Diary, Recording, Rules};
use spotter::name::Name;
use spotter::recognize::Recognizer;

use self::fit::FitFile;
use self::people::PeopleFile;
use crate::cli::footage::{configured, next};
use crate::cli::log::complain;
use crate::cli::{Outcome, ranges, run::refuse};

/// Scores the activities that are told of clips, through the whole path from the file to the tag.
///
/// FOLDER holds the clips and the table `truth.csv` of what happens in them. Prints for each label how often it happens
/// and how often that was told, after how long, how often it was told falsely, and for how much of its time what was told.
/// Prints also how often scores are right, and writes better thresholds with `--fit`.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The folder of the clips.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Labels that stand for each other, separated by commas. May be given several times.
    #[arg(long, value_name = "LABELS", default_value = "fall,fallen")]
    same: Vec<String>,
    /// A tag comes in time until so many seconds after the end of what happens.
    #[arg(long, value_name = "SECONDS", default_value_t = Rules::default().grace_s, value_parser = ranges::number(0.0..=3600.0))]
    grace: f64,
    /// Frames per second that the files were recorded at, from 0.1 to 1000, when that is not what they state.
    #[arg(long, value_name = "N", value_parser = ranges::number(0.1..=1000.0))]
    frame_rate: Option<f64>,
    /// Write everybody's boxes and joints to this file, one JSON object per line.
    #[arg(long, value_name = "FILE")]
    people: Option<PathBuf>,
    /// Find the best threshold of each label on these clips, and write them to this file, for a configuration.
    #[arg(long, value_name = "FILE")]
    fit: Option<PathBuf>,
    /// Take models and runtime from this configuration, and objects and activities from the camera that `--camera` names.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The camera whose settings count (default: the first).
    #[arg(long, value_name = "NAME", requires = "config")]
    camera: Option<Name>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let clips = activity::truth(&arguments.folder)?;
    let config = match arguments.config.as_deref().map(|path| (path, Config::load(path))) {
        None => None,
        Some((_, Ok(config))) => Some(config),
        Some((path, Err(error))) => return Ok(refuse(path, &error)),
    };
    let (runtime, models) =
        config.as_ref().map(|config| (config.runtime.clone(), config.models.clone())).unwrap_or_default();
    let camera = camera(arguments, config.as_ref())?;
    let mut recognizer = open_recognizer(&runtime, &models, std::slice::from_ref(&camera), Share::Unlimited)?;
    let mut people = arguments.people.as_deref().map(PeopleFile::create).transpose()?;
    let fit_file = arguments.fit.as_deref().map(FitFile::create).transpose()?;
    let names = |group: &String| group.split(',').map(|label| label.trim().to_owned()).collect();
    let rules = Rules { grace_s: arguments.grace, same: arguments.same.iter().map(names).collect() };
    let mut calibration = Calibration::default();
    let (mut diaries, mut recordings) = (Vec::new(), Vec::new());
    for (index, clip) in clips.iter().enumerate() {
        complain!("{} of {}: {}", index + 1, clips.len(), clip.name);
        let capture =
            Capture { source: source(clip.file.clone(), arguments.frame_rate), ..camera.capture.clone() };
        let played = play(&mut recognizer, &camera.name, &capture, clip, people.as_mut());
        let (diary, recording) = played.with_context(|| clip.name.clone())?;
        let spans = recording.scores(&camera.activities);
        calibration.add(&clip.ranges, diary.scores(), &spans, &rules);
        diaries.push(diary);
        // Judgements of long clips take room.
        if fit_file.is_some() {
            recordings.push(recording);
        }
    }
    people.map_or(Ok(()), PeopleFile::finish)?;
    if let Some(file) = fit_file {
        complain!("fitting thresholds");
        let known = recognizer.activities().map_or_else(Vec::new, |models| models.labels());
        let clips: Vec<_> =
            clips.iter().zip(&recordings).map(|(clip, recording)| (&*clip.ranges, recording)).collect();
        file.finish(&activity::fit(&clips, &camera.activities, &known, &rules))?;
    }
    let score = activity::score(
        clips.iter().zip(&diaries).map(|(clip, diary)| (&*clip.ranges, diary.told())),
        &rules,
    );
    report::print(&score, &calibration, &rules, arguments.json)?;
    Ok(Outcome::Done)
}

/// A camera with the settings that count.
fn camera(arguments: &Arguments, config: Option<&Config>) -> anyhow::Result<config::Camera> {
    let found = configured(config, arguments.camera.as_ref())?;
    Ok(config::Camera {
        name: Name::new("clip")?,
        capture: Capture::of(source(PathBuf::new(), None)),
        objects: found.map_or_else(Objects::default, |camera| camera.objects.clone()),
        activities: found.map_or_else(Activities::default, |camera| camera.activities.clone()),
        tracks: false,
        zones: Vec::new(),
        lines: Vec::new(),
    })
}

fn source(path: PathBuf, frame_rate: Option<f64>) -> Source {
    Source::File { path, repeat: false, frame_rate }
}

/// What is told of a clip, and the judgements that this comes of.
fn play(
    recognizer: &mut Recognizer,
    camera: &Name,
    capture: &Capture,
    clip: &Clip,
    mut people: Option<&mut PeopleFile>,
) -> anyhow::Result<(Diary, Recording)> {
    let mut stream = Stream::open(camera.clone(), capture, Timing::Simulated(Timestamp::EPOCH))?;
    let (mut diary, mut recording) = (Diary::default(), Recording::new(camera.clone()));
    while let Some(frame) = next(&mut stream)? {
        let recognized = recognizer.recognize(0, &frame)?;
        diary.read(&recognized.tags);
        recording.add(frame.at, recognized.judgements);
        if let Some(people) = &mut people {
            people.add(&clip.name, &frame, recognizer)?;
        }
    }
    diary.read(&recognizer.cut(0).tags);
    Ok((diary, recording))
}
