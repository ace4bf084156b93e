//! A model package on disk: found by name, read, and compared with the hash it promises.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::manifest::{
    ClipSpec, DetectSpec, Labels, Manifest, PoseSpec, PostureSpec, Problem, SelfTestSpec, SkeletonSpec, Spec,
    Task,
};
use crate::config;
use crate::tag::{Label, ModelRef};

/// The manifest's file name.
const MANIFEST: &str = "model.toml";

/// Classes are counted in 16 bits.
const MAX_LABELS: usize = 1 << 16;

/// A package whose manifest is valid, whose labels are there and whose model has the promised hash.
#[derive(Clone, Debug)]
pub struct Package {
    folder: PathBuf,
    manifest: Manifest,
    labels: Arc<[Label]>,
    reference: Arc<ModelRef>,
}

/// Why a package cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// No model directory has a package of the name.
    #[error(
        "there is no model package `{name}`; looked in {}; found {}",
        or_none(looked_in.iter().map(|path| path.display().to_string()).collect()),
        or_none(available.clone())
    )]
    Unknown {
        /// The name asked for.
        name: String,
        /// The model directories.
        looked_in: Vec<PathBuf>,
        /// The names of the packages in them.
        available: Vec<String>,
    },
    /// A file of the package, or a model directory, cannot be read.
    #[error("{}: {what} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What it is for.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The manifest has problems, all of which are here.
    #[error("{}: {}", path.display(), lines(problems))]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        problems: Vec<Problem>,
    },
    /// The labels make no list.
    #[error("{}: line {line} is empty: a labels file has one label per line", path.display())]
    EmptyLabel {
        /// The labels file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// More labels than a class can count.
    #[error("{}: {found} labels, but there can be at most {MAX_LABELS}", folder.display())]
    TooManyLabels {
        /// The package.
        folder: PathBuf,
        /// How many there are.
        found: usize,
    },
    /// A key for labels has a word that is none.
    #[error("{}: `{key}` has \"{label}\", which is none of the package's labels", path.display())]
    UnknownLabel {
        /// The manifest.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// The word.
        label: String,
    },
    /// The package is not for what it is to do.
    #[error("package `{name}` is for `{is}`, but `{}` needs one that is for `{wanted}`", key(*wanted))]
    Task {
        /// The package.
        name: String,
        /// What it is for.
        is: Task,
        /// What is wanted of it.
        wanted: Task,
    },
    /// The model is not the one that the manifest describes.
    #[error("{}: SHA-256 is {found}, but {MANIFEST} promises {expected}", path.display())]
    Hash {
        /// The model file.
        path: PathBuf,
        /// The file's hash.
        found: String,
        /// The manifest's hash.
        expected: String,
    },
}

impl PackageError {
    /// Whether it may be gone at the next try although nobody has changed the package: a disk that fails, for one. A file
    /// that is not there, or is no text where it should be, is not of that kind.
    pub fn may_pass(&self) -> bool {
        use io::ErrorKind::{InvalidData, IsADirectory, NotADirectory, NotFound};
        let PackageError::Unreadable { source, .. } = self else { return false };
        !matches!(source.kind(), NotFound | NotADirectory | InvalidData | IsADirectory)
    }
}

impl Package {
    /// Reads the package in `folder` and compares its model with the promised hash.
    ///
    /// # Errors
    /// When a file cannot be read, the manifest or the labels have problems, or the hash differs.
    pub fn open(folder: &Path) -> Result<Self, PackageError> {
        let path = folder.join(MANIFEST);
        let manifest = Manifest::parse(&read_text(&path, "the manifest")?)
            .map_err(|problems| PackageError::Manifest { path, problems })?;
        let labels = match &manifest.labels {
            Labels::None => Arc::default(),
            Labels::Inline(labels) => labels.iter().map(|label| Label::from(label.as_str())).collect(),
            Labels::File(file) => read_labels(&folder.join(file))?,
        };
        if labels.len() > MAX_LABELS {
            return Err(PackageError::TooManyLabels { folder: folder.to_owned(), found: labels.len() });
        }
        let no_label = |word: &str| !labels.iter().any(|known| **known == *word);
        if let Some((key, word)) = manifest.spec.labels().into_iter().find(|(_, word)| no_label(word)) {
            let (path, label) = (folder.join(MANIFEST), word.to_owned());
            return Err(PackageError::UnknownLabel { path, key, label });
        }
        let reference = Arc::new(ModelRef {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            sha256: manifest.sha256.clone(),
            on: config::CPU.into(),
        });
        let package = Package { folder: folder.to_owned(), manifest, labels, reference };
        package.read_model()?;
        Ok(package)
    }

    /// Opens the package in the folder `name` of the first of `directories` that has one.
    ///
    /// # Errors
    /// When none has one, with the names that there are; else as [`Package::folders`] and [`Package::open`].
    pub fn find(name: &str, directories: &[PathBuf]) -> Result<Self, PackageError> {
        let folders = Self::folders(directories)?;
        match folders.iter().find(|folder| folder_name(folder) == name) {
            Some(folder) => Self::open(folder),
            None => Err(PackageError::Unknown {
                name: name.to_owned(),
                looked_in: directories.to_vec(),
                available: folders.iter().map(|folder| folder_name(folder)).collect(),
            }),
        }
    }

