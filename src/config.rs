//! Configuration: the TOML file as structs whose values are valid, and nothing of how they are read.
//!
//! Every stage gets its own section. `docs/configuration.md` has a line for every key.

use std::fmt;
use std::time::Duration;

/// `[mqtt]`: the broker and how to speak to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mqtt {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether to speak TLS, verified against the system's certificate authorities.
    pub tls: bool,
    /// User name and password, when the broker wants them.
    pub login: Option<(String, Secret)>,
    /// First part of every topic, such as `spotter/v1`; no wildcard, no empty level.
    pub root: String,
    /// How often to show the broker that the node is alive.
    pub keep_alive: Duration,
    /// How many messages may wait in memory while the broker is away; past it the oldest goes, counted.
    pub queue_messages: usize,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: String) -> Self {
        Secret(text)
    }

    /// The text itself, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
