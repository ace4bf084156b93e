//! How a node publishes: the configuration, checked, and what is needed to reach the broker by it.
//!
//! Made by whoever starts a [`super::Publisher`] or changes one. Pure but for the certificates that it reads.

use super::dial::Dial;
use super::topic::Root;
use super::{PublishError, digest};
use crate::config;
use crate::name::Name;

/// How a node publishes.
pub struct Settings {
    pub(super) mqtt: config::Mqtt,
    pub(super) root: Root,
    pub(super) dial: Dial,
}

impl Settings {
    /// Checks `mqtt` for the node of this name.
    ///
    /// # Errors
    /// When the configured root is no topic, or TLS cannot be set up.
    pub fn new(mqtt: &config::Mqtt, node: &Name) -> Result<Self, PublishError> {
        let root = Root::new(&mqtt.root)?;
        let dial = Dial::new(mqtt, client_id(&root, node))?;
        Ok(Settings { mqtt: mqtt.clone(), root, dial })
    }
}

/// The same for every run of a node, and no other's. The same, because then a broker that still holds the connection of
/// a run that died drops it when the next one comes, and sends its last will before the new run says that it is online;
/// under another id the will would come minutes later and call a running node offline. Two roots may have nodes of the
/// same name, hence the hash.
fn client_id(root: &Root, node: &Name) -> String {
    format!("spotter-{node}-{}", digest::short(&root.to_string()))
}

/// Whether it takes another connection to go on as `new`. What is not named here does: the last will is fixed when a
/// connection begins, and so are the subscriptions.
pub(super) fn reconnects(old: &config::Mqtt, new: &config::Mqtt) -> bool {
    let alike = config::Mqtt {
        commands: old.commands.clone(),
        snapshot_max_bytes: old.snapshot_max_bytes,
        stats_interval: old.stats_interval,
        outbox: old.outbox.clone(),
        ..new.clone()
    };
    alike != *old
}

/// Whether both speak to the same broker, as far as one can tell.
pub(super) fn same_broker(old: &config::Mqtt, new: &config::Mqtt) -> bool {
    (&old.host, old.port, &old.web) == (&new.host, new.port, &new.web)
}

/// Whether whoever listens by `old` hears nothing any more from a node that publishes by `new`.
pub(super) fn moves(old: &config::Mqtt, new: &config::Mqtt) -> bool {
    !same_broker(old, new) || old.root != new.root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Command, Profile};
    use crate::publish::test_config;

    #[test]
    fn only_what_a_connection_is_made_of_needs_another_one() {
        type Change = fn(&mut config::Mqtt);
        let cases: [(Change, bool, bool); 11] = [
            (|_| {}, false, false),
            (|mqtt| mqtt.commands.extend([Command::Stats]), false, false),
            (|mqtt| mqtt.stats_interval = None, false, false),
            (|mqtt| mqtt.outbox.backlog_rate = 9, false, false),
            (|mqtt| mqtt.profile = Profile::CloudEvents, true, false),
            (|mqtt| mqtt.keep_alive *= 2, true, false),
            (|mqtt| mqtt.home_assistant.enabled = true, true, false),
            (|mqtt| mqtt.login = Some(("me".to_owned(), config::Secret::new("x".to_owned()))), true, false),
            (|mqtt| mqtt.port += 1, true, true),
            (|mqtt| mqtt.host = "localhost".to_owned(), true, true),
            (|mqtt| mqtt.root = "site/7".to_owned(), true, true),
        ];
        let old = test_config(1883);
        for (index, (change, expected, moved)) in cases.into_iter().enumerate() {
            let mut new = old.clone();
            change(&mut new);
            assert_eq!((reconnects(&old, &new), moves(&old, &new)), (expected, moved), "case {index}");
        }
    }
}
