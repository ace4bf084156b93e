//! Files to play: where the demo's own lies (`make setup` puts it into the user's cache), which names work, whose settings
//! count, and frame after frame.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use spotter::capture::{Next, Stream};
use spotter::config::{self, Config};
use spotter::frame::Frame;
use spotter::name::Name;

/// How long a file may give no frame before it counts as hanging.
const SILENCE: Duration = Duration::from_secs(30);

/// Frames per second that vtest.avi was recorded at; it states 10, at which everybody hurries.
pub(super) const VTEST_FRAME_RATE: f64 = 7.0;

/// The file `name` in the cache, when it is there.
pub(super) fn cached(name: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(cache.join("spotter/footage").join(name)).filter(|path| path.is_file())
}

/// GStreamer takes no other names.
pub(super) fn ensure_utf8(path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(path.to_str().is_some(), "the name {path:?} is not UTF-8: give the file another one");
    Ok(())
}

/// The camera whose settings count: the one of this name, else the first; nothing without a configuration.
pub(super) fn configured<'a>(
    config: Option<&'a Config>,
    name: Option<&Name>,
) -> anyhow::Result<Option<&'a config::Camera>> {
    Ok(match (config, name) {
        (None, _) => None,
        (Some(config), None) => config.cameras.first(),
        (Some(config), Some(name)) => {
            let found = config.cameras.iter().find(|camera| camera.name == *name);
            Some(found.with_context(|| format!("the configuration has no camera {name}"))?)
        }
    })
}

/// The next frame, or nothing at the end of the file.
pub(super) fn next(stream: &mut Stream) -> anyhow::Result<Option<Frame>> {
    match stream.next(SILENCE)? {
        Next::Frame(frame) => Ok(Some(frame)),
        Next::Idle => Err(stream.silent(SILENCE).into()),
        Next::End => Ok(None),
    }
}
