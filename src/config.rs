//! Configuration: the TOML file as structs whose values are valid, defaults in one place.
//!
//! Every stage gets its own section and sees no other. `docs/configuration.md` has a line for every key, and
//! `config/spotter.toml` shows each with its default. Reading collects every error; see [`Config::parse`].

mod accelerator;
mod activities;
mod broker;
mod capture;
mod credential;
mod genicam;
mod health;
mod mqtt;
mod outbox;
mod read;
mod secrets;
mod source;
mod validate;
mod workers;
mod zones;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::name::Name;

pub use accelerator::{
    Accelerator, CPU, Device, DeviceKind, Execution, Fallback, Known, On, Place, Provider, Server,
    ServerAddress,
};
pub use activities::{Activities, ActivityRule};
pub use broker::{BadBroker, Broker};
pub use capture::{Capture, Decoder};
pub use credential::{Pem, Secret, password};
pub use genicam::{Genicam, Level, PacketSize, SensorFormat, SensorLayout};
pub use health::Health;
pub use mqtt::{BadVersion, Command, HomeAssistant, Identity, Mqtt, MqttVersion, Profile, ROOT_BUNDLES, Tls};
pub use outbox::{Outbox, Sync, service_directory, state_directory};
pub use read::{Problem, visible};
pub use secrets::Secrets;
pub use source::{BadSource, CameraUrl, Source, Transport};
pub use workers::{Crew, Worker};
pub use zones::{Line, Zone};

/// The whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[node]`: this box's name.
    pub node: Name,
    /// `[runtime]`: ONNX Runtime.
    pub runtime: Runtime,
    /// `[models]`: which models, and where they lie.
    pub models: Models,
    /// `[mqtt]`: the broker.
    pub mqtt: Mqtt,
    /// `[health]`: where the daemon answers whether it lives and is ready.
    pub health: Health,
    /// `[[camera]]`: one entry per camera, names unique; at least one.
    pub cameras: Vec<Camera>,
}

/// `[runtime]`: ONNX Runtime.
#[derive(Clone, Debug, PartialEq)]
pub struct Runtime {
    /// The library file; searched when absent.
    pub onnxruntime: Option<PathBuf>,
    /// Threads that work on one inference; 0 lets ONNX Runtime use every core.
    pub threads: usize,
    /// How much of the recognising thread's time activities may take, above 0 and below 1; detection has the rest.
    pub activity_share: f32,
}

/// `[models]`: which models, where they lie, and what they run on.
#[derive(Clone, Debug, PartialEq)]
pub struct Models {
    /// Folders whose sub-folders are model packages; the first that has the name wins.
    pub directories: Vec<PathBuf>,
    /// Name of the package that detects objects.
    pub detect: String,
    /// Name of the package that finds people's joints.
    pub pose: String,
    /// Name of the package that tells how people hold themselves.
    pub posture: String,
    /// Name of the package that recognises activities by joints.
    pub skeleton: String,
    /// Names of packages that recognise activities by short clips.
    pub clips: Vec<String>,
    /// What they are to run on.
    pub on: On,
    /// A worker with models of its own for each of these, which run there first. Empty: as many as the processor has cores for,
    /// or one, by `on`; see [`Models::crew`].
    pub workers: Vec<String>,
    /// What happens to a model that its first wish does not run as it should.
    pub fallback: Fallback,
    /// `[[accelerator]]`: what they may run on beside the CPU, names unique.
    pub accelerators: Vec<Accelerator>,
}

/// `[[camera]]`: one camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    /// Its name in topics and tags.
    pub name: Name,
    /// How its frames are taken.
    pub capture: Capture,
    /// Which objects become tags.
    pub objects: Objects,
    /// Which activities become tags.
    pub activities: Activities,
    /// Whether the tracks of every recognised frame are given out.
    pub tracks: bool,
    /// `[[camera.zone]]`: parts of the picture that things are inside of or not.
    pub zones: Vec<Zone>,
    /// `[[camera.line]]`: lines that things cross.
    pub lines: Vec<Line>,
}

impl Camera {
    /// Whether frames come to both in the same way, so that one can go on as the other: everything that capture uses.
    pub fn same_capture(&self, other: &Camera) -> bool {
        (&self.name, &self.capture) == (&other.name, &other.capture)
    }

    /// What its zones look for, as far as they say; with repetitions.
    pub fn labels_of_zones(&self) -> impl Iterator<Item = &str> {
        self.zones.iter().flat_map(|zone| zone.labels.iter().flatten()).map(String::as_str)
    }

    /// The same for its lines.
    pub fn labels_of_lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().flat_map(|line| line.labels.iter().flatten()).map(String::as_str)
    }
}

/// Whether one of `cameras` wants activities recognised, so that their models are needed.
pub fn want_activities(cameras: &[Camera]) -> bool {
    cameras.iter().any(|camera| camera.activities.enabled)
}

/// `[objects]` and `[camera.objects]`: which objects become tags, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    /// Only these labels; those that the model's package reports when absent.
    pub labels: Option<Vec<String>>,
    /// The score of a sure detection, 0..=1; the model's own when absent.
    pub score: Option<f32>,
    /// An update is sent at least this often while a thing stays.
    pub update_interval: Duration,
}

impl Default for Models {
    fn default() -> Self {
        Models {
            directories: model_directories(),
            detect: "centernet-mobilenetv3-coco".to_owned(),
            pose: "movenet-lightning".to_owned(),
            posture: "posture-tcn".to_owned(),
            skeleton: "skeleton-tcn-jhmdb".to_owned(),
            clips: Vec::new(),
            on: On::default(),
            fallback: Fallback::default(),
            workers: Vec::new(),
            accelerators: Vec::new(),
        }
    }
}

impl Default for Runtime {
    fn default() -> Self {
        Runtime { onnxruntime: None, threads: 0, activity_share: 0.5 }
    }
}

impl Default for Objects {
    fn default() -> Self {
        Objects { labels: None, score: None, update_interval: Duration::from_secs(60) }
    }
}

/// Where packages lie unless the file says otherwise: beside an installed binary, then in a checkout.
fn model_directories() -> Vec<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf));
    beside
        .iter()
        .flat_map(|bin| ["../share/spotter/models", "../../models", "../../../models"].map(|at| bin.join(at)))
        .chain([PathBuf::from("/usr/share/spotter/models"), PathBuf::from("models")])
        .filter(|directory| directory.is_dir())
        .collect()
}

/// Every problem of a configuration, or the one that kept it from being read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file was read and is wrong.
    #[error("{}", list(problems))]
    Wrong {
        /// Everything that is wrong, in the order of the file.
        problems: Vec<Problem>,
        /// What is right of it, defaults in the place of what is not, so that it can be looked at further; nothing when
        /// the text is no TOML.
        rest: Option<Box<Config>>,
    },
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

impl Config {
    /// Reads the file at `path`; relative paths in it count from the file's folder.
    ///
    /// # Errors
    /// When the file cannot be read, or with every problem that it has.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_path_buf(), error })?;
        Config::parse(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads `text`; relative paths in it count from `base`.
    ///
    /// # Errors
    /// With every problem in the text: bad syntax, unknown or missing keys, wrong types, values out of range.
    pub fn parse(text: &str, base: &Path) -> Result<Config, ConfigError> {
        let (rest, problems) = validate::config(text, base);
        match rest {
            Some(config) if problems.is_empty() => Ok(config),
            rest => Err(ConfigError::Wrong { problems, rest: rest.map(Box::new) }),
        }
    }
}
