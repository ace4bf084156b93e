//! The manifest `model.toml`: what a package says about itself, read strictly.
//!
//! A head that is the same for every task, and what the task needs. Every key is known and every value checked; all
//! problems of a file are found in one pass. Called by [`super::Package`] only. Nothing here opens a file.

mod clip;
mod detect;
mod input;
mod output;
mod pose;
mod posture;
mod section;
mod selftest;
mod skeleton;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use toml::{Table, Value};

use crate::name::Name;
use section::Section;

pub(super) use clip::ClipLayout;
pub use clip::{Activation as ClipActivation, ClipInput, ClipSpec, Scope as ClipScope};
pub use detect::{BadThresholds, DetectSpec, Objects, Thresholds};
pub use input::Input;
pub(super) use input::{Align, Channels, InputType, Layout, Resize};
pub use output::{Activation, Coordinates, CornerOrder, Output};
pub use pose::{PointOrder, PoseSpec};
pub use posture::PostureSpec;
pub(super) use selftest::SelfTestSpec;
pub use selftest::Tolerance;
pub use skeleton::SkeletonSpec;

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Objects and their boxes on a frame.
    Detect,
    /// A person's joints on a crop.
    Pose,
    /// How a person holds themselves, from their box and joints over time.
    Posture,
    /// What a person does, from joints over time.
    Skeleton,
    /// What goes on, from frames over time.
    Clip,
}

/// The section that every task may have.
const SELF_TEST: (&str, bool) = ("selftest", false);

impl Task {
    const ALL: [(&str, Task); 5] = [
        ("detect", Task::Detect),
        ("pose", Task::Pose),
        ("posture", Task::Posture),
        ("skeleton", Task::Skeleton),
        ("clip", Task::Clip),
    ];

    /// The sections of its manifest, and whether they must be there.
    fn sections(self) -> &'static [(&'static str, bool)] {
        match self {
            Task::Detect => {
                &[("input", true), ("output", true), ("thresholds", true), ("objects", false), SELF_TEST]
            }
            Task::Pose => {
                &[("input", true), ("output", true), ("thresholds", true), ("crop", true), SELF_TEST]
            }
            Task::Posture => &[("input", true), ("output", true), ("postures", true), SELF_TEST],
            Task::Skeleton => &[("input", true), ("output", true), ("activities", false), SELF_TEST],
            Task::Clip => &[("input", true), ("output", true), ("clip", true), SELF_TEST],
        }
    }
}

impl fmt::Display for Task {
    /// The word of a manifest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Task::Detect => "detect",
            Task::Pose => "pose",
            Task::Posture => "posture",
            Task::Skeleton => "skeleton",
            Task::Clip => "clip",
        })
    }
}

/// One thing wrong with a manifest: the key, what is there, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

/// Where the labels are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Labels {
    /// The task has none.
    None,
    /// In a file of the package, one per line.
    File(PathBuf),
    /// In the manifest.
    Inline(Vec<String>),
}

/// What a manifest says for its task.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Spec {
    Detect(DetectSpec),
    Pose(PoseSpec),
    Posture(PostureSpec),
    Skeleton(SkeletonSpec),
    Clip(ClipSpec),
}

impl Spec {
    pub fn task(&self) -> Task {
        match self {
            Spec::Detect(_) => Task::Detect,
            Spec::Pose(_) => Task::Pose,
            Spec::Posture(_) => Task::Posture,
            Spec::Skeleton(_) => Task::Skeleton,
            Spec::Clip(_) => Task::Clip,
        }
    }

    /// Name, type and shape of the model's only input.
    pub fn input(&self) -> (&str, InputType, Vec<usize>) {
        match self {
            Spec::Detect(DetectSpec { input, .. }) | Spec::Pose(PoseSpec { input, .. }) => {
                (&input.name, input.element, input.shape().to_vec())
            }
            Spec::Posture(spec) => (&spec.input, InputType::F32, spec.shape().to_vec()),
            Spec::Skeleton(spec) => (&spec.input, InputType::F32, spec.shape().to_vec()),
            Spec::Clip(ClipSpec { input, .. }) => (input.name(), input.element, input.shape().to_vec()),
        }
    }

    /// Keys and their words that must be labels of the package.
    pub fn labels(&self) -> Vec<(&'static str, &str)> {
        match self {
            Spec::Detect(spec) => spec.labels(),
            Spec::Pose(_) => Vec::new(),
            Spec::Posture(spec) => spec.labels(),
            Spec::Skeleton(spec) => spec.labels(),
            Spec::Clip(spec) => spec.unknown.iter().map(|word| ("output.unknown", word.as_str())).collect(),
        }
    }

