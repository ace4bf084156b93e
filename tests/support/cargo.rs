//! Cargo, called by a test: as from a shell.

use std::process::Command;

/// Takes from a command what cargo has told this test about its package. Build scripts ask for these variables, so that
/// cargo would build their crates, and all that uses them, once more, and again after the test.
pub fn from_shell(command: &mut Command) -> &mut Command {
    let told = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    });
    told.fold(command, |command, name| command.env_remove(name))
}
