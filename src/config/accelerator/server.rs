//! A server that runs models on another machine, by the Open Inference Protocol.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::address::ServerAddress;
use crate::config::read::Section;

/// The word of a configuration for it, in the place of a provider.
pub(super) const WORD: &str = "oip";
/// What a run may take, in milliseconds: at least, at most, and without an option.
const TIMEOUT_MS: (i64, i64, i64) = (10, 10_000, 1000);

/// Servers of the Open Inference Protocol, version 2, that have the same models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where they listen. Never empty.
    pub addresses: Vec<ServerAddress>,
    /// What one run may take, all addresses together.
    pub timeout: Duration,
    /// A file with the certificate authorities to trust, PEM; those of the system when absent.
    pub ca_file: Option<PathBuf>,
}

impl Server {
    /// `None` only when a problem has been noted.
    pub(super) fn read(section: &mut Section<'_, '_, '_>, base: &Path) -> Option<Self> {
        drop(section.string("provider"));
        let texts = if section.text("address").is_some() {
            section.string("address").map(|address| vec![address])
        } else {
            section.strings("address")
        };
        if texts.as_ref().map_or(!section.has("address"), Vec::is_empty) {
            section.problem(
                "address",
                "is missing; it is where the server listens, such as \"grpc://10.0.0.5:8001\"",
            );
        }
        let mut addresses = Vec::new();
        for text in texts.iter().flatten() {
            match ServerAddress::parse(text) {
                Ok(address) => addresses.push(address),
                Err(why) => section.problem("address", format!("has {why}")),
            }
        }
        let is_allowed = section.boolean("allow_remote");
        if is_allowed != Some(true) {
            let why = "must be true: with this provider, pictures of the cameras leave this machine";
            section.problem("allow_remote", why);
        }
        let (least, most, usual) = TIMEOUT_MS;
        let mut options = section.child("options");
        let timeout = options.integer("timeout_ms", least..=most).unwrap_or(usual);
        let ca_file = options.string("ca_file").map(|path| base.join(path));
        options.finish();
        let timeout = Duration::from_millis(timeout.unsigned_abs());
        let is_sound = is_allowed == Some(true) && !addresses.is_empty();
        is_sound.then_some(Server { addresses, timeout, ca_file })
    }
}
