//! `[mqtt]`: the broker, how to reach it safely, and what is said to it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::Broker;
use super::credential::{self, Files, Pem, Secret};
use super::outbox::{self, Outbox};
use super::read::Section;
use super::source::without_secrets;

/// `[mqtt]`: the broker and how to speak to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mqtt {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The version of MQTT to speak.
    pub version: MqttVersion,
    /// TLS, when the address is `mqtts://` or `wss://`.
    pub tls: Option<Tls>,
    /// The path to ask for by WebSocket, when the address is `ws://` or `wss://`.
    pub web: Option<String>,
    /// User name and password, when the broker wants them.
    pub login: Option<(String, Secret)>,
    /// First part of every topic, such as `spotter/v1`; no wildcard, no empty level.
    pub root: String,
    /// How often to show the broker that the node is alive.
    pub keep_alive: Duration,
    /// How payloads are wrapped.
    pub profile: Profile,
    /// The commands that are carried out; all others are refused.
    pub commands: BTreeSet<Command>,
    /// How often figures are published; never when absent.
    pub stats_interval: Option<Duration>,
    /// Bytes that a camera's picture may have, from `[snapshot]`; a larger one is made smaller.
    pub snapshot_max_bytes: Option<usize>,
    /// Where tags wait.
    pub outbox: Outbox,
    /// Home Assistant's discovery.
    pub home_assistant: HomeAssistant,
}

/// A version of MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MqttVersion {
    /// MQTT 5, which says content types and why something is refused.
    V5,
    /// MQTT 3.1.1, with the same topics and payloads.
    V311,
}

impl std::str::FromStr for MqttVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        match text {
            "5" => Ok(MqttVersion::V5),
            "3.1.1" => Ok(MqttVersion::V311),
            other => Err(BadVersion(other.to_owned())),
        }
    }
}

/// A text that is no version of MQTT.
#[derive(Debug, thiserror::Error)]
#[error("is \"{0}\"; allowed: \"5\", \"3.1.1\"")]
pub struct BadVersion(String);

/// Where systems keep the certificate authorities they trust, as one PEM file.
pub const ROOT_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// How the broker proves who it is, and this node to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The certificate authorities to trust; the system's when absent.
    pub ca: Option<Pem>,
    /// This node's certificate and its private key, when the broker wants one.
    pub identity: Option<Identity>,
    /// Whether any certificate will do: encrypted, but anybody may be at the other end.
    pub insecure: bool,
    /// Application protocols to offer, best first.
    pub alpn: Vec<String>,
    /// The name that the broker's certificate must have, when it is not the host's.
    pub server_name: Option<String>,
}

/// A certificate and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and those that lead to its authority.
    pub certificate: Pem,
    /// The private key.
    pub key: Pem,
}

/// How payloads are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As they are.
    Native,
    /// In CloudEvents 1.0, structured mode.
    CloudEvents,
    /// As they are, with the attributes of CloudEvents 1.0 as user properties (binary mode).
    CloudEventsBinary,
}

/// What a node can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    /// A picture of what a camera sees.
    Snapshot,
    /// Read the configuration again.
    Reload,
    /// Use a camera.
    CameraEnable,
    /// Do not use a camera.
    CameraDisable,
    /// Figures, now.
    Stats,
    /// Which models run.
    Models,
}

/// `[mqtt.home_assistant]`: Home Assistant's discovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeAssistant {
    /// Whether the node shows itself to Home Assistant.
    pub enabled: bool,
    /// First part of its topics.
    pub prefix: String,
    /// Whether each camera is a device of its own below the node's, which Home Assistant knows from 2026.11 on.
    pub child_devices: bool,
}

impl Default for Mqtt {
    fn default() -> Self {
        let Broker { host, port, .. } = Broker::default();
        Mqtt {
            host,
            port,
            version: MqttVersion::V5,
            tls: None,
            web: None,
            login: None,
            root: "spotter/v1".to_owned(),
            keep_alive: Duration::from_secs(30),
            profile: Profile::Native,
            commands: BTreeSet::new(),
            stats_interval: Some(Duration::from_secs(60)),
            snapshot_max_bytes: None,
            outbox: Outbox::default(),
            home_assistant: HomeAssistant::default(),
        }
    }
}

