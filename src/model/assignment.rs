//! Where the nodes of a model have run, read from the profile of a session.
//!
//! A provider that cannot work, or takes nothing of a model, leaves it to the CPU and says little. What ran is in the
//! profile that ONNX Runtime writes: one event for each node and run, with the provider's name. What a provider takes as a
//! whole is one node there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

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

    /// All of a model, as one node, by what is called `provider`.
    pub(super) fn whole(provider: &str) -> Self {
        let share = Share { nodes: 1, time_us: 1 };
        Assignment { by_provider: BTreeMap::from([(provider.to_owned(), share)]) }
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

    /// How many nodes a provider of this name has run.
    pub fn nodes(&self, provider: &str) -> u64 {
        self.by_provider.get(provider).map_or(0, |share| share.nodes)
    }

    /// How many nodes have run anywhere.
    pub fn all_nodes(&self) -> u64 {
        self.by_provider.values().map(|share| share.nodes).sum()
    }

    /// The share of the time that a provider of this name has taken, 0..=1.
    pub fn time_share(&self, provider: &str) -> f32 {
        let all: u64 = self.by_provider.values().map(|share| share.time_us).sum();
        let own = self.by_provider.get(provider).map_or(0, |share| share.time_us);
        own as f32 / all.max(1) as f32
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
        let [qnn, cpu] = ["QNNExecutionProvider", "CPUExecutionProvider"];
        assert_eq!((assignment.nodes(qnn), assignment.nodes(cpu), assignment.all_nodes()), (1, 2, 3));
        assert!((assignment.time_share(qnn) - 500.0 / 600.0).abs() < 1e-6);
        assert_eq!((assignment.nodes("another"), assignment.time_share("another")), (0, 0.0));
        assert_eq!((of("[]").all_nodes(), of("[]").time_share(cpu)), (0, 0.0));
    }
}
