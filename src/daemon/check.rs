//! Whether this machine can serve a configuration: everything is tried that can be without starting anything.
//!
//! For `check`, and for a reload, which refuses what cannot be served.

use std::path::PathBuf;

use super::models::{Opening, crew};
use super::trial::Trial;
use crate::capture::{Room, Stream};
use crate::config::{self, Config};
use crate::recognize::Known;

/// Everything in a configuration that this machine cannot serve: files that are not there, pipelines that cannot be
/// built, a runtime library or a model that does not load, labels and scores that the model does not give. Starts
/// nothing, and connects to nothing but a server that a model is to run on.
pub fn unservable(config: &Config) -> Vec<String> {
    let mut problems = sources(config);
    problems.extend(Room::shortages(&config.cameras));
    problems.extend(Trial::of(config).problems());
    problems
}

/// The same for a node that already runs with models: these are not loaded a second time as long as the configuration asks
/// for no others. Another runtime library cannot be had, since a process has one.
pub(super) fn unservable_by(config: &Config, served: &Served) -> Vec<String> {
    if let Some(problem) = other_library(&served.runtime, &config.runtime) {
        let mut rest = config.clone();
        rest.runtime.onnxruntime.clone_from(&served.runtime.onnxruntime);
        let mut problems = vec![problem];
        problems.extend(unservable_by(&rest, served));
        return problems;
    }
    if !served.has_models_of(config) {
        return unservable(config);
    }
    let mut known = served.known.clone();
    let mut problems = sources(config);
    problems.extend(Room::shortages(&config.cameras));
    if config::want_activities(&config.cameras) && !known.has_activities() {
        let worker = config.models.workers()[0];
        let threads = crew(&config.runtime, &config.models, config.cameras.len()).threads;
        let mut opening = Opening::new(&config.runtime, &config.models, worker, threads);
        let activities = opening.activities();
        problems.extend(Trial::from(opening).problems());
        if let Some(activities) = activities {
            known = known.with_activities(&activities);
        }
    }
    problems.extend(known.unmet(&config.cameras));
    problems
}

/// That the runtime library is named otherwise than it was when it was loaded.
fn other_library(served: &config::Runtime, asked: &config::Runtime) -> Option<String> {
    if asked.onnxruntime == served.onnxruntime {
        return None;
    }
    let named = |runtime: &config::Runtime| {
        runtime.onnxruntime.as_ref().map_or("not set".to_owned(), |path| path.display().to_string())
    };
    let (is, was) = (named(asked), named(served));
    Some(format!(
        "runtime.onnxruntime is {is} and was {was} at the start: another library takes a restart of the process"
    ))
}

/// What a node runs with, as far as another configuration is held against it.
pub(super) struct Served {
    pub(super) models: config::Models,
    pub(super) runtime: config::Runtime,
    pub(super) health: config::Health,
    /// The folder of the outbox.
    pub(super) outbox: Option<PathBuf>,
    pub(super) known: Known,
}

impl Served {
    /// Whether the configuration asks for the models that run, in the same way.
    fn has_models_of(&self, config: &Config) -> bool {
        (&config.models, &config.runtime) == (&self.models, &self.runtime)
    }
}

/// Said of a file that is not there, nor the folder that it should be in.
const NO_FOLDER: &str =
    ", nor is its folder. If it is an address, begin it with rtsp://, rtsps://, http:// or https://";

/// Cameras whose sources are not there, or of which no pipeline can be built.
fn sources(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    for config::Camera { name, capture, .. } in &config.cameras {
        match &capture.source {
            source @ config::Source::File { path, .. } if !path.exists() => {
                let is_folder_missing = path.parent().is_some_and(|folder| !folder.exists());
                let hint = if is_folder_missing { NO_FOLDER } else { "" };
                problems.push(format!("camera {name}: source is {source}, which is not there{hint}"));
            }
            _ => problems.extend(Stream::check(capture).err().map(|error| format!("camera {name}: {error}"))),
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_runtime_library_is_refused_whether_the_key_comes_goes_or_changes() {
        let runtime = |path: Option<&str>| config::Runtime {
            onnxruntime: path.map(PathBuf::from),
            ..config::Runtime::default()
        };
        let end = "at the start: another library takes a restart of the process";
        for (served, asked, expected) in [
            (None, None, None),
            (Some("/a.so"), Some("/a.so"), None),
            (None, Some("/a.so"), Some("is /a.so and was not set")),
            (Some("/a.so"), None, Some("is not set and was /a.so")),
            (Some("/a.so"), Some("/b.so"), Some("is /b.so and was /a.so")),
        ] {
            let expected = expected.map(|what| format!("runtime.onnxruntime {what} {end}"));
            assert_eq!(other_library(&runtime(served), &runtime(asked)), expected);
        }
        let threads = config::Runtime { threads: 1, ..runtime(Some("/a.so")) };
        assert_eq!(other_library(&runtime(Some("/a.so")), &threads), None, "the node starts anew");
    }
}