impl Default for HomeAssistant {
    fn default() -> Self {
        HomeAssistant { enabled: false, prefix: "homeassistant".to_owned(), child_devices: true }
    }
}

impl Mqtt {
    /// The broker's address as people write it: with its scheme where that is by WebSocket, without what in its path or query
    /// may be a secret.
    pub fn address(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match &self.web {
            None => format!("{}:{}", self.host, self.port),
            Some(path) => {
                let scheme = if self.tls.is_some() { "wss" } else { "ws" };
                without_secrets(&format!("{scheme}://{host}:{}{path}", self.port))
            }
        }
    }

    /// What is allowed and goes wrong with some brokers, one line each.
    pub fn cautions(&self) -> Vec<String> {
        let told = |key: &str, value: &str| {
            format!(
                "mqtt.{key} \"{value}\" has a dot: RabbitMQ takes a dot in a topic for a slash, so its subscribers see {}, and \
                 commands there do not reach this node",
                value.replace('.', "/")
            )
        };
        let keys = [("root", &self.root), ("home_assistant.prefix", &self.home_assistant.prefix)];
        keys.into_iter()
            .filter(|(_, value)| value.contains('.'))
            .map(|(key, value)| told(key, value))
            .collect()
    }

    /// Whether the broker's certificate is not verified. The node's status tells it.
    pub fn insecure(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.insecure)
    }
}

impl Command {
    /// Every command.
    pub const ALL: [Command; 6] = [
        Command::Snapshot,
        Command::Reload,
        Command::CameraEnable,
        Command::CameraDisable,
        Command::Stats,
        Command::Models,
    ];

    /// What comes after `command/` in its topic.
    pub fn as_str(self) -> &'static str {
        match self {
            Command::Snapshot => "snapshot",
            Command::Reload => "reload",
            Command::CameraEnable => "camera/enable",
            Command::CameraDisable => "camera/disable",
            Command::Stats => "stats",
            Command::Models => "models",
        }
    }

    /// The command with this name.
    pub fn named(name: &str) -> Option<Command> {
        Command::ALL.into_iter().find(|command| command.as_str() == name)
    }
}

/// Reads the section; files count from `base`, credentials from what systemd gave.
pub(super) fn read(mut section: Section<'_, '_, '_>, files: &Files<'_>, base: &Path) -> Mqtt {
    let defaults = Mqtt::default();
    let broker = section.parsed("broker", str::parse::<Broker>);
    // What only goes with TLS cannot be held against an address that is wrong itself.
    let is_tls = if section.has("broker") { broker.as_ref().map(|broker| broker.tls) } else { Some(false) };
    let Broker { host, port, web, .. } = broker.unwrap_or_default();
    let version = section.parsed("version", str::parse::<MqttVersion>).unwrap_or(defaults.version);
    let login = credential::login(&mut section, files);
    let tls = tls(&mut section, files, is_tls);
    let root = section.parsed("root", topic_prefix).unwrap_or(defaults.root);
    let keep_alive =
        section.number("keep_alive_s", 5.0..=3600.0).map_or(defaults.keep_alive, Duration::from_secs_f64);
    let profile = profile(&mut section, version).unwrap_or(defaults.profile);
    let commands = commands(&mut section);
    let stats_interval = match section.integer("stats_interval_s", 0..=3600) {
        None => defaults.stats_interval,
        Some(0) => None,
        Some(seconds @ 1..=4) => {
            section.problem(
                "stats_interval_s",
                format!("is {seconds}; it must be 0 for never, or from 5 to 3600"),
            );
            defaults.stats_interval
        }
        Some(seconds) => Some(Duration::from_secs(seconds.unsigned_abs())),
    };
    let outbox = outbox::read(section.child("outbox"), base);
    let home_assistant = home_assistant(section.child("home_assistant"));
    section.finish();
    Mqtt {
        host,
        port,
        version,
        tls,
        web,
        login,
        root,
        keep_alive,
        profile,
        commands,
        stats_interval,
        snapshot_max_bytes: None,
        outbox,
        home_assistant,
    }
}

/// Reads `[snapshot]`: bytes that a camera's picture may have.
pub(super) fn snapshot(mut section: Section<'_, '_, '_>) -> Option<usize> {
    let max_bytes = section.integer("max_bytes", 4_000..=100_000_000);
    section.finish();
    max_bytes.and_then(|bytes| bytes.try_into().ok())
}