    fn read(task: Task, sections: &mut Sections<'_>) -> Option<Self> {
        match task {
            Task::Detect => DetectSpec::read(sections).map(Spec::Detect),
            Task::Pose => PoseSpec::read(sections).map(Spec::Pose),
            Task::Posture => PostureSpec::read(sections).map(Spec::Posture),
            Task::Skeleton => SkeletonSpec::read(sections).map(Spec::Skeleton),
            Task::Clip => ClipSpec::read(sections).map(Spec::Clip),
        }
    }
}

/// The sections of a manifest that are still to be read.
struct Sections<'p> {
    tables: BTreeMap<&'static str, Table>,
    problems: &'p mut Vec<Problem>,
}

impl Sections<'_> {
    /// What `read` makes of the section; `None` when it is not there, or a problem was noted.
    fn read<T>(&mut self, name: &'static str, read: impl FnOnce(Section<'_>) -> Option<T>) -> Option<T> {
        let table = self.tables.remove(name)?;
        read(Section::new(name, table, self.problems))
    }
}

/// A manifest whose every value has been checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Manifest {
    pub name: String,
    pub version: String,
    /// The `.onnx`, relative to the package.
    pub file: PathBuf,
    /// 64 lower-case hex digits.
    pub sha256: String,
    pub licence: String,
    pub source: String,
    pub labels: Labels,
    pub spec: Spec,
    pub selftest: SelfTestSpec,
}

impl Manifest {
    /// Reads the text of a `model.toml`.
    ///
    /// # Errors
    /// Every problem of the text, in the order of the file's sections.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let table = text.parse::<Table>().map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
            vec![Problem(format!("line {line} is not TOML: {}", error.message().replace('\n', " ")))]
        })?;
        let mut problems = Vec::new();
        match Self::read(table, &mut problems) {
            Some(manifest) if problems.is_empty() => Ok(manifest),
            _ => Err(problems),
        }
    }

    /// `None` only when a problem has been noted.
    fn read(table: Table, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut top = Section::new("", table, problems);
        let schema = top.required("schema", "1", |v| v.as_integer().filter(|&n| n == 1));
        let name = top
            .required("name", "1 to 64 characters out of A-Z a-z 0-9 _ -", |v| Name::new(v.as_str()?).ok());
        let version = top.required("version", "1 to 32 characters out of A-Z a-z 0-9 . _ + -", version);
        let task = top.choice("task", &Task::ALL);
        let file = top.required("file", "the name of a file in the package", inner_path);
        let sha256 = top.required(
            "sha256",
            "the model file's SHA-256 as 64 hex digits, as sha256sum prints it",
            sha256,
        );
        let licence = top.required("licence", "a text such as \"MIT\"", section::text);
        let source = top.required("source", "a text that says where the model comes from", section::text);
        // Which other keys there may be hangs on the task, so without it they are not judged.
        let task = task?;
        let labels = match task {
            Task::Pose => Some(Labels::None),
            Task::Detect | Task::Posture | Task::Skeleton | Task::Clip => top.required(
                "labels",
                "the name of a file in the package with one label per line, or an array of texts",
                labels,
            ),
        };
        let mut tables = BTreeMap::new();
        for &(section, required) in task.sections() {
            let table = if required { top.table(section) } else { top.optional_table(section) };
            tables.extend(table.map(|table| (section, table)));
        }
        top.finish();

        let mut sections = Sections { tables, problems };
        let spec = Spec::read(task, &mut sections);
        // Without a section it is the usual one; a section that is wrong has noted a problem.
        let selftest = sections.read(SELF_TEST.0, SelfTestSpec::read).unwrap_or_default();
        schema?;
        Some(Manifest {
            name: name?.as_str().to_owned(),
            version: version?,
            file: file?,
            sha256: sha256?,
            licence: licence?,
            source: source?,
            labels: labels?,
            spec: spec?,
            selftest,
        })
    }
}

fn version(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let fits = (1..=32).contains(&text.len());
    let safe = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b));
    (fits && safe).then(|| text.to_owned())
}

fn sha256(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| text.to_ascii_lowercase())
}

/// A relative path that stays inside the package.
fn inner_path(value: &Value) -> Option<PathBuf> {
    let path = Path::new(value.as_str()?);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    (inside && path.file_name().is_some()).then(|| path.to_owned())
}

fn labels(value: &Value) -> Option<Labels> {
    match value {
        Value::Array(_) => section::texts(value).map(Labels::Inline),
        _ => inner_path(value).map(Labels::File),
    }
}

#[cfg(test)]
mod tests;
