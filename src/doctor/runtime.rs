//! ONNX Runtime: the library, what it offers here, and whether the models load.

use super::{Area, Check, Verdict};
use crate::config::Config;
use crate::daemon::{Trial, TriedModel};
use crate::model::{Runtime, RuntimeError};

pub(super) fn checks(config: Option<&Config>) -> Vec<Check> {
    let new = |name: &str, verdict, text: &str| Check::new(Area::Runtime, name, verdict, text);
    let Some(config) = config else { return library(&Runtime::load(None)) };
    let Trial { library: tried, models, unmet } = Trial::of(config);
    let mut checks = library(&tried);
    checks.extend(models.iter().map(|TriedModel { key, name, version }| match version {
        Ok(version) => new(key, Verdict::Ok, &format!("{name} {version} is loaded and runs")),
        Err(why) => new(key, Verdict::Failure, why),
    }));
    checks.extend(unmet.iter().map(|why| new("labels", Verdict::Failure, why)));
    checks
}

fn library(library: &Result<Runtime, RuntimeError>) -> Vec<Check> {
    match library {
        Err(error) => vec![
            Check::new(Area::Runtime, "library", Verdict::Failure, error)
                .advise("name libonnxruntime.so with onnxruntime in [runtime]"),
        ],
        Ok(library) => {
            let text = format!("ONNX Runtime {} at {}", library.version(), library.path().display());
            let providers = library.providers();
            let told = if providers.is_empty() {
                "the library does not tell".to_owned()
            } else {
                providers.join(", ")
            };
            vec![
                Check::new(Area::Runtime, "library", Verdict::Ok, text),
                Check::new(Area::Runtime, "providers", Verdict::Ok, format!("{told}; models run on the CPU")),
            ]
        }
    }
}
