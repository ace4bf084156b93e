//! Commands: from a message at a command's topic to a request that may be carried out, or why not.
//!
//! Pure. Called by [`super::pending`], which answers `stats` and `models` itself and hands the rest to the daemon.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::link::Incoming;
use super::topic::Topic;
use super::wire::{CameraRequest, ErrorCode, NoArguments, ReplyError};
use crate::config::Command;
use crate::name::Name;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A picture of what a camera sees.
    Snapshot(Name),
    /// To read the configuration again.
    Reload,
    /// To switch a camera on or off.
    Switch {
        /// The camera.
        camera: Name,
        /// On.
        on: bool,
    },
}

/// A request that the daemon is to carry out and to answer with [`super::Handle::answer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub ask: Ask,
    pub(super) reply: ReplyTo,
}

/// Where the answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReplyTo {
    /// The command, as it was written.
    pub(super) command: String,
    /// None when there is nowhere to answer to.
    pub(super) topic: Option<Topic>,
    pub(super) correlation: Option<Vec<u8>>,
}

/// A request, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Understood {
    Daemon(Ask),
    Stats,
    Models,
}

/// What a message at the topic of the command `name` asks for.
///
/// # Errors
/// When it is retained, unknown, not listed or malformed.
pub(super) fn understand(
    name: &str,
    incoming: &Incoming,
    listed: &BTreeSet<Command>,
) -> Result<Understood, ReplyError> {
    if incoming.retained {
        let why = "a retained request is refused: it may be years old".to_owned();
        return Err(ReplyError { code: ErrorCode::Retained, message: why });
    }
    let command = Command::named(name).ok_or_else(|| {
        let known = Command::ALL.map(Command::as_str).join(", ");
        ReplyError {
            code: ErrorCode::Unknown,
            message: format!("there is no such command; there are {known}"),
        }
    })?;
    if !listed.contains(&command) {
        let message = format!("`{name}` is not listed under mqtt.commands in this node's configuration");
        return Err(ReplyError { code: ErrorCode::NotAllowed, message });
    }
    let camera = || read::<CameraRequest>(&incoming.payload).map(|request| request.camera);
    let nothing = || read::<NoArguments>(&incoming.payload).map(drop);
    Ok(match command {
        Command::Snapshot => Understood::Daemon(Ask::Snapshot(camera()?)),
        Command::CameraEnable => Understood::Daemon(Ask::Switch { camera: camera()?, on: true }),
        Command::CameraDisable => Understood::Daemon(Ask::Switch { camera: camera()?, on: false }),
        Command::Reload => {
            nothing()?;
            Understood::Daemon(Ask::Reload)
        }
        Command::Stats => {
            nothing()?;
            Understood::Stats
        }
        Command::Models => {
            nothing()?;
            Understood::Models
        }
    })
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, ReplyError> {
    // Nothing is as good as an empty object.
    let payload = if payload.is_empty() { b"{}" } else { payload };
    serde_json::from_slice(payload)
        .map_err(|error| ReplyError { code: ErrorCode::Malformed, message: format!("the request: {error}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::link::{Properties, QoS};

    fn incoming(payload: &str, retained: bool) -> Incoming {
        Incoming {
            topic: String::new(),
            payload: payload.as_bytes().to_vec(),
            retained,
            qos: QoS::AtLeastOnce,
            properties: Properties::default(),
        }
    }

    #[test]
    fn requests_are_understood_or_refused_with_a_reason() {
        let listed =
            BTreeSet::from([Command::Snapshot, Command::CameraDisable, Command::Stats, Command::Reload]);
        let ramp = || Name::new("ramp").unwrap();
        for (name, payload, retained, expected) in [
            ("stats", "", false, Ok(Understood::Stats)),
            ("stats", "{}", false, Ok(Understood::Stats)),
            ("reload", "", false, Ok(Understood::Daemon(Ask::Reload))),
            ("snapshot", r#"{"camera":"ramp"}"#, false, Ok(Understood::Daemon(Ask::Snapshot(ramp())))),
            (
                "camera/disable",
                r#"{"camera":"ramp"}"#,
                false,
                Ok(Understood::Daemon(Ask::Switch { camera: ramp(), on: false })),
            ),
            ("camera/enable", r#"{"camera":"ramp"}"#, false, Err(ErrorCode::NotAllowed)),
            ("models", "", false, Err(ErrorCode::NotAllowed)),
            ("dance", "", false, Err(ErrorCode::Unknown)),
            ("stats", "", true, Err(ErrorCode::Retained)),
            ("snapshot", "", false, Err(ErrorCode::Malformed)),
            ("snapshot", r#"{"camera":"a/b"}"#, false, Err(ErrorCode::Malformed)),
            ("snapshot", r#"{"camera":"ramp","size":1}"#, false, Err(ErrorCode::Malformed)),
            ("stats", "[1]", false, Err(ErrorCode::Malformed)),
            ("reload", "\u{0}", false, Err(ErrorCode::Malformed)),
        ] {
            let understood = understand(name, &incoming(payload, retained), &listed);
            assert_eq!(understood.map_err(|error| error.code), expected, "{name} {payload}");
        }
    }
}
