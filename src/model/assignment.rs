//! Where the nodes of a model have run, read from the profile of a session.
//!
//! A provider that cannot work, or takes nothing of a model, leaves it to the CPU and says little. What ran is in the
//! profile that ONNX Runtime writes: one event for each node and run, with the provider's name. What a provider takes as a
//! whole is one node there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::accelerator::CPU_PROVIDER;

/// Where a model's nodes have run, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// By ONNX Runtime's name of the provider.
    by_provider: BTreeMap<String, Share>,
}

/// A provider's part of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    nodes: u64,
    time_us: u64,
}

impl Assignment {
    /// Reads the profile at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is no profile.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read(path).map_err(|error| error.to_string())?;
        let events: Vec<Value> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        Ok(Self::of(&events))
    }

    fn of(events: &[Value]) -> Self {
        let mut assignment = Assignment::default();
        let mut seen = BTreeSet::new();
        for event in events {
            // Events of sessions and of threads have no provider.
            let Some(provider) = event["args"]["provider"].as_str() else { continue };
            let share = assignment.by_provider.entry(provider.to_owned()).or_default();
            share.time_us += event["dur"].as_u64().unwrap_or(0);
            // A node counts once, however often it has run.
            share.nodes += u64::from(seen.insert(event["name"].as_str()));
        }
        assignment
    }

    /// How many nodes ran on the CPU, and how many ran elsewhere.
    pub fn nodes(&self) -> (u64, u64) {
        self.split(|share| share.nodes)
    }

    /// The share of the time that was spent elsewhere than on the CPU, 0..=1.
    pub fn time_share(&self) -> f32 {
        let (cpu, elsewhere) = self.split(|share| share.time_us);
        elsewhere as f32 / (cpu + elsewhere).max(1) as f32
    }

    fn split(&self, of: impl Fn(&Share) -> u64) -> (u64, u64) {
        let sum = |on_cpu: bool| {
            let here = self.by_provider.iter().filter(|(provider, _)| (*provider == CPU_PROVIDER) == on_cpu);
            here.map(|(_, share)| of(share)).sum()
        };
        (sum(true), sum(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Assignment {
        Assignment::of(&serde_json::from_str::<Vec<Value>>(text).expect("events"))
    }

    #[test]
    fn nodes_count_once_and_time_adds_up() {
        let assignment = of(r#"[
            {"cat":"Session","name":"model_loading_array","dur":900,"args":{}},
            {"cat":"Node","name":"QNN_1_kernel_time","dur":300,"args":{"provider":"QNNExecutionProvider"}},
            {"cat":"Node","name":"Cast_kernel_time","dur":60,"args":{"provider":"CPUExecutionProvider"}},
            {"cat":"Node","name":"Pad_kernel_time","dur":40,"args":{"provider":"CPUExecutionProvider"}},
            {"cat":"Node","name":"QNN_1_kernel_time","dur":200,"args":{"provider":"QNNExecutionProvider"}},
            {"cat":"Node","name":"Cast_kernel_time","dur":0,"args":{"provider":"CPUExecutionProvider"}}]"#);
        assert_eq!(assignment.nodes(), (2, 1));
        assert!((assignment.time_share() - 500.0 / 600.0).abs() < 1e-6);
        assert_eq!(of("[]").nodes(), (0, 0));
        assert_eq!(of("[]").time_share(), 0.0);
    }
}
