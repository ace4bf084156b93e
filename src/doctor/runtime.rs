//! ONNX Runtime: the library, what it offers here, and whether the models load.

use super::{Area, Check, Verdict};
use crate::config::Config;
use crate::daemon::Trial;
use crate::model::{Runtime, RuntimeError};
use crate::publish::{Accelerated, LoadedModel, PassedOver};

pub(super) fn checks(config: Option<&Config>) -> Vec<Check> {
    let new = |name: &str, verdict, text: &str| Check::new(Area::Runtime, name, verdict, text);
    let Some(config) = config else { return library(&Runtime::load(None)) };
    let Trial { library: tried, models, unmet } = Trial::of(config);
    let mut checks = library(&tried);
    checks.extend(models.iter().map(|tried| match &tried.loaded {
        Ok(loaded) => runs(&tried.place(), loaded),
        Err(why) => new(&tried.place(), Verdict::Failure, why),
    }));
    checks.extend(unmet.iter().map(|why| new("labels", Verdict::Failure, why)));
    checks
}

/// A model that runs, and where; a warning when that is not where it was to run.
fn runs(key: &str, LoadedModel { reference, passed_over, accelerated, .. }: &LoadedModel) -> Check {
    let text = format!("{} {} is loaded and runs on {}", reference.name, reference.version, reference.on);
    let how = accelerated.as_ref().map(|Accelerated { provider, device, nodes_share, self_test, .. }| {
        let device = device.as_ref().map(|device| format!(", {device}")).unwrap_or_default();
        format!(" ({provider}{device}): {:.0} % of its nodes; self-test: {self_test}", 100.0 * nodes_share)
    });
    let text = text + &how.unwrap_or_default();
    if passed_over.is_empty() {
        return Check::new(Area::Runtime, key, Verdict::Ok, text);
    }
    let why: Vec<String> =
        passed_over.iter().map(|PassedOver { on, details, .. }| format!("{on}: {details}")).collect();
    Check::new(Area::Runtime, key, Verdict::Warning, format!("{text}, not on {}", why.join("; ")))
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
                Check::new(Area::Runtime, "providers", Verdict::Ok, told),
            ]
        }
    }
}
