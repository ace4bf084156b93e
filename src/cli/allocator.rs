//! What the C library's allocator is told, so that a daemon with cameras that come and go does not grow.
//!
//! Every thread of a pipeline that is built may get an arena of its own, and glibc raises its bound for what it maps with
//! each picture that is freed, so that pictures end up between small things that live long: with the defaults, each
//! hundred reconnects cost tens of megabytes that never came back. glibc reads these settings when a process begins.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// glibc's variables and what they are set to, unless somebody has set them.
const SETTINGS: [(&str, &str); 3] = [
    // Two are enough for threads that mostly work on mapped pictures.
    ("MALLOC_ARENA_MAX", "2"),
    // Pictures are mapped and given back, each by itself; a fixed bound stays as it is.
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];

/// Begins this process anew with the settings, when they are not there yet; otherwise, or when that fails, returns. To be
/// called before there is anything to lose.
pub(super) fn settle() {
    let missing: Vec<_> = SETTINGS.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect();
    if missing.is_empty() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut anew = Command::new(program);
    if let Some(name) = arguments.next() {
        anew.arg0(name);
    }
    // Returns only when it fails.
    let error = anew.args(arguments).envs(missing).exec();
    tracing::warn!(%error, "the allocator cannot be set up; memory may grow with every reconnect");
}
