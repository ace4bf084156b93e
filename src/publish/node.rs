//! What a node is, and how its models run, as its status says it.

use std::time::Duration;

use uuid::Uuid;

use super::Scene;
use crate::clock::Timestamp;
use crate::name::Name;
use crate::tag::ModelRef;

/// Who publishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name, unique at the broker below one root.
    pub name: Name,
    /// This run of it.
    pub boot: Uuid,
    /// Spotter's version.
    pub version: String,
    /// The models it runs.
    pub models: Vec<LoadedModel>,
    /// What it computes on.
    pub accelerators: Accelerators,
    /// Its cameras, as Home Assistant is told of them and as retained topics are held against.
    pub cameras: Vec<Scene>,
}

/// A model that a node runs.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedModel {
    /// Which.
    pub reference: ModelRef,
    /// What for, such as `detect`.
    pub task: String,
    /// The number of the worker that it runs for, from 1; none where there is one only.
    pub worker: Option<usize>,
    /// What it was to run on, best first.
    pub asked: Vec<String>,
    /// Those of them that do not run it, though they come before the one that does.
    pub passed_over: Vec<PassedOver>,
    /// Whether it runs. Otherwise it ran where `reference` says, and failed.
    pub runs: bool,
    /// Since when it runs there, by the steady clock; the last time that it began to when it does not.
    pub since: Timestamp,
    /// How long loading and trying it took.
    pub start: Duration,
    /// The accelerator that it runs on, if it does.
    pub accelerated: Option<Accelerated>,
}

/// An accelerator that does not run a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Its name.
    pub on: String,
    /// Why, for everybody: without paths.
    pub reason: String,
    /// Why, for who looks after the machine.
    pub details: String,
}

/// How a model runs on an accelerator.
#[derive(Clone, Debug, PartialEq)]
pub struct Accelerated {
    /// ONNX Runtime's name of the execution provider, or `oip` for a server on another machine.
    pub provider: String,
    /// SHA-256 of the plug-in library; none when the provider is built into the runtime library.
    pub library_sha256: Option<String>,
    /// The device, as far as its provider describes it, or the server's software.
    pub device: Option<String>,
    /// Where the server is that pictures go to; none when they stay on this machine.
    pub address: Option<String>,
    /// What became of the compiled model on the disk: `stored`, `loaded` or `rebuilt`; none when none is kept.
    pub compiled: Option<String>,
    /// The share of the model's nodes that run there, 0..=1.
    pub nodes_share: f32,
    /// The share of the time of a run that is spent there, 0..=1.
    pub time_share: f32,
    /// How far what it computed there was from what it computes on the CPU.
    pub self_test: String,
}

/// What a node computes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accelerators {
    /// All that the configuration asks for, in the order in which its models do.
    pub asked: Vec<String>,
    /// What is in use.
    pub used: String,
}

impl Accelerators {
    /// Those of `models`, without repetitions: wishes in their order, and what runs at least one of them.
    pub fn of(models: &[LoadedModel]) -> Self {
        let mut asked: Vec<String> = Vec::new();
        let mut used: Vec<&str> = Vec::new();
        for model in models {
            asked
                .extend(model.asked.iter().filter(|wish| !asked.contains(wish)).cloned().collect::<Vec<_>>());
            let on = &*model.reference.on;
            if model.runs && !used.contains(&on) {
                used.push(on);
            }
        }
        Accelerators { asked, used: used.join(", ") }
    }
}