    /// Every folder of `directories` with a manifest, in the order of the directories and then by name. A directory
    /// that is not there has none.
    ///
    /// # Errors
    /// When a directory is there and cannot be read: what it has might hide what a later one has.
    pub fn folders(directories: &[PathBuf]) -> Result<Vec<PathBuf>, PackageError> {
        let mut folders = Vec::new();
        for directory in directories {
            let unreadable = |source| PackageError::Unreadable {
                path: directory.clone(),
                what: "the directory of models",
                source,
            };
            let entries = match fs::read_dir(directory) {
                Ok(entries) => entries.collect::<Result<Vec<_>, _>>().map_err(unreadable)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(unreadable(error)),
            };
            let mut here: Vec<PathBuf> = entries
                .iter()
                .map(|entry| entry.path())
                .filter(|path| path.join(MANIFEST).is_file())
                .collect();
            here.sort();
            folders.append(&mut here);
        }
        Ok(folders)
    }

    /// Where the package is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Name, version and hash, as tags carry them.
    pub fn reference(&self) -> &Arc<ModelRef> {
        &self.reference
    }

    /// The same of a model that runs on `on`.
    pub fn reference_on(&self, on: &str) -> ModelRef {
        ModelRef { on: on.into(), ..ModelRef::clone(&self.reference) }
    }

    /// What the model is for.
    pub fn task(&self) -> Task {
        self.manifest.spec.task()
    }

    /// The labels; a class is an index into them. None for `pose`.
    pub fn labels(&self) -> &Arc<[Label]> {
        &self.labels
    }

    /// What a detector takes and gives.
    ///
    /// # Errors
    /// When the package is for another task.
    pub fn detect(&self) -> Result<&DetectSpec, PackageError> {
        match self.spec() {
            Spec::Detect(spec) => Ok(spec),
            _ => Err(self.not_for(Task::Detect)),
        }
    }

    /// What a pose model takes and gives.
    ///
    /// # Errors
    /// When the package is for another task.
    pub fn pose(&self) -> Result<&PoseSpec, PackageError> {
        match self.spec() {
            Spec::Pose(spec) => Ok(spec),
            _ => Err(self.not_for(Task::Pose)),
        }
    }

    /// What a classifier of postures takes and gives.
    ///
    /// # Errors
    /// When the package is for another task.
    pub fn posture(&self) -> Result<&PostureSpec, PackageError> {
        match self.spec() {
            Spec::Posture(spec) => Ok(spec),
            _ => Err(self.not_for(Task::Posture)),
        }
    }

    /// What a classifier of joint windows takes and gives.
    ///
    /// # Errors
    /// When the package is for another task.
    pub fn skeleton(&self) -> Result<&SkeletonSpec, PackageError> {
        match self.spec() {
            Spec::Skeleton(spec) => Ok(spec),
            _ => Err(self.not_for(Task::Skeleton)),
        }
    }

    /// What a classifier of clips takes and gives.
    ///
    /// # Errors
    /// When the package is for another task.
    pub fn clip(&self) -> Result<&ClipSpec, PackageError> {
        match self.spec() {
            Spec::Clip(spec) => Ok(spec),
            _ => Err(self.not_for(Task::Clip)),
        }
    }

    /// The model's licence.
    pub fn licence(&self) -> &str {
        &self.manifest.licence
    }

    /// Where the model comes from.
    pub fn source(&self) -> &str {
        &self.manifest.source
    }

    pub(super) fn self_test_spec(&self) -> &SelfTestSpec {
        &self.manifest.selftest
    }

    pub(super) fn spec(&self) -> &Spec {
        &self.manifest.spec
    }

    fn not_for(&self, wanted: Task) -> PackageError {
        PackageError::Task { name: self.manifest.name.clone(), is: self.task(), wanted }
    }

    /// The bytes of the model, compared with the hash: what was verified is what is run.
    pub(super) fn read_model(&self) -> Result<Vec<u8>, PackageError> {
        let path = self.model_path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) => return Err(PackageError::Unreadable { path, what: "the model", source }),
        };
        let found = sha256(&bytes);
        if found == self.manifest.sha256 {
            Ok(bytes)
        } else {
            Err(PackageError::Hash { path, found, expected: self.manifest.sha256.clone() })
        }
    }

    pub(super) fn model_path(&self) -> PathBuf {
        self.folder.join(&self.manifest.file)
    }
}

/// The SHA-256 as 64 lower-case hex digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_text(path: &Path, what: &'static str) -> Result<String, PackageError> {
    fs::read_to_string(path).map_err(|source| PackageError::Unreadable {
        path: path.to_owned(),
        what,
        source,
    })
}

/// One label per line; empty lines only at the end.
fn read_labels(path: &Path) -> Result<Arc<[Label]>, PackageError> {
    let text = read_text(path, "the labels file")?;
    let empty = |line| PackageError::EmptyLabel { path: path.to_owned(), line };
    let labels: Vec<Label> = text.trim_end().lines().map(|line| Label::from(line.trim())).collect();
    match labels.iter().position(|label| label.is_empty()) {
        Some(index) => Err(empty(index + 1)),
        None if labels.is_empty() => Err(empty(1)),
        None => Ok(labels.into()),
    }
}

fn folder_name(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn or_none(names: Vec<String>) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// One problem on the line of the path, several below it.
fn lines(problems: &[Problem]) -> String {
    match problems {
        [problem] => problem.to_string(),
        problems => problems.iter().map(|problem| format!("\n  {problem}")).collect(),
    }
}

/// The key of the configuration that asks for a task.
fn key(task: Task) -> &'static str {
    match task {
        Task::Detect => "models.detect",
        Task::Pose => "models.pose",
        Task::Posture => "models.posture",
        Task::Skeleton => "models.skeleton",
        Task::Clip => "models.clips",
    }
}
