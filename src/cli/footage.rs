//! Files to play: where the demo's own lies (`make setup` puts it into the user's cache), and which names work.

use std::path::{Path, PathBuf};

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
