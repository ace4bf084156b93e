//! The file that fitted thresholds are written to.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use spotter::eval::activity::Fit;

use crate::cli::output::cannot_write;

/// The file, and where it is. What it had is overwritten.
pub(super) struct FitFile {
    path: PathBuf,
    file: File,
}

impl FitFile {
    /// Creates it before the clips are played, so that a wrong path is told at once.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| cannot_write(path))?;
        Ok(FitFile { path: path.to_owned(), file })
    }

    pub(super) fn finish(mut self, fit: &Fit) -> anyhow::Result<()> {
        self.file.write_all(fit.to_string().as_bytes()).with_context(|| cannot_write(&self.path))
    }
}