fn tls(section: &mut Section<'_, '_, '_>, files: &Files<'_>, is_tls: Option<bool>) -> Option<Tls> {
    let ca = section.parsed("ca_file", |at| files.certificates(at));
    let certificate = section.parsed("client_cert_file", |at| files.certificates(at));
    let key = section.parsed("client_key_file", |at| files.private_key(at));
    match (section.has("client_cert_file"), section.has("client_key_file")) {
        (true, false) => section.problem("client_key_file", "is missing; client_cert_file needs it"),
        (false, true) => section.problem("client_cert_file", "is missing; client_key_file needs it"),
        _ => {}
    }
    let tls = Tls {
        ca,
        identity: certificate.zip(key).map(|(certificate, key)| Identity { certificate, key }),
        server_name: section.string("server_name"),
        alpn: section.strings("alpn").unwrap_or_default(),
        insecure: section.boolean("insecure").unwrap_or(false),
    };
    if tls.alpn.iter().any(|protocol| protocol.is_empty() || protocol.len() > 255) {
        section.problem("alpn", "has a name that is empty or longer than 255 bytes");
    }
    if tls.server_name.as_deref().is_some_and(str::is_empty) {
        section.problem("server_name", "is empty");
    }
    if tls.insecure {
        for key in ["ca_file", "server_name"] {
            if section.has(key) {
                section.problem(key, "stands beside insecure = true, which does not look at it");
            }
        }
    }
    if is_tls == Some(false) {
        let keys = ["ca_file", "client_cert_file", "client_key_file", "server_name", "alpn"];
        let given = keys.into_iter().filter(|key| section.has(key)).collect::<Vec<_>>();
        for key in given.into_iter().chain(tls.insecure.then_some("insecure")) {
            section.problem(key, "is only for a broker with mqtts:// or wss://");
        }
    }
    (is_tls == Some(true)).then_some(tls)
}

fn profile(section: &mut Section<'_, '_, '_>, version: MqttVersion) -> Option<Profile> {
    let profile = section.parsed("profile", |text| match text {
        "native" => Ok(Profile::Native),
        "cloudevents" => Ok(Profile::CloudEvents),
        "cloudevents-binary" => Ok(Profile::CloudEventsBinary),
        other => Err(format!("is \"{other}\"; allowed: \"native\", \"cloudevents\", \"cloudevents-binary\"")),
    });
    if (profile, version) == (Some(Profile::CloudEventsBinary), MqttVersion::V311) {
        section.problem(
            "profile",
            "is \"cloudevents-binary\", which needs version \"5\": 3.1.1 has no properties",
        );
    }
    profile
}

fn commands(section: &mut Section<'_, '_, '_>) -> BTreeSet<Command> {
    let mut commands = BTreeSet::new();
    for name in section.strings("commands").unwrap_or_default() {
        match Command::named(&name) {
            None => {
                let known: Vec<&str> = Command::ALL.into_iter().map(Command::as_str).collect();
                section.problem("commands", format!("has \"{name}\"; allowed: {}", known.join(", ")));
            }
            Some(command) => {
                if !commands.insert(command) {
                    section.problem("commands", format!("has \"{name}\" twice"));
                }
            }
        }
    }
    commands
}

fn home_assistant(mut section: Section<'_, '_, '_>) -> HomeAssistant {
    let defaults = HomeAssistant::default();
    let home_assistant = HomeAssistant {
        enabled: section.boolean("enabled").unwrap_or(defaults.enabled),
        prefix: section.parsed("prefix", topic_prefix).unwrap_or(defaults.prefix),
        child_devices: section.boolean("child_devices").unwrap_or(defaults.child_devices),
    };
    section.finish();
    home_assistant
}

/// Levels that can begin a topic.
fn topic_prefix(text: &str) -> Result<String, String> {
    let bad = |c: char| c == '+' || c == '#' || c.is_control();
    if text.is_empty()
        || text.len() > 200
        || text.split('/').any(str::is_empty)
        || text.contains(bad)
        || text.starts_with('$')
    {
        return Err(format!(
            "is \"{}\"; it must be topic levels such as spotter/v1, at most 200 bytes, none empty, without + # and control characters",
            text.escape_debug()
        ));
    }
    Ok(text.to_owned())
}
