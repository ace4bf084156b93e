//! Where the demo's footage lies: `make setup` puts it into the user's cache.

use std::path::PathBuf;

/// The file `name` in the cache, when it is there.
pub(super) fn cached(name: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(cache.join("spotter/footage").join(name)).filter(|path| path.is_file())
}
