//! `spotter eval activity`: how well activities are told of clips whose truth is known.

mod people;

use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Map, Value, json};
use spotter::activity::Share;
use spotter::capture::{Stream, Timing};
use spotter::clock::Timestamp;
use spotter::config::{self, Activities, Capture, Config, Objects, Source};
use spotter::daemon::open_recognizer;
use spotter::eval::activity::{self, ActivityScore, Clip, LabelScore, Rules, Told};
use spotter::name::Name;
use spotter::recognize::Recognizer;
use spotter::tag::{Body, Label, Phase, Tag, TrackId};

use self::people::PeopleFile;
use crate::cli::footage::{configured, next};
use crate::cli::log::complain;
use crate::cli::output::{OutputError, say};
use crate::cli::{Outcome, ranges, run::refuse};

/// What nothing is called in the confusion of time.
const NOTHING: &str = "nothing";

/// Scores the activities that are told of clips, through the whole path from the file to the tag.
///
/// FOLDER holds the clips and the table `truth.csv` of what happens in them. Prints for each label how often it happens
/// and how often that was told, after how long, how often it was told falsely, and for how much of its time what was told.
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
    let mut told = Vec::new();
    let mut people = arguments.people.as_deref().map(PeopleFile::create).transpose()?;
    for (index, clip) in clips.iter().enumerate() {
        complain!("{} of {}: {}", index + 1, clips.len(), clip.name);
        let capture =
            Capture { source: source(clip.file.clone(), arguments.frame_rate), ..camera.capture.clone() };
        let played = play(&mut recognizer, &camera.name, &capture, clip, people.as_mut());
        told.push(played.with_context(|| clip.name.clone())?);
    }
    people.map_or(Ok(()), PeopleFile::finish)?;
    let names = |group: &String| group.split(',').map(|label| label.trim().to_owned()).collect();
    let rules = Rules { grace_s: arguments.grace, same: arguments.same.iter().map(names).collect() };
    let pairs = clips.iter().zip(&told).map(|(clip, told)| (clip.ranges.as_slice(), told.as_slice()));
    let score = activity::score(pairs, &rules);
    if arguments.json {
        say!("{}", json(&score, &rules))?;
    } else {
        show(&score, &rules)?;
    }
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

/// What is told of a clip, in the order of the start tags.
fn play(
    recognizer: &mut Recognizer,
    camera: &Name,
    capture: &Capture,
    clip: &Clip,
    mut people: Option<&mut PeopleFile>,
) -> anyhow::Result<Vec<Told>> {
    let mut stream = Stream::open(camera.clone(), capture, Timing::Simulated(Timestamp::EPOCH))?;
    let mut diary = Diary::default();
    while let Some(frame) = next(&mut stream)? {
        diary.read(&recognizer.recognize(0, &frame)?.tags);
        if let Some(people) = &mut people {
            people.add(&clip.name, &frame, recognizer)?;
        }
    }
    diary.read(&recognizer.cut(0).tags);
    Ok(diary.told)
}

/// What is told of a clip.
#[derive(Default)]
struct Diary {
    told: Vec<Told>,
    /// What goes on: its place in `told`.
    open: Vec<(Option<TrackId>, Label, usize)>,
}

impl Diary {
    fn read(&mut self, tags: &[Tag]) {
        let seconds = |at: Timestamp| at.since(Timestamp::EPOCH).as_secs_f64();
        for tag in tags {
            let Body::Activity(activity) = &tag.body else { continue };
            let is_this = |(track, label, _): &(Option<TrackId>, Label, usize)| {
                *track == tag.track && *label == tag.label
            };
            match tag.phase {
                Phase::Start => {
                    self.open.push((tag.track, tag.label.clone(), self.told.len()));
                    self.told.push(Told {
                        label: tag.label.to_string(),
                        at_s: seconds(tag.at),
                        since_s: seconds(activity.since),
                        until_s: f64::INFINITY,
                        height: f64::from(tag.bbox.h),
                    });
                }
                Phase::Update => {}
                Phase::End => {
                    if let (Some(place), Some(summary)) =
                        (self.open.iter().position(is_this), &activity.summary)
                    {
                        let (.., told) = self.open.swap_remove(place);
                        self.told[told].until_s = seconds(summary.ended);
                    }
                }
            }
        }
    }
}

/// What was told for how long, longest first.
fn times<'a>(score: &'a LabelScore) -> Vec<(&'a str, f64)> {
    let named = |(told, time_s): (&'a Option<String>, &f64)| (told.as_deref().unwrap_or(NOTHING), *time_s);
    let mut times: Vec<(&str, f64)> = score.told_s.iter().map(named).collect();
    times.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    times
}

fn json(score: &ActivityScore, rules: &Rules) -> Value {
    let of_label = |(label, figures): (&String, &LabelScore)| {
        let told_s: Map<String, Value> =
            times(figures).into_iter().map(|(told, time_s)| (told.to_owned(), time_s.into())).collect();
        let value = json!({
            "events": figures.events,
            "told": figures.delays_s.len(),
            "recall": figures.recall(),
            "delay_s": { "median": figures.median_delay_s(), "most": figures.delays_s.last() },
            "false_events": figures.false_events,
            "false_per_hour": score.false_per_hour(label),
            "time_s": figures.time_s,
            "right": score.right(label, rules),
            "told_s": told_s,
        });
        (label.clone(), value)
    };
    json!({ "time_s": score.time_s, "labels": score.labels.iter().map(of_label).collect::<Map<String, Value>>() })
}

fn show(score: &ActivityScore, rules: &Rules) -> Result<(), OutputError> {
    let widest = score.labels.keys().map(|label| label.chars().count()).max().unwrap_or(0).max(5);
    say!(
        "{:<widest$} {:>6} {:>6} {:>9} {:>9} {:>6} {:>8} {:>8} {:>6}",
        "label",
        "events",
        "told",
        "delay [s]",
        "most [s]",
        "false",
        "false/h",
        "time [s]",
        "right"
    )?;
    let shown = |figure: Option<f64>, digits: usize| {
        figure.map_or("-".to_owned(), |figure| format!("{figure:.digits$}"))
    };
    for (label, figures) in &score.labels {
        say!(
            "{label:<widest$} {:>6} {:>6} {:>9} {:>9} {:>6} {:>8} {:>8.1} {:>6}",
            figures.events,
            figures.delays_s.len(),
            shown(figures.median_delay_s(), 1),
            shown(figures.delays_s.last().copied(), 1),
            figures.false_events,
            shown(score.false_per_hour(label), 1),
            figures.time_s,
            shown(score.right(label, rules), 3),
        )?;
    }
    say!("\n{:<widest$} what was told of its time, in seconds", "label")?;
    for (label, figures) in score.labels.iter().filter(|(_, figures)| figures.time_s > 0.0) {
        let times: Vec<String> =
            times(figures).into_iter().map(|(told, time_s)| format!("{told} {time_s:.1}")).collect();
        say!("{label:<widest$} {}", times.join(", "))?;
    }
    say!("\n{:.1} s of known truth", score.time_s)
}
